/** Simulated lives of releases: every contender of a race sees the same contacts. All randomness is seeded. */

import { stratumOf } from '../detectors/choose.ts'
import { releaseLogE } from '../detectors/sequential/combine.ts'
import type { TestDesign } from '../detectors/sequential/design.ts'
import { SHIPPED } from '../detectors/sequential/effects.ts'
import {
  addHits,
  addTrials,
  advance,
  createStream,
  logE,
  type StreamState,
} from '../detectors/sequential/known-rate.ts'
import { type OnsetEstimate, onset } from '../detectors/sequential/onset.ts'
import {
  addAtRisk,
  addStratumHits,
  advanceTwoSample,
  createTwoSample,
  designTwoSample,
  type TwoSampleDesign,
  twoSampleLogE,
} from '../detectors/sequential/two-sample.ts'
import { type Random, seededRandom } from '../lib/random.ts'
import { type Arms, type Detector, growthbookPauses, kayentaPauses, msprtPauses } from './detection-rivals.ts'

const MINUTE_MS = 60_000
const HOUR_MS = 60 * MINUTE_MS

/** Misses before the next hit. */
const gapOf = (random: Random, share: number) => Math.floor(Math.log(1 - random.uniform()) / Math.log1p(-share))

export type Life = Readonly<{ share: number; ratio: number; changeAt: number; trials: number }>

/** Trial number at which each detector pauses; Infinity if never. */
export function race(detectors: readonly Detector[], random: Random, life: Life): number[] {
  const paused = detectors.map(() => Number.POSITIVE_INFINITY)
  for (const detector of detectors) detector.start()
  let n = 0
  let running = detectors.length
  while (n < life.trials && running > 0) {
    let gap = gapOf(random, n < life.changeAt ? life.share : life.share * life.ratio)
    if (n < life.changeAt && n + gap >= life.changeAt) {
      gap = life.changeAt - n + gapOf(random, Math.min(0.95, life.share * life.ratio))
    }
    const whole = n + gap < life.trials
    const misses = whole ? gap : life.trials - n
    n += misses + (whole ? 1 : 0)
    for (const [i, detector] of detectors.entries()) {
      if (paused[i]! < Number.POSITIVE_INFINITY) continue
      if (detector.misses(misses) || (whole && detector.hit())) {
        paused[i] = n
        running--
      }
    }
  }
  return paused
}

/** The four signals of the shipped combination as yes-or-no trials of each contact; delays are left out. */
export const COMBINATION_SHARES = [0.02, 0.005, 0.12, 0.01] as const
const LEAVES = 15
/** Contacts between two evaluations. */
const TICK = 25

/**
 * Contact at which the shipped combination pauses: four signals of weight ¼, pooled and by 15 slices of unequal traffic. `ratios`
 * multiplies each signal's share from contact `changeAt` on.
 */
export function combinationLife(
  designs: readonly TestDesign[],
  random: Random,
  ratios: readonly number[],
  changeAt: number,
  contacts: number,
  logThreshold: number,
): number {
  const streams = designs.map(() => ({ pooled: null as StreamState | null, leaves: new Map<number, StreamState>() }))
  const leaves = Array.from({ length: LEAVES }, (_, leaf) => ({ leaf, weight: 1 / (leaf + 1) }))
  for (let n = TICK; n <= contacts; n += TICK) {
    const tick = new Map<number, number[]>() // leaf → [trials, hits by signal…]
    for (let i = 0; i < TICK; i++) {
      const { leaf } = random.pickWeighted(leaves)
      const counts = tick.get(leaf) ?? [0, ...designs.map(() => 0)]
      counts[0]!++
      for (const [s, share] of COMBINATION_SHARES.entries()) {
        const bad = n > changeAt ? ratios[s]! : 1
        if (random.uniform() < share * bad) counts[s + 1]!++
      }
      tick.set(leaf, counts)
    }
    const evidence = streams.map((stream, s) => {
      const design = designs[s]!
      const feed = (state: StreamState, trials: number, hits: number) => {
        addTrials(design, state, n * MINUTE_MS, trials)
        addHits(design, state, n * MINUTE_MS, hits)
      }
      stream.pooled ??= createStream(design)
      for (const [leaf, counts] of tick) {
        if (!stream.leaves.has(leaf)) stream.leaves.set(leaf, createStream(design))
        feed(stream.leaves.get(leaf)!, counts[0]!, counts[s + 1]!)
        feed(stream.pooled, counts[0]!, counts[s + 1]!)
      }
      const leafLogEs = [...stream.leaves.values()].map((state) => logE(design, state))
      return { weight: 1 / designs.length, pooledLogE: logE(design, stream.pooled), leafLogEs }
    })
    if (releaseLogE(evidence) >= logThreshold) return n
  }
  return Number.POSITIVE_INFINITY
}

