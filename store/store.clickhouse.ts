import { mkdirSync, readdirSync, readFileSync } from 'node:fs'
import { type ClickHouseClient, ClickHouseLogLevel, createClient } from '@clickhouse/client'
import { wallClock } from '../lib/clock.ts'
import { AndonError } from '../lib/errors.ts'
import { idOf } from '../lib/hash.ts'
import { createEmbeddedConnection } from './connection.clickhouse.ts'
import { patient } from './retry.clickhouse.ts'

export type StoreOptions =
  | Readonly<{
      kind: 'embedded'
      path: string
      memoryBytes?: number
      /** How long to wait for another process that holds the store, about. Default ten seconds: a monitor may follow one that was killed. */
      lockWaitMs?: number
    }>
  | Readonly<{
      kind: 'server'
      url: string
      username: string
      password: string
      database: string
      /** PEM of the authority that signed the server's certificate. */
      ca?: string
      /** All statements share one session, one after the other: temporary tables live as long as the client. */
      session?: string
    }>

/** Half a gigabyte holds every batch; merges and reports spill or wait beyond it. */
const DEFAULT_MEMORY_BYTES = 600 * 2 ** 20
const DEFAULT_LOCK_WAIT_MS = 10_000

/** Opens ClickHouse, embedded or on a server, and brings its tables up to date. Throws AndonError `store_locked`, `store_failed`. */
export async function openStore(options: StoreOptions): Promise<ClickHouseClient> {
  const client = connectStore(options)
  try {
    await migrate(client)
    return client
  } catch (error) {
    await client.close()
    throw error
  }
}

/** Opens ClickHouse and leaves its tables as they are. */
export const connectStore = (options: StoreOptions): ClickHouseClient =>
  options.kind === 'embedded' ? embedded(options) : server(options)

/** Long enough for a batch on a busy server; a report may take longer than a browser waits anyway. */
const REQUEST_TIMEOUT_MS = 120_000

function server({
  url,
  username,
  password,
  database,
  ca,
  session,
}: Extract<StoreOptions, { kind: 'server' }>): ClickHouseClient {
  const client = createClient({
    url,
    username,
    password,
    database,
    application: 'andon',
    request_timeout: REQUEST_TIMEOUT_MS,
    // Not compressed: inside one network that costs more than it saves, a quarter of a pipeline's processor time.
    use_multipart_params_auto: true, // long lists of keys do not fit a URL
    // 64-bit numbers of ours stay below 2^53, and a statement sees what the one before it wrote, on whichever replica it runs.
    clickhouse_settings: { output_format_json_quote_64bit_integers: 0, select_sequential_consistency: '1' },
    log: { level: ClickHouseLogLevel.OFF }, // what fails is told by whoever asked
    ...(session && { session_id: session, max_open_connections: 1 }),
    ...(ca && { tls: { ca_cert: Buffer.from(ca) } }),
  })
  return patient(client, wallClock)
}

function embedded(options: Extract<StoreOptions, { kind: 'embedded' }>): ClickHouseClient {
  try {
    mkdirSync(options.path, { recursive: true })
  } catch (cause) {
    const { message } = cause as Error
    throw new AndonError('store_failed', `"${options.path}" cannot be the directory of the store: ${message}`, {
      cause,
    })
  }
  return createClient({
    connection: createEmbeddedConnection(options.path, {
      memoryBytes: options.memoryBytes ?? DEFAULT_MEMORY_BYTES,
      lockWaitMs: options.lockWaitMs ?? DEFAULT_LOCK_WAIT_MS,
    }) as never,
  })
}

const MIGRATIONS = new URL('./migrations/', import.meta.url)

/**
 * Applies the numbered files of `migrations/` that this store has not seen, in order. Forward only: a file that
 * changed after it was applied is an error, so that every store of one version has the same tables.
 */
export async function migrate(client: ClickHouseClient): Promise<void> {
  await client.command({
    query:
      'CREATE TABLE IF NOT EXISTS schema_migrations (version UInt32, name String, hash String, applied_at DateTime DEFAULT now()) ENGINE = MergeTree ORDER BY version',
  })
  const applied = new Map(
    (await rowsOf<{ version: number; hash: string }>(client, 'SELECT version, hash FROM schema_migrations')).map(
      (row) => [row.version, row.hash],
    ),
  )
  for (const name of readdirSync(MIGRATIONS)
    .filter((file) => file.endsWith('.sql'))
    .sort()) {
    const version = Number.parseInt(name, 10)
    const sql = readFileSync(new URL(name, MIGRATIONS), 'utf8')
    const hash = idOf(sql)
    const known = applied.get(version)
    if (known === hash) continue
    if (known !== undefined)
      throw new AndonError(
        'migration_changed',
        `store/migrations/${name} differs from what this store was made with; migrations go forward only: restore the file and add a new one`,
      )
    for (const statement of statementsOf(sql)) await client.command({ query: statement })
    await client.insert({ table: 'schema_migrations', values: [{ version, name, hash }], format: 'JSONEachRow' })
  }
}

/** Resolves true when every migration of this version was applied by whoever may: roles that make no tables wait for it. */
export async function isMigrated(client: ClickHouseClient): Promise<boolean> {
  const wanted = readdirSync(MIGRATIONS).filter((file) => file.endsWith('.sql'))
  const [table] = await rowsOf<{ n: number }>(
    client,
    "SELECT toUInt32(count()) AS n FROM system.tables WHERE database = currentDatabase() AND name = 'schema_migrations'",
  )
  if (!table?.n) return false
  const applied = await rowsOf<{ name: string }>(client, 'SELECT DISTINCT name FROM schema_migrations')
  const names = new Set(applied.map(({ name }) => name))
  return wanted.every((name) => names.has(name))
}

/** Statements end with a semicolon at the end of a line; comments stay with the statement they precede. */
const statementsOf = (sql: string): string[] =>
  sql
    .split(/;\s*$/m)
    .map((text) => text.trim())
    .filter((text) => text.replace(/^--.*$/gm, '').trim() !== '')

/** Runs a SELECT and returns its rows; 64-bit integers come as numbers (all of ours stay below 2^53). */
export async function rowsOf<Row>(
  client: ClickHouseClient,
  query: string,
  params: Record<string, unknown> = {},
): Promise<Row[]> {
  const result = await client.query({ query, query_params: params, format: 'JSONEachRow' })
  return result.json<Row>()
}
