import type { Clock } from '../lib/clock.ts'

/** A clock that stands at the greatest event time accepted; it moves when facts arrive, and so do its sleepers. */
export function eventClock(signal: AbortSignal): { clock: Clock; advance: (ms: number) => void } {
  let nowMs = 0
  const sleepers = new Set<{ wakeAtMs: number; wake: () => void }>()
  return {
    advance: (ms) => {
      nowMs = Math.max(nowMs, ms)
      for (const sleeper of sleepers) if (sleeper.wakeAtMs <= nowMs) sleeper.wake()
    },
    clock: {
      nowMs: () => nowMs,
      sleep: (ms, aborted) =>
        new Promise((resolve) => {
          const sleeper = {
            wakeAtMs: nowMs + ms,
            wake: () => {
              sleepers.delete(sleeper)
              resolve()
            },
          }
          if (ms <= 0 || aborted?.aborted || signal.aborted) return resolve()
          sleepers.add(sleeper)
          aborted?.addEventListener('abort', sleeper.wake, { once: true })
          signal.addEventListener('abort', sleeper.wake, { once: true })
        }),
    },
  }
}