export type TwoArmLife = Readonly<{
  share: number
  ratio: number
  changeAt: number
  trials: number
  /** Candidate's part of the traffic. */
  theta: number
  /** Contacts of both arms per minute. */
  perMinute: number
  /** Multiplies the share of both arms, hour by hour. */
  shock: (hour: number) => number
}>

export const TWO_ARM_NAMES = [
  'Andon, two-sample',
  'mSPRT (τ = p0)',
  'GrowthBook confidence sequence',
  'Kayenta (30 min, 24 h)',
]

/** Candidate trials at which each two-arm rule pauses, in the order of {@link TWO_ARM_NAMES}. */
export function twoArmLife(design: TwoSampleDesign, random: Random, life: TwoArmLife, alpha: number): number[] {
  const state = createTwoSample(design)
  const arms: Arms = { candidateTrials: 0, stableTrials: 0, candidateHits: 0, stableHits: 0 }
  const paused = TWO_ARM_NAMES.map(() => Number.POSITIVE_INFINITY)
  const bins = { candidate: [] as number[], stable: [] as number[] }
  let bin = { ...arms }
  const pauseAt = (i: number, pauses: boolean) => {
    if (pauses && paused[i] === Number.POSITIVE_INFINITY) paused[i] = arms.candidateTrials
  }
  for (let minute = 0; arms.candidateTrials < life.trials && paused.includes(Number.POSITIVE_INFINITY); minute++) {
    const share = life.share * life.shock(Math.floor(minute / 60))
    const faulty = Math.min(0.95, share * (arms.candidateTrials < life.changeAt ? 1 : life.ratio))
    const counts = { candidate: 0, stable: 0 }
    const hits = { candidate: 0, stable: 0 }
    for (let i = 0; i < life.perMinute; i++) {
      const arm = random.uniform() < life.theta ? 'candidate' : 'stable'
      counts[arm]++
      if (random.uniform() < (arm === 'candidate' ? faulty : share)) hits[arm]++
    }
    for (const side of [arms, bin]) {
      side.candidateTrials += counts.candidate
      side.stableTrials += counts.stable
      side.candidateHits += hits.candidate
      side.stableHits += hits.stable
    }
    advanceTwoSample(design, state, minute * MINUTE_MS)
    addAtRisk(design, state, 'candidate', minute * MINUTE_MS, counts.candidate)
    addAtRisk(design, state, 'stable', minute * MINUTE_MS, counts.stable)
    addStratumHits(design, state, minute * MINUTE_MS, hits)
    if ((minute * MINUTE_MS) % design.stratumMs === 0) {
      pauseAt(0, paused[0] === Number.POSITIVE_INFINITY && twoSampleLogE(design, state) >= Math.log(1 / alpha))
    }
    if (hits.candidate > 0) {
      pauseAt(1, msprtPauses(arms, life.share, alpha))
      pauseAt(2, growthbookPauses(arms, alpha))
    }
    if (minute % 30 === 29) {
      bins.candidate.push(bin.candidateHits / Math.max(1, bin.candidateTrials))
      bins.stable.push(bin.stableHits / Math.max(1, bin.stableTrials))
      bin = { candidateTrials: 0, stableTrials: 0, candidateHits: 0, stableHits: 0 }
    }
    if (minute % 60 === 59 && paused[3] === Number.POSITIVE_INFINITY) {
      pauseAt(3, kayentaPauses(bins.candidate.slice(-48), bins.stable.slice(-48)))
    }
  }
  return paused
}

