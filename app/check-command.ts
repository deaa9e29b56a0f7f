import type { Config } from '../config.ts'
import { AndonError } from '../lib/errors.ts'
import { DEFAULT_LIFE_DAYS, explainConfig, givenTraffic } from './check.ts'
import type { Environment } from './secrets.ts'

/**
 * What a configuration does, as words or JSON, for a traffic that is given or measured in the store.
 * Throws AndonError `config` when both are asked for, `unreadable` and `store_locked` when the store cannot be measured.
 */
export async function check(options: {
  config: Config
  env: Environment
  /** Contacts an hour that a release gets. */
  perHour: number | null
  /** Planned life of a release, in days. */
  life: number | null
  measure: boolean
  json: boolean
}): Promise<string> {
  const { config, perHour, measure, json } = options
  if (perHour !== null && measure)
    throw new AndonError('config', '--per-hour gives the traffic, --measure reads it from the store: use one of them')
  const traffic = measure
    ? await (await import('./traffic.clickhouse.ts')).measuredTraffic(config, options.env)
    : perHour === null
      ? new Map()
      : givenTraffic(config, perHour)
  return explainConfig(config, { json, plan: { traffic, lifeDays: options.life ?? DEFAULT_LIFE_DAYS } })
}
