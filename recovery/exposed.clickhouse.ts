import type { ClickHouseClient } from '@clickhouse/client'
import { covers, type Scope } from '../facts/incident.ts'
import type { Release } from '../facts/slice.ts'
import { type SpanFact, WRITE_ACTIONS } from '../facts/span.ts'
import { type ContactPart, contactIdOf } from '../pipeline/contact.ts'
import { recordPlaceKey, type ScopeOf } from '../pipeline/places.ts'
import { SPAN_SELECT } from '../pipeline/rows.ts'
import { resolveTrace } from '../pipeline/trace.ts'
import { rowsOf } from '../store/store.clickhouse.ts'
import type { ExposedContact } from './affected.ts'

/** Keys in one statement. */
const KEYS_PER_READ = 2000

export type ExposedQuery = Readonly<{
  release: Release
  stretches: readonly Stretch[]
  /** Start of the harm: contacts begun from here on. */
  fromMs: number
  /** How long before a create an earlier one of the same record makes it a duplicate. */
  duplicateWindowMs: number
  scopeOf: ScopeOf
}>

/** Parts of the release that were stopped, empty = all of it; and when they were let go on, null: they were not. */
export type Stretch = Readonly<{ scope: readonly Scope[]; untilMs: number | null }>

type ContactRow = Omit<ExposedContact, 'writes' | 'duplicates'>

/** Contacts of the release begun since the harm did, each with its writes, by the same rules of inheritance as the pipeline. */
export async function exposedContacts(store: ClickHouseClient, query: ExposedQuery): Promise<ExposedContact[]> {
  const found = await rowsOf<ContactRow>(
    store,
    `SELECT contact_id AS contactId, channel, queue, intent, conversation, customer, contact_end AS contactEnd,
       toUnixTimestamp64Milli(started_at) AS startedAtMs, toUnixTimestamp64Milli(ended_at) AS endedAtMs, marks
     FROM (SELECT * FROM contacts WHERE started_at >= fromUnixTimestamp64Milli({from:Int64}, 'UTC') ORDER BY seq DESC LIMIT 1 BY contact_id)
     WHERE gone = 0 AND environment = {environment:String} AND agent = {agent:String} AND release = {release:String}
     ORDER BY started_at, contact_id`,
    { ...query.release, from: Math.floor(query.fromMs) },
  )
  const rows = found.filter((row) =>
    query.stretches.some(
      ({ scope, untilMs }) =>
        row.startedAtMs < (untilMs ?? Infinity) && (scope.length === 0 || scope.some((part) => covers(part, row))),
    ),
  )
  // The sessions of one conversation share the parts of its id.
  const sessions = Map.groupBy(rows, (row) => partsIdOf(row.contactId))
  const parts = await partsOf(store, [...sessions.keys()])
  const writes = await writesOf(store, parts, sessions)
  const duplicates = await duplicatesAmong(store, query, parts)
  return rows.map((row) => ({ ...row, writes: writes.get(row.contactId) ?? [], duplicates }))
}

const partsIdOf = (contactId: string): string => contactId.replace(/~\d+$/, '')

type Part = Readonly<{ contactId: string; traceId: string; part: ContactPart }>

async function partsOf(store: ClickHouseClient, ids: readonly string[]): Promise<Part[]> {
  const found: Part[] = []
  for (const keys of chunksOf(ids)) {
    const rows = await rowsOf<{ contact_id: string; trace_id: string; gone: 0 | 1; body: string }>(
      store,
      'SELECT contact_id, trace_id, gone, body FROM contact_parts WHERE contact_id IN {keys:Array(String)} ORDER BY seq DESC LIMIT 1 BY contact_id, trace_id',
      { keys },
    )
    for (const { contact_id, trace_id, gone, body } of rows)
      if (!gone) found.push({ contactId: contact_id, traceId: trace_id, part: JSON.parse(body) as ContactPart })
  }
  return found
}

