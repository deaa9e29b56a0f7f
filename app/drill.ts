import { randomBytes } from 'node:crypto'
import type { ClickHouseClient } from '@clickhouse/client'
import { Counter, Gauge, type Registry } from 'prom-client'
import { type Alerter, createAlerter } from '../alerts/alerter.ts'
import { clickhouseJournal } from '../alerts/journal.clickhouse.ts'
import { createPost } from '../alerts/post.http.ts'
import { keyOf } from '../alerts/sign.ts'
import { safetyConfig, safetyOf } from '../alerts/targets.ts'
import { type Config, signalsOf } from '../config.ts'
import { type JudgedTrigger, judgedTriggers, triggersSchema } from '../detectors/triggers.ts'
import { DRILL, type DrillResult } from '../facts/drill.ts'
import type { Finding } from '../facts/finding.ts'
import { wallClock } from '../lib/clock.ts'
import { AndonError } from '../lib/errors.ts'
import { idOf } from '../lib/hash.ts'
import type { Log } from '../lib/log.ts'
import { type DrillSent, sendDrill } from '../simulator/drill.http.ts'
import { startPlatform } from '../simulator/platform.http.ts'
import { createRouting } from '../simulator/routing.ts'
import type { Receiver } from '../simulator/telemetry.http.ts'
import { followActivity, lastContactIn } from './activity.clickhouse.ts'
import { lastDrillMs, storeDrill } from './drill.clickhouse.ts'
import { type DrillLimits, drillFinding, drillVerdict, isDrillDue } from './drill-verdict.ts'

const PER_SECOND = 4
const HEALTHY_SECONDS = 5
const TICK_MS = 500
const SCHEDULE_CHECK_MS = 30_000

export type Drills = Readonly<{
  /** What the detector found in the drill environment; of no drill that runs, it is dropped. */
  take: (finding: Finding) => Promise<void>
  /** Runs one drill against this receiver. Throws AndonError `drill_running` while another runs. */
  run: (receiver: Receiver, signal?: AbortSignal) => Promise<DrillResult>
  isRunning: () => boolean
  /** Resolves when no drill runs any more; to be awaited before the store closes. */
  idle: () => Promise<void>
  /** Runs drills as configured, until told to stop. */
  follow: (receiver: Receiver, signal: AbortSignal) => Promise<void>
}>

/** The trigger that judges drills and nothing else: its alpha is its own, so the triggers of the configuration are as they were. */
export function drillTrigger(config: Config): JudgedTrigger {
  const written = triggersSchema.parse([
    {
      name: DRILL.trigger,
      signal: 'failed_updates',
      match: { agent: DRILL.agent },
      baseline: 0.02,
      action: 'pause',
      trafficGoesTo: 'nobody: this is a drill',
    },
  ])
  return judgedTriggers(written, signalsOf(config), config.judge.alpha)[0]!
}

export function createDrills(edges: {
  store: ClickHouseClient
  config: Config
  log: Log
  registry: Registry
  /** Pages people about a drill that failed. */
  tell: (finding: Finding) => Promise<void>
}): Drills {
  const { store, config, log } = edges
  const limits: DrillLimits = {
    acceptWithinMs: config.drill.acceptWithinSeconds * 1000,
    stopWithinMs: config.drill.stopWithinSeconds * 1000,
  }
  const observe = drillMetrics(edges.registry)
  let running: Readonly<{ release: string; alerter: Alerter }> | null = null
  let current: Promise<unknown> | null = null

  function run(receiver: Receiver, signal: AbortSignal = new AbortController().signal): Promise<DrillResult> {
    if (current) return Promise.reject(new AndonError('drill_running', 'a drill is running already; wait for its end'))
    const going = runOne(receiver, signal).finally(() => {
      current = null
    })
    current = going
    return going
  }

  async function runOne(receiver: Receiver, signal: AbortSignal): Promise<DrillResult> {
    const result = await drill(receiver, signal)
    if (signal.aborted) return result // told to stop: neither passed nor failed
    await storeDrill(store, result)
    observe(result)
    const level = result.passed ? 'info' : 'error'
    log[level]({ drill: result.drillId, reason: result.reason }, result.passed ? 'drill passed' : 'drill failed')
    if (!result.passed) await edges.tell(drillFinding(result))
    return result
  }

  async function drill(receiver: Receiver, signal: AbortSignal): Promise<DrillResult> {
    const startedAtMs = wallClock.nowMs()
    const release = `drill-${new Date(startedAtMs).toISOString()}`
    const stage = await openStage({ store, log, release })
    running = { release, alerter: stage.alerter }
    const sent: DrillSent = { onsetMs: null, firstHarmMs: null, contacts: 0, exposed: 0 }
    const times = () => stage.alerter.incidents().find((incident) => incident.release.release === release)?.clock
    const isOver = () => {
      const nowMs = wallClock.nowMs()
      const clock = times()
      if (clock?.acceptedMs == null)
        return nowMs > (sent.onsetMs ?? startedAtMs + HEALTHY_SECONDS * 2000) + limits.acceptWithinMs
      return limits.stopWithinMs === 0 || clock.drainedMs !== null || nowMs > clock.acceptedMs + limits.stopWithinMs
    }
    let fault: string | null = null
    const ended = new AbortController()
    const ticking = stage.tickUntil(AbortSignal.any([signal, ended.signal]))
    try {
      await sendDrill(
        {
          receiver,
          clock: wallClock,
          release,
          perSecond: PER_SECOND,
          healthySeconds: HEALTHY_SECONDS,
          isServed: () => stage.isServed(),
          isOver,
          signal,
        },
        sent,
      )
    } catch (error) {
      fault = (error as Error).message
    } finally {
      ended.abort()
      await ticking
      running = null
      await stage.close()
    }
    const clock = times()
    const onsetMs = sent.onsetMs ?? wallClock.nowMs()
    const came = {
      onsetMs,
      detectedMs: clock?.detectedMs ?? null,
      sentMs: clock?.sentMs ?? null,
      acceptedMs: clock?.acceptedMs ?? null,
      stoppedMs: clock?.stoppedMs ?? null,
      drainedMs: clock?.drainedMs ?? null,
    }
    return {
      drillId: idOf('drill', release),
      release,
      startedAtMs,
      ...came,
      firstHarmMs: sent.firstHarmMs,
      endedAtMs: wallClock.nowMs(),
      contactsSent: sent.contacts,
      contactsExposed: sent.exposed,
      ...drillVerdict(came, limits, fault),
    }
  }

  async function follow(receiver: Receiver, signal: AbortSignal): Promise<void> {
    const { everyHours } = config.drill
    while (everyHours !== null && !signal.aborted) {
      await wallClock.sleep(SCHEDULE_CHECK_MS, signal)
      try {
        const last = await lastDrillMs(store)
        if (isDrillDue(last, everyHours, wallClock.nowMs()) && !signal.aborted && !current) await run(receiver, signal)
      } catch (error) {
        log.error({ err: (error as Error).message }, 'the drill could not be run; trying again')
      }
    }
  }

  return {
    take: async (finding) => {
      if (running?.release === finding.release.release) await running.alerter.handle(finding)
    },
    run,
    isRunning: () => current !== null,
    idle: async () => {
      await current?.catch(() => {})
    },
    follow,
  }
}

