import type { ClickHouseClient } from '@clickhouse/client'
import { expect, test } from 'vitest'
import type { Bus, BusRecord, Membership, Positions, Term } from '../bus/bus.ts'
import { compileSignals } from '../detectors/signals/compile.ts'
import { wallClock } from '../lib/clock.ts'
import { AndonError } from '../lib/errors.ts'
import { silentLog } from '../lib/log.ts'
import { seededRandom } from '../lib/random.ts'
import { rowsOf } from '../store/store.clickhouse.ts'
import { agentSpan, randomHistory, toolSpan } from './fixtures.ts'
import type { Poison } from './order.clickhouse.ts'
import {
  atRest,
  contactsOf,
  drive,
  expected,
  faulty,
  halting,
  hastyClock,
  newBus,
  oneContact,
  SIGNALS,
  send,
  TOPIC,
  totals,
} from './over-bus.fixtures.ts'
import { createSequencer } from './sequencer.clickhouse.ts'
import { withStore } from './store.fixtures.ts'

let store: ClickHouseClient
withStore((opened) => {
  store = opened
})

test.each([
  [1, 1],
  [2, 2],
  [3, 3],
])(
  'a shuffled history with copies, over six partitions and a store that fails, is counted as a recount counts it (seed %i, %i writers at once)',
  async (seed, writers) => {
    await atRest(store)
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

/** Leaves nothing unfinished that the stores of later tests, which refuse to, had to finish first. */
async function closeWhole(member: Membership): Promise<void> {
  const unfinished = 'SELECT toUInt32(count()) AS n FROM ranges WHERE seq > (SELECT max(batches.seq) FROM batches)'
  await expect.poll(async () => (await rowsOf<{ n: number }>(store, unfinished))[0]!.n, { timeout: 20_000 }).toBe(0)
  await member.close()
}

test('poison is put aside with its reason, and what is around it is counted', async () => {
  await atRest(store)
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
  await closeWhole(member)
})

test('what waits for its agent span is counted when the waiting ends, by a successor too', async () => {
  await atRest(store)
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
  await closeWhole(second)
})

const rangesBegun = async () =>
  (await rowsOf<{ n: number }>(store, 'SELECT uniqExact(seq) AS n FROM ranges WHERE notEmpty(next_offsets)'))[0]!.n

/** The bus, but records that were asked for go right after whoever asked was told that they are kept. */
const goingLater = (bus: Bus): Bus => ({
  ...bus,
  lead: (options) => {
    const seekIn = (term: Term) => async (asked: Positions) => ({ ...(await term.seek(asked)), ...asked })
    return bus.lead({ ...options, run: (term) => options.run({ ...term, seek: seekIn(term) }) })
  },
})

test.each([
  ['before', (bus: Bus) => bus],
  ['while', goingLater],
])(
  'of a batch that was begun, only what no topic keeps any more is given up, told once: gone %s it is read again',
  async (when, over) => {
    await atRest(store)
    const name = `kept ${when}`
    const bus = await newBus()
    const lost: number[] = []
    const watched = { bus: over(bus), group: 'g', onLost: (records: number) => void lost.push(records) }
    await bus.send(
      TOPIC,
      [0, 1].map((partition) => oneContact(name, `${name} ${partition}`, partition)),
    )
    const begins = await drive({ ...watched, client: halting(store, ({ table }) => table !== 'ranges') })
    await expect.poll(rangesBegun, { timeout: 20_000 }).toBe(1)
    await begins.close()
    bus.dropBefore(TOPIC, 0, 1)
    // It is read again and again before it becomes whole.
    let refused = 0
    const member = await drive({
      ...watched,
      client: halting(store, ({ table }) => table === 'spans' && refused++ < 2),
    })
    await expect.poll(() => contactsOf(store, name), { timeout: 20_000 }).toBe(1)
    await expect.poll(() => lost, { timeout: 20_000 }).toEqual([1])
    await bus.send(TOPIC, [oneContact(name, `${name} later`, 0)])
    await expect.poll(() => contactsOf(store, name), { timeout: 20_000 }).toBe(2)
    await closeWhole(member)
    expect(lost).toEqual([1])
  },
)

/** The bus, with something around every poll. */
const polling = (bus: Bus, around: (poll: () => Promise<BusRecord[]>) => Promise<BusRecord[]>): Bus => ({
  ...bus,
  lead: (options) =>
    bus.lead({
      ...options,
      run: (term) => options.run({ ...term, poll: (how) => around(() => term.poll(how)) }),
    }),
})

test('what goes of a batch while it is read again is given up, also while records of later batches keep coming', async () => {
  await atRest(store)
  const bus = await newBus()
  const lost: number[] = []
  const onLost = (records: number) => void lost.push(records)
  await bus.send(
    TOPIC,
    [0, 1].map((partition) => oneContact('idle', `idle ${partition}`, partition)),
  )
  const begins = await drive({ bus, group: 'g', client: halting(store, ({ table }) => table !== 'ranges') })
  await expect.poll(rangesBegun, { timeout: 20_000 }).toBe(1)
  await begins.close()
  bus.dropBefore(TOPIC, 0, 1)
  let came = 0
  const busy = polling(goingLater(bus), async (poll) => {
    await wallClock.sleep(1)
    if (lost.length === 0) await bus.send(TOPIC, [oneContact('idle', `idle not ${came++}`, 1)])
    return poll()
  })
  const member = await drive({ bus: busy, group: 'g', client: store, onLost })
  await expect.poll(() => lost, { timeout: 20_000 }).toEqual([1])
  await expect.poll(() => contactsOf(store, 'idle'), { timeout: 20_000 }).toBe(1 + came)
  await closeWhole(member)
})

test.each([
  ['once', 0, 2, 2],
  ['twice', 1, 3, 1], // by then the record before them is not kept either
])(
  'records that go while those around them are read are told once, where the batch before them is driven %s',
  async (times, refusals, losses, counted) => {
    await atRest(store)
    const name = `around ${times}`
    const bus = await newBus()
    const lost: number[] = []
    await bus.send(
      TOPIC,
      [0, 1, 2, 3].map((offset) => oneContact(name, `${name} ${offset}`, 0)),
    )
    const between = polling(bus, async (poll) => {
      const records = await poll()
      bus.dropBefore(TOPIC, 0, 3)
      return records.filter(({ offset }) => offset === 0 || offset === 3)
    })
    let refused = 0
    const client = halting(store, ({ table }) => table === 'spans' && refused++ < refusals)
    const member = await drive({ bus: between, group: 'g', client, onLost: (records) => void lost.push(records) })
    const told = () => lost.reduce((sum, records) => sum + records, 0)
    await expect.poll(() => contactsOf(store, name), { timeout: 20_000 }).toBe(counted)
    await expect.poll(told, { timeout: 20_000 }).toBe(losses)
    await closeWhole(member)
    expect(told()).toBe(losses)
  },
)

test('what an earlier attempt stored of a batch is counted, though no topic keeps it any more', async () => {
  await atRest(store)
  const bus = await newBus()
  await bus.send(
    TOPIC,
    [0, 1].map((partition) => oneContact('stored', `stored ${partition}`, partition)),
  )
  const begins = await drive({ bus, group: 'g', client: halting(store, ({ table }) => table === 'contact_parts') })
  const spans = "SELECT toUInt32(count()) AS n FROM spans WHERE agent_name = 'stored'"
  await expect.poll(async () => (await rowsOf<{ n: number }>(store, spans))[0]!.n, { timeout: 20_000 }).toBe(2)
  await begins.close()
  bus.dropBefore(TOPIC, 0, 1)
  const member = await drive({ bus, group: 'g', client: store })
  await expect.poll(() => contactsOf(store, 'stored'), { timeout: 20_000 }).toBe(2)
  await closeWhole(member)
})

test('records that were never begun are told once, also when nothing comes after them and by whoever goes on', async () => {
  await atRest(store)
  const bus = await newBus()
  const lost: number[] = []
  const watched = { bus, group: 'g', client: store, onLost: (records: number) => void lost.push(records) }
  await bus.send(TOPIC, [oneContact('gone', 'gone', 0)])
  await drive(watched).then(async (member) => {
    await expect.poll(() => contactsOf(store, 'gone'), { timeout: 20_000 }).toBe(1)
    await closeWhole(member)
  })
  await bus.send(TOPIC, [oneContact('gone', 'gone never', 0), oneContact('gone', 'gone never', 0)])
  bus.dropBefore(TOPIC, 0, 3)
  const second = await drive(watched)
  await expect.poll(() => lost, { timeout: 20_000 }).toEqual([2])
  // A topic stops keeping records while they wait to be read.
  bus.dropBefore(TOPIC, 1, 5)
  await bus.send(TOPIC, [oneContact('gone', 'gone not', 1)])
  await expect.poll(() => contactsOf(store, 'gone'), { timeout: 20_000 }).toBe(2)
  await closeWhole(second)
  expect(lost).toEqual([2, 5])
  const third = await drive(watched)
  await bus.send(TOPIC, [oneContact('gone', 'gone neither', 0)])
  await expect.poll(() => contactsOf(store, 'gone'), { timeout: 20_000 }).toBe(3)
  await closeWhole(third)
  expect(lost).toEqual([2, 5])
})

test('a batch that was stored under one configuration is counted as it was stored, whoever drives it to its end', async () => {
  await atRest(store)
  const bus = await newBus()
  const naming = (agent: string) => () => ({
    spans: [agentSpan({ trace: 'named', id: 'named', agentName: agent, conversation: 'named' })],
    outcomes: [],
    points: [],
  })
  await bus.send(TOPIC, [{ value: Buffer.from('{}') }])
  const old = await drive({
    bus,
    group: 'g',
    client: halting(store, ({ table }) => table === 'contact_parts'),
    factsOf: naming('named so'),
  })
  const spans = "SELECT toUInt32(count()) AS n FROM spans WHERE agent_name = 'named so'"
  await expect.poll(async () => (await rowsOf<{ n: number }>(store, spans))[0]!.n, { timeout: 20_000 }).toBe(1)
  await old.close()
  const member = await drive({ bus, group: 'g', client: store, factsOf: naming('named otherwise') })
  await expect.poll(() => contactsOf(store, 'named so'), { timeout: 20_000 }).toBe(1)
  expect(await contactsOf(store, 'named otherwise')).toBe(0)
  await closeWhole(member)
})

test('a store that a monitor without a bus left in the middle of a batch is taken over as it is', async () => {
  await atRest(store)
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
  await closeWhole(member)
})