/** Writes by contact; a write of a conversation with several sessions belongs to the latest session begun by then. */
async function writesOf(
  store: ClickHouseClient,
  parts: readonly Part[],
  sessions: ReadonlyMap<string, readonly ContactRow[]>,
): Promise<Map<string, SpanFact[]>> {
  const writes = new Map<string, SpanFact[]>()
  for (const keys of chunksOf([...new Set(parts.map((part) => part.traceId))])) {
    const spans = await rowsOf<SpanFact>(
      store,
      `SELECT ${SPAN_SELECT} FROM (SELECT * FROM spans WHERE trace_id IN {keys:Array(String)} ORDER BY seq, position LIMIT 1 BY trace_id, span_id)`,
      { keys },
    )
    for (const ofTrace of Map.groupBy(spans, (span) => span.traceId).values())
      for (const contact of resolveTrace(withoutExpiry(ofTrace), true).contacts) {
        const rows = sessions.get(contactIdOf(contact)) ?? []
        for (const fact of contact.facts) {
          if (fact.role !== 'tool' || !WRITE_ACTIONS.includes(fact.action)) continue
          const row = rows.findLast((session) => session.startedAtMs <= fact.startedAtMs) ?? rows[0]
          if (row) writes.set(row.contactId, [...(writes.get(row.contactId) ?? []), fact])
        }
      }
  }
  return writes
}

/** The end of waiting is stored as a span without id. */
const withoutExpiry = (spans: readonly SpanFact[]): SpanFact[] => spans.filter((span) => span.spanId !== '')

/** Span ids of creates before which the same record was created within the window, by anyone. */
async function duplicatesAmong(
  store: ClickHouseClient,
  { scopeOf, release, duplicateWindowMs }: ExposedQuery,
  parts: readonly Part[],
): Promise<Set<string>> {
  const keys = new Set<string>()
  for (const { part } of parts)
    for (const create of part.created) keys.add(recordPlaceKey(scopeOf(release.environment), create.key))
  const duplicates = new Set<string>()
  for (const some of chunksOf([...keys])) {
    const found = await rowsOf<{ item: string }>(
      store,
      `SELECT item FROM (
         SELECT item, at, lagInFrame(toNullable(at)) OVER (PARTITION BY key ORDER BY at, contact_id, item ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW) AS previous_at
         FROM (SELECT key, at, contact_id, item FROM places WHERE key IN {keys:Array(String)} GROUP BY key, at, contact_id, item HAVING argMax(gone, seq) = 0)
       ) WHERE date_diff('millisecond', previous_at, at) <= {window:Int64}`,
      { keys: some, window: duplicateWindowMs },
    )
    for (const { item } of found) duplicates.add(item)
  }
  return duplicates
}

/** Latest activity of these customers on channels with a reply window, with any agent: they may have written since. */
export async function lastActivities(
  store: ClickHouseClient,
  customers: readonly string[],
  fromMs: number,
): Promise<Map<string, number>> {
  const latest = new Map<string, number>()
  for (const keys of chunksOf(customers)) {
    const rows = await rowsOf<{ customer: string; ms: number }>(
      store,
      `SELECT customer, toUnixTimestamp64Milli(max(ended_at)) AS ms
       FROM (SELECT * FROM contacts WHERE started_at >= fromUnixTimestamp64Milli({from:Int64}, 'UTC') ORDER BY seq DESC LIMIT 1 BY contact_id)
       WHERE gone = 0 AND customer IN {keys:Array(String)} AND match(channel, '(?i)whats\\\\s*app') GROUP BY customer`,
      { keys, from: Math.floor(fromMs) },
    )
    for (const { customer, ms } of rows) latest.set(customer, ms)
  }
  return latest
}

const chunksOf = (keys: readonly string[]): string[][] =>
  Array.from({ length: Math.ceil(keys.length / KEYS_PER_READ) }, (_, n) =>
    keys.slice(n * KEYS_PER_READ, (n + 1) * KEYS_PER_READ),
  )
