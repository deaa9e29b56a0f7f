import type { ClickHouseClient } from '@clickhouse/client'
import type { Registry } from 'prom-client'
import { type Alerter, createAlerter } from '../alerts/alerter.ts'
import { createClockMetrics } from '../alerts/clock-metrics.ts'
import { createIncidentMetrics } from '../alerts/incident-metrics.ts'
import { clickhouseJournal } from '../alerts/journal.clickhouse.ts'
import { createPost } from '../alerts/post.http.ts'
import { resolveTargets, safetyOf, type Target } from '../alerts/targets.ts'
import { type Config, countedSignals, triggersOf } from '../config.ts'
import { createDetector, type Detector } from '../detectors/detector.clickhouse.ts'
import { createHistory } from '../detectors/history.clickhouse.ts'
import { compileSignals } from '../detectors/signals/compile.ts'
import { DRILL, isDrill } from '../facts/drill.ts'
import type { Incident } from '../facts/incident.ts'
import { type Overview, STALLED_MS } from '../facts/overview.ts'
import { releaseKeyOf } from '../facts/slice.ts'
import { type Clock, wallClock } from '../lib/clock.ts'
import type { Log } from '../lib/log.ts'
import { WHY_BARE } from '../pipeline/readable.clickhouse.ts'
import { type Arrivals, type ClockMode, createSequencer, type Sequencer } from '../pipeline/sequencer.clickhouse.ts'
import { countSetAside } from '../pipeline/set-aside.clickhouse.ts'
import type { Recovery } from '../recovery/recovery.clickhouse.ts'
import { applyRetention } from '../store/retention.clickhouse.ts'
import { openStore, rowsOf } from '../store/store.clickhouse.ts'
import { followActivity, lastContactIn } from './activity.clickhouse.ts'
import { createDrills, type Drills, drillTrigger } from './drill.ts'
import { createDrillMetrics } from './drill-metrics.clickhouse.ts'
import { eventClock } from './event-clock.ts'
import { finishForgetting } from './forget.clickhouse.ts'
import { createJudging, type Judging } from './judging.ts'
import { createLastAcceptedMetric } from './last-accepted.clickhouse.ts'
import { createMetrics } from './metrics.ts'
import { createOperations, type Operations } from './operations.ts'
import { keepPauseCounts } from './pause-counts.clickhouse.ts'
import { followRecovery, recoveryOf } from './recovery.ts'
import { followReleaseFile } from './release-file.ts'
import { createReleaseMetrics } from './release-metrics.ts'
import { restartEvidence } from './restart.ts'
import { type Environment, readSecret } from './secrets.ts'
import { shownViews } from './shown-views.clickhouse.ts'
import { followSilence } from './silence.ts'
import { recorded, recordWork } from './telemetry.ts'

const HOUR_MS = 3_600_000
const ALERT_TICK_MS = 1_000

export type MonitorOptions = Readonly<{
  config: Config
  env: Environment
  log: Log
  /** wall: live. event: every clock is the greatest event time accepted (replay and demo). */
  clockMode: ClockMode
  /** replay never sends a webhook. */
  mode: 'live' | 'replay'
  storePath: string
  pageUrl?: string
  onIncident?: (incident: Incident) => void
  /** Aborted while what was accepted before is still being counted, the start rejects with AndonError `unavailable`. */
  signal?: AbortSignal
}>

export type Health = Readonly<{
  live: boolean
  ready: boolean
  checks: Readonly<Record<string, Readonly<{ ok: boolean; detail: string }>>>
}>

export type Monitor = Readonly<{
  accept: (arrivals: Arrivals) => Promise<void>
  /** Resolves when everything accepted so far is counted and judged. */
  settle: () => Promise<void>
  overview: () => Promise<Overview>
  incidents: () => Incident[]
  /** Keeps what an answer of the stop switch proves. */
  hear: Alerter['hear']
  /** What people do with releases and incidents. */
  operations: Operations
  recovery: Recovery
  drills: Drills
  health: () => Promise<Health>
  registry: Registry
  rejected: (reason: string, n: number) => void
  nowMs: () => number
  store: ClickHouseClient
  close: () => Promise<void>
}>

/**
 * The monitor without its doors: store → pipeline → detector → alerter, in this order, closed in reverse. One path: facts are accepted
 * (durable), counted (deltas), judged (findings), acted upon (incidents).
 */
