import type { ClickHouseClient } from '@clickhouse/client'
import { rowsOf } from '../store/store.clickhouse.ts'
import type { AffectedItem } from './affected.ts'
import type { RecoveryEntry, RecoveryOutcome, RecoveryState } from './ledger.ts'

/** Columns of affected_items that hold a field of an item as it is. */
const ITEM_COLUMNS = {
  kind: 'kind',
  item: 'item',
  need: 'need',
  why: 'why',
  environment: 'environment',
  agent: 'agent',
  release: 'release',
  channel: 'channel',
  queue: 'queue',
  intent: 'intent',
  contact_id: 'contactId',
  conversation: 'conversation',
  customer: 'customer',
  contact_end: 'contactEnd',
  system: 'system',
  record_type: 'recordType',
  record_id: 'recordId',
  record_key: 'recordKey',
  amount: 'amount',
  currency: 'currency',
} as const satisfies Record<string, keyof AffectedItem>

type Snapshot = NonNullable<RecoveryState['snapshot']>

/** Rows in one insert: bounds the text that a large snapshot becomes. */
const ROWS_PER_INSERT = 5_000

/**
 * The highest whole snapshot of each incident. The audit entry is written last: a snapshot that has none was cut off by a crash, and
 * the next one is taken as if it were not there.
 */
export async function snapshotsIn(store: ClickHouseClient): Promise<Map<string, Snapshot>> {
  const rows = await rowsOf<{ incidentId: string } & Snapshot>(
    store,
    `SELECT incident_id AS incidentId, max(snapshot) AS number, toUnixTimestamp64Milli(argMax(taken_at, snapshot)) AS takenAtMs, argMax(because, snapshot) AS because
     FROM affected_items WHERE kind = 'audit' GROUP BY incident_id`,
  )
  return new Map(rows.map(({ incidentId, ...snapshot }) => [incidentId, snapshot]))
}

/** Appends one snapshot under the next free number. `items` ends with the audit entry. */
export async function appendSnapshot(
  store: ClickHouseClient,
  incidentId: string,
  taken: Omit<Snapshot, 'number'>,
  items: readonly AffectedItem[],
): Promise<void> {
  const [last] = await rowsOf<{ number: number }>(
    store,
    'SELECT max(snapshot) AS number FROM affected_items WHERE incident_id = {incident:String}',
    { incident: incidentId },
  )
  const number = (last?.number ?? 0) + 1
  for (let from = 0; from < items.length; from += ROWS_PER_INSERT)
    await store.insert({
      table: 'affected_items',
      format: 'JSONEachRow',
      values: items.slice(from, from + ROWS_PER_INSERT).map((item) => ({
        incident_id: incidentId,
        snapshot: number,
        taken_at: Math.floor(taken.takenAtMs),
        because: taken.because,
        ...Object.fromEntries(Object.entries(ITEM_COLUMNS).map(([column, field]) => [column, item[field]])),
        at: Math.floor(item.atMs),
        ended_at: Math.floor(item.endedAtMs),
      })),
      clickhouse_settings: { insert_deduplication_token: `affected ${incidentId} ${number} ${from}` },
    })
}

export const itemsIn = (store: ClickHouseClient, incidentId: string, snapshot: number): Promise<AffectedItem[]> =>
  rowsOf<AffectedItem>(
    store,
    `SELECT ${Object.entries(ITEM_COLUMNS)
      .map(([column, field]) => `affected_items.${column} AS ${field}`)
      .join(', ')}, toUnixTimestamp64Milli(affected_items.at) AS atMs, toUnixTimestamp64Milli(ended_at) AS endedAtMs
     FROM affected_items WHERE incident_id = {incident:String} AND snapshot = {snapshot:UInt32}
     ORDER BY indexOf(['contact', 'customer', 'record', 'case', 'audit'], affected_items.kind), affected_items.at, affected_items.item`,
    { incident: incidentId, snapshot },
  )

/** The entries of one incident, each once, in order of time. */
export const entriesIn = (store: ClickHouseClient, incidentId: string): Promise<RecoveryEntry[]> =>
  rowsOf<RecoveryEntry>(
    store,
    `SELECT incident_id AS incidentId, entry_id AS entryId, toUnixTimestamp64Milli(at) AS atMs, step, kind, item, actor, reason, source, outcome_id AS outcomeId
     FROM (SELECT * FROM recovery_entries WHERE incident_id = {incident:String} ORDER BY entry_id, inserted_at LIMIT 1 BY entry_id) ORDER BY atMs, entryId`,
    { incident: incidentId },
  )

export async function appendEntries(store: ClickHouseClient, entries: readonly RecoveryEntry[]): Promise<void> {
  if (entries.length === 0) return
  await store.insert({
    table: 'recovery_entries',
    format: 'JSONEachRow',
    values: entries.map((entry) => ({
      incident_id: entry.incidentId,
      entry_id: entry.entryId,
      at: Math.floor(entry.atMs),
      step: entry.step,
      kind: entry.kind,
      item: entry.item,
      actor: entry.actor,
      reason: entry.reason,
      source: entry.source,
      outcome_id: entry.outcomeId,
    })),
  })
}

/** Corrections and recontacts of batches after `seq` that are counted, each delivery identity once, with the batch to go on from. */
export async function outcomesAfter(
  store: ClickHouseClient,
  seq: number,
): Promise<{ outcomes: RecoveryOutcome[]; seq: number }> {
  const [last] = await rowsOf<{ seq: number }>(store, 'SELECT max(seq) AS seq FROM batches')
  const until = last?.seq ?? 0
  if (until <= seq) return { outcomes: [], seq }
  const outcomes = await rowsOf<RecoveryOutcome>(
    store,
    `SELECT outcome_id AS outcomeId, kind, toUnixTimestamp64Milli(at) AS atMs, environment, conversation, customer, record_type AS recordType, record_id AS recordId
     FROM (SELECT * FROM outcomes WHERE seq > {after:UInt64} AND seq <= {until:UInt64} AND kind IN ('correction', 'recontact') ORDER BY outcomes.at, outcome_id, seq, position LIMIT 1 BY outcome_id)`,
    { after: seq, until },
  )
  return { outcomes, seq: until }
}
