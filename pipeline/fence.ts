import type { ClickHouseClient } from '@clickhouse/client'
import type { Term } from '../bus/bus.ts'
import { AndonError } from '../lib/errors.ts'
import type { Method, Repeated } from '../store/retry.clickhouse.ts'

export const superseded = () => new AndonError('superseded', 'another member leads by now', { retryable: true })

/**
 * The store for as long as this member leads: nothing is sent, nor sent once more (store/retry.clickhouse.ts), when the term is over. A statement that
 * was already on its way then is harmless: its token makes it the same as its successor's. The fence keeps a process that was stopped for
 * longer than the store remembers tokens from writing on.
 */
export function fenced(store: ClickHouseClient, term: Term): ClickHouseClient {
  const guarded =
    (method: Method) =>
    (params: object): Promise<unknown> =>
      term.isCurrent()
        ? (store[method] as (given: Repeated) => Promise<unknown>).call(store, {
            ...params,
            isStillWanted: term.isCurrent,
          })
        : Promise.reject(superseded())
  return {
    ...store,
    insert: guarded('insert'),
    command: guarded('command'),
    query: guarded('query'),
  } as unknown as ClickHouseClient
}
