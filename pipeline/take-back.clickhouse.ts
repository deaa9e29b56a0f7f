import type { ClickHouseClient } from '@clickhouse/client'
import { DRILL, isDrill } from '../facts/drill.ts'
import { EMPTY_SPAN } from '../facts/span.ts'
import { idOf } from '../lib/hash.ts'
import { rowsOf } from '../store/store.clickhouse.ts'
import { type Arrivals, storeBatch } from './accept.clickhouse.ts'
import { countBatch } from './batch.clickhouse.ts'
import type { Stamp } from './rows.ts'
import { setAside } from './set-aside.clickhouse.ts'
import { wholeOf } from './share.ts'
import { type BatchContext, closeBatch, type StoredBatch } from './steps.clickhouse.ts'

/** What became of a batch that cannot be counted. */
export type TakenBack = Readonly<{
  seq: number
  /** Facts that were set aside; 0: they were accepted again, in two batches. */
  setAside: number
  /** One of them, for people: a trace, an outcome or a series. */
  id: string
  error: string
}>

const ERROR_CHARACTERS = 2_000
/** The store's own words may quote what it was given, and nobody could erase a customer from a sentence. */
const PSEUDONYMS = /[0-9a-f]{32}/gi

/**
 * Takes a batch back that cannot be counted: its facts are accepted again in two halves, as batches like any other; one that is left
 * with a single trace, outcome or series sets it aside. What was counted of it already is counted back, so nothing of it remains. It is written down
 * first and every step may be repeated: facts that are accepted twice are copies, which change nothing.
 * @param stamp of the next batch, and of the one after it
 */
export async function takeBack(
  context: BatchContext,
  batch: StoredBatch,
  error: string,
  stamp: Stamp,
): Promise<TakenBack> {
  const { store } = context
  const { seq } = batch.share.stamp
  const told = error.replaceAll(PSEUDONYMS, '…').slice(0, ERROR_CHARACTERS)
  await store.insert({
    table: 'taken_back',
    values: [{ seq, error: told }],
    format: 'JSONEachRow',
    clickhouse_settings: { insert_deduplication_token: `w${seq}`, async_insert: 0 },
  })
  const units = unitsOf(batch)
  const half = units.length >> 1
  if (half > 0) {
    await storeBatch(context, wholeOf(stamp), joined(units.slice(0, half)))
    await storeBatch(context, wholeOf({ ...stamp, seq: stamp.seq + 1 }), joined(units.slice(half)))
  } else await setAside(store, batch, told)
  await empty(store, seq)
  await closeBatch(context, batch.share.stamp, { spans: 0, newSpans: 0, outcomes: 0, points: 0 })
  return { seq, setAside: half > 0 ? 0 : countOf(batch), id: units[0]?.id ?? '', error: told }
}

/** Why this batch was taken back before, where a crash came between; null when it was not. */
export async function takenBackFor(store: ClickHouseClient, seq: number): Promise<string | null> {
  const [row] = await rowsOf<{ error: string }>(store, 'SELECT error FROM taken_back WHERE seq = {seq:UInt64}', { seq })
  return row?.error ?? null
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

/** Tables whose rows say what a batch made of its facts; the facts come last: as long as they stand, the batch is known to be open. */
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
  for (const table of MADE)
    await store.command({ query: `ALTER TABLE ${table} DELETE WHERE seq = ${seq} SETTINGS mutations_sync = 2` })
}

/**
 * Counts a contact of Andon's own, which nothing that anybody sent can spoil. Rejects when that fails too: then not the facts are at fault, and
 * setting them aside would lose them. Its batch stays open and is driven in its turn.
 * @param latest the last batch that is open: it may be such a one already
 * @param stamp of the next batch
 */
export async function proveCounting(context: BatchContext, latest: StoredBatch, stamp: Stamp): Promise<void> {
  const isThere = latest.spans.some((span) => span.release === PROBE && isDrill(span))
  await countBatch(context, isThere ? latest : await storeBatch(context, wholeOf(stamp), probeOf(stamp)))
}

const PROBE = 'probe'

function probeOf({ seq, acceptedAtMs }: Stamp): Arrivals {
  const traceId = idOf('probe', seq)
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
