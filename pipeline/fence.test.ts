import type { ClickHouseClient } from '@clickhouse/client'
import { expect, test } from 'vitest'
import type { Term } from '../bus/bus.ts'
import { patient } from '../store/retry.clickhouse.ts'
import { fenced } from './fence.ts'

const INSERT = {
  table: 'spans',
  values: [{}],
  format: 'JSONEachRow',
  clickhouse_settings: { insert_deduplication_token: 'a1' },
} as const

/** A server that is away, and a term that ends when `endsAfter` statements were sent in vain. */
function away(endsAfter: number) {
  let sent = 0
  const fail = async () => {
    sent++
    throw Object.assign(new Error('connect ECONNREFUSED'), { code: 'ECONNREFUSED' })
  }
  const client = { insert: fail, command: fail, query: fail } as unknown as ClickHouseClient
  const term = { isCurrent: () => sent < endsAfter } as Term
  return { store: fenced(patient(client, { nowMs: () => 0, sleep: async () => {} }), term), sent: () => sent }
}

test.each([
  ['an insert', (store: ClickHouseClient) => store.insert(INSERT)],
  ['a command', (store: ClickHouseClient) => store.command({ query: 'ALTER TABLE spans MODIFY TTL now()' })],
  ['a query', (store: ClickHouseClient) => store.query({ query: 'SELECT 1' })],
])('%s that waits for the store to come back is not sent once more after the term', async (_, send) => {
  const { store, sent } = away(2)
  await expect(send(store)).rejects.toMatchObject({ code: 'store_unavailable', retryable: true })
  expect(sent()).toBe(2)
})

test('nothing is sent when the term is over', async () => {
  const { store, sent } = away(0)
  await expect(store.insert(INSERT)).rejects.toMatchObject({ code: 'superseded' })
  expect(sent()).toBe(0)
})
