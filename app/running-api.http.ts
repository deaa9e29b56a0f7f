import type { Config } from '../config.ts'
import { wallClock } from '../lib/clock.ts'
import { AndonError } from '../lib/errors.ts'
import { pageUrlOf } from './running-overview.http.ts'
import { type Environment, localKey } from './secrets.ts'

const ANSWERS_WITHIN_MS = 30_000

/** Asks the API of the running monitor. Throws AndonError `monitor` when none answers, `refused` with its words when it will not. */
export type Ask = (
  method: 'GET' | 'POST' | 'PUT',
  path: string,
  options?: Readonly<{ by?: string; body?: unknown; query?: Readonly<Record<string, string | undefined>> }>,
) => Promise<{ text: string; json: () => unknown }>

/**
 * The API of the monitor of this configuration, with the token in ANDON_TOKEN, else the key beside the store. `url`: where it is reached
 * when not on this machine (ANDON_URL).
 */
export function runningApi(config: Config, env: Environment): Ask {
  const url = (env.ANDON_URL ?? pageUrlOf(config.page)).replace(/\/$/, '')
  const token = env.ANDON_TOKEN ?? localKey(config.store.path, { make: false })
  return async (method, path, { by, body, query = {} } = {}) => {
    const asked = Object.entries(query).filter((pair): pair is [string, string] => pair[1] !== undefined)
    const search = asked.length > 0 ? `?${new URLSearchParams(asked)}` : ''
    const request: RequestInit = {
      method,
      redirect: 'error',
      signal: AbortSignal.timeout(ANSWERS_WITHIN_MS),
      headers: {
        accept: 'application/json',
        ...(token && { authorization: `Bearer ${token}` }),
        // A header holds bytes: the name goes as UTF-8.
        ...(by && { 'andon-actor': Buffer.from(by, 'utf8').toString('latin1') }),
        ...(body !== undefined && { 'content-type': 'application/json' }),
        ...(method !== 'GET' && { 'idempotency-key': `cli-${wallClock.nowMs()}-${process.pid}` }),
      },
      ...(body !== undefined && { body: JSON.stringify(body) }),
    }
    let response: Response
    try {
      response = await fetch(`${url}${path}${search}`, request)
    } catch (error) {
      throw new AndonError(
        'monitor',
        `no monitor answers at ${url} (${causeOf(error)}): start one with \`andon serve\`, name its configuration with --config, or its address in ANDON_URL`,
        { retryable: true, cause: error },
      )
    }
    const text = await response.text()
    if (!response.ok) throw new AndonError('refused', `${refusalIn(text, response.status)}${hintOf(response.status)}`)
    return { text, json: () => JSON.parse(text) as unknown }
  }
}

const causeOf = (error: unknown): string =>
  ((error as Error).cause as { code?: string } | undefined)?.code ?? (error as Error).message

function refusalIn(text: string, status: number): string {
  try {
    const { detail } = JSON.parse(text) as { detail?: unknown }
    if (typeof detail === 'string') return detail
  } catch {} // told below
  return `the monitor answers ${status}: ${text.trim().slice(0, 300)}`
}

const hintOf = (status: number): string =>
  status === 401 || status === 403 ? ' (set ANDON_TOKEN to a token with the role operate)' : ''
