import { randomBytes } from 'node:crypto'
import type { ClickHouseClient } from '@clickhouse/client'
import { assert } from '../lib/errors.ts'
import { rowsOf } from '../store/store.clickhouse.ts'

/**
 * Every column that may hold the pseudonym of a customer, and how. `keyed` tables have it in their sorting key, where ClickHouse
 * cannot update: their rows are written again and the old ones deleted. A test compares this list with the tables as they are.
 * pseudonym: nothing but it. key, keys: pipeline/places.ts, `u/scope/pseudonym`. part: JSON of pipeline/contact.ts or of a fact.
 */
export const CUSTOMER_COLUMNS = {
  keyed: {
    customer_hits: { customer: 'pseudonym' },
    places: { key: 'key' },
    linked_outcomes: { key: 'key', keys: 'keys' },
  },
  updated: {
    spans: { customer: 'pseudonym' },
    outcomes: { customer: 'pseudonym' },
    contact_parts: { body: 'part' },
    contact_changes: { customer: 'pseudonym' },
    contacts: { customer: 'pseudonym' },
    deltas: { customer: 'pseudonym' },
    linked_outcomes: { keys: 'keys' },
    set_aside: { body: 'part' },
    affected_items: { customer: 'pseudonym', item: 'pseudonym' },
    recovery_entries: { item: 'pseudonym' },
  },
} as const satisfies Record<'keyed' | 'updated', Record<string, Record<string, Holding>>>
type Holding = 'pseudonym' | 'key' | 'keys' | 'part'

/** Pseudonyms to forget, each with the random one that takes its place. A table, so that an interrupted run is finished by the next. */
const FORGETTING = 'forgetting'
const OLD = `(SELECT customer FROM ${FORGETTING})`
const NEW = `(SELECT renamed FROM ${FORGETTING})`

/** The pseudonym that takes the place of another; what is not to be forgotten stays. Read from the table, so that no mutation names one. */
const renamed = (pseudonym: string): string =>
  `transform(${pseudonym}, (SELECT groupArray(customer) FROM ${FORGETTING}), (SELECT groupArray(renamed) FROM ${FORGETTING}), ${pseudonym})`

const inKey = (key: string): string => `if(startsWith(${key}, 'u/'), splitByChar('/', ${key})[3], '')`
const renamedKey = (key: string): string =>
  `if(startsWith(${key}, 'u/'), concat('u/', splitByChar('/', ${key})[2], '/', ${renamed(inKey(key))}), ${key})`
const inPart = (body: string): string => `JSONExtractString(${body}, 'customer')`
const partField = (value: string): string => `concat('"customer":"', ${value}, '"')`

/** SQL for each way of holding a pseudonym: whether the column holds one of `set`, and its value after renaming. */
const SQL: Readonly<
  Record<Holding, { holds: (column: string, set: string) => string; after: (column: string) => string }>
> = {
  pseudonym: { holds: (column, set) => `${column} IN ${set}`, after: renamed },
  key: { holds: (column, set) => `${inKey(column)} IN ${set}`, after: renamedKey },
  keys: {
    holds: (column, set) => `arrayExists(k -> ${inKey('k')} IN ${set}, ${column})`,
    after: (column) => `arrayMap(k -> ${renamedKey('k')}, ${column})`,
  },
  part: {
    holds: (column, set) => `${inPart(column)} IN ${set}`,
    after: (column) => `replaceOne(${column}, ${partField(inPart(column))}, ${partField(renamed(inPart(column)))})`,
  },
}

const holds = (columns: Readonly<Record<string, Holding>>, set: string): string =>
  Object.entries(columns)
    .map(([column, holding]) => SQL[holding].holds(column, set))
    .join(' OR ')

/** Rows of each table that hold one of these pseudonyms, tables without any left out. */
export async function rowsHolding(
  store: ClickHouseClient,
  customers: readonly string[],
): Promise<{ table: string; rows: number }[]> {
  const counts = new Map<string, number>()
  for (const some of passesOf(customers)) {
    const found = await rowsOf<{ table: string; rows: number }>(
      store,
      `SELECT * FROM (${HOLDING.join(' UNION ALL ')}) WHERE rows > 0`,
      { customers: some },
    )
    for (const { table, rows } of found) counts.set(table, (counts.get(table) ?? 0) + rows)
  }
  return [...counts].map(([table, rows]) => ({ table, rows })).sort((a, b) => (a.table < b.table ? -1 : 1))
}

