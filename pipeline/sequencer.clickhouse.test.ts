import type { ClickHouseClient } from '@clickhouse/client'
import { expect, test } from 'vitest'
import { compileSignals } from '../detectors/signals/compile.ts'
import { SIGNAL_LIBRARY } from '../detectors/signals/library.ts'
import { EMPTY_OUTCOME } from '../facts/span.ts'
import { wallClock } from '../lib/clock.ts'
import { AndonError } from '../lib/errors.ts'
import { silentLog } from '../lib/log.ts'
import { rowsOf } from '../store/store.clickhouse.ts'
import { storeBatch } from './accept.clickhouse.ts'
import { agentSpan } from './fixtures.ts'
import { type Arrivals, type BatchMeasures, createSequencer } from './sequencer.clickhouse.ts'
import { wholeOf } from './share.ts'
import { withStore } from './store.fixtures.ts'

let store: ClickHouseClient
withStore((opened) => {
  store = opened
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

test('a fact that the store cannot read is refused for good, alone: what shares its batch is taken', async () => {
  const measured: BatchMeasures[] = []
  const sequencer = await createSequencer({
    store,
    statements: compileSignals(SIGNAL_LIBRARY.slice(0, 4)),
    idleMs: null,
    clock: wallClock,
    clockMode: 'wall',
    holdMs: 0,
    onBatch: (batch) => measured.push(batch),
    log: silentLog,
  })
  const told = (error: AndonError) => `${error.code}, ${error.retryable ? 'again' : 'never again'}: ${error.message}`
  const send = (arrivals: Partial<Arrivals>) =>
    sequencer.accept({ spans: [], outcomes: [], points: [], ...arrivals }).then(() => 'taken', told)
  const good = (id: string) => agentSpan({ trace: `poison ${id}`, id, conversation: `poison ${id}` })
  // What no decoder lets through: a number where the column takes none.
  const bad = (id: string) => ({ ...good(id), items: 'many' as unknown as number })
  const outcome = (outcomeId: string, amount: unknown) => ({
    ...EMPTY_OUTCOME,
    outcomeId,
    atMs: wallClock.nowMs(),
    conversation: 'poison a',
    amount: amount as number,
  })
  const answers = await Promise.all([
    send({ spans: [good('a'), good('b')] }),
    send({ spans: [good('c'), bad('d'), good('e')] }),
    send({ outcomes: [outcome('bad', 'much'), outcome('good', 1)] }),
    send({ spans: [good('f')] }),
  ])
  const never = (lost: number, of: number) =>
    `unreadable, never again: the store cannot keep ${lost} of these ${of} items; do not send them again`
  expect(answers).toEqual(['taken', never(1, 3), never(1, 2), 'taken'])
  expect(await send({ spans: [bad('g')] })).toBe(never(1, 1))
  await sequencer.settle()
  await sequencer.close()
  expect(measured.map((batch) => batch.spans + batch.outcomes)).toEqual([8, 1])
  const contacts = await rowsOf<{ conversation: string }>(
    store,
    "SELECT conversation FROM contacts WHERE startsWith(conversation, 'poison') ORDER BY conversation",
  )
  expect(contacts.map((contact) => contact.conversation)).toEqual([
    'poison a',
    'poison b',
    'poison c',
    'poison e',
    'poison f',
  ])
  const complaints = await rowsOf<{ measure: string; n: number }>(
    store,
    "SELECT measure, sum(n) AS n FROM deltas WHERE signal = 'complaints' AND measure IN ('events', 'unattributed') GROUP BY measure ORDER BY measure",
  )
  expect(complaints).toEqual([
    { measure: 'events', n: 1 },
    { measure: 'unattributed', n: 1 },
  ])
})

test('a start that waits for a batch that cannot be counted ends when it is told to', async () => {
  const working = {
    statements: compileSignals(SIGNAL_LIBRARY.slice(0, 1)),
    idleMs: null,
    clockMode: 'wall',
    holdMs: 1_000,
    onBatch: () => {},
  } as const
  const broken = new Proxy(store, {
    get: (target, name) => {
      const value = Reflect.get(target, name, target) as unknown
      if (typeof value !== 'function') return value
      if (name !== 'command') return value.bind(target)
      return async (params: { query: string }) => {
        if (params.query.includes('INSERT INTO deltas')) throw new TypeError('a fault of ours')
        return value.call(target, params)
      }
    },
  })
  const stamp = { seq: 1_000, acceptedAtMs: wallClock.nowMs(), receivedAtMs: wallClock.nowMs() }
  const spans = [agentSpan({ trace: 'uncounted', id: 'uncounted', startedAtMs: stamp.acceptedAtMs })]
  await storeBatch({ store }, wholeOf(stamp), { spans, outcomes: [], points: [] })
  const stop = new AbortController()
  const starting = createSequencer({
    ...working,
    store: broken,
    // Nothing but the signal ends a sleep.
    clock: { nowMs: wallClock.nowMs, sleep: (_, signal) => wallClock.sleep(2 ** 30, signal) },
    log: { ...silentLog, error: () => stop.abort() },
    signal: stop.signal,
  })
  await expect(starting).rejects.toMatchObject({ code: 'unavailable', retryable: true })
  const sequencer = await createSequencer({ ...working, store, clock: wallClock, log: silentLog })
  await sequencer.settle()
  await sequencer.close()
})

test('what arrives while totals catch up is taken when they have, not after the sleep that follows', async () => {
  const catchingUp = Promise.withResolvers<void>()
  const goOn = Promise.withResolvers<void>()
  const slow = new Proxy(store, {
    get: (target, name) => {
      const value = Reflect.get(target, name, target) as unknown
      if (typeof value !== 'function') return value
      if (name !== 'command') return value.bind(target)
      return async (params: { query: string }) => {
        if (params.query.startsWith('INSERT INTO rollup_hours')) {
          catchingUp.resolve()
          await goOn.promise
        }
        return value.call(target, params)
      }
    },
  })
  const sequencer = await createSequencer({
    store: slow,
    statements: compileSignals(SIGNAL_LIBRARY.slice(0, 1)),
    idleMs: null,
    clock: wallClock,
    clockMode: 'wall',
    holdMs: 1_000,
    onBatch: () => {},
    log: silentLog,
  })
  const send = (id: string) => sequencer.accept({ spans: [agentSpan({ trace: id, id })], outcomes: [], points: [] })
  await send('before')
  const settled = sequencer.settle()
  await catchingUp.promise
  const taken = send('meanwhile').then(() => 'taken')
  goOn.resolve()
  await settled
  expect(await Promise.race([taken, wallClock.sleep(10_000).then(() => 'still waiting')])).toBe('taken')
  await sequencer.close()
})
