import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { ClickHouseClient } from '@clickhouse/client'
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { Bus, BusRecord, Membership } from '../bus/bus.ts'
import { createMemoryBus } from '../bus/memory.ts'
import { compileSignals } from '../detectors/signals/compile.ts'
import { SIGNAL_LIBRARY } from '../detectors/signals/library.ts'
import { type Clock, wallClock } from '../lib/clock.ts'
import { AndonError } from '../lib/errors.ts'
import { silentLog } from '../lib/log.ts'
import { type Random, seededRandom } from '../lib/random.ts'
import { openStore, rowsOf } from '../store/store.clickhouse.ts'
import { agentSpan, type History, randomHistory, toolSpan } from './fixtures.ts'
import { recount } from './oracle.fixtures.ts'
import { orderBatches, type Poison } from './order.clickhouse.ts'
import { JUDGED_ENVIRONMENTS } from './places.ts'
import { createSequencer } from './sequencer.clickhouse.ts'

const SIGNALS = SIGNAL_LIBRARY.filter((signal) =>
  ['failed_updates', 'duplicate_creations', 'repeat_contacts', 'complaints', 'corrections', 'escalations'].includes(
    signal.name,
  ),
)
const TOPIC = 'facts'

const directory = mkdtempSync(join(tmpdir(), 'andon-lane-'))
let store: ClickHouseClient
beforeAll(async () => {
  store = await openStore({ kind: 'embedded', path: directory })
})
afterAll(async () => {
  await store.close()
  rmSync(directory, { recursive: true, force: true })
})

/** Retries come at once; everything else is the wall clock. */
const hastyClock: Clock = { nowMs: wallClock.nowMs, sleep: (ms, signal) => wallClock.sleep(Math.min(ms, 20), signal) }

/** Records of these tests hold facts as JSON. */
const factsOf = (record: BusRecord) => {
  try {
    return { points: [], ...JSON.parse(Buffer.from(record.value).toString()) }
  } catch (error) {
    return { poison: record, reason: (error as Error).message }
  }
}

type Drive = Readonly<{
  bus: Bus
  client?: ClickHouseClient
  group: string
  setAside?: Poison[]
  holdMs?: number
  maxBatchBytes?: number
}>

/** Every group has its own leader: two groups are two writers that both take themselves for the only one. */
const drive = ({
  bus,
  client = store,
  group,
  setAside = [],
  holdMs = 200,
  maxBatchBytes = 20_000,
}: Drive): Promise<Membership> =>
  bus.lead({
    group,
    topics: [TOPIC],
    run: (term) =>
      orderBatches(
        {
          store: client,
          statements: compileSignals(SIGNALS),
          idleMs: null,
          clock: hastyClock,
          holdMs,
          factsOf,
          setAside: async (poison) => void setAside.push(...poison),
          onBatch: () => {},
          onLost: () => {},
          log: silentLog,
          maxBatchBytes,
        },
        term,
      ),
  })

/** The store, but now and then a statement fails, done or not. */
const faulty = (random: Random): ClickHouseClient => {
  const failing = (method: 'insert' | 'command' | 'query') => async (params: never) => {
    const statement = () => (store[method] as (given: never) => Promise<unknown>).call(store, params)
    if (!random.chance(0.01)) return statement()
    if (random.chance(0.5)) await statement()
    throw new AndonError('store_gone', 'gone', { retryable: true })
  }
  return {
    ...store,
    insert: failing('insert'),
    command: failing('command'),
    query: failing('query'),
  } as unknown as ClickHouseClient
}

async function send(bus: Bus, history: History, random: Random): Promise<void> {
  const facts = [
    ...history.spans.map((span) => ({ spans: [span], outcomes: [] })),
    ...history.outcomes.map((outcome) => ({ spans: [], outcomes: [outcome] })),
  ]
  const twice = facts.filter(() => random.chance(0.1))
  const shuffled = [...facts, ...twice]
    .map((fact) => ({ fact, place: random.uniform() }))
    .sort((a, b) => a.place - b.place)
    .map(({ fact }) => ({ value: Buffer.from(JSON.stringify(fact)) }))
  while (shuffled.length > 0) {
    await bus.send(TOPIC, shuffled.splice(0, 1 + random.integer(6)))
    if (random.chance(0.2)) await wallClock.sleep(random.integer(30))
  }
}

const newBus = async (): Promise<Bus> => {
  const bus = createMemoryBus({ log: silentLog, clock: hastyClock })
  await bus.createTopics([{ topic: TOPIC, partitions: 6 }])
  return bus
}

/** Totals of one history, as the oracle writes them. */
async function totals(name: string): Promise<Record<string, number>> {
  const rows = await rowsOf<{ key: string; n: number }>(
    store,
    `SELECT concatWithSeparator('|', signal, measure, environment, agent, release, if(measure = 'release_capped_hits', '', channel) AS c, if(measure = 'release_capped_hits', '', queue) AS q,
       toString(if(endsWith(measure, 'capped_hits'), 0, toUnixTimestamp(minute)))) AS key, round(sum(deltas.n), 3) AS n
     FROM deltas WHERE startsWith(agent, {name:String}) GROUP BY key HAVING n != 0 ORDER BY key`,
    { name },
  )
  return Object.fromEntries(rows.map((row) => [row.key, row.n]))
}

const expected = (history: History, name: string): Record<string, number> =>
  Object.fromEntries(
    [...recount({ spans: [...history.spans], outcomes: [...history.outcomes] }, SIGNALS, JUDGED_ENVIRONMENTS)]
      .filter(([key]) => key.includes(`|${name}`))
      .sort(([a], [b]) => (a < b ? -1 : 1)),
  )

const resetRanges = () =>
  store.command({ query: 'ALTER TABLE ranges UPDATE next_offsets = map() WHERE 1 SETTINGS mutations_sync = 1' })

test.each([
  [1, 1],
  [2, 2],
  [3, 3],
])(
  'a shuffled history with copies, over six partitions and a store that fails, is counted as a recount counts it (seed %i, %i writers at once)',
  async (seed, writers) => {
    await resetRanges() // every bus of these tests begins at offset 0
    const random = seededRandom('lane', seed)
    const name = `l${seed}x`
    const history = randomHistory(random, name, 14)
    const bus = await newBus()
    const members = await Promise.all(
      Array.from({ length: writers }, (_, i) =>
        drive({ bus, group: `${i}`, client: faulty(random), maxBatchBytes: 2_000 + 5_000 * i }),
      ),
    )
    await send(bus, history, random)
    await expect.poll(() => totals(name), { timeout: 50_000, interval: 300 }).toEqual(expected(history, name))
    await Promise.all(members.map((member) => member.close()))
    expect(await totals(name)).toEqual(expected(history, name))
  },
)

test('poison is put aside with its reason, and what is around it is counted', async () => {
  await resetRanges()
  const bus = await newBus()
  const setAside: Poison[] = []
  const member = await drive({ bus, group: 'g', setAside })
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
  await resetRanges()
  const bus = await newBus()
  const first = await drive({ bus, group: 'g', holdMs: 600_000 })
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
  const second = await drive({ bus, group: 'g', holdMs: 100 })
  await expect.poll(counted, { timeout: 20_000 }).toBe(1)
  await second.close()
})

test('a store that a monitor without a bus left in the middle of a batch is taken over as it is', async () => {
  await resetRanges()
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
  const member = await drive({ bus, group: 'g' })
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
