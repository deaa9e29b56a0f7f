/**
 * What others do, as small as it can be said, on the same streams as ours. Each rule follows the cited source; settings
 * that a source leaves to the user are named in the label. Detectors see misses and hits one by one and answer `true` to pause.
 */

import { designTest, type TestDesign } from '../detectors/sequential/design.ts'
import { DEFAULT_EFFECTS, SHIPPED } from '../detectors/sequential/effects.ts'
import { addHits, addTrials, createStream, logE } from '../detectors/sequential/known-rate.ts'

/** A detector of one stream of trials with a known healthy share. `start` begins a new life. */
export type Detector = Readonly<{
  name: string
  start: () => void
  misses: (count: number) => boolean
  hit: () => boolean
}>

const MINUTE_MS = 60_000

/** Trials that arrive together in one batch. */
const BATCH = 10

/** Ours: the shipped single-stream test, one trial a minute in batches of at most ten, checked at every hit. */
export function ours(name: string, design: TestDesign, logThreshold: number): Detector {
  let state = createStream(design)
  let n = 0
  const add = (count: number) => {
    for (let rest = count; rest > 0; rest -= BATCH) {
      const batch = Math.min(rest, BATCH)
      n += batch
      addTrials(design, state, n * MINUTE_MS, batch)
    }
  }
  return {
    name,
    start: () => {
      state = createStream(design)
      n = 0
    },
    misses: (count) => {
      add(count)
      return false
    },
    hit: () => {
      add(1)
      addHits(design, state, n * MINUTE_MS, 1)
      return logE(design, state) >= logThreshold
    },
  }
}

/** Deliberately broken: evidence is forgotten every 2,000 trials, and each fresh start may spend the whole α again. */
export function forgetful(design: TestDesign, logThreshold: number): Detector {
  const inner = ours('', design, logThreshold)
  let n = 0
  const count = (k: number) => {
    n += k
    if (n < 2000) return
    n = 0
    inner.start()
  }
  return {
    name: 'broken on purpose: evidence forgotten every 2,000 trials',
    start: () => {
      n = 0
      inner.start()
    },
    misses: (k) => {
      count(k)
      return inner.misses(k)
    },
    hit: () => {
      count(1)
      return inner.hit()
    },
  }
}

/**
 * A window of `size` trials fails when its hits exceed `limit`; pause at more than `allowed` failed windows in all.
 * Argo Rollouts: `Failed > failureLimit` over the whole analysis run (analysis/analysis.go). Flagger: failed checks add up
 * until `threshold` (`>=`) and are not reset by a good check.
 */
export function windows(name: string, size: number, limit: number, allowed: number): Detector {
  let seen = 0
  let hits = 0
  let failed = 0
  const close = () => {
    if (hits > limit) failed++
    seen = 0
    hits = 0
    return failed > allowed
  }
  return {
    name,
    start: () => {
      seen = 0
      hits = 0
      failed = 0
    },
    misses: (count) => {
      let rest = count
      while (seen + rest >= size) {
        rest -= size - seen
        if (close()) return true
      }
      seen += rest
      return false
    },
    hit: () => {
      hits++
      seen++
      return seen >= size && close()
    },
  }
}

/** CUSUM (Page 1954), the greatest over the same ratio grid; its threshold is simulated to a lifetime false-pause share of α. */
export function cusum(share: number, threshold: number): Detector & { peak: () => number } {
  const steps = DEFAULT_EFFECTS.ratios.map((r) => ({
    miss: Math.log((1 - r * share) / (1 - share)),
    hit: Math.log(r),
    sum: 0,
  }))
  let peak = 0
  return {
    name: 'CUSUM over the grid, threshold simulated',
    start: () => {
      peak = 0
      for (const step of steps) step.sum = 0
    },
    misses: (count) => {
      for (const step of steps) step.sum = Math.max(0, step.sum + count * step.miss)
      return false
    },
    hit: () => {
      let top = 0
      for (const step of steps) {
        step.sum += step.hit
        top = Math.max(top, step.sum)
      }
      peak = Math.max(peak, top)
      return top >= threshold
    },
    peak: () => peak,
  }
}

