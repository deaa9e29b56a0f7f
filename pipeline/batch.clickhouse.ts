import type { ClickHouseClient } from '@clickhouse/client'
import type { MetricPoint, OutcomeFact, SpanFact } from '../facts/span.ts'
import { rowsOf } from '../store/store.clickhouse.ts'
import { type ContactChange, contactChanges, partChanges, type TraceChange, traceChanges } from './changes.ts'
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
import {
  knownOutcomes,
  type LinkedOutcome,
  olderPointMs,
  outcomesUnder,
  type Stored,
  storedContacts,
  storedParts,
} from './stored.clickhouse.ts'
import { together, unique } from './together.ts'

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
}>

/** What stands in the store under this batch number, and what batches before it had brought of the same traces. */
export type StoredBatch = Readonly<{
  stamp: Stamp
  spans: readonly SpanFact[]
  known: readonly SpanFact[]
  outcomes: readonly OutcomeFact[]
  points: readonly MetricPoint[]
}>

export type BatchResult = Readonly<{
  seq: number
  clockMs: number
  newSpans: number
  contactsChanged: number
  heldTraces: readonly string[]
  resolvedTraces: readonly string[]
}>

/**
 * Drives one stored batch to its end: spans → parts of contacts → places → marks → contacts → deltas → done. Every step is
 * one insert with a token named after the batch, and what counted before is read from rows of earlier batches only, so a batch
 * can be driven again after a crash at any point without counting anything twice (docs/decisions/0003).
 */
export async function processBatch(context: BatchContext, batch: StoredBatch): Promise<BatchResult> {
  const { stamp } = batch
  const stored: Stored = { store: context.store, seq: stamp.seq }

  const traces = traceChanges(batch.spans, batch.known)
  const parts = partChanges(traces)
  const contacts =
    parts.length === 0
      ? []
      : contactChanges(parts, await storedParts(stored, unique(parts.map((part) => part.contactId))), context.idleMs)
  const places = contacts.flatMap(({ before, after }) => placeChanges(before, after, context.scopeOf))
  const [outcomes] = await together([
    linkOutcomes(context, stored, batch, places),
    insert(
      context,
      'contact_parts',
      [...parts.map((part) => partRow(part, stamp)), ...traces.flatMap((trace) => heldRow(trace, stamp))],
      `p${stamp.seq}`,
    ),
    insert(
      context,
      'places',
      places.map((change) => placeRow(change, stamp)),
      `l${stamp.seq}`,
    ),
    countIncreases(context, stored, batch.points),
  ])
  const marks = await changedMarks(context, stored, places, outcomes)
  const rows = await changedRows(stored, contacts, marks, stamp)
  await together([countContacts(context, rows, stamp), countUnattributed(context, marks, stamp)])

  const newSpans = traces.reduce((sum, trace) => sum + trace.newSpans, 0)
  await insert(
    context,
    'batches',
    [
      batchRow(stamp, {
        spans: batch.spans.length,
        newSpans,
        outcomes: batch.outcomes.length,
        points: batch.points.length,
      }),
    ],
    `b${stamp.seq}`,
  )
  return {
    seq: stamp.seq,
    clockMs: stamp.acceptedAtMs,
    newSpans,
    contactsChanged: contacts.length,
    heldTraces: traces.filter((trace) => trace.held).map((trace) => trace.traceId),
    resolvedTraces: traces.filter((trace) => !trace.held).map((trace) => trace.traceId),
  }
}

/** Traces that wait stand in contact_parts under no contact, so that a restart waits for them again. */
const heldRow = ({ traceId, held, wasHeld }: TraceChange, stamp: Stamp) =>
  held === wasHeld ? [] : [partRow({ contactId: '', traceId, part: held ? {} : null }, stamp)]

