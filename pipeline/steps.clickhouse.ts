import type { ClickHouseClient } from '@clickhouse/client'
import type { MetricPoint, OutcomeFact, SpanFact } from '../facts/span.ts'
import { rowsOf } from '../store/store.clickhouse.ts'
import {
  type ContactChange,
  contactChanges,
  type PartChange,
  partChanges,
  type TraceChange,
  traceChanges,
} from './changes.ts'
import { isCustomerKey, isRecordKey, keysOf, type PlaceChange, placeChanges, type ScopeOf } from './places.ts'
import {
  batchRow,
  type ContactRow,
  contactRow,
  linkedOutcomeRows,
  partRow,
  placeRow,
  type Stamp,
  wholeSeconds,
} from './rows.ts'
import type { Share } from './share.ts'
import {
  knownOutcomes,
  type LinkedOutcome,
  olderPointMs,
  outcomesUnder,
  type Stored,
  storedContacts,
  storedParts,
} from './stored.clickhouse.ts'
import { least, together, unique } from './together.ts'

/**
 * The steps of a batch: traces → contacts → keys → charges → caps → whole. Each takes what falls to its share of one batch from the step
 * before, reads what earlier batches left, and says what it found; what it wrote must be stored before the next step reads. Every insert has a
 * token named after batch and lane, and what counted before is read from rows of earlier batches only, so a step can be done again after a
 * crash, or by two at once, without counting anything twice (docs/decisions/0003, 0015).
 */

/** SQL of the signals for one batch: see detectors/signals/compile.ts, which makes it from data. */
export type SignalStatements = Readonly<{
  marks: (touches: { contacts: boolean; creates: boolean; outcomes: boolean }) => string | null
  outcomeKinds: readonly string[]
  deltas: string
  capped: string
  counterNames: readonly string[]
  counters: string
}>

export type BatchContext = Readonly<{
  store: ClickHouseClient
  statements: SignalStatements
  idleMs: number | null
  scopeOf: ScopeOf
  /** Told of facts of which the store could keep nothing but the identity (pipeline/readable.clickhouse.ts). */
  onUnreadable?: (facts: number) => void
}>

/** What stands in the store under this batch number, and what batches before it had brought of the same traces. */
export type StoredBatch = Readonly<{
  share: Share
  spans: readonly SpanFact[]
  known: readonly SpanFact[]
  outcomes: readonly OutcomeFact[]
  points: readonly MetricPoint[]
}>

/** An insert that is still to be made. */
export type Write = () => Promise<void>

export type TracesStep = Readonly<{
  parts: readonly PartChange[]
  /** Outcomes that came for the first time and that a signal reads. */
  outcomes: readonly LinkedOutcome[]
  newSpans: number
  heldTraces: readonly string[]
  resolvedTraces: readonly string[]
  writes: readonly Write[]
}>

/** By trace, outcome and series: whose work is each span, and what does that change in which contact? */
export async function resolveTraces(context: BatchContext, batch: StoredBatch): Promise<TracesStep> {
  const { share } = batch
  const { stamp } = share
  const traces = traceChanges(batch.spans, batch.known)
  const parts = partChanges(traces)
  const { arrived, rows } = await firstOutcomes(context, batch)
  return {
    parts,
    outcomes: arrived.filter((outcome) => context.statements.outcomeKinds.includes(outcome.kind)),
    newSpans: traces.reduce((sum, trace) => sum + trace.newSpans, 0),
    heldTraces: traces.filter((trace) => trace.held).map((trace) => trace.traceId),
    resolvedTraces: traces.filter((trace) => !trace.held).map((trace) => trace.traceId),
    writes: [
      () =>
        insert(
          context,
          'contact_parts',
          [...parts.map((part) => partRow(part, stamp)), ...traces.flatMap((trace) => heldRow(trace, stamp))],
          tokenOf('p', share),
        ),
      () => insert(context, 'linked_outcomes', rows, tokenOf('o', share)),
      () => countIncreases(context, share, batch.points),
    ],
  }
}

/** Traces that wait stand in contact_parts under no contact, so that a restart waits for them again. */
const heldRow = ({ traceId, held, wasHeld }: TraceChange, stamp: Stamp) =>
  held === wasHeld ? [] : [partRow({ contactId: '', traceId, part: held ? {} : null }, stamp)]

/** First deliveries of outcomes, with their rows under each of their keys. */
async function firstOutcomes(
  { store, scopeOf }: BatchContext,
  { share, outcomes }: StoredBatch,
): Promise<{ arrived: LinkedOutcome[]; rows: object[] }> {
  const { stamp } = share
  const ids = unique(outcomes.map((outcome) => outcome.outcomeId))
  const seen = ids.length > 0 ? await knownOutcomes({ store, seq: stamp.seq }, ids) : new Set<string>()
  const arrived: LinkedOutcome[] = []
  const rows: object[] = []
  for (const outcome of outcomes) {
    if (seen.has(outcome.outcomeId)) continue
    seen.add(outcome.outcomeId)
    const keys = keysOf(outcome, scopeOf)
    arrived.push({ id: outcome.outcomeId, keys, kind: outcome.kind })
    rows.push(...linkedOutcomeRows(outcome, keys, stamp))
  }
  return { arrived, rows }
}

