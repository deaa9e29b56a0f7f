import type { ClickHouseClient } from '@clickhouse/client'
import { DRILL } from '../facts/drill.ts'
import { EMPTY_SPAN } from '../facts/span.ts'
import { idOf } from '../lib/hash.ts'
import { rowsOf } from '../store/store.clickhouse.ts'
import { type Arrivals, readBatch, readShare, storeBatch } from './accept.clickhouse.ts'
import { countBatch } from './batch.clickhouse.ts'
import { type Stamp, wholeSeconds } from './rows.ts'
import { setAside } from './set-aside.clickhouse.ts'
import { wholeOf } from './share.ts'
import { type BatchContext, closeBatch, type StoredBatch } from './steps.clickhouse.ts'
import { together } from './together.ts'

/** What became of a batch that cannot be counted. */
export type TakenBack = Readonly<{
  seq: number
  /** Facts that were set aside; 0: they were accepted again, in two batches. */
  setAside: number
  /** One of them, for people: a trace, an outcome or a series; '' where a crash came between and none stands in the batch any more. */
  id: string
  error: string
}>

const ERROR_CHARACTERS = 2_000
/** The store's own words may quote what it was given, and nobody could erase a customer from a sentence. */
const PSEUDONYMS = /[0-9a-f]{32}/gi

/** What was decided of a batch, as its rows in `taken_back` say it. */
export type TakingBack = Readonly<{
  stamp: Stamp
  error: string
  /** Facts that are set aside; 0: they go on in two halves. */
  setAside: number
  /** Of the first half; the second has the number after it. */
  half: Stamp
  /** Its facts stand where they were to go. */
  isMoved: boolean
}>

/**
 * Takes a batch back that cannot be counted: its facts are accepted again in two halves, as batches like any other; one that is left
 * with a single trace, outcome or series sets it aside. What was counted of it already is counted back, so nothing of it remains. What is to be
 * done is written down first, with the numbers and clocks of the halves: repeated, every step writes the same rows under the same tokens.
 * @param half stamp of the next batch; the number after it must be free as well
 */
export async function takeBack(
  context: BatchContext,
  batch: StoredBatch,
  error: string,
  half: Stamp,
): Promise<TakenBack> {
  const taking: TakingBack = {
    stamp: batch.share.stamp,
    error: error.replaceAll(PSEUDONYMS, '…').slice(0, ERROR_CHARACTERS),
    setAside: unitsOf(batch).length > 1 ? 0 : countOf(batch),
    half,
    isMoved: false,
  }
  await writeDown(context.store, taking)
  return carryOut(context, taking, batch)
}

/** Ends what was begun of a batch; as long as it has not ended, nothing else may be accepted. */
export const endTakingBack = async (context: BatchContext, taking: TakingBack): Promise<TakenBack> =>
  carryOut(context, taking, await readShare(context.store, wholeOf(taking.stamp)))

/** The batch that is being taken back, of those from this number on: batches end in order, so there is one at most. */
export async function takingBackFrom(store: ClickHouseClient, from: number): Promise<TakingBack | null> {
  type Row = Omit<TakingBack, 'stamp' | 'half' | 'isMoved'> & { stamp: StampRow; half: StampRow; moved: 0 | 1 }
  const [row] = await rowsOf<Row>(
    store,
    `SELECT error, set_aside AS setAside, moved, ${stampSql('seq', 'accepted_at', 'received_at')} AS stamp,
       ${stampSql('half_seq', 'half_accepted_at', 'half_received_at')} AS half
     FROM taken_back WHERE seq >= {from:UInt64} ORDER BY taken_back.seq, moved DESC LIMIT 1`,
    { from },
  )
  if (!row) return null
  const { error, setAside, moved } = row
  return { error, setAside, stamp: stampIn(row.stamp), half: stampIn(row.half), isMoved: moved === 1 }
}

type StampRow = readonly [seq: number, acceptedAtMs: number, receivedAtSeconds: number]
const stampSql = (seq: string, acceptedAt: string, receivedAt: string): string =>
  `[toInt64(${seq}), toUnixTimestamp64Milli(${acceptedAt}), toInt64(toUnixTimestamp(${receivedAt}))]`
const stampIn = ([seq, acceptedAtMs, receivedAtSeconds]: StampRow): Stamp => ({
  seq,
  acceptedAtMs,
  receivedAtMs: receivedAtSeconds * 1000,
})

const writeDown = (store: ClickHouseClient, { stamp, error, setAside, half, isMoved }: TakingBack) =>
  store.insert({
    table: 'taken_back',
    values: [
      {
        seq: stamp.seq,
        accepted_at: stamp.acceptedAtMs,
        received_at: wholeSeconds(stamp.receivedAtMs),
        error,
        set_aside: setAside,
        half_seq: half.seq,
        half_accepted_at: half.acceptedAtMs,
        half_received_at: wholeSeconds(half.receivedAtMs),
        moved: isMoved ? 1 : 0,
      },
    ],
    format: 'JSONEachRow',
    clickhouse_settings: { insert_deduplication_token: `${isMoved ? 'x' : 'w'}${stamp.seq}`, async_insert: 0 },
  })