export type SlicedLife = Readonly<{
  ratio: number
  changeAt: number
  trials: number
  perMinute: number
  /** Contacts of both arms that a stratum should hold. */
  perStratum: number
}>

/**
 * Candidate trials until the pooled comparison pauses when 15 slices of unequal traffic, each with its own healthy share (0.5 to 4 %), are
 * compared each by itself, at an even split; strata as the product chooses them.
 */
export function slicedArmLife(random: Random, life: SlicedLife, logThreshold: number): number {
  const slices = Array.from({ length: LEAVES }, (_, slice) => ({
    slice,
    weight: 1 / (slice + 1),
    share: 0.005 * (1 + (slice % 8)),
  }))
  const whole = slices.reduce((sum, { weight }) => sum + weight, 0)
  const sliceStrataMs = slices.map(({ weight }) =>
    stratumOf((life.perMinute * 1440 * weight) / whole, null, life.perStratum),
  )
  const design = designTwoSample({ ...SHIPPED, stratumMs: HOUR_MS, sliceStrataMs, windowMs: 6 * HOUR_MS })
  const state = createTwoSample(design)
  let candidates = 0
  for (let minute = 0; candidates < life.trials; minute++) {
    const atMs = minute * MINUTE_MS
    advanceTwoSample(design, state, atMs)
    if (twoSampleLogE(design, state) >= logThreshold) return candidates
    for (let i = 0; i < life.perMinute; i++) {
      const { slice, share } = random.pickWeighted(slices)
      const arm = random.uniform() < 0.5 ? 'candidate' : 'stable'
      if (arm === 'candidate') candidates++
      addAtRisk(design, state, arm, atMs, 1, slice)
      const bad = arm === 'candidate' && candidates > life.changeAt ? life.ratio : 1
      if (random.uniform() < share * bad)
        addStratumHits(
          design,
          state,
          atMs,
          { candidate: arm === 'candidate' ? 1 : 0, stable: arm === 'stable' ? 1 : 0 },
          slice,
        )
    }
  }
  return Number.POSITIVE_INFINITY
}

/** Mean healthy share of {@link slicedArmLife}: what its floor is measured by. */
export const SLICED_SHARE = (() => {
  const slices = Array.from({ length: LEAVES }, (_, slice) => ({
    weight: 1 / (slice + 1),
    share: 0.005 * (1 + (slice % 8)),
  }))
  return slices.reduce((sum, s) => sum + s.weight * s.share, 0) / slices.reduce((sum, s) => sum + s.weight, 0)
})()

/** Healthy hourly shocks shared by both arms: gamma-like hour noise (CV 0.3), day noise (CV 0.15) and a daily rhythm of ± 30 %. */
export function sharedShocks(random: Random): (hour: number) => number {
  const noise = new Map<number, number>()
  const draw = (key: number, cv: number) => {
    if (!noise.has(key))
      noise.set(key, Math.exp(random.normal(-0.5 * Math.log1p(cv * cv), Math.sqrt(Math.log1p(cv * cv)))))
    return noise.get(key)!
  }
  return (hour) =>
    draw(hour, 0.3) * draw(-1 - Math.floor(hour / 24), 0.15) * (1 + 0.3 * Math.sin((2 * Math.PI * hour) / 24))
}

export type RepeatLife = Readonly<{ perHour: number; ratio: number; changeAtHour: number; hours: number }>