/** Stores first deliveries of outcomes under their keys and returns all outcomes whose attribution the batch may change. */
async function linkOutcomes(
  context: BatchContext,
  stored: Stored,
  batch: StoredBatch,
  places: readonly PlaceChange[],
): Promise<LinkedOutcome[]> {
  const { scopeOf, statements } = context
  const ids = unique(batch.outcomes.map((outcome) => outcome.outcomeId))
  const seen = ids.length > 0 ? await knownOutcomes(stored, ids) : new Set<string>()
  const arrived: LinkedOutcome[] = []
  const rows: object[] = []
  for (const outcome of batch.outcomes) {
    if (seen.has(outcome.outcomeId)) continue
    seen.add(outcome.outcomeId)
    const keys = keysOf(outcome, scopeOf)
    arrived.push({ id: outcome.outcomeId, keys, kind: outcome.kind })
    rows.push(...linkedOutcomeRows(outcome, keys, batch.stamp))
  }
  const touched = unique(places.map((change) => change.place.key).filter((key) => !isRecordKey(key)))
  const [known] = await together([
    outcomesUnder(stored, statements.outcomeKinds.length > 0 ? touched : []),
    insert(context, 'linked_outcomes', rows, `o${batch.stamp.seq}`),
  ])
  return [...arrived, ...known].filter((outcome) => statements.outcomeKinds.includes(outcome.kind))
}

/** By contact ('' = none) and mark (`signal.events`, …): by how much the batch changed what other facts charge to the contact. */
type Marks = ReadonlyMap<string, ReadonlyMap<string, number>>

async function changedMarks(
  { store, statements }: BatchContext,
  { seq }: Stored,
  places: readonly PlaceChange[],
  outcomes: readonly LinkedOutcome[],
): Promise<Marks> {
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
  const marks = new Map<string, Map<string, number>>()
  for (const { contact_id, mark, n } of changed.flat())
    marks.set(contact_id, (marks.get(contact_id) ?? new Map<string, number>()).set(mark, n))
  return marks
}

/** Rows of contact_changes: of every contact that the batch changed or charged, the stored version with sign -1 and the new one with 1. */
async function changedRows(
  stored: Stored,
  contacts: readonly ContactChange[],
  marks: Marks,
  stamp: Stamp,
): Promise<ContactRow[]> {
  const changes = new Map(contacts.map((change) => [change.contactId, change]))
  const marked = [...marks.keys()].filter((contactId) => contactId !== '' && !changes.has(contactId))
  const before = await storedContacts(stored, [
    ...contacts.filter((change) => change.before).map((change) => change.contactId),
    ...marked,
  ])
  const rows: ContactRow[] = []
  for (const contactId of [...changes.keys(), ...marked]) {
    const change = changes.get(contactId)
    const old = before.get(contactId)
    if (old) rows.push({ ...old, seq: stamp.seq, sign: -1, gone: change && !change.after ? 1 : 0 })
    const charged = addMarks(old?.marks ?? {}, marks.get(contactId))
    if (change?.after) rows.push(contactRow(change.after, charged, stamp))
    else if (!change && old) rows.push({ ...old, seq: stamp.seq, sign: 1, marks: charged })
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

/** Stores the changed rows of contacts and counts what they changed. */
async function countContacts(context: BatchContext, rows: readonly ContactRow[], { seq }: Stamp): Promise<void> {
  if (rows.length === 0) return
  await insert(context, 'contact_changes', rows, `k${seq}`)
  await run(context, context.statements.deltas, { seq }, `d${seq}`)
  const customers = unique(rows.map((row) => row.customer).filter((customer) => customer !== ''))
  if (customers.length > 0) await run(context, context.statements.capped, { seq, customers }, `h${seq}`)
}

/** Outcomes that no contact can be charged with stand in no slice. */
async function countUnattributed(context: BatchContext, marks: Marks, stamp: Stamp): Promise<void> {
  const changes = [...(marks.get('') ?? [])].filter(([mark]) => mark.endsWith('.events'))
  const received = { seq: stamp.seq, received_at: wholeSeconds(stamp.receivedAtMs) }
  const rows = changes.map(([mark, n]) => ({ signal: mark.split('.')[0], measure: 'unattributed', n, ...received }))
  await insert(context, 'deltas', rows, `u${stamp.seq}`)
}

/** Counts the increases of the counters that signals read. */
async function countIncreases(context: BatchContext, stored: Stored, points: readonly MetricPoint[]): Promise<void> {
  const counted = points.filter((point) => context.statements.counterNames.includes(point.name))
  if (counted.length === 0) return
  const firstMs = Math.min(...counted.map((point) => point.atMs))
  const names = unique(counted.map((point) => point.name))
  const series = unique(counted.map((point) => point.series))
  const from = await olderPointMs(stored, names, series, firstMs)
  await run(context, context.statements.counters, { seq: stored.seq, names, series, from }, `n${stored.seq}`)
}

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
