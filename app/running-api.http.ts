import type { Config } from '../config.ts'
import { AndonError } from '../lib/errors.ts'
import { type Asked, askMonitor, detailIn, monitorUrlOf } from './running-monitor.http.ts'
import type { Environment } from './secrets.ts'

/** Asks the API of the running monitor. Throws AndonError `monitor` when none answers, `refused` with its words when it will not. */
export type Ask = (
  method: 'GET' | 'POST' | 'PUT',
  path: string,
  asked?: Asked,
) => Promise<{ text: string; json: () => unknown }>

/** The API for commands that need a running monitor: what people decide goes through one journal. */
export function runningApi(config: Config, env: Environment): Ask {
  const ask = askMonitor(config, env)
  return async (method, path, asked) => {
    const reply = await ask(method, path, asked)
    if (reply === null)
      throw new AndonError(
        'monitor',
        `no monitor answers at ${monitorUrlOf(config, env)}: start one with \`andon serve\`, name its configuration with --config, or its address in ANDON_URL`,
        { retryable: true },
      )
    const { ok, status, text } = reply
    if (!ok) {
      const detail = detailIn(text) ?? `the monitor answers ${status}: ${text.trim().slice(0, 300)}`
      throw new AndonError('refused', `${detail}${hintOf(status, method)}`)
    }
    return { text, json: () => JSON.parse(text) as unknown }
  }
}

const hintOf = (status: number, method: string): string =>
  status === 401 || status === 403
    ? ` (set ANDON_TOKEN to a token with the role ${method === 'GET' ? 'read' : 'operate'})`
    : ''
