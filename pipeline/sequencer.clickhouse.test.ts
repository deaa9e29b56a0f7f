import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { ClickHouseClient } from '@clickhouse/client'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { compileSignals } from '../detectors/signals/compile.ts'
import { SIGNAL_LIBRARY } from '../detectors/signals/library.ts'
import { wallClock } from '../lib/clock.ts'
import { AndonError } from '../lib/errors.ts'
import { silentLog } from '../lib/log.ts'
import { openStore, rowsOf } from '../store/store.clickhouse.ts'
import { agentSpan } from './fixtures.ts'
import { createSequencer } from './sequencer.clickhouse.ts'

const directory = mkdtempSync(join(tmpdir(), 'andon-sequencer-'))
let store: ClickHouseClient

beforeAll(async () => {
  store = await openStore({ kind: 'embedded', path: directory })
})
afterAll(async () => {
  await store.close()
  rmSync(directory, { recursive: true, force: true })
})

test('while the store refuses everything senders are turned away at once, and taken again when it works', async () => {
  let isFull = false
  const full = () => Promise.reject(new AndonError('store_failed', 'no space for the row of Ann Example'))
  const moody = new Proxy(store, {
    get: (target, name) => {
      if (isFull && (name === 'insert' || name === 'query' || name === 'command')) return full
      const value = Reflect.get(target, name, target) as unknown
      return typeof value === 'function' ? value.bind(target) : value
    },
  })
  const sequencer = await createSequencer({
    store: moody,
    statements: compileSignals(SIGNAL_LIBRARY.slice(0, 1)),
    idleMs: null,
    clock: { nowMs: wallClock.nowMs, sleep: (ms, signal) => wallClock.sleep(Math.min(ms, 20), signal) },
    clockMode: 'wall',
    holdMs: 1_000,
    onBatch: () => {},
    log: silentLog,
  })
  const send = (id: string) =>
    sequencer.accept({ spans: [agentSpan({ trace: id, id })], outcomes: [], points: [] }).then(
      () => 'taken',
      (error: AndonError) => error,
    )
  expect(await send('a')).toBe('taken')
  isFull = true
  const [first, ...others] = [await send('b'), await send('c'), await send('d')]
  for (const refused of [first, ...others]) expect(refused).toMatchObject({ code: 'unavailable', retryable: true })
  expect((first as AndonError).message).not.toContain('Ann Example')
  expect(sequencer.waitingRows()).toBe(0)
  isFull = false
  await expect.poll(() => send('e'), { timeout: 10_000 }).toBe('taken')
  await sequencer.settle()
  await sequencer.close()
  const [stored] = await rowsOf<{ n: number }>(store, 'SELECT toUInt32(uniqExact(trace_id)) AS n FROM spans')
  expect(stored!.n).toBe(2)
})
