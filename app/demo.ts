import { randomBytes } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type Config, configSchema } from '../config.ts'
import type { Incident } from '../facts/incident.ts'
import type { Overview } from '../facts/overview.ts'
import { releaseKeyOf } from '../facts/slice.ts'
import { wallClock } from '../lib/clock.ts'
import { AndonError } from '../lib/errors.ts'
import { createLog } from '../lib/log.ts'
import { type Progress, runContactCentre } from '../simulator/emit.ts'
import { type AcceptedPause, startPlatform } from '../simulator/platform.http.ts'
import { createRouting } from '../simulator/routing.ts'
import {
  DAY_MS,
  demoScenario,
  type GroundTruth,
  groundTruthOf,
  HEALTHY_RATES,
  type Scenario,
} from '../simulator/scenario.ts'
import { rowsOf } from '../store/store.clickhouse.ts'
import { createScreen } from './demo-screen.ts'
import type { Environment } from './secrets.ts'
import { type Running, startMonitor } from './serve.ts'

/** Wall time that the fortnight takes when nobody says otherwise: time to watch, and well inside what a check may take. */
const DEFAULT_SECONDS = 40
const FORTNIGHT_MS = 14 * DAY_MS
/** Event time per step of the contact centre; a step is a round of requests, and mostly one batch. */
const STEP_MS = 3 * 3_600_000
const SECRET_NAME = 'ANDON_DEMO_SECRET'
/** The last pauses are proven stopped and drained by telemetry that follows; this much wall time at most. */
const DRAIN_WAIT_MS = 6_000

export type Pause = Readonly<{ pause: AcceptedPause; incident: Incident | null; monitorDelayMs: number | null }>

/**
 * The main job in one command: a simulated contact centre sends real OTLP to a real monitor, whose signed webhook an agent platform
 * verifies and obeys. Resolves to whether exactly the releases that are bad were paused.
 */
export async function demo(options: {
  once: boolean
  seed: number
  seconds: number | null
  plain: boolean
  env: Environment
  /** A configuration whose signals and triggers judge the agents that it names; null: all agents, by the four signals. */
  playbook: Config | null
}): Promise<boolean> {
  const folder = mkdtempSync(join(tmpdir(), 'andon-demo-'))
  const log = createLog(options.env.ANDON_LOG_LEVEL ?? 'error')
  const startMs = Math.floor((wallClock.nowMs() - FORTNIGHT_MS - 8 * DAY_MS) / DAY_MS) * DAY_MS
  const scenario = scenarioFor(options.playbook, demoScenario({ startMs, cycles: 1 }))
  const truth = groundTruthOf(scenario)
  const routing = createRouting()
  const secret = `whsec_${randomBytes(24).toString('base64')}`
  const stop = new AbortController()
  let progress: Progress = { eventMs: startMs, contacts: 0, spans: 0, outcomes: 0, toPeople: 0, behindMs: 0 }
  const pauses: AcceptedPause[] = []
  const platform = await startPlatform({
    routing,
    secrets: [secret],
    clock: wallClock,
    eventNowMs: () => progress.eventMs,
    environment: scenario.environment,
    onAccepted: (pause) => void (pauses.some((other) => other.incidentId === pause.incidentId) || pauses.push(pause)),
  })
  const running = await startWithFreePort({
    config: demoConfig(join(folder, 'store'), platform.url, options.playbook),
    env: { ...options.env, [SECRET_NAME]: secret },
    log,
  })
  const onSignal = () => stop.abort()
  process.once('SIGINT', onSignal)
  process.once('SIGTERM', onSignal)
  const screen = createScreen({
    plain: options.plain || !process.stdout.isTTY,
    pageUrl: running.pageUrl,
    receiverUrl: running.receiverUrl,
    startMs,
    endMs: scenario.endMs,
  })
  try {
    const ended = new AbortController()
    const painting = paint(screen, running, () => progress, AbortSignal.any([ended.signal, stop.signal]))
    const seconds = options.seconds ?? DEFAULT_SECONDS
    const report = await runContactCentre({
      scenario,
      seed: options.seed,
      receiver: { endpoint: running.receiverUrl },
      routing,
      clock: wallClock,
      speed: FORTNIGHT_MS / (seconds * 1000),
      stepMs: STEP_MS,
      signal: stop.signal,
      onStep: (step) => {
        progress = step
      },
    })
    await running.monitor.settle()
    await drained(running, stop.signal)
    ended.abort()
    await painting
    const overview = await running.monitor.overview()
    screen.paint(overview, progress)
    const measured = await Promise.all(pauses.map((pause) => measure(running, pause)))
    const right = report.completed && verdictOf(truth, pauses).length === 0
    screen.conclude({
      overview,
      pauses: measured,
      truth,
      mistakes: report.completed ? verdictOf(truth, pauses) : ['the demo was stopped before its end'],
    })
    if (!options.once && !stop.signal.aborted) {
      screen.say(`The page stays at ${running.pageUrl} until you press Ctrl-C.`)
      await wallClock.sleep(2 ** 31 - 1, stop.signal)
    }
    return right || (!options.once && stop.signal.aborted)
  } finally {
    screen.close()
    process.removeListener('SIGINT', onSignal)
    process.removeListener('SIGTERM', onSignal)
    await running.close()
    await platform.close()
    rmSync(folder, { recursive: true, force: true })
  }
}

