import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { ClickHouseClient } from '@clickhouse/client'
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest'
import { wallClock } from '../lib/clock.ts'
import { silentLog } from '../lib/log.ts'
import { openStore, rowsOf } from '../store/store.clickhouse.ts'
import { createLongTotals } from './long-totals.clickhouse.ts'

const directory = mkdtempSync(join(tmpdir(), 'andon-totals-'))
let store: ClickHouseClient
beforeAll(async () => {
  store = await openStore({ kind: 'embedded', path: directory })
})
afterEach(async () => {
  for (const table of ['deltas', 'batches', 'rollup_hours', 'rollup_days', 'slice_times', 'totalled_ranges'])
    await store.command({ query: `TRUNCATE TABLE ${table}` })
})
afterAll(async () => {
  await store.close()
  rmSync(directory, { recursive: true, force: true })
})

/** Batch `seq` adds one contact in each of three hours. Tokens are remembered over tests, so every test has numbers of its own. */
async function addBatch(seq: number): Promise<void> {
  await store.command({
    query: `INSERT INTO deltas (seq, signal, measure, agent, release, channel, minute, n)
      SELECT ${seq}, '', 'contacts', 'desk', 'r1', 'chat', toDateTime('2026-06-01 00:30:00', 'UTC') + number * 3600, 1 FROM numbers(3)`,
  })
  await store.insert({ table: 'batches', values: [{ seq, clock_at: 0, accepted_at: 0 }], format: 'JSONEachRow' })
}
const totals = async () =>
  (
    await rowsOf<{ hours: number; days: number; slices: number }>(
      store,
      'SELECT (SELECT sum(rollup_hours.n) FROM rollup_hours) AS hours, (SELECT sum(rollup_days.n) FROM rollup_days) AS days, (SELECT sum(contacts) FROM slice_times) AS slices',
    )
  )[0]
const each = (n: number) => ({ hours: n, days: n, slices: n })
const following = () => createLongTotals(store, wallClock, silentLog)

test('totals per hour, day and slice follow the batches that are whole', async () => {
  const following1 = following()
  await addBatch(1)
  await following1.catchUp()
  expect(await totals()).toEqual(each(3))
  expect(following1.dueInMs()).toBe(Number.POSITIVE_INFINITY)
  await addBatch(2)
  await following1.catchUp() // nobody said that a batch is whole
  expect(await totals()).toEqual(each(3))
  following1.sawBatch()
  await following1.catchUp()
  expect(await totals()).toEqual(each(6))
})

test('a range that was written down and not added before a crash is added by the next process, and only once', async () => {
  await addBatch(10_001)
  await store.insert({
    table: 'totalled_ranges',
    values: [{ range_from: 10_001, range_to: 10_001 }],
    format: 'JSONEachRow',
  })
  await addBatch(10_002)
  await following().catchUp()
  expect(await totals()).toEqual(each(6))
  await following().catchUp()
  expect(await totals()).toEqual(each(6))
})

test('two writers that do not know of each other add every batch once', async () => {
  const [one, other] = [following(), following()]
  for (let seq = 1; seq <= 3; seq++) {
    await addBatch(20_000 + seq)
    one.sawBatch()
    other.sawBatch()
    await Promise.all([one.catchUp(), other.catchUp()])
  }
  expect(await totals()).toEqual(each(9))
})

test('what cannot be added is tried again', async () => {
  await addBatch(30_001)
  const broken = createLongTotals(
    { ...store, query: store.query.bind(store), insert: () => Promise.reject(new Error('full')) } as never,
    wallClock,
    silentLog,
  )
  await broken.catchUp()
  expect(broken.dueInMs()).toBeLessThan(Number.POSITIVE_INFINITY)
  expect(await totals()).toEqual(each(0))
})
