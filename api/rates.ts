/** Token buckets, one per key; a bucket holds two seconds' worth. */
export type Limiter = Readonly<{
  /** Takes one from the bucket of `key`; 0 when it may pass, else how long to wait, in milliseconds. */
  waitMs: (key: string, perSecond: number, nowMs: number) => number
}>

const BURST_SECONDS = 2
/** Most keys remembered; beyond it the one that asked longest ago is forgotten, which at worst lets it burst again. */
const MAX_KEYS = 10_000

export function createLimiter(): Limiter {
  const buckets = new Map<string, { left: number; atMs: number }>()
  return {
    waitMs: (key, perSecond, nowMs) => {
      const full = Math.max(1, perSecond * BURST_SECONDS)
      const bucket = buckets.get(key) ?? { left: full, atMs: nowMs }
      const passedMs = Math.max(0, nowMs - bucket.atMs)
      const left = Math.min(full, bucket.left + (passedMs * perSecond) / 1000)
      const passes = left >= 1
      buckets.delete(key) // the latest stand at the end
      buckets.set(key, { left: passes ? left - 1 : left, atMs: nowMs })
      if (buckets.size > MAX_KEYS) buckets.delete(buckets.keys().next().value!)
      return passes ? 0 : ((1 - left) * 1000) / perSecond
    },
  }
}