export async function createMonitor(options: MonitorOptions): Promise<Monitor> {
  const { config } = options
  // Before the store is open: a missing secret ends the command, and an open engine would keep it from ending.
  const targets = await resolveTargets(config.targets, (ref) => readSecret(ref, options.env))
  const store = await openStore({
    kind: 'embedded',
    path: options.storePath,
    memoryBytes: config.store.memoryMiB * 2 ** 20,
  })
  const closing = new AbortController()
  try {
    return await assemble(options, targets, store, closing)
  } catch (error) {
    closing.abort()
    await store.close() // an open engine would keep the process from ending
    throw error
  }
}

async function assemble(
  options: MonitorOptions,
  targets: readonly Target[],
  store: ClickHouseClient,
  closing: AbortController,
): Promise<Monitor> {
  const { config, log, clockMode } = options
  await finishForgetting(store)
  await applyRetention(store, config.store.retentionDays)
  const event = eventClock(closing.signal)
  const clock = clockMode === 'wall' ? wallClock : event.clock

  let alerter: Alerter
  let detector: Detector
  let sequencer: Sequencer
  const metrics = createMetrics({
    views: () => (detector?.views() ?? []).filter(({ release }) => !isDrill(release)),
    waitingRows: () => sequencer?.waitingRows() ?? 0,
    lagSeconds: () => lagMs() / 1000,
    ready: async () => (await health()).ready,
  })
  const lagMs = () => (sequencer ? Math.max(0, wallClock.nowMs() - sequencer.lastProgressMs()) : 0)
  const health = () => healthOf(store, judging, lagMs)

  const watched = { registry: metrics.registry, incidents: () => alerter.incidents() }
  const clockMetrics = createClockMetrics(watched)
  createIncidentMetrics(watched)
  createDrillMetrics({ registry: metrics.registry, store, log })
  createLastAcceptedMetric({ registry: metrics.registry, store, log })
  const journal = clickhouseJournal(store)
  alerter = createAlerter({
    targets,
    pullers: config.stopSwitch.enforcedBy,
    safety: safetyOf(config.safety),
    journal,
    post: recorded('andon.deliver', createPost({ clock: wallClock }), (request, result) => ({
      'server.address': new URL(request.url).host, // never the path: chat tools keep their secret in it
      'http.response.status_code': result?.status ?? 0,
      'andon.outcome': result?.outcome ?? '',
    })),
    lastContactOf: (release) =>
      detector.views().find((view) => releaseKeyOf(view.release) === releaseKeyOf(release))?.lastContactMs ??
      lastContactIn(store, release),
    activityOf: followActivity(store, wallClock),
    keepCounts: keepPauseCounts(store),
    restartEvidence: async (release, trigger) => restartEvidence(detector, release, trigger),
    clock,
    log,
    mode: options.mode,
    signedAtMs: () => wallClock.nowMs(),
    links: { pageUrl: config.links.page ?? options.pageUrl, runbook: config.links.runbook },
    onEvent: (incident, line) => {
      clockMetrics.observe(incident, line)
      options.onIncident?.(incident)
    },
  })
  const start = await rowsOf<{ clockMs: number }>(
    store,
    'SELECT max(toUnixTimestamp64Milli(clock_at)) AS clockMs FROM batches',
  )
  event.advance(start[0]?.clockMs ?? 0)
  await alerter.resume()
  const drills = createDrills({
    store,
    config,
    log,
    registry: metrics.registry,
    tell: (finding) => alerter.tell(finding, 'drill_failed'),
  })
  detector = await createDetector({
    store,
    triggers: [...triggersOf(config), drillTrigger(config)],
    judgedEnvironments: [...config.judge.environments, DRILL.environment],
    clock,
    clockMode,
    onBreach: async (finding) => {
      if (isDrill(finding.release)) await drills.take(finding)
      else await alerter.handle(finding)
    },
    history: createHistory(store),
    log,
  })
  const judging = createJudging({
    detector,
    log,
    signal: closing.signal,
    tick: metrics.tick,
    tickFailed: metrics.tickFailed,
  })
  sequencer = await createSequencer({
    store,
    statements: compileSignals(countedSignals(config)),
    judgedEnvironments: config.judge.environments,
    idleMs: config.contact.idleHours === null ? null : config.contact.idleHours * HOUR_MS,
    clock: wallClock,
    clockMode,
    holdMs: config.inherit.holdSeconds * 1000,
    log,
    ...(options.signal && { signal: options.signal }),
    // The receiver refuses such a request, and counts it.
    onUnreadable: (facts) => log.error({ facts }, WHY_BARE),
    onTakenBack: ({ setAside }) => metrics.setAside(setAside),
    onBatch: (batch) => {
      event.advance(batch.clockMs)
      metrics.batch(batch)
      const endMs = wallClock.nowMs()
      recordWork('andon.batch', endMs - batch.processMs - batch.acceptMs, endMs, {
        'andon.seq': batch.seq,
        'andon.rows': batch.spans + batch.outcomes + batch.points,
      })
      judging.wake()
    },
  })
  judging.wake()
  const alerting = runAlerting(alerter, log, closing.signal)
  const recovery = recoveryOf(store, config, clock)
  const views = async () => detector.views()
  const operations = createOperations({ store, config, clock, alerter, journal, recovery, views })
  const overview = () => overviewOf({ store, detector, alerter, sequencer, clock, clockMode, lagMs })
  const releases = async () => (await overview()).releases
  const { signal } = closing
  const listening = clockMode === 'wall' ? followSilence({ releases, handle: alerter.handle, log, signal }) : null
  createReleaseMetrics({ metrics: metrics.registry, releases: operations.registry.list, log })
  const { file } = config.releases
  const registering = file ? followReleaseFile({ path: file, registry: operations.registry, log, signal }) : null
  const recovering =
    options.mode === 'replay' ? null : followRecovery({ recovery, alerter, log, signal: closing.signal })

  return {
    accept: sequencer.accept,
    settle: async () => {
      await sequencer.settle()
      await judging.settle()
    },
    overview,
    incidents: () => alerter.incidents(),
    hear: alerter.hear,
    operations,
    recovery,
    drills,
    health,
    registry: metrics.registry,
    rejected: metrics.rejected,
    nowMs: clock.nowMs,
    store,
    close: async () => {
      await sequencer.close()
      await judging.settle().catch(() => {})
      closing.abort()
      await Promise.all([alerting, judging.ended, recovering, listening, registering])
      await alerter.close()
      await detector
        .save()
        .catch((error: Error) =>
          log.warn({ err: error.message }, 'the evidence was not stored; it is computed again at the next start'),
        )
      await store.close()
    },
  }
}

