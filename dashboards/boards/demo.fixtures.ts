import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { ClickHouseClient } from '@clickhouse/client'
import { type Outcome, postOutcome } from '../../agent/index.ts'
import { storeDrill } from '../../app/drill.clickhouse.ts'
import { type Running, startMonitor } from '../../app/serve.ts'
import { configSchema } from '../../config.ts'
import type { DrillResult } from '../../facts/drill.ts'
import type { Overview } from '../../facts/overview.ts'
import { wallClock } from '../../lib/clock.ts'
import { silentLog } from '../../lib/log.ts'
import type { AffectedRow } from '../../recovery/export.ts'
import { runContactCentre } from '../../simulator/emit.ts'
import { startPlatform } from '../../simulator/platform.http.ts'
import { createRouting } from '../../simulator/routing.ts'
import { DAY_MS, demoScenario, HEALTHY_RATES, HOUR_MS, type Launch } from '../../simulator/scenario.ts'
import { openStore, rowsOf } from '../../store/store.clickhouse.ts'

/** A name that breaks every careless query: quote, double quote, backslash at the end, macro, letters beyond ASCII. */
export const HOSTILE_NAME = `o'brien "é 東京" $__timeFilter \\`

const SECRET = 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw'
type Row = readonly [agent: string, release: string, day: number, fault?: Launch['fault']]

/**
 * What is played: launches, days, contacts as a share of the demo's, hours that are sent at once, a share that breaches at once, and whether duplicates
 * pause a release or are only told.
 */
export type Play = Readonly<{
  launches: readonly Row[]
  days: number
  traffic: number
  stepHours: number
  ceiling?: number
  pausesAll?: boolean
}>

/**
 * The demo's contact centre in short: two bad releases that the cord stops, a third of which it only tells, and a healthy one with a hostile name.
 */
const LAUNCHES: readonly Row[] = [
  ['order-status', '2026.11.0', 0],
  ['collections', HOSTILE_NAME, 0],
  ['crm-hygiene', '4.1.0', 0],
  ['crm-hygiene', '4.2.0', 0.5, { harm: 'failed_updates', onsetMs: 0.75 * DAY_MS, rate: 0.5 }],
  ['collections', 'r17', 0.5, { harm: 'complaints', onsetMs: 0.5 * DAY_MS, rate: 0.5 }],
  ['order-status', '2026.11.1', 1],
  ['crm-hygiene', '4.3.0', 2, { harm: 'duplicate_creations', onsetMs: 2 * DAY_MS, rate: 0.6 }],
]

/** Long enough that the windows of a week of the first contacts are over, enough contacts for every panel, and soon counted. */
const SHORT: Play = { launches: LAUNCHES, days: 8.25, traffic: 0.25, stepHours: 12, ceiling: 0.99 }

export type Played = Readonly<{
  /** What the monitor's API said at the end, and of incidents what it said when people had decided: evidence of what they let go on starts anew. */
  overview: Overview
  /** What its API listed as affected by its incidents, with what was done about it. */
  affected: readonly AffectedRow[]
  fromMs: number
  toMs: number
}>
export type DemoStore = Played & Readonly<{ store: ClickHouseClient; close: () => Promise<void> }>

/** Runs the contact centre against a real monitor, then opens what it left. */
export async function openDemoStore(played: Play = SHORT): Promise<DemoStore> {
  const folder = mkdtempSync(join(tmpdir(), 'andon-boards-'))
  const path = join(folder, 'store')
  const demo = await playDemo(path, played)
  const store = await openStore({ kind: 'embedded', path })
  return {
    ...demo,
    store,
    close: async () => {
      await store.close()
      rmSync(folder, { recursive: true, force: true })
    },
  }
}

export async function openEmptyStore(): Promise<Pick<DemoStore, 'store' | 'close'>> {
  const folder = mkdtempSync(join(tmpdir(), 'andon-boards-empty-'))
  const store = await openStore({ kind: 'embedded', path: folder })
  return {
    store,
    close: async () => {
      await store.close()
      rmSync(folder, { recursive: true, force: true })
    },
  }
}

/** Runs the contact centre against a real monitor, which leaves an embedded store in `path`. */
export async function playDemo(path: string, played: Play = SHORT): Promise<Played> {
  const fromMs = Math.floor(wallClock.nowMs() / DAY_MS - Math.ceil(played.days)) * DAY_MS
  const told = await play(path, fromMs, played)
  return { ...told, fromMs, toMs: wallClock.nowMs() }
}

