import type { Config } from '../config.ts'
import { wallClock } from '../lib/clock.ts'
import { AndonError } from '../lib/errors.ts'
import { type Environment, localKey, readingKey, readSecret } from './secrets.ts'

const ANSWERS_WITHIN_MS = 30_000
/** A loop of commands that is too fast for the monitor waits once, this long at most. */
const LONGEST_WAIT_S = 5

export type Asked = Readonly<{ by?: string; body?: unknown; query?: Readonly<Record<string, string | undefined>> }>
export type Reply = Readonly<{ ok: boolean; status: number; text: string }>

/** One request to the API of the running monitor. null: none runs. Throws AndonError `monitor` for one that is there and does not answer. */
export type AskMonitor = (method: 'GET' | 'POST' | 'PUT', path: string, asked?: Asked) => Promise<Reply | null>

/** Where the page of a monitor with this configuration is reached from this machine. */
export function pageUrlOf({ host, port }: Config['page']): string {
  const reachable = host === '0.0.0.0' ? '127.0.0.1' : host === '::' ? '::1' : host
  return `http://${reachable.includes(':') ? `[${reachable}]` : reachable}:${port}`
}

/** Where commands find the monitor: at ANDON_URL, else where the configuration says that it listens. */
export const monitorUrlOf = (config: Config, env: Environment): string =>
  (env.ANDON_URL || pageUrlOf(config.page)).replace(/\/+$/, '')

/**
 * The monitor that a command speaks to, with the token in ANDON_TOKEN; without one by the key beside the store, of which a command that only
 * reads shows no more than it needs. Where ANDON_URL names a monitor, one that is not there is an error, not a reason to open the store.
 */
export function askMonitor(config: Config, env: Environment): AskMonitor {
  const url = monitorUrlOf(config, env)
  return async (method, path, { by, body, query = {} } = {}) => {
    const given = Object.entries(query).filter((pair): pair is [string, string] => pair[1] !== undefined)
    const search = given.length > 0 ? `?${new URLSearchParams(given)}` : ''
    const token = tokenFor(method, config, env)
    const idempotencyKey = `cli-${wallClock.nowMs()}-${process.pid}`
    const send = () =>
      fetch(`${url}${path}${search}`, {
        method,
        redirect: 'error',
        signal: AbortSignal.timeout(ANSWERS_WITHIN_MS),
        headers: {
          accept: 'application/json',
          ...(token && { authorization: `Bearer ${token}` }),
          // A header holds bytes: the name goes as UTF-8.
          ...(by && { 'andon-actor': Buffer.from(by, 'utf8').toString('latin1') }),
          ...(body !== undefined && { 'content-type': 'application/json' }),
          ...(method !== 'GET' && { 'idempotency-key': idempotencyKey }),
        },
        ...(body !== undefined && { body: JSON.stringify(body) }),
      })
    try {
      let response = await send()
      if (response.status === 429) {
        await response.text()
        await wallClock.sleep(Math.min(Number(response.headers.get('retry-after')) || 1, LONGEST_WAIT_S) * 1000)
        response = await send()
      }
      return { ok: response.ok, status: response.status, text: await response.text() }
    } catch (error) {
      return nobodyAt(url, env, error)
    }
  }
}

function tokenFor(method: string, config: Config, env: Environment): string | null {
  if (env.ANDON_TOKEN) return env.ANDON_TOKEN
  const key = localKey(config.store.path, { make: false })
  if (method !== 'GET') return key
  return config.page.token ? readSecret(config.page.token, env) : key && readingKey(key)
}

function nobodyAt(url: string, env: Environment, error: unknown): null {
  const { code, errors = [] } = ((error as Error).cause ?? {}) as { code?: string; errors?: { code?: string }[] }
  const isNobody = NOBODY.includes(code ?? errors[0]?.code ?? '')
  if (isNobody && !env.ANDON_URL) return null
  throw new AndonError(
    'monitor',
    isNobody
      ? `no monitor answers at ${url} (${code ?? errors[0]?.code}); it is named in ANDON_URL`
      : `the monitor at ${url} does not answer: ${(error as Error).message}`,
    { retryable: true, cause: error },
  )
}
const NOBODY = ['ECONNREFUSED', 'ENOTFOUND', 'EADDRNOTAVAIL', 'EHOSTUNREACH']

/** What a problem of the API says to people; null where the answer is none. */
export function detailIn(text: string): string | null {
  try {
    const { detail } = JSON.parse(text) as { detail?: unknown }
    return typeof detail === 'string' ? detail : null
  } catch {
    return null
  }
}