async function carryOut(context: BatchContext, taking: TakingBack, batch: StoredBatch): Promise<TakenBack> {
  const { store } = context
  const { stamp, half, error } = taking
  const units = unitsOf(batch)
  if (!taking.isMoved) {
    if (taking.setAside > 0) await setAside(store, batch, error)
    else {
      const middle = units.length >> 1
      await storeBatch(context, wholeOf(half), joined(units.slice(0, middle)))
      await storeBatch(context, wholeOf({ ...half, seq: half.seq + 1 }), joined(units.slice(middle)))
    }
    await writeDown(store, { ...taking, isMoved: true })
  }
  await empty(store, stamp.seq)
  await closeBatch(context, stamp, { spans: 0, newSpans: 0, outcomes: 0, points: 0 })
  return { seq: stamp.seq, setAside: taking.setAside, id: units[0]?.id ?? '', error }
}

const countOf = ({ spans, outcomes, points }: Arrivals): number => spans.length + outcomes.length + points.length

/** What belongs together in a batch: the spans of a trace, the copies of an outcome, the points of a series. */
type Unit = Arrivals & Readonly<{ id: string }>

function unitsOf({ spans, outcomes, points }: Arrivals): Unit[] {
  const none = { spans: [], outcomes: [], points: [] }
  return [
    ...[...Map.groupBy(spans, (span) => span.traceId)].map(([id, some]) => ({ ...none, id, spans: some })),
    ...[...Map.groupBy(outcomes, ({ outcomeId }) => outcomeId)].map(([id, some]) => ({ ...none, id, outcomes: some })),
    ...[...Map.groupBy(points, ({ series }) => series)].map(([id, some]) => ({ ...none, id, points: some })),
  ]
}

const joined = (units: readonly Unit[]): Arrivals => ({
  spans: units.flatMap((unit) => unit.spans),
  outcomes: units.flatMap((unit) => unit.outcomes),
  points: units.flatMap((unit) => unit.points),
})

/** What a batch made of its facts, and the facts. */
const MADE = [
  'contact_parts',
  'places',
  'linked_outcomes',
  'contact_changes',
  'contacts',
  'spans',
  'outcomes',
  'metric_points',
]

/** Totals are sums, so what the batch counted is counted back in them; everything else of it is deleted. */
async function empty(store: ClickHouseClient, seq: number): Promise<void> {
  await store.command({
    query: `INSERT INTO deltas SELECT * REPLACE (-n AS n) FROM deltas WHERE seq = {seq:UInt64}
      SETTINGS insert_deduplication_token = 'v${seq}', insert_select_deduplicate = 1, deduplicate_blocks_in_dependent_materialized_views = 1`,
    query_params: { seq },
  })
  await together(
    MADE.map((table) =>
      store.command({ query: `ALTER TABLE ${table} DELETE WHERE seq = ${seq} SETTINGS mutations_sync = 2` }),
    ),
  )
}

/**
 * Counts a contact of Andon's own, which nothing that anybody sent can spoil. Rejects when that fails too: then not the facts are at fault, and
 * setting them aside would lose them. Its batch stays open and is driven in its turn.
 * @param later batches that are open behind the one that fails: one of them may be such a contact already
 * @param stamp of the next batch
 */
export async function proveCounting(context: BatchContext, later: readonly number[], stamp: Stamp): Promise<void> {
  const seq = await probeAmong(context.store, later)
  const isThere = seq !== undefined
  await countBatch(
    context,
    isThere ? await readBatch(context.store, seq) : await storeBatch(context, wholeOf(stamp), probeOf(stamp)),
  )
}

async function probeAmong(store: ClickHouseClient, seqs: readonly number[]): Promise<number | undefined> {
  const rows = await rowsOf<{ seq: number; traceId: string }>(
    store,
    'SELECT DISTINCT seq, trace_id AS traceId FROM spans WHERE trace_id IN {traces:Array(String)}',
    { traces: seqs.map(probeTrace) },
  )
  return rows.find(({ seq, traceId }) => traceId === probeTrace(seq))?.seq
}

const PROBE = 'probe'
const probeTrace = (seq: number): string => idOf('probe', seq)

function probeOf({ seq, acceptedAtMs }: Stamp): Arrivals {
  const traceId = probeTrace(seq)
  const common = {
    ...EMPTY_SPAN,
    traceId,
    startedAtMs: acceptedAtMs,
    endedAtMs: acceptedAtMs,
    agentName: DRILL.control,
    serviceName: DRILL.control,
    release: PROBE,
    environment: DRILL.environment,
    conversation: `probe-${seq}`,
    customer: idOf('probe', 'customer', seq),
    intent: PROBE,
  }
  const agent = { ...common, spanId: traceId.slice(0, 16), role: 'agent' as const }
  const tool = {
    ...common,
    spanId: traceId.slice(16),
    parentSpanId: agent.spanId,
    role: 'tool' as const,
    tool: PROBE,
    action: 'create' as const,
    result: 'ok' as const,
    recordKey: idOf('probe', 'record', seq),
  }
  return { spans: [agent, tool], outcomes: [], points: [] }
}
