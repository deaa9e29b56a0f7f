import { ClickHouseError } from '@clickhouse/client'
import { expect, test } from 'vitest'
import { openEmptyStore } from '../dashboards/boards/demo.fixtures.ts'
import { AndonError } from '../lib/errors.ts'
import { createStuckBatches } from './stuck.clickhouse.ts'

test('a batch that fails each time in the same way is named until it is whole; a store that is away names none', async () => {
  const { store, close } = await openEmptyStore()
  const stuckBatches = createStuckBatches(store)
  let error: Error = new AndonError('unavailable', 'away', { retryable: true })
  const run = stuckBatches.watched(() => Promise.reject(error))
  const failing = async () => {
    await expect(run()).rejects.toBe(error)
    return stuckBatches.find()
  }
  const isWhole = (seq: number) =>
    store.insert({ table: 'batches', values: [{ seq, clock_at: 0, accepted_at: 0 }], format: 'JSONEachRow' })
  await isWhole(1)
  for (let i = 0; i < 20; i++) expect(await failing()).toBeNull()
  error = new ClickHouseError({ message: 'too large', code: '407', type: 'DECIMAL_OVERFLOW' })
  expect([await failing(), await failing()]).toEqual([null, null])
  expect(await failing()).toEqual({ seq: 2, error: 'too large' })
  await isWhole(2)
  expect(await stuckBatches.find()).toBeNull()
  await close()
})
