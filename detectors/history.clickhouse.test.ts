import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { ClickHouseClient } from '@clickhouse/client'
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { ReleaseView, TriggerView } from '../facts/overview.ts'
import { openStore, rowsOf } from '../store/store.clickhouse.ts'
import { createHistory } from './history.clickhouse.ts'

const MINUTE_MS = 60_000
const T0_MS = 29_000_000 * MINUTE_MS

let folder: string
let store: ClickHouseClient

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'andon-history-'))
  store = await openStore({ kind: 'embedded', path: folder })
})
afterAll(async () => {
  await store.close()
  rmSync(folder, { recursive: true, force: true })
})

const trigger = (trials: number, logE: number): TriggerView => ({
  trigger: 'failed_updates',
  signal: 'failed_updates',
  title: 'Failed updates',
  action: 'pause',
  shadow: false,
  finding: trials > 0 ? 'watching' : 'no_data',
  reason: 'told elsewhere',
  trials,
  hits: 1,
  rate: trials > 0 ? 1 / trials : null,
  low: trials > 0 ? 0 : null,
  high: trials > 0 ? 0.5 : null,
  baseline: 0.02,
  limit: 0.024,
  logE,
  logThreshold: 4.6,
})

const view = (release: string, trials: number, logE: number, judged = true): ReleaseView => ({
  release: { environment: 'production', agent: "o'brien \\", release },
  state: 'live',
  judged,
  contacts: trials,
  identified: trials,
  firstContactMs: T0_MS,
  lastContactMs: T0_MS,
  logE,
  logThreshold: 4.6,
  triggers: [trigger(trials, logE)],
  slices: [],
  contactsPerHour: [],
})

const stored = (release: string) =>
  rowsOf<{ trigger: string; atMs: number; trials: number; rate: number | null; log_e: number }>(
    store,
    `SELECT trigger, toUnixTimestamp64Milli(at) AS atMs, trials, rate, log_e FROM evidence_history FINAL
     WHERE release = {release:String} ORDER BY trigger, minute`,
    { release },
  )

test('the last word of a minute stays, one row per trigger and one for the release', async () => {
  const history = createHistory(store)
  history.note(view('r1', 0, 0), [], { seq: 1, clockMs: T0_MS })
  history.note(view('r1', 10, 0.5), [], { seq: 2, clockMs: T0_MS + 30_000 })
  history.note(view('r1', 20, 1.5), [], { seq: 3, clockMs: T0_MS + MINUTE_MS })
  await history.store(true)

  expect(await stored('r1')).toEqual([
    { trigger: '', atMs: T0_MS + 30_000, trials: 10, rate: null, log_e: 0.5 },
    { trigger: '', atMs: T0_MS + MINUTE_MS, trials: 20, rate: null, log_e: 1.5 },
    { trigger: 'failed_updates', atMs: T0_MS + 30_000, trials: 10, rate: 0.1, log_e: 0.5 },
    { trigger: 'failed_updates', atMs: T0_MS + MINUTE_MS, trials: 20, rate: 0.05, log_e: 1.5 },
  ])
})

test('the slices that a batch touched leave a row a minute each, with the line of their release', async () => {
  const history = createHistory(store)
  const slice = (channel: string, logE: number) => ({ channel, queue: 'orders', signal: 'failed_updates', logE })
  history.note(view('r6', 10, 0.5), [slice('chat', -1), slice("o'voice \\", 1)], { seq: 1, clockMs: T0_MS })
  history.note(view('r6', 20, 0.6), [slice('chat', 2.5)], { seq: 2, clockMs: T0_MS + 1 })
  await history.store(true)
  expect(
    await rowsOf(
      store,
      `SELECT channel, queue, signal, toUnixTimestamp64Milli(at) AS atMs, log_e, round(log_threshold, 3) AS line FROM evidence_slices FINAL
       WHERE release = 'r6' ORDER BY channel`,
    ),
  ).toEqual([
    { channel: 'chat', queue: 'orders', signal: 'failed_updates', atMs: T0_MS + 1, log_e: 2.5, line: 4.6 },
    { channel: "o'voice \\", queue: 'orders', signal: 'failed_updates', atMs: T0_MS, log_e: 1, line: 4.6 },
  ])
})

