import type { ClickHouseClient } from '@clickhouse/client'
import { expect, test } from 'vitest'
import type { Membership } from '../bus/bus.ts'
import { wallClock } from '../lib/clock.ts'
import { type Random, seededRandom } from '../lib/random.ts'
import { rowsOf } from '../store/store.clickhouse.ts'
import { randomHistory } from './fixtures.ts'
import {
  atRest,
  contactsOf,
  drive,
  expected,
  faulty,
  halting,
  joinLanes,
  LANES,
  newBus,
  oneContact,
  send,
  TOPIC,
  totals,
} from './over-bus.fixtures.ts'
import { withStore } from './store.fixtures.ts'

let store: ClickHouseClient
withStore((opened) => {
  store = opened
})

const counted = async (name: string, history: Parameters<typeof expected>[0]) => {
  await expect.poll(() => totals(store, name), { timeout: 50_000, interval: 300 }).toEqual(expected(history, name))
}

test.each([
  [1, 3, 2],
  [2, 4, 3],
])(
  'lanes count a shuffled history with copies, over a store that fails, as a recount counts it (seed %i, %i lanes, %i instances that come and go)',
  async (seed, lanes, instances) => {
    await atRest(store)
    const random = seededRandom('lanes', seed)
    const name = `n${seed}x`
    const history = randomHistory(random, name, 14)
    const bus = await newBus()
    const join = async (): Promise<Membership[]> => {
      const client = faulty(store, random)
      return [
        await joinLanes({ bus, client, group: 'g' }),
        await drive({ bus, group: 'g', client, lanes, maxBatchBytes: 5_000 }),
      ]
    }
    let members = await Promise.all(Array.from({ length: instances }, join))
    const stop = new AbortController()
    const comeAndGo = async (of: Random) => {
      while (!stop.signal.aborted) {
        await wallClock.sleep(300 + of.integer(900), stop.signal)
        const [first, ...rest] = members
        for (const membership of first!) await membership.close()
        members = [...rest, await join()]
      }
    }
    const changing = comeAndGo(random)
    await send(bus, history, random)
    stop.abort()
    await changing
    await counted(name, history)
    for (const membership of members.flat()) await membership.close()
    expect(await totals(store, name)).toEqual(expected(history, name))
  },
)

test('two writers of every lane, and two that both put batches in order, count everything once', async () => {
  await atRest(store)
  const random = seededRandom('lanes', 7)
  const name = 'zx'
  const history = randomHistory(random, name, 12)
  const bus = await newBus()
  const members: Membership[] = []
  for (const group of ['one', 'other']) {
    const client = faulty(store, random)
    members.push(await joinLanes({ bus, client, group }))
    members.push(await drive({ bus, client, group, lanes: 2, maxBatchBytes: 4_000 }))
  }
  await send(bus, history, random)
  await counted(name, history)
  for (const membership of members) await membership.close()
  expect(await totals(store, name)).toEqual(expected(history, name))
})

test('the number of lanes may change between two orderers: what was under way is whole before keys move', async () => {
  await atRest(store)
  const random = seededRandom('lanes', 9)
  const name = 'cx'
  const history = randomHistory(random, name, 12)
  const bus = await newBus()
  const lanesMember = await joinLanes({ bus, client: store, group: 'g' })
  const half = Math.ceil(history.spans.length / 2)
  const two = await drive({ bus, client: store, group: 'g', lanes: 2, maxBatchBytes: 3_000 })
  await send(bus, { spans: history.spans.slice(0, half), outcomes: [] }, random)
  await two.close()
  const four = await drive({ bus, client: store, group: 'g', lanes: 4, maxBatchBytes: 3_000 })
  await send(bus, { spans: history.spans.slice(half), outcomes: history.outcomes }, random)
  await four.close()
  const here = await drive({ bus, client: store, group: 'g' })
  await counted(name, history)
  await here.close()
  await lanesMember.close()
})

test('lanes count what an earlier attempt stored of a batch, though neither its records nor its letters are kept any more', async () => {
  await atRest(store)
  const bus = await newBus()
  const contacts = Array.from({ length: 16 }, (_, i) => oneContact('kept', `kept ${i}`, i % 2))
  await bus.send(TOPIC, contacts)
  const client = halting(store, ({ table }) => table === 'contact_parts')
  const begins = [
    await joinLanes({ bus, client, group: 'g' }),
    await drive({ bus, client, group: 'g', lanes: 4, maxBatchBytes: 1 << 20 }),
  ]
  const spans = "SELECT toUInt32(count()) AS n FROM spans WHERE agent_name = 'kept'"
  await expect.poll(async () => (await rowsOf<{ n: number }>(store, spans))[0]!.n, { timeout: 20_000 }).toBe(16)
  for (const member of begins) await member.close()
  bus.dropBefore(TOPIC, 0, 8)
  for (const { partition, next } of await bus.bounds(LANES)) bus.dropBefore(LANES, partition, next)
  const members = [
    await joinLanes({ bus, client: store, group: 'g' }),
    await drive({ bus, client: store, group: 'g', lanes: 4 }),
  ]
  await expect.poll(() => contactsOf(store, 'kept'), { timeout: 50_000 }).toBe(16)
  for (const member of members) await member.close()
})

test('a batch that lanes left in the middle is finished by a pipeline that counts alone, once', async () => {
  await atRest(store)
  const random = seededRandom('lanes', 11)
  const name = 'ax'
  const history = randomHistory(random, name, 12)
  const bus = await newBus()
  // Inserts of contacts fail in half of the lanes: what the others hand on stands, and no batch becomes whole.
  const client = halting(store, ({ token }) => /^k\d+\.[23]/.test(token))
  const lanesMember = await joinLanes({ bus, client, group: 'g' })
  const orderer = await drive({ bus, client: store, group: 'g', lanes: 4 })
  await send(bus, history, random)
  const begun = async () =>
    (
      await rowsOf<{ n: number }>(
        store,
        "SELECT count() AS n FROM contact_changes WHERE lane < 2 AND startsWith(agent, 'ax')",
      )
    )[0]!.n
  await expect.poll(begun, { timeout: 20_000 }).toBeGreaterThan(0)
  await orderer.close()
  await lanesMember.close()
  expect(await totals(store, name)).not.toEqual(expected(history, name))
  const alone = await drive({ bus, client: store, group: 'g' })
  await counted(name, history)
  await alone.close()
  expect(await totals(store, name)).toEqual(expected(history, name))
})