/** Counts the increases of the counters that signals read. */
async function countIncreases(context: BatchContext, share: Share, points: readonly MetricPoint[]): Promise<void> {
  const { seq } = share.stamp
  const counted = points.filter((point) => context.statements.counterNames.includes(point.name))
  if (counted.length === 0) return
  const firstMs = least(counted.map((point) => point.atMs))
  const names = unique(counted.map((point) => point.name))
  const series = unique(counted.map((point) => point.series))
  const from = await olderPointMs({ store: context.store, seq }, names, series, firstMs)
  await run(context, context.statements.counters, { seq, names, series, from }, tokenOf('n', share))
}

export type ContactsStep = Readonly<{
  contacts: readonly ContactChange[]
  places: readonly PlaceChange[]
  /** Outcomes of earlier batches under the keys that the contacts touch: their attribution may change. One may come more than once. */
  touchedOutcomes: () => Promise<LinkedOutcome[]>
  writes: readonly Write[]
}>

/** By contact: what it was and is, and where it stands in time under each of its keys. */
export async function foldContacts(
  context: BatchContext,
  share: Share,
  parts: readonly PartChange[],
): Promise<ContactsStep> {
  const { store, idleMs, scopeOf, statements } = context
  const stored: Stored = { store, seq: share.stamp.seq }
  const contacts =
    parts.length === 0
      ? []
      : contactChanges(parts, await storedParts(stored, unique(parts.map((part) => part.contactId))), idleMs)
  const places = contacts.flatMap(({ before, after }) => placeChanges(before, after, scopeOf))
  const touched = unique(places.map((change) => change.place.key).filter((key) => !isRecordKey(key)))
  return {
    contacts,
    places,
    touchedOutcomes: async () => {
      const found = await outcomesUnder(stored, statements.outcomeKinds.length > 0 ? touched : [])
      return found.filter((outcome) => statements.outcomeKinds.includes(outcome.kind))
    },
    writes: [
      () =>
        insert(
          context,
          'places',
          places.map((change) => placeRow(change, share.stamp)),
          tokenOf('l', share),
        ),
    ],
  }
}

/** By how much a batch changes what other facts charge to a contact ('': to none), by mark (`signal.events`, …). */
export type Mark = readonly [contactId: string, mark: string, n: number]

/** By customer, record and outcome: what follows what within the window, and which contact an outcome is about. */
export async function findMarks(
  { store, statements }: BatchContext,
  { stamp: { seq } }: Share,
  places: readonly PlaceChange[],
  outcomes: readonly LinkedOutcome[],
): Promise<Mark[]> {
  const keys = unique(places.map((change) => change.place.key))
  const customers = keys.filter(isCustomerKey)
  const records = keys.filter(isRecordKey)
  const none = { contacts: false, creates: false, outcomes: false }
  const touches = [
    { ...none, contacts: customers.length > 0 },
    { ...none, creates: records.length > 0 },
    { ...none, outcomes: outcomes.length > 0 },
  ]
  const selects = touches.map(statements.marks).filter((select) => select !== null)
  let [from, to] = [Number.MAX_SAFE_INTEGER, 0]
  for (const { place } of places) [from, to] = [Math.min(from, place.atMs), Math.max(to, place.atMs)]
  const params = {
    seq,
    from,
    to,
    customers,
    records,
    outcome_keys: unique(outcomes.flatMap((outcome) => outcome.keys)),
    outcomes: unique(outcomes.map((outcome) => outcome.id)),
  }
  type Row = { contact_id: string; mark: string; n: number }
  const changed = await together(
    selects.map((select) => rowsOf<Row>(store, `${select}\nSETTINGS max_threads = 1`, params)),
  )
  return changed.flat().map(({ contact_id, mark, n }): Mark => [contact_id, mark, n])
}

/** By contact: stores the new versions and counts what they changed. Returns the customers whose hits may have changed. */
export async function chargeContacts(
  context: BatchContext,
  share: Share,
  contacts: readonly ContactChange[],
  marks: readonly Mark[],
): Promise<readonly string[]> {
  const rows = await changedRows(context, share, contacts, sumsOf(marks))
  await together([countContacts(context, share, rows), countUnattributed(context, share, marks)])
  return unique(rows.map((row) => row.customer).filter((customer) => customer !== ''))
}

type Sums = ReadonlyMap<string, ReadonlyMap<string, number>>

