import type { ClickHouseClient } from '@clickhouse/client'
import type { OutcomeFact, SpanFact } from '../facts/span.ts'
import { rowsOf } from '../store/store.clickhouse.ts'
import type { ContactPart } from './contact.ts'
import { type ContactRow, SPAN_SELECT } from './rows.ts'

/**
 * What batches before `seq` left in the store, by primary key. Rows of the batch itself never count: a batch that is driven
 * again must read what it read the first time.
 */
export type Stored = Readonly<{ store: ClickHouseClient; seq: number }>

/** Keys in one statement: bounded, so that a large batch does not make a large statement. */
const KEYS_PER_READ = 5000

async function read<Row>({ store, seq }: Stored, query: string, keys: readonly string[]): Promise<Row[]> {
  const rows: Row[] = []
  for (let from = 0; from < keys.length; from += KEYS_PER_READ)
    for (const row of await rowsOf<Row>(store, query, { keys: keys.slice(from, from + KEYS_PER_READ), seq }))
      rows.push(row)
  return rows
}

/** Spans of these traces in order of acceptance. */
export const storedSpans = (stored: Stored, traceIds: readonly string[]): Promise<SpanFact[]> =>
  read(
    stored,
    `SELECT ${SPAN_SELECT} FROM spans WHERE trace_id IN {keys:Array(String)} AND seq < {seq:UInt64} ORDER BY seq, position`,
    traceIds,
  )

/** Parts of these contacts, by contact and trace. */
export async function storedParts(
  stored: Stored,
  contactIds: readonly string[],
): Promise<Map<string, Map<string, ContactPart>>> {
  const rows = await read<{ contact_id: string; trace_id: string; gone: 0 | 1; body: string }>(
    stored,
    'SELECT contact_id, trace_id, gone, body FROM contact_parts WHERE contact_id IN {keys:Array(String)} AND seq < {seq:UInt64} ORDER BY seq DESC LIMIT 1 BY contact_id, trace_id',
    contactIds,
  )
  const found = new Map<string, Map<string, ContactPart>>()
  for (const row of rows) {
    if (row.gone) continue
    const parts = found.get(row.contact_id) ?? new Map<string, ContactPart>()
    parts.set(row.trace_id, JSON.parse(row.body) as ContactPart)
    found.set(row.contact_id, parts)
  }
  return found
}

/** The present row of these contacts, by contact id. */
export async function storedContacts(stored: Stored, contactIds: readonly string[]): Promise<Map<string, ContactRow>> {
  const rows = await read<ContactRow>(
    stored,
    'SELECT * FROM contacts WHERE contact_id IN {keys:Array(String)} AND seq < {seq:UInt64} ORDER BY seq DESC LIMIT 1 BY contact_id',
    contactIds,
  )
  return new Map(rows.filter((row) => !row.gone).map((row) => [row.contact_id, row]))
}

/** Outcomes delivered before. */
export async function knownOutcomes(stored: Stored, outcomeIds: readonly string[]): Promise<Set<string>> {
  const rows = await read<{ outcome_id: string }>(
    stored,
    'SELECT DISTINCT outcome_id FROM outcomes WHERE outcome_id IN {keys:Array(String)} AND seq < {seq:UInt64}',
    outcomeIds,
  )
  return new Set(rows.map((row) => row.outcome_id))
}

export type LinkedOutcome = Readonly<{ id: string; keys: readonly string[]; kind: OutcomeFact['kind'] }>

/** Outcomes that stand under these keys. */
export const outcomesUnder = (stored: Stored, keys: readonly string[]): Promise<LinkedOutcome[]> =>
  read(
    stored,
    'SELECT outcome_id AS id, keys, kind FROM linked_outcomes WHERE key IN {keys:Array(String)} AND seq < {seq:UInt64}',
    keys,
  )

/** Traces with facts that wait for the span that says whose they are. */
export async function heldTraces({ store, seq }: Stored): Promise<string[]> {
  const rows = await rowsOf<{ trace_id: string; gone: 0 | 1 }>(
    store,
    "SELECT trace_id, gone FROM contact_parts WHERE contact_id = '' AND seq < {seq:UInt64} ORDER BY seq DESC LIMIT 1 BY trace_id",
    { seq },
  )
  return rows.filter((row) => !row.gone).map((row) => row.trace_id)
}

/**
 * A time at or before the last point of each of these series before `firstMs`; `firstMs` when none has one. Points of the last
 * hour are looked at first: only series that are new or were silent need the whole history.
 */
export async function olderPointMs(
  { store, seq }: Stored,
  names: readonly string[],
  series: readonly string[],
  firstMs: number,
): Promise<number> {
  let fromMs = firstMs
  let missing = series
  for (const sinceMs of [firstMs - 3_600_000, 0]) {
    const found = await rowsOf<{ series: string; atMs: number }>(
      store,
      `SELECT series, toUnixTimestamp64Milli(max(at)) AS atMs FROM metric_points
       WHERE name IN {names:Array(String)} AND series IN {missing:Array(String)} AND seq < {seq:UInt64}
         AND at >= fromUnixTimestamp64Milli({since:Int64}, 'UTC') AND at < fromUnixTimestamp64Milli({first:Int64}, 'UTC') GROUP BY name, series`,
      { names, missing, seq, since: sinceMs, first: firstMs },
    )
    for (const { atMs } of found) fromMs = Math.min(fromMs, atMs)
    const known = new Set(found.map((row) => row.series))
    missing = missing.filter((name) => !known.has(name))
    if (missing.length === 0) break
  }
  return fromMs
}

/** The last batch that is whole, and its clock; zeros before the first. */
export async function lastWhole(store: ClickHouseClient): Promise<Readonly<{ seq: number; clockMs: number }>> {
  const [last] = await rowsOf<{ seq: number; clockMs: number }>(
    store,
    // Read from the end of the primary key: it is asked often, and a store may hold the batches of years.
    'SELECT seq, toUnixTimestamp64Milli(clock_at) AS clockMs FROM batches ORDER BY seq DESC LIMIT 1',
  )
  return { seq: last?.seq ?? 0, clockMs: last?.clockMs ?? 0 }
}

/** Traces that began or ceased to wait in batches after `from` up to `to`; true: it waits. In order of the batches. */
export async function holdsBetween(
  store: ClickHouseClient,
  from: number,
  to: number,
): Promise<readonly Readonly<{ traceId: string; waits: boolean }>[]> {
  const rows = await rowsOf<{ trace_id: string; gone: 0 | 1 }>(
    store,
    `SELECT trace_id, gone FROM contact_parts WHERE contact_id = '' AND seq > {from:UInt64} AND seq <= {to:UInt64} ORDER BY seq`,
    { from, to },
  )
  return rows.map(({ trace_id, gone }) => ({ traceId: trace_id, waits: gone === 0 }))
}

/** Batches from this number on of which facts are stored, in order. */
export async function openBatches(store: ClickHouseClient, from: number): Promise<number[]> {
  const rows = await rowsOf<{ seq: number }>(
    store,
    `SELECT DISTINCT seq FROM (SELECT seq FROM spans WHERE seq >= {from:UInt64} UNION ALL SELECT seq FROM outcomes WHERE seq >= {from:UInt64} UNION ALL SELECT seq FROM metric_points WHERE seq >= {from:UInt64}) ORDER BY seq`,
    { from },
  )
  return rows.map((row) => row.seq)
}
