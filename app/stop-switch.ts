import { type Heard, heardIn, type Puller } from '../alerts/pull.ts'
import type { Answered } from '../api/ofrep.ts'
import type { Clock } from '../lib/clock.ts'
import type { Log } from '../lib/log.ts'

/** One order is told once in this time, however often agents ask: what is lost is heard with a later answer. */
const AGAIN_MS = 1_000
const MOST_KEPT = 1_000

/** Passes on what answers of the stop switch prove, behind them: no answer waits for it. */
export function listenToAnswers(edges: {
  pullers: readonly Puller[]
  hear: (heard: Heard) => Promise<void>
  clock: Pick<Clock, 'nowMs'>
  log: Log
}): (answered: Answered) => void {
  const { pullers, hear, clock, log } = edges
  const passedOnMs = new Map<string, number>()
  return (answered) => {
    for (const heard of heardIn(answered, pullers)) {
      const key = JSON.stringify(heard)
      const nowMs = clock.nowMs()
      if (nowMs - (passedOnMs.get(key) ?? -Infinity) < AGAIN_MS) continue
      if (passedOnMs.size >= MOST_KEPT) passedOnMs.clear()
      passedOnMs.set(key, nowMs)
      hear(heard).catch((err) => log.error({ err, ...heard }, 'an answer of the stop switch was not kept; the next is'))
    }
  }
}
