import type { ClickHouseClient } from '@clickhouse/client'
import { expect } from 'vitest'
import type { Bus, BusRecord, Membership, Outgoing } from '../bus/bus.ts'
import { createMemoryBus, type MemoryBus } from '../bus/memory.ts'
import { compileSignals } from '../detectors/signals/compile.ts'
import { SIGNAL_LIBRARY } from '../detectors/signals/library.ts'
import { type Clock, wallClock } from '../lib/clock.ts'
import { AndonError, assert } from '../lib/errors.ts'
import { silentLog } from '../lib/log.ts'
import type { Random } from '../lib/random.ts'
import { isRepeatable, type Method } from '../store/retry.clickhouse.ts'
import { rowsOf } from '../store/store.clickhouse.ts'
import { countInLanes } from './counting.clickhouse.ts'
import { agentSpan, type History } from './fixtures.ts'
import { driveLane } from './lane.clickhouse.ts'
import { recount } from './oracle.fixtures.ts'
import { orderBatches, type Poison } from './order.clickhouse.ts'
import { JUDGED_ENVIRONMENTS } from './places.ts'

/** What tests of batches that come over a bus share. */
export const SIGNALS = SIGNAL_LIBRARY.filter((signal) =>
  ['failed_updates', 'duplicate_creations', 'repeat_contacts', 'complaints', 'corrections', 'escalations'].includes(
    signal.name,
  ),
)
export const TOPIC = 'facts'
export const LANES = 'lanes'

/** Retries come at once; everything else is the wall clock. */
export const hastyClock: Clock = {
  nowMs: wallClock.nowMs,
  sleep: (ms, signal) => wallClock.sleep(Math.min(ms, 20), signal),
}

/** Records of these tests hold facts as JSON. */
const factsIn = (record: BusRecord) => {
  try {
    return { points: [], ...JSON.parse(Buffer.from(record.value).toString()) }
  } catch (error) {
    return { poison: record, reason: (error as Error).message }
  }
}

type Drive = Readonly<{
  bus: Bus
  client: ClickHouseClient
  group: string
  setAside?: Poison[]
  holdMs?: number
  maxBatchBytes?: number
  lanes?: number
  factsOf?: typeof factsIn
  onLost?: (records: number) => void
}>

/** Every group has its own leader: two groups are two writers that both take themselves for the only one. `lanes` above 1: counted by lanes. */
export const drive = ({
  bus,
  client,
  group,
  setAside = [],
  holdMs = 200,
  maxBatchBytes = 20_000,
  lanes = 1,
  factsOf = factsIn,
  onLost = () => {},
}: Drive): Promise<Membership> => {
  const inLanes = countInLanes({ bus, topic: LANES, lanes, clock: hastyClock })
  return bus.lead({
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
          ...(lanes > 1 && { countIn: inLanes }),
          onBatch: () => {},
          onLost,
          log: silentLog,
          maxBatchBytes,
        },
        term,
      ),
  })
}

/**
 * The store, but now and then a statement fails, done or not, or comes once more between later ones, as from a process that was replaced
 * while it was on its way.
 */
