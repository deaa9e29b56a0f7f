import type { ClickHouseClient, ClickHouseSettings } from '@clickhouse/client'
import { ClickHouseError } from '@clickhouse/client'
import type { Clock } from '../lib/clock.ts'
import { AndonError } from '../lib/errors.ts'
import { splitLongLists } from './long-lists.ts'

/**
 * Answers of a ClickHouse server after which the same statement may succeed: the server, its disk or its neighbours are busy or away.
 * Everything else (a wrong statement, a missing grant, a wrong password) stays wrong however often it is sent.
 */
export const RETRYABLE: Readonly<Record<string, string>> = {
  TIMEOUT_EXCEEDED: 'the server was slower than it may be',
  TOO_MANY_SIMULTANEOUS_QUERIES: 'too many statements at once',
  SOCKET_TIMEOUT: 'the server waited in vain for another server',
  NETWORK_ERROR: 'the server could not reach another server',
  MEMORY_LIMIT_EXCEEDED: 'other statements hold the memory',
  TABLE_IS_READ_ONLY: 'a replica has lost its keeper for a moment',
  NOT_ENOUGH_SPACE: 'the disk is full until somebody, or a TTL, makes room',
  CANNOT_WRITE_TO_FILE_DESCRIPTOR: 'as when the disk fills up under a write',
  TOO_MANY_PARTS: 'merges have fallen behind inserts',
  ALL_CONNECTION_TRIES_FAILED: 'no replica of a cluster answered',
  TOO_FEW_LIVE_REPLICAS: 'a quorum of replicas is missing',
  UNSATISFIED_QUORUM_FOR_PREVIOUS_WRITE: 'the write before is still under way to other replicas',
  UNKNOWN_STATUS_OF_INSERT: 'nobody knows whether the insert stands: its token makes it safe to send again',
  DEADLOCK_AVOIDED: 'two statements waited for each other',
  KEEPER_EXCEPTION: 'the keeper was away',
  ABORTED: 'the server was shutting down',
  QUERY_WAS_CANCELLED: 'the server was shutting down',
}

/** Faults of the connection itself. */
const CONNECTION = new Set([
  'ECONNREFUSED',
  'ECONNRESET',
  'EPIPE',
  'ETIMEDOUT',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'ENOTFOUND',
  'EAI_AGAIN',
])
const CONNECTION_MESSAGES = /socket hang up|Timeout error|The user aborted a request|other side closed/i
/** A proxy before the server says that the server is away. */
const PROXY = /\b(502|503|504)\b/

/** Why the same statement may work later; null when it may not. */
export function retryReason(error: unknown): string | null {
  if (error instanceof ClickHouseError) return RETRYABLE[error.type ?? ''] ?? null
  if (error instanceof AndonError) return error.retryable ? error.message : null
  const { code, message = '' } = error as { code?: string; message?: string }
  if (CONNECTION.has(code ?? '') || CONNECTION_MESSAGES.test(message) || PROXY.test(message.slice(0, 200)))
    return message
  return null
}

/** Waits between attempts: about ten seconds together. Whoever needs longer (a lane, an exporter) tries again itself. */
const PAUSES_MS = [100, 300, 1_000, 3_000, 5_000]

export type Method = 'query' | 'insert' | 'command'

/** Beside the parameters of a statement: asked before it is sent once more. A pipeline that was replaced meanwhile does not want it any more. */
export type Repeated = { isStillWanted?: () => boolean }
type Params = Repeated & {
  query?: string
  query_params?: Readonly<Record<string, unknown>>
  values?: unknown
  clickhouse_settings?: { insert_deduplication_token?: unknown }
}

/** Sent twice, the statement changes nothing more than sent once. */
export const isRepeatable = (method: Method, { query = '', clickhouse_settings, values }: Params): boolean => {
  if (method === 'insert') return clickhouse_settings?.insert_deduplication_token !== undefined && Array.isArray(values)
  return method === 'query' || !/^\s*INSERT\b/i.test(query) || query.includes('insert_deduplication_token')
}

/**
 * The client of a server, with patience: what may be sent again is sent again while the server is away for a moment. What stays
 * unanswered, or not wanted any more, is an AndonError `store_unavailable`, retryable; the caller keeps what it holds until then.
 */
export function patient(client: ClickHouseClient, clock: Clock): ClickHouseClient {
  const attempt =
    (method: Method) =>
    async ({ isStillWanted, ...given }: Params) => {
      const params = given.query && given.query_params ? withShortLists(given, given.query, given.query_params) : given
      const statement = () =>
        method === 'command' && params.query_params
          ? commandByBody(client, params)
          : (client[method] as (given: Params) => Promise<unknown>).call(client, params)
      for (let tries = 0; ; tries++) {
        try {
          return await statement()
        } catch (error) {
          const reason = retryReason(error)
          if (reason === null) throw error
          const pauseMs = isRepeatable(method, params) ? PAUSES_MS[tries] : undefined
          if (pauseMs === undefined)
            throw new AndonError('store_unavailable', `ClickHouse cannot be used now: ${reason}`, {
              retryable: true,
              cause: error,
            })
          await clock.sleep(pauseMs)
          if (isStillWanted?.() === false)
            throw new AndonError('store_unavailable', `ClickHouse could not be used: ${reason}`, {
              retryable: true,
              cause: error,
            })
        }
      }
    }
  return new Proxy(client, {
    get: (target, name) => {
      if (name === 'query' || name === 'insert' || name === 'command') return attempt(name)
      const value = Reflect.get(target, name, target) as unknown
      return typeof value === 'function' ? value.bind(target) : value
    },
  })
}

function withShortLists(given: Params, query: string, params: Readonly<Record<string, unknown>>): Params {
  const short = splitLongLists(query, params)
  return { ...given, query: short.query, query_params: short.params }
}

/**
 * A command whose parameters may be long lists of keys: they travel in the body, as the client does for queries but not for commands,
 * because servers and proxies bound the length of a URL. The FORMAT that a query gets means nothing to an INSERT … SELECT.
 */
async function commandByBody(
  client: ClickHouseClient,
  { query = '', query_params, clickhouse_settings }: Params,
): Promise<void> {
  const answer = await client.query({
    query,
    query_params: { ...query_params },
    format: 'JSONEachRow',
    use_multipart_params_auto: true,
    clickhouse_settings: { ...clickhouse_settings, wait_end_of_query: 1 } as ClickHouseSettings,
  })
  await answer.text()
}
