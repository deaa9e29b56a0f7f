import type { Detector } from '../detectors/detector.clickhouse.ts'
import { wallClock } from '../lib/clock.ts'
import type { Log } from '../lib/log.ts'
import { recordWork } from './telemetry.ts'

const SAVE_EVERY_MS = 30_000
const RETRY_MS = 1_000

export type Judging = Readonly<{
  wake: () => void
  settle: () => Promise<void>
  ended: Promise<void>
  failure: () => string | null
}>

/** Evaluates whenever a batch is whole, one evaluation at a time; a failed one is tried again and changes nothing until it works. */
export function createJudging(edges: {
  detector: Detector
  log: Log
  signal: AbortSignal
  tick: (elapsedMs: number) => void
  tickFailed: () => void
}): Judging {
  const { detector, log, signal } = edges
  let pending = false
  let failure: string | null = null
  let savedMs = wallClock.nowMs()
  let wake: () => void = () => {}
  const settled: (() => void)[] = []
  const run = async () => {
    while (!signal.aborted) {
      if (!pending) {
        for (const done of settled.splice(0)) done()
        const nap = new AbortController()
        wake = () => nap.abort()
        await wallClock.sleep(SAVE_EVERY_MS, AbortSignal.any([signal, nap.signal]))
        wake = () => {}
      }
      if (!pending) continue
      pending = false
      try {
        const startedMs = wallClock.nowMs()
        const { batches, seq, more } = await detector.tick()
        edges.tick(wallClock.nowMs() - startedMs)
        recordWork('andon.evaluate', startedMs, wallClock.nowMs(), { 'andon.seq': seq, 'andon.batches': batches })
        failure = null
        if (more) pending = true
        if (wallClock.nowMs() - savedMs > SAVE_EVERY_MS) {
          await detector.save()
          savedMs = wallClock.nowMs()
        }
      } catch (error) {
        pending = true
        failure = (error as Error).message
        edges.tickFailed()
        log.error({ err: failure }, `the evaluation failed; trying again in ${RETRY_MS} ms`)
        await wallClock.sleep(RETRY_MS, signal)
      }
    }
    for (const done of settled.splice(0)) done()
  }
  return {
    wake: () => {
      pending = true
      wake()
    },
    settle: () =>
      new Promise((resolve) => {
        if (signal.aborted) return resolve()
        settled.push(resolve)
        pending = true
        wake()
      }),
    ended: run(),
    failure: () => failure,
  }
}