test('a slice that the batch did not touch leaves a row where it moved by half a hundredth of the line since its last one', async () => {
  const history = createHistory(store)
  const slice = (logE: number) => ({ channel: 'chat', queue: 'orders', signal: 'failed_updates', logE })
  const standing = (logE: number) => ({ ...view('r8', 10, 0.5), slices: [slice(logE)] })
  const rowsNow = () =>
    rowsOf<{ logE: number }>(
      store,
      `SELECT round(log_e, 3) AS logE FROM evidence_slices FINAL WHERE release = 'r8' ORDER BY minute`,
    )
  const moves = [1, 1.01, 1.02, 1.024, 1.03]
  for (const [at, logE] of moves.entries())
    history.note(standing(logE), [], { seq: at, clockMs: T0_MS + at * MINUTE_MS })
  await history.store(true)
  expect((await rowsNow()).map(({ logE }) => logE)).toEqual([1, 1.024])
})

test('a release that was not noted for a day is forgotten: its slices begin anew, and those of others do not', async () => {
  const history = createHistory(store)
  const standing = (release: string) => ({
    ...view(release, 10, 0.5),
    slices: [{ channel: 'chat', queue: 'orders', signal: 'failed_updates', logE: 1 }],
  })
  const day = 24 * 60
  const note = (release: string, minute: number) =>
    history.note(standing(release), [], { seq: minute, clockMs: T0_MS + minute * MINUTE_MS })
  note('r9', 0)
  for (const minute of [1, day / 2, day]) note('r10', minute) // at the end of its day r9 is forgotten
  for (const release of ['r9', 'r10']) note(release, day + 1)
  await history.store(true)
  expect(
    await rowsOf<{ release: string; minute: number }>(
      store,
      `SELECT release, intDiv(toUnixTimestamp64Milli(at) - ${T0_MS}, ${MINUTE_MS}) AS minute FROM evidence_slices FINAL
       WHERE release IN ('r9', 'r10') ORDER BY release, minute`,
    ),
  ).toEqual([
    { release: 'r10', minute: 1 },
    { release: 'r9', minute: 0 },
    { release: 'r9', minute: day + 1 },
  ])
})

test('batches that are judged again after a restart leave the same rows', async () => {
  for (const seq of [4, 4]) {
    const history = createHistory(store)
    history.note(view('r2', 5, 0.1), [], { seq, clockMs: T0_MS })
    await history.store(true)
  }
  expect(await stored('r2')).toHaveLength(2)
})

test('a release that is not judged leaves no history, and little of it waits until it is urgent', async () => {
  const history = createHistory(store)
  history.note(view('r3', 5, 0.1, false), [], { seq: 1, clockMs: T0_MS })
  await history.store(true)
  expect(await stored('r3')).toEqual([])

  history.note(view('r4', 5, 0.1), [], { seq: 2, clockMs: T0_MS })
  await history.store(false)
  expect(await stored('r4')).toEqual([])
  await history.store(true)
  expect(await stored('r4')).toHaveLength(2)
})

test('what could not be stored waits for the next time', async () => {
  let isAway = true
  const unsteady = {
    insert: (row: Parameters<ClickHouseClient['insert']>[0]) =>
      isAway ? Promise.reject(new Error('away')) : store.insert(row),
  } as unknown as ClickHouseClient
  const history = createHistory(unsteady)
  history.note(view('r5', 5, 0.1), [], { seq: 1, clockMs: T0_MS })
  await expect(history.store(true)).rejects.toThrow('away')
  isAway = false
  await history.store(true)
  expect(await stored('r5')).toHaveLength(2)
})
