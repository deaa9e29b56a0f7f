import type { ClickHouseClient } from '@clickhouse/client'
import type { Term } from '../bus/bus.ts'
import { AndonError } from '../lib/errors.ts'

export const superseded = () => new AndonError('superseded', 'another member leads by now', { retryable: true })

/**
 * The store for as long as this member leads. A statement that was already on its way when the term ended is harmless: its token makes it
 * the same as its successor's. The fence keeps a process that was stopped for longer than the store remembers tokens from writing on.
 */
export function fenced(store: ClickHouseClient, term: Term): ClickHouseClient {
  const guarded =
    (method: 'insert' | 'command' | 'query') =>
    (params: never): Promise<unknown> =>
      term.isCurrent()
        ? (store[method] as (given: never) => Promise<unknown>).call(store, params)
        : Promise.reject(superseded())
  return {
    ...store,
    insert: guarded('insert'),
    command: guarded('command'),
    query: guarded('query'),
  } as unknown as ClickHouseClient
}
