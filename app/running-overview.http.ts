import type { Config } from '../config.ts'
import type { Overview } from '../facts/overview.ts'
import { AndonError } from '../lib/errors.ts'
import type { Explained } from './explain.ts'
import { type Environment, localKey, readingKey, readSecret } from './secrets.ts'

const ANSWERS_WITHIN_MS = 10_000

/** Where the page of a monitor with this configuration is reached from this machine. */
export function pageUrlOf({ host, port }: Config['page']): string {
  const reachable = host === '0.0.0.0' ? '127.0.0.1' : host === '::' ? '::1' : host
  return `http://${reachable.includes(':') ? `[${reachable}]` : reachable}:${port}`
}

/** What the running monitor says; null when none runs there. Throws AndonError `monitor` when it refuses or says something else. */
export async function runningOverview(config: Config, env: Environment): Promise<Overview | null> {
  const text = await askMonitor(config, env, '/api/v1/overview')
  if (text === null) return null
  try {
    const overview = JSON.parse(text) as Overview
    if (Array.isArray(overview.releases) && Array.isArray(overview.incidents)) return overview
  } catch {} // told below
  throw new AndonError(
    'monitor',
    `what answers at ${pageUrlOf(config.page)} is no monitor of Andon; is page.port right?`,
  )
}

/** Why an incident was opened, as the running monitor computes it again; null when none runs. Throws as {@link runningOverview}, and `unknown`. */
export async function runningExplanation(
  config: Config,
  env: Environment,
  incident: string,
  trigger: string | null,
): Promise<Explained | null> {
  const query = trigger === null ? '' : `?trigger=${encodeURIComponent(trigger)}`
  const path = `/api/v1/incidents/${encodeURIComponent(incident)}/explanation${query}`
  const text = await askMonitor(config, env, path)
  return text === null ? null : (JSON.parse(text) as Explained)
}

/** The body of an answer of the monitor; null when nothing listens there. */
async function askMonitor(config: Config, env: Environment, path: string): Promise<string | null> {
  const url = pageUrlOf(config.page)
  const key = localKey(config.store.path, { make: false })
  const token = config.page.token ? readSecret(config.page.token, env) : key && readingKey(key)
  let response: Response
  try {
    response = await fetch(`${url}${path}`, {
      redirect: 'error',
      signal: AbortSignal.timeout(ANSWERS_WITHIN_MS),
      headers: { accept: 'application/json', ...(token && { authorization: `Bearer ${token}` }) },
    })
  } catch (error) {
    return nobodyAt(url, error)
  }
  const text = await response.text()
  if (response.status === 401)
    throw new AndonError(
      'monitor',
      `the monitor at ${url} wants a token: name where it is kept under page.token of the configuration, or run this beside its store`,
    )
  if (response.status === 404 && path.startsWith('/api/v1/incidents/')) throw new AndonError('unknown', detailOf(text))
  if (!response.ok)
    throw new AndonError('monitor', `the monitor at ${url} answers ${response.status}: ${text.trim().slice(0, 300)}`, {
      retryable: response.status >= 500,
    })
  return text
}

/** What a problem of the API says to people. */
function detailOf(text: string): string {
  try {
    const { detail } = JSON.parse(text) as { detail?: unknown }
    if (typeof detail === 'string') return detail
  } catch {} // an older monitor answers in plain text
  return text.trim().slice(0, 300)
}

/** null where nothing listens at `url`; for a monitor that is there and did not answer it throws AndonError `monitor` (retryable). */
export function nobodyAt(url: string, error: unknown): null {
  const { code, errors = [] } = ((error as Error).cause ?? {}) as { code?: string; errors?: { code?: string }[] }
  if (NOBODY.includes(code ?? errors[0]?.code ?? '')) return null
  throw new AndonError('monitor', `the monitor at ${url} does not answer: ${(error as Error).message}`, {
    retryable: true,
    cause: error,
  })
}
const NOBODY = ['ECONNREFUSED', 'ENOTFOUND', 'EADDRNOTAVAIL', 'EHOSTUNREACH']
