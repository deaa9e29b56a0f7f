import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { ClickHouseClient } from '@clickhouse/client'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { wallClock } from '../lib/clock.ts'
import { openStore, rowsOf } from '../store/store.clickhouse.ts'
import { agentSpan } from './fixtures.ts'
import { replaySetAside, setAside } from './set-aside.clickhouse.ts'
import { wholeOf } from './share.ts'

let directory: string
let store: ClickHouseClient

beforeEach(async () => {
  directory = mkdtempSync(join(tmpdir(), 'andon-set-aside-'))
  store = await openStore({ kind: 'embedded', path: directory })
})
afterEach(async () => {
  await store.close()
  rmSync(directory, { recursive: true, force: true })
})

/** Whole seconds; what was received long ago the store does not keep. */
const NOW_MS = Math.floor(wallClock.nowMs() / 1000) * 1000
const YESTERDAY_MS = NOW_MS - 86_400_000
const LONG_AGO_MS = NOW_MS - 300 * 86_400_000

/** A store whose last whole batch is the second, with one span set aside. */
async function lastBatch(clock: { clockMs: number; receivedMs: number }) {
  await store.insert({
    table: 'batches',
    values: [
      {
        seq: 2,
        clock_at: clock.clockMs,
        accepted_at: clock.receivedMs,
        spans: 0,
        new_spans: 0,
        outcomes: 0,
        points: 0,
      },
    ],
    format: 'JSONEachRow',
  })
  const stamp = { seq: 1, acceptedAtMs: clock.clockMs, receivedAtMs: clock.receivedMs }
  const spans = [agentSpan({ trace: 'aside', id: 'aside' })]
  await setAside(store, { share: wholeOf(stamp), known: [], spans, outcomes: [], points: [] }, 'overflow')
}

const replayedAt = async (nowMs: number) => {
  expect(await replaySetAside(store, nowMs)).toBe(1)
  return rowsOf<{ seq: number; acceptedMs: number }>(
    store,
    'SELECT seq, toUnixTimestamp64Milli(accepted_at) AS acceptedMs FROM spans',
  )
}

test('on a live store what is replayed is accepted now', async () => {
  await lastBatch({ clockMs: YESTERDAY_MS, receivedMs: YESTERDAY_MS })
  expect(await replayedAt(NOW_MS)).toEqual([{ seq: 3, acceptedMs: NOW_MS }])
})

test('on a store of history what is replayed does not move its clock', async () => {
  await lastBatch({ clockMs: LONG_AGO_MS, receivedMs: YESTERDAY_MS })
  expect(await replayedAt(NOW_MS)).toEqual([{ seq: 3, acceptedMs: LONG_AGO_MS }])
})

test('the numbers of halves that are to come are taken', async () => {
  await lastBatch({ clockMs: YESTERDAY_MS, receivedMs: YESTERDAY_MS })
  await store.insert({
    table: 'taken_back',
    values: [{ seq: 3, set_aside: 0, half_seq: 5 }],
    format: 'JSONEachRow',
  })
  expect(await replayedAt(NOW_MS)).toMatchObject([{ seq: 7 }])
})
