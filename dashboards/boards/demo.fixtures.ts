import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { ClickHouseClient } from '@clickhouse/client'
import { startMonitor } from '../../app/serve.ts'
import { configSchema } from '../../config.ts'
import type { Overview } from '../../facts/overview.ts'
import { wallClock } from '../../lib/clock.ts'
import { silentLog } from '../../lib/log.ts'
import { runContactCentre } from '../../simulator/emit.ts'
import { startPlatform } from '../../simulator/platform.http.ts'
import { createRouting } from '../../simulator/routing.ts'
import { DAY_MS, demoScenario, HEALTHY_RATES, HOUR_MS, type Launch } from '../../simulator/scenario.ts'
import { openStore } from '../../store/store.clickhouse.ts'

/** A name that breaks every careless query: quote, double quote, backslash at the end, macro, letters beyond ASCII. */
export const HOSTILE_NAME = `o'brien "é 東京" $__timeFilter \\`

const SECRET = 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw'
type Row = readonly [agent: string, release: string, day: number, fault?: Launch['fault']]

/** What is played: launches, days, contacts as a share of the demo's, hours that are sent at once, and a share that breaches at once. */
export type Play = Readonly<{
  launches: readonly Row[]
  days: number
  traffic: number
  stepHours: number
  ceiling?: number
}>

/** The demo's contact centre in short: two bad releases of which the cord stops both, and a healthy one with a hostile name. */
const LAUNCHES: readonly Row[] = [
  ['order-status', '2026.11.0', 0],
  ['collections', HOSTILE_NAME, 0],
  ['crm-hygiene', '4.1.0', 0],
  ['crm-hygiene', '4.2.0', 0.5, { harm: 'failed_updates', onsetMs: 0.75 * DAY_MS, rate: 0.5 }],
  ['collections', 'r17', 0.5, { harm: 'complaints', onsetMs: 0.5 * DAY_MS, rate: 0.5 }],
  ['order-status', '2026.11.1', 1],
]

/** Long enough that the windows of 72 h of the first contacts are over, enough contacts for every panel, and soon counted. */
const SHORT: Play = { launches: LAUNCHES, days: 3.25, traffic: 0.5, stepHours: 6, ceiling: 0.99 }

/** What was played, and what the monitor's API said at the end. */
export type Played = Readonly<{ overview: Overview; fromMs: number; toMs: number }>
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
  const overview = await play(path, fromMs, played)
  return { overview, fromMs, toMs: wallClock.nowMs() }
}

async function play(path: string, startMs: number, played: Play): Promise<Overview> {
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
        action: 'pause',
        trafficGoesTo: 'previous release',
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
    const isOpen = () => running.monitor.incidents().some((incident) => incident.state !== 'drained')
    while (isOpen() && wallClock.nowMs() < untilMs) await wallClock.sleep(100)
    return await running.monitor.overview()
  } finally {
    await running.close()
    await platform.close()
  }
}