async function runAlerting(alerter: Alerter, log: Log, signal: AbortSignal): Promise<void> {
  while (!signal.aborted) {
    await wallClock.sleep(ALERT_TICK_MS, signal)
    if (signal.aborted) return
    try {
      await alerter.tick()
    } catch (error) {
      log.error({ err: (error as Error).message }, 'the alerter could not continue; trying again')
    }
  }
}

type Sources = {
  store: ClickHouseClient
  detector: Detector
  alerter: Alerter
  sequencer: Sequencer
  clock: Clock
  clockMode: ClockMode
  lagMs: () => number
}

async function overviewOf({
  store,
  detector,
  alerter,
  sequencer,
  clock,
  clockMode,
  lagMs,
}: Sources): Promise<Overview> {
  const incidents = [...alerter.incidents()].reverse()
  const nowMs = clock.nowMs()
  return {
    clock: clockMode,
    nowMs,
    seq: detector.seq(),
    waitingRows: sequencer.waitingRows(),
    ingestLagSeconds: lagMs() / 1000,
    setAside: await countSetAside(store),
    releases: await shownViews(store, detector.views(), incidents, nowMs),
    incidents,
  }
}

async function healthOf(store: ClickHouseClient, judging: Judging, lagMs: () => number): Promise<Health> {
  const ping = await store.ping()
  const failure = judging.failure()
  const lag = lagMs()
  const checks = {
    store: { ok: ping.success, detail: ping.success ? 'answers' : String((ping as { error?: Error }).error?.message) },
    pipeline: {
      ok: lag < STALLED_MS,
      detail: lag < STALLED_MS ? 'moves on' : `waits for ${Math.round(lag / 1000)} s with work to do`,
    },
    detector: { ok: failure === null, detail: failure ?? 'judges every batch' },
  }
  return {
    live: checks.pipeline.ok || lag < 10 * STALLED_MS,
    ready: Object.values(checks).every((check) => check.ok),
    checks,
  }
}
