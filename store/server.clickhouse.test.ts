import { spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { type AddressInfo, connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createServer as createTlsServer } from 'node:tls'
import type { ClickHouseClient } from '@clickhouse/client'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type Server, startServer } from '../test/live/clickhouse/server.ts'
import { RETRYABLE, retryReason } from './retry.clickhouse.ts'
import { connectStore, isMigrated, openStore, rowsOf } from './store.clickhouse.ts'

const folder = mkdtempSync(join(tmpdir(), 'andon-server-'))
let server: Server
let store: ClickHouseClient

beforeAll(async () => {
  server = await startServer(folder)
  const other = connectStore(server.as('andon_alerter'))
  expect(await isMigrated(other)).toBe(false)
  await other.close()
  store = await openStore(server.as('andon_pipeline'))
})
afterAll(async () => {
  await store.close()
  await server.close()
  rmSync(folder, { recursive: true, force: true })
})

test('the same migrations are applied over HTTP, and other roles see that they were', async () => {
  expect(await isMigrated(store)).toBe(true)
})

test('values travel over HTTP as they are: text that looks like a statement, lists, numbers', async () => {
  const hostile = "it's\n\n; DROP TABLE spans -- \\"
  expect(
    await rowsOf(store, 'SELECT {text:String} AS text, toUInt64({n:UInt64}) AS n, {list:Array(String)} AS list', {
      text: hostile,
      n: 5,
      list: ['a', "b'c", 'd,e', 'tab\t'],
    }),
  ).toEqual([{ text: hostile, n: 5, list: ['a', "b'c", 'd,e', 'tab\t'] }])
  await expect(rowsOf(store, 'SELECT nonsense')).rejects.toMatchObject({ type: 'UNKNOWN_IDENTIFIER' })
})

test('lists of lists travel as well', async () => {
  const parts = [['chat', "q'1"], ['', ''], []]
  expect(await rowsOf(store, 'SELECT {parts:Array(Array(String))} AS parts', { parts })).toEqual([{ parts }])
})

test('lists that no URL would take travel too, to queries and to commands', async () => {
  const keys = Array.from({ length: 20_000 }, (_, i) => `key-${i}-${'x'.repeat(40)}`)
  expect(await rowsOf(store, 'SELECT toUInt32(length({keys:Array(String)})) AS n', { keys })).toEqual([{ n: 20_000 }])
  await store.command({
    query: `INSERT INTO batches (seq) SELECT length({keys:Array(String)}) SETTINGS insert_deduplication_token = 'long'`,
    query_params: { keys },
  })
  expect(await rowsOf(store, 'SELECT count() AS n FROM batches WHERE seq = 20000')).toEqual([{ n: 1 }])
})

test('while the server is away for a moment, statements that may be sent again wait for it', async () => {
  await server.stop()
  const insert = store.insert({
    table: 'batches',
    values: [{ seq: 1 }],
    format: 'JSONEachRow',
    clickhouse_settings: { insert_deduplication_token: 'b1' },
  })
  const query = rowsOf(store, 'SELECT 1 AS one')
  await new Promise((resolve) => setTimeout(resolve, 300))
  await server.start()
  await insert
  expect(await query).toEqual([{ one: 1 }])
  expect(await rowsOf(store, 'SELECT count() AS n FROM batches WHERE seq = 1')).toEqual([{ n: 1 }])
})

test('what cannot be sent twice is refused at once, as something to try again later', async () => {
  await server.stop()
  try {
    await expect(
      store.insert({ table: 'incident_events', values: [{ incident_id: 'i' }], format: 'JSONEachRow' }),
    ).rejects.toMatchObject({ code: 'store_unavailable', retryable: true })
  } finally {
    await server.start()
  }
})

test('over TLS the authority of the configuration is trusted, and no other', async () => {
  const openssl = (args: string) => {
    const { status, stderr } = spawnSync('openssl', args.split(' '), { cwd: folder, encoding: 'utf8' })
    expect(status, stderr).toBe(0)
  }
  for (const name of ['server', 'other'])
    openssl(
      `req -x509 -newkey rsa:2048 -nodes -days 2 -keyout ${name}.key -out ${name}.pem -subj /CN=localhost -addext subjectAltName=DNS:localhost`,
    )
  const read = (name: string) => readFileSync(join(folder, name), 'utf8')
  // The server speaks plain HTTP behind it, as behind many a load balancer.
  const door = createTlsServer({ cert: read('server.pem'), key: read('server.key') }, (socket) => {
    const inner = connect(Number(new URL(server.url).port), '127.0.0.1')
    socket.pipe(inner).pipe(socket)
    for (const end of [socket, inner]) end.on('error', () => {})
  })
  await new Promise<void>((resolve) => door.listen(0, '127.0.0.1', resolve))
  const url = `https://localhost:${(door.address() as AddressInfo).port}`
  const trusting = (ca: string) => connectStore({ ...server.as('andon_reader'), url, ca: read(ca) })
  const [right, wrong] = [trusting('server.pem'), trusting('other.pem')]
  try {
    expect(await rowsOf(right, 'SELECT currentUser() AS user')).toEqual([{ user: 'andon_reader' }])
    await expect(rowsOf(wrong, 'SELECT 1')).rejects.toThrow(/self-signed certificate|unable to verify/)
  } finally {
    await Promise.all([right.close(), wrong.close()])
    door.close()
  }
})

test('the table of retryable answers names error types that ClickHouse has', async () => {
  const rows = await rowsOf<{ name: string }>(
    store,
    `SELECT name FROM (SELECT arrayJoin({names:Array(String)}) AS name) WHERE name IN (SELECT errorCodeToName(toUInt32(number)) FROM numbers(2000))`,
    { names: Object.keys(RETRYABLE) },
  )
  expect(rows.map(({ name }) => name).sort()).toEqual(Object.keys(RETRYABLE).sort())
})

test('faults of the connection are retryable, wrong statements are not', () => {
  expect(retryReason(Object.assign(new Error('connect ECONNREFUSED'), { code: 'ECONNREFUSED' }))).toContain('ECONN')
  expect(retryReason(new Error('Timeout error.'))).not.toBeNull()
  expect(retryReason(new Error('HTTP status 503'))).not.toBeNull()
  expect(retryReason(new Error('Syntax error'))).toBeNull()
})