/** The other end of one drill: a platform that verifies and obeys, and an alerter that knows no other target. */
async function openStage({ store, log, release }: { store: ClickHouseClient; log: Log; release: string }) {
  const secret = `whsec_${randomBytes(32).toString('base64')}`
  const routing = createRouting()
  routing.launch({ agent: DRILL.agent, release, share: 1 })
  const platform = await startPlatform({
    routing,
    secrets: [secret],
    clock: wallClock,
    eventNowMs: wallClock.nowMs,
    environment: DRILL.environment,
  })
  const alerter = createAlerter({
    targets: [
      {
        name: 'drill',
        kind: 'webhook',
        url: platform.url,
        keys: [keyOf(secret)],
        token: '',
        enforces: true,
        escalation: false,
        allowPrivate: true,
        on: ['pause', 'rollback'],
        match: {},
      },
    ],
    safety: safetyOf(safetyConfig.parse({})),
    journal: clickhouseJournal(store, 'drill_events'),
    post: createPost({ clock: wallClock }),
    lastContactOf: (one) => lastContactIn(store, one),
    activityOf: followActivity(store, wallClock),
    clock: wallClock,
    log,
  })
  return {
    alerter,
    isServed: () => routing.serve(DRILL.agent, 0) === release,
    tickUntil: async (signal: AbortSignal) => {
      while (!signal.aborted) {
        await alerter
          .tick()
          .catch((error: Error) => log.error({ err: error.message }, 'the drill could not go on; trying again'))
        await wallClock.sleep(TICK_MS, signal)
      }
    },
    close: async () => {
      await alerter.close()
      await platform.close()
    },
  }
}

/** Results of the drills of this process; drill-metrics.clickhouse.ts tells when the last one of the store began and how it went. */
function drillMetrics(registry: Registry): (result: DrillResult) => void {
  const registers = [registry]
  const total = new Counter({
    name: 'andon_drills_total',
    help: 'Drills by result.',
    labelNames: ['result'],
    registers,
  })
  const duration = new Gauge({
    name: 'andon_drill_duration_seconds',
    help: 'Parts of the path in the last drill: detect (injected onset to detection), pause (to acceptance), stop and drain (from acceptance).',
    labelNames: ['part'],
    registers,
  })
  return (result) => {
    total.inc({ result: result.passed ? 'passed' : 'failed' })
    duration.reset()
    const { onsetMs, detectedMs, acceptedMs, stoppedMs, drainedMs } = result
    const part = (name: string, fromMs: number | null, untilMs: number | null) => {
      if (fromMs !== null && untilMs !== null) duration.set({ part: name }, Math.max(0, untilMs - fromMs) / 1000)
    }
    part('detect', onsetMs, detectedMs)
    part('pause', detectedMs, acceptedMs)
    part('stop', acceptedMs, stoppedMs)
    part('drain', acceptedMs, drainedMs)
  }
}