export const faulty = (store: ClickHouseClient, random: Random): ClickHouseClient => {
  let late: (() => Promise<unknown>) | null = null
  const failing = (method: Method) => async (params: never) => {
    assert(isRepeatable(method, params), 'whatever writes has a token')
    const statement = () => (store[method] as (given: never) => Promise<unknown>).call(store, params)
    const repeated = late
    if (repeated && random.chance(0.1)) {
      late = null
      await repeated()
    }
    if (method !== 'query' && random.chance(0.05)) late = statement
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

export async function send(bus: Bus, history: History, random: Random): Promise<void> {
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

export const newBus = async (): Promise<MemoryBus> => {
  const bus = createMemoryBus({ log: silentLog, clock: hastyClock })
  await bus.createTopics([
    { topic: TOPIC, partitions: 6 },
    { topic: LANES, partitions: 4 },
  ])
  return bus
}

/** The store, but inserts that `fails` names are refused. */
export const halting = (
  store: ClickHouseClient,
  fails: (insert: Readonly<{ table: string; token: string }>) => boolean,
): ClickHouseClient => {
  type Insert = { table: string; clickhouse_settings?: { insert_deduplication_token?: string } }
  const insert = (params: Insert) =>
    fails({ table: params.table, token: params.clickhouse_settings?.insert_deduplication_token ?? '' })
      ? Promise.reject(new AndonError('store_gone', 'gone', { retryable: true }))
      : store.insert(params as never)
  return {
    ...store,
    insert,
    query: store.query.bind(store),
    command: store.command.bind(store),
  } as unknown as ClickHouseClient
}

/** One contact of an agent, as a record of one partition. */
export const oneContact = (agent: string, id: string, partition: number): Outgoing => ({
  partition,
  value: Buffer.from(
    JSON.stringify({ spans: [agentSpan({ trace: id, id, agentName: agent, conversation: id })], outcomes: [] }),
  ),
})

/** Contacts that are counted of one agent. */
export const contactsOf = async (store: ClickHouseClient, agent: string): Promise<number> =>
  (
    await rowsOf<{ n: number }>(
      store,
      "SELECT sum(deltas.n) AS n FROM deltas WHERE agent = {agent:String} AND signal = '' AND measure = 'contacts'",
      { agent },
    )
  )[0]!.n

/** Totals of one history, as the oracle writes them. */
export async function totals(store: ClickHouseClient, name: string): Promise<Record<string, number>> {
  const rows = await rowsOf<{ key: string; n: number }>(
    store,
    `SELECT concatWithSeparator('|', signal, measure, environment, agent, release, if(measure = 'release_capped_hits', '', channel) AS c, if(measure = 'release_capped_hits', '', queue) AS q,
       toString(if(endsWith(measure, 'capped_hits'), 0, toUnixTimestamp(minute)))) AS key, round(sum(deltas.n), 3) AS n
     FROM deltas WHERE startsWith(agent, {name:String}) GROUP BY key HAVING n != 0 ORDER BY key`,
    { name },
  )
  return Object.fromEntries(rows.map((row) => [row.key, row.n]))
}

export const expected = (history: History, name: string): Record<string, number> =>
  Object.fromEntries(
    [...recount({ spans: [...history.spans], outcomes: [...history.outcomes] }, SIGNALS, JUDGED_ENVIRONMENTS)]
      .filter(([key]) => key.includes(`|${name}`))
      .sort(([a], [b]) => (a < b ? -1 : 1)),
  )

/**
 * Begins a test: no batch is under way, and every bus begins at offset 0. Whoever leaves may leave a batch in the middle, as it should; the
 * store of another test that refuses inserts would never get past it.
 */
export async function atRest(store: ClickHouseClient): Promise<void> {
  await store.command({ query: 'ALTER TABLE ranges UPDATE next_offsets = map() WHERE 1 SETTINGS mutations_sync = 1' })
  const underWay = 'SELECT DISTINCT seq FROM ranges WHERE seq > (SELECT max(seq) FROM batches)'
  const member = await drive({ bus: await newBus(), client: store, group: 'g', holdMs: 600_000 })
  await expect.poll(() => rowsOf(store, underWay), { timeout: 20_000 }).toEqual([])
  await member.close()
}

/** Takes part in the lanes. Two groups are two writers of every lane. */
export const joinLanes = ({ bus, client, group }: Pick<Drive, 'bus' | 'client' | 'group'>): Promise<Membership> =>
  bus.share({
    group: `${group}-lanes`,
    topic: LANES,
    run: (term, lane) =>
      driveLane(
        {
          store: client,
          statements: compileSignals(SIGNALS),
          idleMs: null,
          clock: hastyClock,
          bus,
          topic: LANES,
          onBatch: () => {},
        },
        term,
        lane,
      ),
  })
