import type { Config } from '../config.ts'
import type { Overview } from '../facts/overview.ts'
import { AndonError } from '../lib/errors.ts'
import type { Explained } from './explain.ts'
import { askMonitor, detailIn, monitorUrlOf } from './running-monitor.http.ts'
import type { Environment } from './secrets.ts'

/** What the running monitor says; null when none runs there. Throws AndonError `monitor` when it refuses or says something else. */
export async function runningOverview(config: Config, env: Environment): Promise<Overview | null> {
  const text = await read(config, env, '/api/v1/overview')
  if (text === null) return null
  try {
    const overview = JSON.parse(text) as Overview
    if (Array.isArray(overview.releases) && Array.isArray(overview.incidents)) return overview
  } catch {} // told below
  throw new AndonError(
    'monitor',
    `what answers at ${monitorUrlOf(config, env)} is no monitor of Andon; is ${env.ANDON_URL ? 'ANDON_URL' : 'page.port'} right?`,
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
  const text = await read(config, env, path)
  return text === null ? null : (JSON.parse(text) as Explained)
}

/** The body of an answer of the monitor; null when nothing listens there. */
async function read(config: Config, env: Environment, path: string): Promise<string | null> {
  const url = monitorUrlOf(config, env)
  const reply = await askMonitor(config, env)('GET', path)
  if (reply === null || reply.ok) return reply?.text ?? null
  const { status, text } = reply
  if (status === 401)
    throw new AndonError(
      'monitor',
      `the monitor at ${url} wants a token with the role read (${detailIn(text) ?? 'none was right'}): set ANDON_TOKEN, name where it is kept under page.token of the configuration, or run this beside its store`,
    )
  if (status === 404 && path.startsWith('/api/v1/incidents/'))
    throw new AndonError('unknown', detailIn(text) ?? text.trim().slice(0, 300))
  throw new AndonError('monitor', `the monitor at ${url} answers ${status}: ${text.trim().slice(0, 300)}`, {
    retryable: status >= 500,
  })
}
