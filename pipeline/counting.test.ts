import type { ClickHouseClient } from '@clickhouse/client'
import { expect, test } from 'vitest'
import { createMemoryBus } from '../bus/memory.ts'
import type { Clock } from '../lib/clock.ts'
import { silentLog } from '../lib/log.ts'
import { countInLanes } from './counting.clickhouse.ts'
import { createLetterbox, type Letter } from './letters.ts'

const NOTHING = { spans: [], outcomes: [], points: [] }
const MINUTE_MS = 60_000

/** Two lanes that nobody counts, on a clock that the test sets, over a store in which batches become whole when the test says so. */
async function standing() {
  const bus = createMemoryBus({ log: silentLog })
  await bus.createTopics([{ topic: 'lanes', partitions: 2 }])
  const now = { ms: 1_000_000, whole: 0 }
  const clock: Clock = { nowMs: () => now.ms, sleep: async () => {} }
  const json = async (query: string) => (query.includes('FROM batches') ? [{ seq: now.whole, clockMs: 0 }] : [])
  const store = {
    query: async ({ query }: { query: string }) => ({ json: () => json(query) }),
  } as unknown as ClickHouseClient
  const countIn = countInLanes({ bus, topic: 'lanes', lanes: 2, clock })
  const begin = async (seq: number) => {
    const counting = await countIn(store, new AbortController().signal)
    await counting.take({ seq, acceptedAtMs: now.ms, receivedAtMs: now.ms }, NOTHING, 2)
    return counting
  }
  /** How long after a batch was handed over it is taken to stand still: in minutes, told at the end of each. */
  const standsStillAfter = async (seq: number) => {
    const counting = await begin(seq)
    for (let minutes = 1; ; minutes++) {
      now.ms += MINUTE_MS + 1
      try {
        await counting.progress()
      } catch (error) {
        expect(error).toMatchObject({ code: 'standstill', retryable: true })
        return minutes
      }
    }
  }
  const letters = async () => {
    const read = Promise.withResolvers<Letter[]>()
    const member = await bus.lead({
      group: 'reader',
      topics: ['lanes'],
      run: async (term) => {
        await term.seek({})
        const letterbox = createLetterbox()
        read.resolve((await term.poll({ maxBytes: 1 << 20, waitMs: 0 })).flatMap((one) => letterbox.take(one) ?? []))
      },
    })
    const found = await read.promise
    await member.close()
    return found
  }
  return { now, begin, standsStillAfter, letters }
}

test('a batch that stands still is given twice the time with each attempt, up to sixteen minutes, and one minute again after progress', async () => {
  const { now, begin, standsStillAfter } = await standing()
  const minutes: number[] = []
  for (let attempt = 0; attempt < 6; attempt++) minutes.push(await standsStillAfter(1))
  expect(minutes).toEqual([1, 2, 4, 8, 16, 16])
  const counting = await begin(1)
  now.whole = 1
  expect(await counting.progress()).toEqual({ seq: 1, holds: [] })
  expect(await standsStillAfter(2)).toBe(1)
})

test('each attempt has a greater number than all before, whatever the clocks say', async () => {
  const { now, begin, standsStillAfter, letters } = await standing()
  await standsStillAfter(1)
  now.ms = 5_000
  await standsStillAfter(1)
  now.ms = 1_000
  await begin(1)
  const attempts = (await letters()).filter(({ share }) => share.lane === 0).map(({ attempt }) => attempt)
  expect(attempts).toHaveLength(3)
  expect(attempts).toEqual([...new Set(attempts)].sort((a, b) => a - b))
})
