import type { Config } from '../config.ts'
import type { Overview } from '../facts/overview.ts'
import { AndonError } from '../lib/errors.ts'
import { type Environment, localKey, readingKey, readSecret } from './secrets.ts'

const ANSWERS_WITHIN_MS = 10_000

/** Where the page of a monitor with this configuration is reached from this machine. */
export function pageUrlOf({ host, port }: Config['page']): string {
  const reachable = host === '0.0.0.0' ? '127.0.0.1' : host === '::' ? '::1' : host
  return `http://${reachable.includes(':') ? `[${reachable}]` : reachable}:${port}`
}

/** What the running monitor says; null when none runs there. Throws AndonError `monitor` when it refuses or says something else. */
export async function runningOverview(config: Config, env: Environment): Promise<Overview | null> {
  const url = pageUrlOf(config.page)
  const key = localKey(config.store.path, { make: false })
  const token = config.page.token ? readSecret(config.page.token, env) : key && readingKey(key)
  let response: Response
  try {
    response = await fetch(`${url}/api/v1/overview`, {
      redirect: 'error',
      signal: AbortSignal.timeout(ANSWERS_WITHIN_MS),
      headers: { accept: 'application/json', ...(token && { authorization: `Bearer ${token}` }) },
    })
  } catch (error) {
    if (isNobody(error)) return null
    throw new AndonError('monitor', `the monitor at ${url} does not answer: ${(error as Error).message}`, {
      retryable: true,
      cause: error,
    })
  }
  const text = await response.text()
  if (response.status === 401)
    throw new AndonError(
      'monitor',
      `the monitor at ${url} wants a token: name where it is kept under page.token of the configuration, or run this beside its store`,
    )
  if (!response.ok)
    throw new AndonError('monitor', `the monitor at ${url} answers ${response.status}: ${text.trim().slice(0, 300)}`, {
      retryable: response.status >= 500,
    })
  try {
    const overview = JSON.parse(text) as Overview
    if (Array.isArray(overview.releases) && Array.isArray(overview.incidents)) return overview
  } catch {} // told below
  throw new AndonError('monitor', `what answers at ${url} is no monitor of Andon; is page.port right?`)
}

/** Nothing listens there, or there is no such host. */
export const isNobody = (error: unknown): boolean => {
  const { code, errors = [] } = ((error as Error).cause ?? {}) as { code?: string; errors?: { code?: string }[] }
  return ['ECONNREFUSED', 'ENOTFOUND', 'EADDRNOTAVAIL', 'EHOSTUNREACH'].includes(code ?? errors[0]?.code ?? '')
}
