import { createNamer } from '../collector/name-span.ts'
import { createPseudonymizer } from '../collector/pseudonym.ts'
import { type Receiver, startReceiver } from '../collector/receive.http.ts'
import type { Config } from '../config.ts'
import { startPage } from '../dashboards/serve.http.ts'
import type { DrillResult } from '../facts/drill.ts'
import { wallClock } from '../lib/clock.ts'
import { createLog, type Log } from '../lib/log.ts'
import type { ClockMode } from '../pipeline/sequencer.clickhouse.ts'
import { accessOf, apiOf, ingestOf } from './doors.ts'
import { explainer } from './explain.ts'
import { heartbeat, heartbeatUrl } from './heartbeat.ts'
import { createMonitor, type Monitor, type MonitorOptions } from './monitor.ts'
import { recoveryApiOf } from './recovery-api.ts'
import { ROLES, type Role, startRoles } from './roles.ts'
import { type Environment, identitySecret } from './secrets.ts'
import { listenToAnswers } from './stop-switch.ts'
import { recorded, traceMonitor } from './telemetry.ts'

export type Running = Readonly<{
  receiverUrl: string
  pageUrl: string
  monitor: Monitor
  /** Runs one drill through the receiver. Throws AndonError `drill_running`. */
  drill: (signal?: AbortSignal) => Promise<DrillResult>
  close: () => Promise<void>
}>

/** Opens the monitor and its two doors; closes them in reverse, so that what was acknowledged is counted before the store closes. */
export async function startMonitor(options: {
  config: Config
  env: Environment
  log: Log
  clockMode: ClockMode
  onIncident?: MonitorOptions['onIncident']
  /** Ends a start that is still waiting: it rejects. */
  signal?: AbortSignal
}): Promise<Running> {
  const { config, env, log } = options
  const ingest = ingestOf(config, env)
  const access = accessOf(config, env)
  const pingUrl = heartbeatUrl(config, env)
  const namer = createNamer(
    config.names,
    createPseudonymizer({
      secret: identitySecret(config.store.path, config.identity.secret, env),
      keyVersion: config.identity.keyVersion,
      conversations: config.identity.conversations,
    }),
  )
  const host = config.page.host.includes(':') ? `[${config.page.host}]` : config.page.host
  const monitor = await createMonitor({
    config,
    env,
    log,
    clockMode: options.clockMode,
    mode: 'live',
    storePath: config.store.path,
    ...(config.page.port !== 0 && { pageUrl: `http://${host}:${config.page.port}` }),
    ...(options.onIncident && { onIncident: options.onIncident }),
    ...(options.signal && { signal: options.signal }),
  })
  let receiver: Receiver | null = null
  try {
    receiver = await startReceiver({
      listen: config.receive,
      token: ingest.token,
      refuses: ingest.refuses,
      accept: recorded('andon.accept', monitor.accept, ({ spans, outcomes, points }) => ({
        'andon.spans': spans.length,
        'andon.outcomes': outcomes.length,
        'andon.points': points.length,
      })),
      namer,
      clock: wallClock,
      log,
      count: monitor.rejected,
    })
    const ending = new AbortController()
    const own = { endpoint: receiver.url, ...(ingest.own && { token: ingest.own }) }
    const { drills } = monitor
    const drill = (signal?: AbortSignal) =>
      drills.run(own, signal ? AbortSignal.any([signal, ending.signal]) : ending.signal)
    const recovery = recoveryApiOf({ ...monitor, drill: { run: drill, isRunning: drills.isRunning }, log })
    const page = await startPage({
      listen: config.page,
      access,
      api: apiOf({
        registry: monitor.registry,
        config,
        access,
        log,
        overview: monitor.overview,
        incidents: monitor.incidents,
        onAnswer: listenToAnswers({ pullers: config.stopSwitch.enforcedBy, hear: monitor.hear, clock: wallClock, log }),
        people: monitor.operations,
        recovery,
        explain: explainer(monitor.store),
      }),
      overview: monitor.overview,
      metrics: async () => ({ contentType: monitor.registry.contentType, body: await monitor.registry.metrics() }),
      health: monitor.health,
      collectorUrl: receiver.url,
      runbook: config.links.runbook,
      clock: wallClock,
      log,
    })
    const drilling = drills.follow(own, ending.signal)
    const isHealthy = async () => (await monitor.health()).ready
    const beating = heartbeat({
      url: pingUrl,
      config,
      log,
      registry: monitor.registry,
      isHealthy,
      signal: ending.signal,
    })
    return {
      receiverUrl: receiver.url,
      pageUrl: page.url,
      monitor,
      drill,
      close: async () => {
        ending.abort()
        await Promise.all([drilling, beating, drills.idle()])
        await receiver?.close()
        await page.close()
        await monitor.close()
      },
    }
  } catch (error) {
    await receiver?.close()
    await monitor.close()
    throw error
  }
}

/**
 * `andon serve`: runs until it is told to stop (SIGINT, SIGTERM). A second signal ends it at once; nothing acknowledged is lost by that.
 * With Kafka in the configuration the roles meet there; `roles` are those of this process.
 */
export async function serve(options: {
  config: Config
  env: Environment
  roles: readonly Role[] | null
}): Promise<void> {
  const { config, env, roles } = options
  const log = createLog(config.log.level)
  const stopTracing = config.telemetry.endpoint ? traceMonitor(config.telemetry.endpoint) : null
  const store = config.store.server?.url ?? config.store.path
  // Heard from here on: a start may have to wait, and the first process of a container ignores what it has no handler for.
  const stop = new AbortController()
  const told = new Promise<string>((resolve) => {
    for (const name of ['SIGINT', 'SIGTERM'] as const)
      process.once(name, () => {
        stop.abort()
        resolve(name)
      })
  })
  const { signal } = stop
  const running = await (config.kafka || roles
    ? startRoles({ config, env, log, roles: roles ?? ROLES, signal })
    : startMonitor({ config, env, log, clockMode: 'wall', signal })
  ).catch((error: Error) => {
    if (!signal.aborted) throw error
    log.info({ err: error.message }, 'stopped before it had started')
    return null
  })
  if (!running) return stopTracing?.()
  const where = { receive: running.receiverUrl, page: running.pageUrl, store, ...(roles && { roles }) }
  log.info(where, 'andon is listening')
  if (!roles || roles.includes('alerter')) warnOfSilence(config, log)
  log.info({ signal: await told }, 'stopping: what was accepted is counted first')
  process.once('SIGINT', () => process.exit(130))
  await running.close()
  await stopTracing?.()
  log.info({}, 'stopped')
}

function warnOfSilence(config: Config, log: Log): void {
  if ((config.triggers ?? []).every((trigger) => trigger.action === 'notify'))
    log.warn({}, 'no trigger can pause: breaches are told, nothing is stopped (see docs/configuration.md, triggers)')
  if (config.targets.length === 0)
    log.warn({}, 'no target is configured: breaches are shown on the page only (see docs/configuration.md, targets)')
}
