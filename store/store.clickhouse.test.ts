import { spawnSync } from 'node:child_process'
import { globSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { ClickHouseClient } from '@clickhouse/client'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { applyRetention } from './retention.clickhouse.ts'
import { migrate, openStore, rowsOf } from './store.clickhouse.ts'

let folder: string
let store: ClickHouseClient

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'andon-store-'))
  store = await openStore({ kind: 'embedded', path: join(folder, 'store') })
})

afterEach(async () => {
  await store.close()
  rmSync(folder, { recursive: true, force: true })
})

test('the client of the server speaks to the embedded engine: parameters, formats, typed errors, its own settings', async () => {
  // Under a write that takes the last byte of the disk the engine may keep a part whose files are empty.
  expect(await rowsOf(store, 'SELECT keep_free_space >= 64 * 1024 * 1024 AS keeps FROM system.disks')).toEqual([
    { keeps: 1 },
  ])
  const hostile = "it's\n\n; DROP TABLE spans -- \\"
  expect(
    await rowsOf(store, 'SELECT {text:String} AS text, toUInt64({n:UInt64}) AS n, {list:Array(String)} AS list', {
      text: hostile,
      n: 5,
      list: ['a', "b'c"],
    }),
  ).toEqual([{ text: hostile, n: 5, list: ['a', "b'c"] }])
  await expect(rowsOf(store, 'SELECT nonsense')).rejects.toMatchObject({ type: 'UNKNOWN_IDENTIFIER' })
})

test('values that look like statements stay values', async () => {
  const conversation = 'x"}\n\nDROP TABLE outcomes\n'
  // Received now: a row without its time is of 1970, and the first merge removes it as long past its retention.
  const received_at = Math.floor(Date.now() / 1000)
  const values = [{ seq: 1, outcome_id: 'o', conversation, received_at }]
  await store.insert({ table: 'outcomes', values, format: 'JSONEachRow' })
  expect(await rowsOf(store, 'SELECT conversation FROM outcomes')).toEqual([{ conversation }])
})

test('an insert with a token it has seen changes nothing, also after the store was closed and opened', async () => {
  const insert = () =>
    store.insert({
      table: 'batches',
      values: [{ seq: 1 }],
      format: 'JSONEachRow',
      clickhouse_settings: { insert_deduplication_token: 'b1' },
    })
  await insert()
  await insert()
  await store.close()
  store = await openStore({ kind: 'embedded', path: join(folder, 'store') })
  await insert()
  expect(await rowsOf(store, 'SELECT count() AS n FROM batches')).toEqual([{ n: 1 }])
})

test('migrations are applied once, and one that changed afterwards is refused', async () => {
  await migrate(store)
  const applied = await rowsOf<{ version: number }>(store, 'SELECT version FROM schema_migrations ORDER BY version')
  expect(applied.length).toBeGreaterThan(3)
  expect(new Set(applied.map((row) => row.version)).size).toBe(applied.length)
  await store.command({
    query: "ALTER TABLE schema_migrations UPDATE hash = 'other' WHERE version = 1 SETTINGS mutations_sync = 1",
  })
  await expect(migrate(store)).rejects.toMatchObject({ code: 'migration_changed' })
})

test('retention follows the configuration', async () => {
  await applyRetention(store, 45)
  await applyRetention(store, 45)
  const [row] = await rowsOf<{ sql: string }>(
    store,
    "SELECT create_table_query AS sql FROM system.tables WHERE name = 'spans' AND database = currentDatabase()",
  )
  expect(row!.sql).toContain('toIntervalDay(45)')
})

test('a store that another process holds says so, and one that cannot be made says why', async () => {
  const path = join(folder, 'store')
  const held = openStore({ kind: 'embedded', path, lockWaitMs: 400 })
  await expect(held).rejects.toMatchObject({ code: 'store_locked', message: expect.stringContaining(path) })
  const file = join(folder, 'file')
  writeFileSync(file, '')
  const impossible = openStore({ kind: 'embedded', path: file })
  await expect(impossible).rejects.toMatchObject({ code: 'store_failed', message: expect.stringContaining('EEXIST') })
}, 30_000)

test('a broken store says what is broken, once', async () => {
  await store.close()
  const path = join(folder, 'store')
  const table = globSync(join(path, 'store/*/*/batches.sql'))[0]!
  writeFileSync(table, 'rubbish')
  const broken = openStore({ kind: 'embedded', path })
  await expect(broken).rejects.toMatchObject({ code: 'store_failed', message: expect.stringContaining('batches.sql') })
}, 30_000)

test('a killed engine is a retryable error, and the next statement starts a new one with everything in it', async () => {
  await store.insert({ table: 'batches', values: [{ seq: 7 }], format: 'JSONEachRow' })
  const engines = spawnSync('pgrep', ['-P', String(process.pid), '-f', 'engine.clickhouse'], { encoding: 'utf8' })
    .stdout.trim()
    .split('\n')
  const sleeping = rowsOf(store, 'SELECT sleep(2)')
  for (const pid of engines) process.kill(Number(pid), 'SIGKILL')
  await expect(sleeping).rejects.toMatchObject({ code: 'store_gone', retryable: true })
  expect(await rowsOf(store, 'SELECT seq FROM batches')).toEqual([{ seq: 7 }])
})