/** Age at which a contact of this patience repeats under a hazard `ratio` times the healthy one; Infinity: not in the window. */
function repeatAge(design: TestDesign, patience: number, ratio: number): number {
  const { edgesMs, shares } = design.delayed!.profile
  let share = patience / (ratio * design.hitsPerTrial)
  for (const [b, width] of shares.entries()) {
    if (share < width) return edgesMs[b]! + (share / width) * (edgesMs[b + 1]! - edgesMs[b]!)
    share -= width
  }
  return Number.POSITIVE_INFINITY
}

/**
 * Hours after the change at which a repeat-contact fault is found (Infinity: never): by the shipped delayed stream, and by waiting
 * for cohorts to mature (`matured`: each contact counted once, 72 h after it began). Diurnal traffic of ± 80 %, batches of 5 minutes.
 */
export function repeatLife(
  design: TestDesign,
  matured: TestDesign,
  random: Random,
  life: RepeatLife,
  logThreshold: number,
): number[] {
  const stepMs = 5 * MINUTE_MS
  const stream = createStream(design)
  const mature = createStream(matured)
  const steps = Math.round((life.hours * HOUR_MS) / stepMs)
  const hitsAt: number[][] = Array.from({ length: steps + 1 }, () => []) // cohort steps whose contact repeats now
  const cohorts: { trials: number; hits: number }[] = []
  const found = [Number.POSITIVE_INFINITY, Number.POSITIVE_INFINITY]
  const phase = random.uniform() * 24
  const stepsInWindow = Math.round(design.delayed!.windowMs / stepMs)
  for (let step = 0; step <= steps && found.includes(Number.POSITIVE_INFINITY); step++) {
    const nowMs = step * stepMs
    const hour = nowMs / HOUR_MS
    advance(design, stream, nowMs)
    const traffic = 1 + 0.8 * Math.sin((2 * Math.PI * (hour + phase)) / 24)
    const cohort = { trials: random.poisson((life.perHour * traffic * stepMs) / HOUR_MS), hits: 0 }
    cohorts.push(cohort)
    addTrials(design, stream, nowMs, cohort.trials)
    for (let i = 0; i < cohort.trials; i++) {
      const ageMs = repeatAge(design, random.exponential(1), hour >= life.changeAtHour ? life.ratio : 1)
      if (ageMs === Number.POSITIVE_INFINITY) continue
      cohort.hits++
      hitsAt[step + Math.ceil(ageMs / stepMs)]?.push(step) // later than this life: never seen
    }
    for (const cohortStep of hitsAt[step]!) addHits(design, stream, cohortStep * stepMs, 1)
    const old = cohorts[step - stepsInWindow]
    if (old) {
      addTrials(matured, mature, (step - stepsInWindow) * stepMs, old.trials)
      addHits(matured, mature, (step - stepsInWindow) * stepMs, old.hits)
    }
    const since = hour - life.changeAtHour
    const watching = found.map((hours) => hours === Number.POSITIVE_INFINITY)
    if (watching[0] && hitsAt[step]!.length > 0 && logE(design, stream) >= logThreshold) found[0] = since
    if (watching[1] && old?.hits && logE(matured, mature) >= logThreshold) found[1] = since
  }
  return found
}

/** The onset estimate at the moment of the pause; null when the life ended without one. */
export function onsetLife(
  design: TestDesign,
  random: Random,
  life: Life,
  logThreshold: number,
): { pausedAt: number; estimate: OnsetEstimate } | null {
  const state = createStream(design)
  for (let n = 1; n <= life.trials; n++) {
    addTrials(design, state, n * MINUTE_MS, 1)
    if (random.uniform() >= life.share * (n > life.changeAt ? life.ratio : 1)) continue
    addHits(design, state, n * MINUTE_MS, 1)
    if (logE(design, state) >= logThreshold) return { pausedAt: n, estimate: onset(design, state)! }
  }
  return null
}

export const seedOf = (...parts: readonly (string | number)[]) => seededRandom('detection', ...parts)
