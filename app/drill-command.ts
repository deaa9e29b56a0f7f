import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type Config, configSchema } from '../config.ts'
import type { DrillResult } from '../facts/drill.ts'
import { wallClock } from '../lib/clock.ts'
import { AndonError } from '../lib/errors.ts'
import { createLog } from '../lib/log.ts'
import { runningRecovery } from './running-recovery.http.ts'
import type { Environment } from './secrets.ts'
import { startMonitor } from './serve.ts'
import { table } from './table.ts'

/**
 * `andon drill`: a monitor of its own, with the certainty and limits of this configuration, an empty store and no target, is given a release that
 * goes bad. Resolves to whether the drill passed. A monitor that runs elsewhere is not touched: it drills by its own schedule.
 */
export async function drillCommand(options: {
  config: Config
  env: Environment
  json: boolean
  quick: boolean
}): Promise<boolean> {
  const folder = mkdtempSync(join(tmpdir(), 'andon-drill-'))
  const stop = new AbortController()
  const onSignal = () => stop.abort()
  process.once('SIGINT', onSignal)
  try {
    const running = await startMonitor({
      config: rehearsalConfig(options.config, join(folder, 'store'), options.quick),
      env: options.env,
      log: createLog('error'),
      clockMode: 'wall',
    })
    try {
      const result = await running.drill(stop.signal)
      console.log(options.json ? JSON.stringify(result, null, 2) : drillText(result))
      return result.passed && !stop.signal.aborted
    } finally {
      await running.close()
    }
  } finally {
    process.removeListener('SIGINT', onSignal)
    rmSync(folder, { recursive: true, force: true })
  }
}

const ASK_EVERY_MS = 2_000
/** Beyond the limits of the drill itself: healthy traffic, and the row that is written at the end. */
const SPARE_MS = 60_000

/** `andon drill --running`: the monitor that serves drills itself; waits for the result. Throws AndonError `monitor` where none runs. */
export async function liveDrillCommand(options: { config: Config; env: Environment; json: boolean }): Promise<boolean> {
  const { config, env, json } = options
  const running = await runningRecovery(config, env)
  if (!running?.api.startDrill)
    throw new AndonError('monitor', 'no monitor runs on this configuration: start `andon serve`')
  const beganMs = wallClock.nowMs()
  await running.api.startDrill()
  const { acceptWithinSeconds, stopWithinSeconds } = config.drill
  const untilMs = beganMs + (acceptWithinSeconds + stopWithinSeconds) * 1000 + SPARE_MS
  while (wallClock.nowMs() < untilMs) {
    await wallClock.sleep(ASK_EVERY_MS)
    const [newest] = await running.api.drills()
    if (!newest || newest.startedAtMs < beganMs) continue
    console.log(json ? JSON.stringify(newest, null, 2) : drillText(newest))
    return newest.passed
  }
  throw new AndonError('monitor', 'the drill began and left no result in time: look at the log of the monitor')
}

/** What of a configuration a rehearsal keeps: nothing that reaches anybody, and no door that is taken. */
function rehearsalConfig(config: Config, storePath: string, quick: boolean): Config {
  return {
    ...configSchema.parse({ receive: { port: 0 }, page: { port: 0 }, store: { path: storePath } }),
    judge: config.judge,
    inherit: config.inherit,
    drill: { ...config.drill, everyHours: null, ...(quick && { stopWithinSeconds: 0 }) },
  }
}

type Shown = Pick<
  DrillResult,
  'onsetMs' | 'detectedMs' | 'acceptedMs' | 'stoppedMs' | 'drainedMs' | 'contactsExposed' | 'passed' | 'reason'
>

/** What `andon drill` prints: the clock of the drill, each step with its distance from the injected onset. */
export function drillText(result: Shown): string {
  const { onsetMs } = result
  const rows = (
    [
      ['onset (injected)', onsetMs],
      ['detected', result.detectedMs],
      ['accepted', result.acceptedMs],
      ['stopped', result.stoppedMs],
      ['drained', result.drainedMs],
    ] as const
  ).map(([step, ms]) => [
    step,
    ms === null ? 'not seen' : new Date(ms).toISOString().slice(11, 23),
    ms === null ? '' : `${((ms - onsetMs) / 1000).toFixed(1)} s`,
  ])
  return [
    table(['step', 'at (UTC)', 'after the onset'], rows),
    '',
    `${result.contactsExposed} contacts were exposed.`,
    result.passed ? 'The drill passed.' : `The drill FAILED: ${result.reason}.`,
  ].join('\n')
}
