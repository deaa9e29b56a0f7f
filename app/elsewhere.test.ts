import { expect, test } from 'vitest'
import { kafkaConfig } from '../bus/config.ts'
import { createMemoryBus } from '../bus/memory.ts'
import { silentLog } from '../lib/log.ts'
import { elsewhere } from './elsewhere.ts'

test('whoever cannot decide names the process that can, as the group knows it', async () => {
  const bus = createMemoryBus({ log: silentLog })
  await bus.createTopics([{ topic: 'findings', partitions: 1 }])
  const kafka = kafkaConfig.parse({ brokers: ['kafka:9092'] })
  const told = async (instance: string) => {
    const { code, retryable, message } = await elsewhere(bus, kafka, instance)()
    return [code, retryable, message]
  }
  expect(await told('one:4319')).toEqual(['unavailable', true, expect.stringContaining('no alerter is active')])
  const join = (name: string) => bus.lead({ group: 'andon-alerter', topics: ['findings'], name, run: async () => {} })
  const first = await join('one:4319')
  await join('other:4319')
  expect(await told('other:4319')).toEqual(['unavailable', true, expect.stringContaining('one:4319: ask that one')])
  expect(await told('one:4319')).toEqual(['unavailable', true, expect.stringContaining('about to act')])
  await first.close()
  expect(await told('one:4319')).toEqual(['unavailable', true, expect.stringContaining('other:4319: ask that one')])
  await bus.close()
})

test('where the brokers do not say it, people are told to ask again', async () => {
  const leaderOf = () => Promise.reject(new Error('no answer'))
  const { message } = await elsewhere({ leaderOf }, kafkaConfig.parse({ brokers: ['kafka:9092'] }), 'one')()
  expect(message).toContain('ask again')
})