/** Wald's one-sided SPRT that is told the true faulty share and that it is bad from launch: nobody has this knowledge. */
export function oracle(share: number, faulty: number, logThreshold: number): Detector {
  let sum = 0
  const miss = Math.log((1 - faulty) / (1 - share))
  return {
    name: 'oracle SPRT (told the faulty share)',
    start: () => {
      sum = 0
    },
    misses: (count) => {
      sum += count * miss
      return false
    },
    hit: () => {
      sum += Math.log(faulty / share)
      return sum >= logThreshold
    },
  }
}

/** The field for a known healthy share; 300 trials stand for an hour. */
export function knownField(share: number, ratio: number, alpha: number, cusumThreshold: number): Detector[] {
  const logThreshold = Math.log(1 / alpha)
  return [
    ours('Andon, single stream', designTest({ ...SHIPPED, baseline: share }), logThreshold),
    windows('Argo Rollouts: 1 h windows over 1.5×, failureLimit 3', 300, 1.5 * share * 300, 3),
    windows('Argo Rollouts: 1 h windows over 2×, failureLimit 3', 300, 2 * share * 300, 3),
    windows('Flagger: 15 min checks over 3×, threshold 10', 75, 3 * share * 75, 9),
    cusum(share, cusumThreshold),
    oracle(share, Math.min(0.95, ratio * share), logThreshold),
  ]
}

/** Counts of both arms so far. */
export type Arms = { candidateTrials: number; stableTrials: number; candidateHits: number; stableHits: number }

/** Difference of shares and its plug-in variance, null before 100 trials per arm. */
function difference(arms: Arms): { d: number; variance: number } | null {
  const { candidateTrials: nc, stableTrials: ns } = arms
  if (nc < 100 || ns < 100) return null
  const a = arms.candidateHits / nc
  const b = arms.stableHits / ns
  return { d: a - b, variance: (a * (1 - a)) / nc + (b * (1 - b)) / ns }
}

/** mSPRT with a normal mixture of scale τ (Johari et al. 2015), plug-in variance; one-sided α by half of a two-sided test. */
export function msprtPauses(arms: Arms, tau: number, alpha: number): boolean {
  const found = difference(arms)
  if (!found || found.d <= 0 || found.variance <= 0) return false
  const { d, variance: v } = found
  const log = 0.5 * Math.log(v / (v + tau * tau)) + (tau * tau * d * d) / (2 * v * (v + tau * tau))
  return log >= Math.log(1 / (2 * alpha))
}

/** GrowthBook's asymptotic confidence sequence (GAVI), tuned at 5,000 units as its documentation suggests. */
export function growthbookPauses(arms: Arms, alpha: number, tunedAt = 5000): boolean {
  const found = difference(arms)
  if (!found) return false
  const n = arms.candidateTrials + arms.stableTrials
  const a = 2 * alpha
  const rho2 = (-2 * Math.log(a) + Math.log(-2 * Math.log(a) + 1)) / tunedAt
  const s2 = n * found.variance
  const half = Math.sqrt(s2 * ((2 * (n * rho2 + 1)) / (n * n * rho2)) * Math.log(Math.sqrt(n * rho2 + 1) / a))
  return found.d - half > 0
}

/**
 * Kayenta's canary judge: Mann–Whitney confidence interval (98 %) of the shift between the last 48 half-hour shares of both arms;
 * "high" when its lower end exceeds a quarter of the Hodges–Lehmann estimate. Judged hourly.
 */
export function kayentaPauses(candidate: readonly number[], stable: readonly number[]): boolean {
  const m = candidate.length
  const n = stable.length
  if (m < 10 || n < 10) return false
  const shifts = Float64Array.from(candidate.flatMap((x) => stable.map((y) => x - y))).sort()
  const rank = Math.max(0, Math.floor((m * n) / 2 - 2.3263 * Math.sqrt((m * n * (m + n + 1)) / 12)))
  const low = shifts[rank]!
  return low > 0 && low > 0.25 * Math.abs(shifts[shifts.length >> 1]!)
}
