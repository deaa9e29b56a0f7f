/**
 * The only door to time. Everything that needs "now" or a pause is handed one of these,
 * so that stories run on simulated time without sleeping.
 */
export type Clock = Readonly<{
  nowMs: () => number
  /** Resolves after `ms`, or at once (without error) when `signal` aborts. */
  sleep: (ms: number, signal?: AbortSignal) => Promise<void>
}>

export const wallClock: Clock = {
  nowMs: () => Date.now(),
  sleep: (ms, signal) =>
    new Promise((resolve) => {
      if (signal?.aborted) return resolve()
      const done = () => {
        clearTimeout(timer)
        signal?.removeEventListener('abort', done)
        resolve()
      }
      const timer = setTimeout(done, ms)
      signal?.addEventListener('abort', done, { once: true })
    }),
}

/** A clock that moves only when told to; sleepers wake in order of their deadline. */
export function manualClock(
  startMs: number,
): Clock & { advance: (ms: number) => Promise<void>; set: (ms: number) => Promise<void> } {
  let nowMs = startMs
  const sleepers: { wakeAtMs: number; wake: () => void }[] = []
  const set = async (targetMs: number) => {
    for (;;) {
      sleepers.sort((a, b) => a.wakeAtMs - b.wakeAtMs)
      const next = sleepers[0]
      if (!next || next.wakeAtMs > targetMs) break
      sleepers.shift()
      nowMs = Math.max(nowMs, next.wakeAtMs)
      next.wake()
      await new Promise((resolve) => setImmediate(resolve))
    }
    nowMs = Math.max(nowMs, targetMs)
  }
  return {
    nowMs: () => nowMs,
    sleep: (ms, signal) =>
      new Promise((resolve) => {
        if (signal?.aborted) return resolve()
        sleepers.push({ wakeAtMs: nowMs + ms, wake: resolve })
        signal?.addEventListener('abort', () => resolve(), { once: true })
      }),
    set,
    advance: (ms) => set(nowMs + ms),
  }
}