/** By contact and mark: several keys may charge the same contact. */
function sumsOf(marks: readonly Mark[]): Sums {
  const sums = new Map<string, Map<string, number>>()
  for (const [contactId, mark, n] of marks) {
    const ofContact = sums.get(contactId) ?? new Map<string, number>()
    sums.set(contactId, ofContact.set(mark, (ofContact.get(mark) ?? 0) + n))
  }
  return sums
}

/** Rows of contact_changes: of every contact that the batch changed or charged, the stored version with sign -1 and the new one with 1. */
async function changedRows(
  { store }: BatchContext,
  { stamp, lane }: Share,
  contacts: readonly ContactChange[],
  marks: Sums,
): Promise<ContactRow[]> {
  const changes = new Map(contacts.map((change) => [change.contactId, change]))
  const marked = [...marks.keys()].filter((contactId) => contactId !== '' && !changes.has(contactId))
  const before = await storedContacts({ store, seq: stamp.seq }, [
    ...contacts.filter((change) => change.before).map((change) => change.contactId),
    ...marked,
  ])
  const rows: ContactRow[] = []
  for (const contactId of [...changes.keys(), ...marked]) {
    const change = changes.get(contactId)
    const old = before.get(contactId)
    const here = { seq: stamp.seq, lane }
    if (old) rows.push({ ...old, ...here, sign: -1, gone: change && !change.after ? 1 : 0 })
    const charged = addMarks(old?.marks ?? {}, marks.get(contactId))
    if (change?.after) rows.push(contactRow(change.after, charged, stamp, lane))
    else if (!change && old) rows.push({ ...old, ...here, sign: 1, marks: charged })
  }
  return rows
}

function addMarks(
  marks: Readonly<Record<string, number>>,
  changes: ReadonlyMap<string, number> | undefined,
): Record<string, number> {
  const sum: Record<string, number> = { ...marks }
  for (const [signal, n] of changes ?? []) sum[signal] = Math.round(((sum[signal] ?? 0) + n) * 1e6) / 1e6
  return Object.fromEntries(Object.entries(sum).filter(([, n]) => n !== 0))
}

async function countContacts(context: BatchContext, share: Share, rows: readonly ContactRow[]): Promise<void> {
  if (rows.length === 0) return
  const { lane, stamp } = share
  await insert(context, 'contact_changes', rows, tokenOf('k', share))
  await run(context, context.statements.deltas, { seq: stamp.seq, lane }, tokenOf('d', share))
}

/** Outcomes that no contact can be charged with stand in no slice. */
async function countUnattributed(context: BatchContext, share: Share, marks: readonly Mark[]): Promise<void> {
  const { stamp } = share
  const received = { seq: stamp.seq, received_at: wholeSeconds(stamp.receivedAtMs) }
  const rows = [...(sumsOf(marks).get('') ?? [])]
    .filter(([mark]) => mark.endsWith('.events'))
    .map(([mark, n]) => ({ signal: mark.split('.')[0], measure: 'unattributed', n, ...received }))
  await insert(context, 'deltas', rows, tokenOf('u', share))
}

/** By customer: takes back what is too much for one customer and day. To be done when all charges of the batch stand. */
export async function capHits(context: BatchContext, share: Share, customers: readonly string[]): Promise<void> {
  if (customers.length === 0) return
  await run(context, context.statements.capped, { seq: share.stamp.seq, customers }, tokenOf('h', share))
}

/** What a batch held, for its row. */
export type Counts = Readonly<{ spans: number; newSpans: number; outcomes: number; points: number }>

/** The batch is whole: whoever reads totals may read it from now on. */
export const closeBatch = (context: BatchContext, stamp: Stamp, counts: Counts): Promise<void> =>
  insert(context, 'batches', [batchRow(stamp, counts)], `b${stamp.seq}`)

const tokenOf = (step: string, { stamp, lane }: Share): string => `${step}${stamp.seq}.${lane}`

/** Set explicitly: a replayed batch must be dropped by the views as well. */
const DEDUPLICATE = { deduplicate_blocks_in_dependent_materialized_views: 1, async_insert: 0 } as const

/** All rows have the columns of the first one, in any order. */
async function insert<Row extends object>(
  { store }: BatchContext,
  table: string,
  rows: readonly Row[],
  token: string,
): Promise<void> {
  if (rows.length === 0) return
  const columns = Object.keys(rows[0]!) as [string & keyof Row, ...(string & keyof Row)[]]
  await store.insert({
    table,
    columns,
    values: rows.map((row) => columns.map((column) => row[column])),
    format: 'JSONCompactEachRow',
    clickhouse_settings: { insert_deduplication_token: token, ...DEDUPLICATE },
  })
}

async function run(
  { store }: BatchContext,
  sql: string,
  params: Record<string, unknown>,
  token: string,
): Promise<void> {
  await store.command({
    query: `${sql.replaceAll('%token%', token)}, deduplicate_blocks_in_dependent_materialized_views = 1, max_threads = 1`,
    query_params: params,
  })
}
