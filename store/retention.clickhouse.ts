import type { ClickHouseClient } from '@clickhouse/client'
import { rowsOf } from './store.clickhouse.ts'

/** Tables that keep facts by the time they were received. `deltas` and `customer_hits` keep at least as long, so that a cap outlives its facts. */
const RETAINED = [
  'spans',
  'outcomes',
  'metric_points',
  'contact_parts',
  'contacts',
  'places',
  'linked_outcomes',
  'deltas',
  'customer_hits',
  'set_aside',
] as const

/** Brings the tables' time to live in line with the configuration; changes nothing where it already is. Old parts go with the next merges. */
export async function applyRetention(store: ClickHouseClient, days: number): Promise<void> {
  const tables = await rowsOf<{ name: string; days: number }>(
    store,
    `SELECT name, toUInt32OrZero(extract(create_table_query, 'TTL received_at \\\\+ toIntervalDay\\\\((\\\\d+)\\\\)')) AS days
     FROM system.tables WHERE database = currentDatabase() AND name IN {names:Array(String)}`,
    { names: [...RETAINED] },
  )
  for (const table of tables) {
    if (table.days === days) continue
    await store.command({
      query: `ALTER TABLE ${table.name} MODIFY TTL received_at + INTERVAL ${days} DAY SETTINGS materialize_ttl_after_modify = 0`,
    })
  }
}
