import { expect, test } from 'vitest'
import type { Bus } from '../bus/bus.ts'
import { kafkaConfig } from '../bus/config.ts'
import { createMemoryBus } from '../bus/memory.ts'
import { manualClock, wallClock } from '../lib/clock.ts'
import { silentLog } from '../lib/log.ts'
import { elsewhere } from './elsewhere.ts'

const kafka = kafkaConfig.parse({ brokers: ['kafka:9092'] })
const told = async (bus: Pick<Bus, 'leaderOf'>, instance: string) => {
  const { code, retryable, message } = await elsewhere(bus, kafka, instance, wallClock)()
  expect([code, retryable]).toEqual(['unavailable', true])
  return message
}

test('whoever cannot decide names the process that can, as the group knows it', async () => {
  const bus = createMemoryBus({ log: silentLog })
  await bus.createTopics([{ topic: 'findings', partitions: 1 }])
  expect(await told(bus, 'one:4319')).toBe('no alerter is active at present: ask again in some seconds')
  const join = (name: string) => bus.lead({ group: 'andon-alerter', topics: ['findings'], name, run: async () => {} })
  const first = await join('one:4319')
  await join('other:4319')
  expect(await told(bus, 'other:4319')).toBe('the active alerter runs in another process, one:4319: ask that one')
  expect(await told(bus, 'one:4319')).toBe('the alerter of this process is about to act: ask again in some seconds')
  await first.close()
  expect(await told(bus, 'one:4319')).toBe('the active alerter runs in another process, other:4319: ask that one')
  await bus.close()
})

const SOMEWHERE = 'the active alerter runs in another process: ask that one'

test.each([
  ['the brokers refuse to say who leads', () => Promise.reject(new Error('no right to describe the group'))],
  ['who leads has no name', async () => ({ name: null })],
])('where %s, nobody is told that no alerter is active', async (_, leaderOf) => {
  expect(await told({ leaderOf }, 'one')).toBe(SOMEWHERE)
})

test('where the brokers do not answer, people are told within two seconds', async () => {
  const clock = manualClock(0)
  const leaderOf = () => new Promise<never>(() => {})
  const answers: string[] = []
  const answer = elsewhere({ leaderOf }, kafka, 'one', clock)().then(({ message }) => answers.push(message))
  await clock.advance(1_999)
  expect(answers).toEqual([])
  await clock.advance(1)
  await answer
  expect(answers).toEqual([SOMEWHERE])
})
