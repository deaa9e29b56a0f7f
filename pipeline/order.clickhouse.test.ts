import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { ClickHouseClient } from '@clickhouse/client'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { compileSignals } from '../detectors/signals/compile.ts'
import { AndonError } from '../lib/errors.ts'
import { silentLog } from '../lib/log.ts'
import { seededRandom } from '../lib/random.ts'
import { openStore, rowsOf } from '../store/store.clickhouse.ts'
import { agentSpan, randomHistory, toolSpan } from './fixtures.ts'
import type { Poison } from './order.clickhouse.ts'
import {
  drive,
  expected,
  faulty,
  hastyClock,
  newBus,
  resetRanges,
  SIGNALS,
  send,
  TOPIC,
  totals,
} from './over-bus.fixtures.ts'
import { createSequencer } from './sequencer.clickhouse.ts'

const directory = mkdtempSync(join(tmpdir(), 'andon-order-'))
let store: ClickHouseClient
beforeAll(async () => {
  store = await openStore({ kind: 'embedded', path: directory })
})
afterAll(async () => {
  await store.close()
  rmSync(directory, { recursive: true, force: true })
})

test.each([
  [1, 1],
  [2, 2],
  [3, 3],
])(
  'a shuffled history with copies, over six partitions and a store that fails, is counted as a recount counts it (seed %i, %i writers at once)',
  async (seed, writers) => {
    await resetRanges(store) // every bus of these tests begins at offset 0
    const random = seededRandom('lane', seed)
    const name = `l${seed}x`
    const history = randomHistory(random, name, 14)
    const bus = await newBus()
    const members = await Promise.all(
      Array.from({ length: writers }, (_, i) =>
        drive({ bus, group: `${i}`, client: faulty(store, random), maxBatchBytes: 2_000 + 5_000 * i }),
      ),
    )
    await send(bus, history, random)
    await expect.poll(() => totals(store, name), { timeout: 50_000, interval: 300 }).toEqual(expected(history, name))
    await Promise.all(members.map((member) => member.close()))
    expect(await totals(store, name)).toEqual(expected(history, name))
  },
)

test('poison is put aside with its reason, and what is around it is counted', async () => {
  await resetRanges(store)
  const bus = await newBus()
  const setAside: Poison[] = []
  const member = await drive({ bus, client: store, group: 'g', setAside })
  const contact = (id: string) => ({
    spans: [agentSpan({ trace: id, id, agentName: 'poisoned', conversation: id })],
    outcomes: [],
  })
  await bus.send(TOPIC, [
    { value: Buffer.from(JSON.stringify(contact('p1'))) },
    { value: Buffer.from('{ no JSON') },
    { value: Buffer.from(JSON.stringify(contact('p2'))) },
  ])
  const contacts = async () =>
    (
      await rowsOf<{ n: number }>(
        store,
        "SELECT sum(deltas.n) AS n FROM deltas WHERE agent = 'poisoned' AND measure = 'contacts'",
      )
    )[0]?.n
  await expect.poll(contacts, { timeout: 20_000 }).toBe(2)
  expect(setAside).toMatchObject([{ poison: { topic: TOPIC, offset: 1 }, reason: expect.stringContaining('JSON') }])
  await member.close()
})

test('what waits for its agent span is counted when the waiting ends, by a successor too', async () => {
  await resetRanges(store)
  const bus = await newBus()
  const first = await drive({ bus, client: store, group: 'g', holdMs: 600_000 })
  const tool = toolSpan({ trace: 'waits', id: 'tool', parent: 'never', conversation: 'waits', tool: 'waits_for_ever' })
  await bus.send(TOPIC, [{ value: Buffer.from(JSON.stringify({ spans: [tool], outcomes: [] })) }])
  const held = async () =>
    (
      await rowsOf<{ n: number }>(
        store,
        "SELECT toUInt32(count()) AS n FROM contact_parts WHERE contact_id = '' AND trace_id = {trace:String} AND gone = 0",
        { trace: tool.traceId },
      )
    )[0]?.n
  const counted = async () =>
    (await rowsOf<{ n: number }>(store, "SELECT toUInt32(count()) AS n FROM contacts WHERE conversation = 'waits'"))[0]
      ?.n
  await expect.poll(held, { timeout: 20_000 }).toBe(1)
  expect(await counted()).toBe(0)
  await first.close()
  const second = await drive({ bus, client: store, group: 'g', holdMs: 100 })
  await expect.poll(counted, { timeout: 20_000 }).toBe(1)
  await second.close()
})

test('a store that a monitor without a bus left in the middle of a batch is taken over as it is', async () => {
  await resetRanges(store)
  const monitor = (client: ClickHouseClient) =>
    createSequencer({
      store: client,
      statements: compileSignals(SIGNALS),
      idleMs: null,
      clock: hastyClock,
      clockMode: 'wall',
      holdMs: 100,
      onBatch: () => {},
      log: silentLog,
    })
  await monitor(store).then((sequencer) => sequencer.close()) // finishes what other tests left
  let inserts = 0
  const insert = (params: never) =>
    inserts++ === 0 ? store.insert(params) : Promise.reject(new AndonError('store_gone', 'gone', { retryable: true }))
  const query = (params: never) => store.query(params)
  const command = (params: never) => store.command(params)
  const sequencer = await monitor({ ...store, insert, query, command } as unknown as ClickHouseClient)
  const span = (id: string) => agentSpan({ trace: id, id, agentName: 'switched', conversation: id })
  await sequencer.accept({ spans: [span('before')], outcomes: [], points: [] })
  await sequencer.close()
  const bus = await newBus()
  const member = await drive({ bus, client: store, group: 'g' })
  await bus.send(TOPIC, [{ value: Buffer.from(JSON.stringify({ spans: [span('after')], outcomes: [] })) }])
  const contacts = async () =>
    (
      await rowsOf<{ n: number }>(
        store,
        "SELECT sum(deltas.n) AS n FROM deltas WHERE agent = 'switched' AND measure = 'contacts'",
      )
    )[0]?.n
  await expect.poll(contacts, { timeout: 20_000 }).toBe(2)
  await member.close()
})
