import type { Receiver } from '../collector/receive.http.ts'
import type { DrillResult } from '../facts/drill.ts'
import type { Finding } from '../facts/finding.ts'
import { AndonError } from '../lib/errors.ts'
import { ingestOf } from './doors.ts'
import { createDrills } from './drill.ts'
import { createDrillMetrics } from './drill-metrics.clickhouse.ts'
import type { Shared } from './roles.ts'
import { readSecret } from './secrets.ts'

/** Drills of a process with the role alerter: they begin where telemetry comes in and end at its alerter. */
export type DrillRuns = Readonly<{
  take: (finding: Finding) => Promise<void>
  /** Throws AndonError `unavailable` where the active alerter is in another process, `config` where nobody said which receiver to drill. */
  run: () => Promise<DrillResult>
  isRunning: () => boolean
  follow: (signal: AbortSignal) => Promise<void>
  idle: () => Promise<void>
}>

/** `receiver`: of this process, null when it does not collect. */
export function drillsFrom(
  {
    config,
    env,
    log,
    store,
    active,
    elsewhere,
    metrics: { registry },
  }: Pick<Shared, 'config' | 'env' | 'log' | 'store' | 'active' | 'elsewhere' | 'metrics'>,
  receiver: Receiver | null,
): DrillRuns {
  createDrillMetrics({ registry, store, log })
  const tell = async (finding: Finding) => void (await active.alerting?.alerter.tell(finding, 'drill_failed'))
  const drills = createDrills({ store, config, log, registry, tell })
  const target = () => {
    const given = config.drill.receiver
    if (given) return { endpoint: given.url, ...(given.token && { token: readSecret(given.token, env) }) }
    const { own } = ingestOf(config, env)
    return receiver && { endpoint: receiver.url, ...(own && { token: own }) }
  }
  return {
    take: drills.take,
    isRunning: drills.isRunning,
    idle: drills.idle,
    run: async () => {
      const { alerting } = active
      if (!alerting) throw await elsewhere()
      const to = target()
      if (!to)
        throw new AndonError('config', 'this process does not collect: name the collector to drill, drill.receiver.url')
      return drills.run(to, alerting.signal)
    },
    follow: async (signal) => {
      const to = target()
      if (to) return drills.follow(to, signal)
      if (config.drill.everyHours !== null)
        log.warn(
          {},
          'drill.everyHours is set, but this process does not collect: name the collector, drill.receiver.url',
        )
    },
  }
}