/** The configuration a contact centre would write: healthy rates as baselines, a pause for each of the four signals. */
function demoConfig(storePath: string, platformUrl: string, playbook: Config | null): Config {
  const config = configSchema.parse({
    store: { path: storePath },
    receive: { port: 0 },
    triggers: Object.entries(HEALTHY_RATES).map(([signal, baseline]) => ({
      name: signal,
      signal,
      baseline,
      action: 'pause',
      trafficGoesTo: 'previous release',
    })),
    targets: [
      { name: 'agent-platform', url: platformUrl, secret: { env: SECRET_NAME }, enforces: true, allowPrivate: true },
    ],
    // Event time runs thousands of times faster than the wall clock of the platform: five minutes of it are a few milliseconds.
    safety: { stopWithinMinutes: 24 * 60 },
    log: { level: 'error' },
  })
  if (!playbook?.triggers) return config
  const { signals, triggers, judge, recovery } = playbook
  return { ...config, signals, triggers, judge, recovery }
}

/** The contact centre without the agents that the playbook does not judge. Throws AndonError `config` when none is left. */
function scenarioFor(playbook: Config | null, scenario: Scenario): Scenario {
  if (!playbook) return scenario
  const agents = new Set(playbook.triggers?.map((trigger) => trigger.match.agent))
  const lines = scenario.lines.filter((line) => agents.has(line.agent))
  if (lines.length === 0)
    throw new AndonError(
      'config',
      `the demo has no traffic for this playbook: it judges ${[...agents].join(', ') || 'no agent'}; there are ${scenario.lines.map((line) => line.agent).join(', ')}`,
    )
  return { ...scenario, lines, launches: scenario.launches.filter((launch) => agents.has(launch.agent)) }
}

/** The page takes its usual port, or any other when that one is taken. */
async function startWithFreePort(options: {
  config: Config
  env: Environment
  log: ReturnType<typeof createLog>
}): Promise<Running> {
  try {
    return await startMonitor({ ...options, clockMode: 'event' })
  } catch (error) {
    if (!(error instanceof AndonError) || error.code !== 'listen') throw error
    return startMonitor({
      ...options,
      config: { ...options.config, page: { ...options.config.page, port: 0 } },
      clockMode: 'event',
    })
  }
}

const PAINT_MS = 1_000

async function paint(
  screen: ReturnType<typeof createScreen>,
  running: Running,
  progress: () => Progress,
  signal: AbortSignal,
): Promise<void> {
  while (!signal.aborted) {
    screen.paint(await running.monitor.overview(), progress())
    await wallClock.sleep(PAINT_MS, signal)
  }
}

/** Waits until every accepted pause is proven drained, or it takes too long. */
async function drained(running: Running, signal: AbortSignal): Promise<void> {
  const untilMs = wallClock.nowMs() + DRAIN_WAIT_MS
  while (
    !signal.aborted &&
    wallClock.nowMs() < untilMs &&
    running.monitor.incidents().some((incident) => ['pausing', 'paused', 'stopped'].includes(incident.state))
  )
    await wallClock.sleep(200, signal)
}

/** Wall time from the batch that tipped the evidence (its acceptance) to the platform having obeyed. */
async function measure(running: Running, pause: AcceptedPause): Promise<Pause> {
  const incident = running.monitor.incidents().find((candidate) => candidate.incidentId === pause.incidentId) ?? null
  if (!incident) return { pause, incident, monitorDelayMs: null }
  const [batch] = await rowsOf<{ acceptedMs: number }>(
    running.monitor.store,
    'SELECT toUnixTimestamp64Milli(max(accepted_at)) AS acceptedMs FROM batches WHERE seq = {seq:UInt64}',
    { seq: incident.finding.seq },
  )
  return { pause, incident, monitorDelayMs: batch ? Math.max(0, pause.acceptedAtMs - batch.acceptedMs) : null }
}

/** What is wrong with the pauses, in words; empty when exactly the bad releases were paused, each for its own harm. */
export function verdictOf(truth: GroundTruth, pauses: readonly AcceptedPause[]): string[] {
  const paused = new Set(pauses.map((pause) => releaseKeyOf(pause)))
  const bad = new Set(truth.bad.map((release) => releaseKeyOf(release)))
  return [
    ...truth.bad
      .filter((release) => !paused.has(releaseKeyOf(release)))
      .map((release) => `${release.agent} ${release.release} went bad (${release.signal}) and was not paused`),
    ...pauses
      .filter((pause) => !bad.has(releaseKeyOf(pause)))
      .map((pause) => `${pause.agent} ${pause.release} is healthy and was paused`),
  ]
}

export type Conclusion = Readonly<{
  overview: Overview
  pauses: readonly Pause[]
  truth: GroundTruth
  mistakes: readonly string[]
}>
