import { randomBytes } from 'node:crypto'
import type { ClickHouseClient } from '@clickhouse/client'
import { assert } from '../lib/errors.ts'
import { rowsOf } from '../store/store.clickhouse.ts'

/**
 * Every column that may hold the pseudonym of a customer. `keyed` tables have it in their sorting key, where ClickHouse cannot update:
 * their rows are written again and the old ones deleted. A test compares this list with the tables as they are.
 */
export const CUSTOMER_COLUMNS = {
  keyed: { customer_contacts: ['customer'], customer_hits: ['customer'], linked_outcomes: ['link', 'customer'] },
  updated: { spans: ['customer'], outcomes: ['customer'], contact_parts: ['body'], contact_changes: ['customer', 'was_customer'], contacts: ['customer'], deltas: ['customer'] },
} as const

/** Pseudonyms to forget, each with the random one that takes its place. A table, so that an interrupted run is finished by the next. */
const FORGETTING = 'forgetting'
const OLD = `(SELECT customer FROM ${FORGETTING})`
const NEW = `(SELECT renamed FROM ${FORGETTING})`

/** The new value of a column; what is not to be forgotten stays. The pseudonyms are read from the table, so they stand in no mutation. */
const renamed = (column: string, prefix = ''): string =>
  `transform(${column}, (SELECT groupArray(${prefix ? `concat('${prefix}', customer)` : 'customer'}) FROM ${FORGETTING}), (SELECT groupArray(${prefix ? `concat('${prefix}', renamed)` : 'renamed'}) FROM ${FORGETTING}), ${column})`

const IN_BODY = "JSONExtractString(body, 'customer')"

/** Rows of each table that hold one of these pseudonyms, tables without any left out. */
export async function rowsHolding(store: ClickHouseClient, customers: readonly string[]): Promise<{ table: string; rows: number }[]> {
  const counts = new Map<string, number>()
  for (const some of passesOf(customers)) {
    const found = await rowsOf<{ table: string; rows: number }>(store, `SELECT * FROM (${HOLDING.join(' UNION ALL ')}) WHERE rows > 0`, { customers: some })
    for (const { table, rows } of found) counts.set(table, (counts.get(table) ?? 0) + rows)
  }
  return [...counts].map(([table, rows]) => ({ table, rows })).sort((a, b) => (a.table < b.table ? -1 : 1))
}

const GIVEN = '{customers:Array(String)}'
const WHERE_GIVEN: Readonly<Record<string, string>> = {
  ...Object.fromEntries(['spans', 'outcomes', 'contacts', 'customer_contacts', 'customer_hits', 'deltas'].map((table) => [table, `customer IN ${GIVEN}`])),
  contact_changes: `customer IN ${GIVEN} OR was_customer IN ${GIVEN}`,
  contact_parts: `${IN_BODY} IN ${GIVEN}`,
  linked_outcomes: `customer IN ${GIVEN} OR substring(link, 3) IN ${GIVEN}`,
}
const HOLDING = Object.entries(WHERE_GIVEN).map(([table, where]) => `SELECT '${table}' AS table, count() AS rows FROM ${table} WHERE ${where}`)

/** Bounds the lists that a statement carries in memory. */
const CUSTOMERS_PER_PASS = 1_000
const passesOf = (customers: readonly string[]): string[][] => {
  const distinct = [...new Set(customers)]
  return Array.from({ length: Math.ceil(distinct.length / CUSTOMERS_PER_PASS) }, (_, pass) => distinct.slice(pass * CUSTOMERS_PER_PASS, (pass + 1) * CUSTOMERS_PER_PASS))
}

/**
 * Erases customers: in every row each pseudonym becomes a new random one that no key leads to, the same one everywhere. What the rows
 * say stays true of somebody, so totals stay exact, a recount agrees, and later facts about the same contacts count as before; whose
 * rows they are can no longer be computed from an identity, not even with the secret.
 *
 * Needs the store alone. Every step may be repeated: {@link finishForgetting} ends what was interrupted.
 */
