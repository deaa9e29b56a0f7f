import { Registry } from 'prom-client'
import { expect, test } from 'vitest'
import { openEmptyStore } from '../dashboards/boards/demo.fixtures.ts'
import { silentLog } from '../lib/log.ts'
import { createLastAcceptedMetric } from './last-accepted.clickhouse.ts'

const SERIES = 'andon_last_accepted_timestamp_seconds'
const told = async (registry: Registry): Promise<string[]> =>
  (await registry.metrics()).split('\n').filter((line) => line.startsWith(SERIES))

test('the last acceptance is that of the last batch; 0 says never; what was known outlives the store', async () => {
  const { store, close } = await openEmptyStore()
  const registry = new Registry()
  createLastAcceptedMetric({ registry, store, log: silentLog })
  expect(await told(registry)).toEqual([`${SERIES} 0`])
  const batch = (seq: number, accepted_at: number) =>
    store.insert({ table: 'batches', values: [{ seq, clock_at: 0, accepted_at }], format: 'JSONEachRow' })
  await batch(1, 1_790_000_000_000)
  await batch(2, 1_790_000_060_500)
  expect(await told(registry)).toEqual([`${SERIES} 1790000060.5`])
  await close()
  expect(await told(registry)).toEqual([`${SERIES} 1790000060.5`])
})

test('a process that never could read its store says nothing rather than never', async () => {
  const { store, close } = await openEmptyStore()
  await close()
  const registry = new Registry()
  createLastAcceptedMetric({ registry, store, log: silentLog })
  expect(await told(registry)).toEqual([])
})