async function play(path: string, startMs: number, played: Play): Promise<Pick<Played, 'overview' | 'affected'>> {
  const demo = demoScenario({ startMs })
  const scenario = {
    ...demo,
    lines: demo.lines.map((line) => ({ ...line, perHour: line.perHour * played.traffic })),
    endMs: startMs + played.days * DAY_MS,
    launches: played.launches.map(([agent, release, day, fault]) => ({
      agent,
      release,
      atMs: startMs + day * DAY_MS,
      share: 0.7,
      fault: fault ? { ...fault, onsetMs: startMs + fault.onsetMs } : null,
    })),
  }
  const routing = createRouting()
  let eventMs = startMs
  const platform = await startPlatform({
    routing,
    secrets: [SECRET],
    clock: wallClock,
    eventNowMs: () => eventMs,
    environment: scenario.environment,
    onAccepted: () => {},
  })
  const running = await startMonitor({
    config: configSchema.parse({
      store: { path },
      receive: { port: 0 },
      page: { port: 0 },
      triggers: Object.entries(HEALTHY_RATES).map(([signal, baseline]) => ({
        name: signal,
        signal,
        baseline,
        ...(signal === 'duplicate_creations' && !played.pausesAll
          ? { action: 'notify' }
          : { action: 'pause', trafficGoesTo: 'previous release' }),
        ...(played.ceiling !== undefined && { ceiling: { rate: played.ceiling, minTrials: 1000 } }),
      })),
      targets: [
        { name: 'agent-platform', url: platform.url, secret: { env: 'SECRET' }, enforces: true, allowPrivate: true },
      ],
      safety: { stopWithinMinutes: 24 * 60 },
    }),
    env: { SECRET },
    log: silentLog,
    clockMode: 'event',
  })
  try {
    await runContactCentre({
      scenario,
      seed: 7,
      receiver: { endpoint: running.receiverUrl },
      routing,
      clock: wallClock,
      speed: Infinity,
      stepMs: played.stepHours * HOUR_MS,
      onStep: (step) => {
        eventMs = step.eventMs
      },
    })
    await running.monitor.settle()
    const untilMs = wallClock.nowMs() + 10_000
    const isOpen = () => running.monitor.incidents().some(({ state }) => state !== 'drained' && state !== 'observed')
    while (isOpen() && wallClock.nowMs() < untilMs) await wallClock.sleep(100)
    const before = await running.monitor.overview()
    await decide(running, eventMs)
    const overview = { ...before, incidents: running.monitor.incidents() }
    const listed = overview.incidents.map(({ incidentId }) => running.monitor.recovery.rows(incidentId))
    return { overview, affected: (await Promise.all(listed)).flat() }
  } finally {
    await running.close()
    await platform.close()
  }
}

const BY = { by: 'Ada', reason: 'played' }

/** What people do afterwards: they review, correct and reopen, put a part right, give verdicts, let a release go on, and hold a drill. */
async function decide(running: Running, nowMs: number): Promise<void> {
  const { monitor, receiverUrl } = running
  const contacts = await rowsOf<{ conversation: string; ms: number }>(
    monitor.store,
    `SELECT conversation, toUnixTimestamp64Milli(max(ended_at)) AS ms FROM contacts
     WHERE gone = 0 AND conversation NOT LIKE 'psn_%' AND conversation != '' AND writes > 0 GROUP BY conversation
     ORDER BY any(release) = '4.2.0' DESC, conversation LIMIT 20`,
  )
  const desk = { endpoint: receiverUrl, source: 'desk' }
  const outcomes = contacts.flatMap(({ conversation, ms }, index): Outcome[] => {
    const about = { conversation, at: ms + HOUR_MS, environment: 'production' }
    const review: Outcome = { ...about, kind: 'review', reviewMinutes: 2 + (index % 5) }
    return index % 5 > 1 ? [review] : [review, { ...about, kind: index % 5 === 0 ? 'correction' : 'reopen' }]
  })
  await Promise.all(outcomes.map((outcome) => postOutcome(desk, outcome)))
  await monitor.settle()
  for (const {
    incidentId,
    state,
    release: { agent },
  } of monitor.incidents()) {
    if (state !== 'drained') continue
    const rows = await monitor.recovery.rows(incidentId)
    const needing = rows.filter(({ need }) => need === 'correct')
    for (const item of needing.slice(0, Math.ceil(needing.length / 2)).map((row) => String(row.item)))
      await monitor.recovery.record(incidentId, {
        step: 'record_corrected',
        kind: 'record',
        item,
        actor: 'Ada',
        reason: '',
      })
    await monitor.recovery.record(incidentId, { step: 'waived', actor: 'Ada', reason: 'the rest is small' })
    await monitor.operations.operate({ does: 'acknowledge', incidentId, ...BY })
    const isRight = agent === 'crm-hygiene'
    const goesOn = isRight
      ? ({ does: 'resume', incidentId, channel: '', queue: '', ...BY } as const)
      : ({ does: 'override', incidentId, ...BY } as const)
    await monitor.operations.operate(goesOn)
    const verdict = isRight ? 'confirmed' : 'false_alarm'
    await monitor.operations.operate({ does: 'close', incidentId, verdict, ...BY })
  }
  await storeDrill(monitor.store, drillAt(nowMs))
}

const drillAt = (endedAtMs: number): DrillResult => {
  const at = (minutesBefore: number) => endedAtMs - minutesBefore * 60_000
  return {
    drillId: 'played',
    release: 'drill-1',
    startedAtMs: at(10),
    onsetMs: at(9),
    firstHarmMs: at(9),
    detectedMs: at(7),
    sentMs: at(7),
    acceptedMs: at(7),
    stoppedMs: at(5),
    drainedMs: at(4),
    endedAtMs,
    contactsSent: 300,
    contactsExposed: 60,
    passed: true,
    reason: 'passed',
  }
}