export async function forgetCustomers(store: ClickHouseClient, customers: readonly string[]): Promise<void> {
  assert(customers.every((customer) => /^[0-9a-f]{32}$/.test(customer)), 'a pseudonym is 32 hex digits')
  await finishForgetting(store)
  for (const some of passesOf(customers)) {
    const values = some.map((customer) => ({ customer, renamed: randomBytes(16).toString('hex') }))
    await store.command({ query: `CREATE TABLE ${FORGETTING} (customer String, renamed String) ENGINE = MergeTree ORDER BY customer` })
    await store.insert({ table: FORGETTING, values, format: 'JSONEachRow' })
    await finishForgetting(store)
  }
}

/** Ends a run that was interrupted; true when there was one. To be called before a store is written to again. */
export async function finishForgetting(store: ClickHouseClient): Promise<boolean> {
  const [found] = await rowsOf<{ n: number }>(store, `SELECT count() AS n FROM system.tables WHERE database = currentDatabase() AND name = '${FORGETTING}'`)
  if (!found?.n) return false
  const [waiting] = await rowsOf<{ n: number }>(store, `SELECT count() AS n FROM ${FORGETTING}`)
  if (waiting?.n) await rename(store)
  await store.command({ query: `DROP TABLE ${FORGETTING} SYNC` })
  return true
}

async function rename(store: ClickHouseClient): Promise<void> {
  for (const [table, columns] of Object.entries(CUSTOMER_COLUMNS.keyed)) await rewriteKeyed(store, table, columns[0])
  await update(store, 'linked_outcomes', { customer: renamed('customer') }, `customer IN ${OLD}`)
  for (const table of ['spans', 'outcomes', 'contacts', 'deltas']) await update(store, table, { customer: renamed('customer') }, `customer IN ${OLD}`)
  await update(store, 'contact_changes', { customer: renamed('customer'), was_customer: renamed('was_customer') }, `customer IN ${OLD} OR was_customer IN ${OLD}`)
  const field = (value: string) => `concat('"customer":"', ${value}, '"')`
  await update(store, 'contact_parts', { body: `replaceOne(body, ${field(IN_BODY)}, ${field(renamed(IN_BODY))})` }, `${IN_BODY} IN ${OLD}`)
}

/** Writes the renamed rows that are not there yet, then deletes the old ones: right from wherever an earlier run stopped. */
async function rewriteKeyed(store: ClickHouseClient, table: string, key: string): Promise<void> {
  const prefix = key === 'link' ? 'u/' : ''
  const of = (names: string) => (prefix ? names.replace(/SELECT (\w+)/, `SELECT concat('${prefix}', $1)`) : names)
  const columns = (await rowsOf<{ name: string }>(store, 'SELECT name FROM system.columns WHERE database = currentDatabase() AND table = {table:String} ORDER BY position', { table })).map(({ name }) => name)
  const value = (column: string) => (column === key ? `${renamed(key, prefix)} AS ${key}_renamed` : column === 'customer' ? `${renamed('customer')} AS customer_renamed` : column)
  const old = of(OLD)
  await store.command({
    query: `INSERT INTO ${table} (${columns.join(', ')})
      SELECT ${columns.map(value).join(', ')} FROM ${table} WHERE ${key} IN ${old}
      EXCEPT ALL SELECT ${columns.join(', ')} FROM ${table} WHERE ${key} IN ${of(NEW)}
      SETTINGS insert_deduplicate = 0`,
  })
  await store.command({ query: `ALTER TABLE ${table} DELETE WHERE ${key} IN ${old} SETTINGS mutations_sync = 2` })
}

async function update(store: ClickHouseClient, table: string, values: Readonly<Record<string, string>>, where: string): Promise<void> {
  const assignments = Object.entries(values).map(([column, value]) => `${column} = ${value}`)
  await store.command({ query: `ALTER TABLE ${table} UPDATE ${assignments.join(', ')} WHERE ${where} SETTINGS mutations_sync = 2` })
}