const HOLDING = Object.entries({ ...CUSTOMER_COLUMNS.keyed, ...CUSTOMER_COLUMNS.updated }).map(
  ([table, columns]) =>
    `SELECT '${table}' AS table, count() AS rows FROM ${table} WHERE ${holds(columns, '{customers:Array(String)}')}`,
)

/** Bounds the lists that a statement carries in memory. */
const CUSTOMERS_PER_PASS = 1_000
const passesOf = (customers: readonly string[]): string[][] => {
  const distinct = [...new Set(customers)]
  return Array.from({ length: Math.ceil(distinct.length / CUSTOMERS_PER_PASS) }, (_, pass) =>
    distinct.slice(pass * CUSTOMERS_PER_PASS, (pass + 1) * CUSTOMERS_PER_PASS),
  )
}

/**
 * Erases customers: in every row each pseudonym becomes a new random one that no key leads to, the same one everywhere. What the rows
 * say stays true of somebody, so totals stay exact, a recount agrees, and later facts about the same contacts count as before; whose
 * rows they are can no longer be computed from an identity, not even with the secret.
 *
 * Needs the store alone. Every step may be repeated: {@link finishForgetting} ends what was interrupted.
 */
export async function forgetCustomers(store: ClickHouseClient, customers: readonly string[]): Promise<void> {
  assert(
    customers.every((customer) => /^[0-9a-f]{32}$/.test(customer)),
    'a pseudonym is 32 hex digits',
  )
  await finishForgetting(store)
  for (const some of passesOf(customers)) {
    const values = some.map((customer) => ({ customer, renamed: randomBytes(16).toString('hex') }))
    await store.command({
      query: `CREATE TABLE ${FORGETTING} (customer String, renamed String) ENGINE = MergeTree ORDER BY customer`,
    })
    await store.insert({ table: FORGETTING, values, format: 'JSONEachRow' })
    await finishForgetting(store)
  }
}

/** Ends a run that was interrupted; true when there was one. To be called before a store is written to again. */
export async function finishForgetting(store: ClickHouseClient): Promise<boolean> {
  const [found] = await rowsOf<{ n: number }>(
    store,
    `SELECT count() AS n FROM system.tables WHERE database = currentDatabase() AND name = '${FORGETTING}'`,
  )
  if (!found?.n) return false
  const [waiting] = await rowsOf<{ n: number }>(store, `SELECT count() AS n FROM ${FORGETTING}`)
  if (waiting?.n) await rename(store)
  await store.command({ query: `DROP TABLE ${FORGETTING} SYNC` })
  return true
}

async function rename(store: ClickHouseClient): Promise<void> {
  for (const [table, columns] of Object.entries(CUSTOMER_COLUMNS.keyed)) await rewrite(store, table, columns)
  for (const [table, columns] of Object.entries(CUSTOMER_COLUMNS.updated)) {
    const assignments = Object.entries<Holding>(columns).map(
      ([column, holding]) => `${column} = ${SQL[holding].after(column)}`,
    )
    await store.command({
      query: `ALTER TABLE ${table} UPDATE ${assignments.join(', ')} WHERE ${holds(columns, OLD)} SETTINGS mutations_sync = 2`,
    })
  }
}

/** Writes the renamed rows that are not there yet, then deletes the old ones: right from wherever an earlier run stopped. */
async function rewrite(store: ClickHouseClient, table: string, held: Readonly<Record<string, Holding>>): Promise<void> {
  const [key] = Object.entries(held)[0]!
  const inSortingKey = { [key]: held[key]! }
  const columns = (
    await rowsOf<{ name: string }>(
      store,
      'SELECT name FROM system.columns WHERE database = currentDatabase() AND table = {table:String} ORDER BY position',
      { table },
    )
  ).map(({ name }) => name)
  const after = columns.map((column) =>
    held[column] ? `${SQL[held[column]].after(column)} AS ${column}_renamed` : column,
  )
  await store.command({
    query: `INSERT INTO ${table} (${columns.join(', ')})
      SELECT ${after.join(', ')} FROM ${table} WHERE ${holds(inSortingKey, OLD)}
      EXCEPT ALL SELECT ${columns.join(', ')} FROM ${table} WHERE ${holds(inSortingKey, NEW)}
      SETTINGS insert_deduplicate = 0`,
  })
  await store.command({
    query: `ALTER TABLE ${table} DELETE WHERE ${holds(inSortingKey, OLD)} SETTINGS mutations_sync = 2`,
  })
}
