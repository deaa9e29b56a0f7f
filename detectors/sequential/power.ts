import { assert } from '../../lib/errors.ts'
import type { TestDesign } from './design.ts'
import { cashAfter } from './effects.ts'
import { logAdd } from './log-domain.ts'

/**
 * What a test can see, before it sees anything: trials until a release that is bad from launch by a given ratio is paused.
 * Exact for the launch hypothesis on its own; the later onset cells make the test at most a little faster.
 */
export type Detection = Readonly<{
  /** No test that keeps the false-pause probability can be faster on average: log(1/α)/KL, Wald 1945. */
  floorTrials: number
  /** Trials by which half, and nine in ten, of such releases are paused. */
  medianTrials: number
  p90Trials: number
}>

/** Kullback–Leibler information of one healthy hit owed, for a hit rate raised by `ratio` (Poisson): r ln r − r + 1. */
export const poissonInformation = (ratio: number): number => ratio * Math.log(ratio) - ratio + 1

/** Information of one hit of either arm on "the candidate's odds are `ratio` times": θ is its part of those at risk. */
export function armInformation(theta: number, ratio: number): number {
  const part = (theta * ratio) / (theta * ratio + 1 - theta)
  return part * Math.log(part / theta) + (1 - part) * Math.log((1 - part) / (1 - theta))
}

/** Kullback–Leibler information of one trial with share p1 against p0. */
export const bernoulliInformation = (p1: number, p0: number): number =>
  p1 * Math.log(p1 / p0) + (p1 >= 1 ? 0 : (1 - p1) * Math.log((1 - p1) / (1 - p0)))

/** Information of one healthy hit owed under `design`, when hits come `ratio` times as often as they should. */
export const rateInformation = ({ delayed, share }: TestDesign, ratio: number): number =>
  delayed ? poissonInformation(ratio) : bernoulliInformation(Math.min(1, ratio * share), share) / share

/**
 * Trials to a pause under `design` when the true rate is `ratio` × the healthy one from the first contact.
 * `logThreshold` is what this stream needs, e.g. log(1/(α·weight)). Infinity when the ratio is too small to be found.
 */
export function detectionAtLaunch(design: TestDesign, ratio: number, logThreshold: number): Detection {
  assert(ratio > 1 && logThreshold > 0, 'a detection needs a ratio above 1 and a threshold above 0')
  const { hitsPerTrial } = design
  const [median, p90] = owedAtPause(design, ratio, logThreshold, [0.5, 0.9])
  return {
    floorTrials: logThreshold / (rateInformation(design, ratio) * hitsPerTrial),
    medianTrials: Math.ceil(median! / hitsPerTrial),
    p90Trials: Math.ceil(p90! / hitsPerTrial),
  }
}

/**
 * What comparing with a stable release costs against knowing its rate: candidate contacts needed, as a multiple. Two arms know only
 * "which arm" of each hit; θ is the candidate's part of the traffic.
 */
export function twoSampleCost(theta: number, ratio: number): number {
  const perCandidateHit = ((theta * ratio + 1 - theta) / theta) * armInformation(theta, ratio)
  return poissonInformation(ratio) / perCandidateHit
}

/** Hits after which a ratio counts as out of reach. */
const MOST_HITS = 3000

/**
 * Healthy hits owed by which the launch hypothesis has paused with each of the given probabilities (rising). First passage of
 * a Poisson process of rate `ratio` over the boundary "hit n comes before A_n is owed", where A_n is as much as n hits can
 * outweigh: no pause by A_n means fewer than k hits at every A_k, k ≤ n. Exact by forward recursion (Noé 1972); O(n²).
 */
export function owedAtPause(
  design: TestDesign,
  ratio: number,
  logThreshold: number,
  probabilities: readonly number[],
): number[] {
  const answers: number[] = []
  let alive = [1] // probability of k hits so far without a pause
  let owed = 0
  for (let n = 1; n <= MOST_HITS && answers.length < probabilities.length; n++) {
    const nextOwed = owedAtThreshold(design, n, logThreshold)
    if (nextOwed === 0) {
      alive.push(0)
      continue
    }
    alive = addPoisson(alive, ratio * (nextOwed - owed), n)
    owed = nextOwed
    const paused = 1 - alive.reduce((sum, p) => sum + p, 0)
    while (answers.length < probabilities.length && paused >= probabilities[answers.length]!) answers.push(owed)
  }
  while (answers.length < probabilities.length) answers.push(Number.POSITIVE_INFINITY)
  return answers
}

/** Distribution of a count after a Poisson increment, cut off below `length` hits: more would have paused. */
function addPoisson(distribution: readonly number[], mean: number, length: number): number[] {
  const sum = new Array<number>(length).fill(0)
  for (let step = 0, p = Math.exp(-mean); step < length; step++, p *= mean / step) {
    if (p < 1e-15 && step > mean) break
    for (let k = 0; k < distribution.length && k + step < length; k++) sum[k + step]! += distribution[k]! * p
  }
  return sum
}

/** Healthy hits owed at which `hits` hits stand exactly at the threshold; 0 when they never reach it. */
function owedAtThreshold(design: TestDesign, hits: number, logThreshold: number): number {
  if (launchLogE(design, hits, 0) < logThreshold) return 0
  let low = 0
  let high = hits + 1
  while (launchLogE(design, hits, high) >= logThreshold) high *= 2
  for (let i = 0; i < 45; i++) {
    const middle = (low + high) / 2
    if (launchLogE(design, hits, middle) >= logThreshold) low = middle
    else high = middle
  }
  return low
}

/** Evidence of the launch hypothesis alone, the rest of the prior at 1; averaged over the nodes of a baseline that has them. */
function launchLogE(design: TestDesign, hits: number, owed: number): number {
  const { effects, nodeMultipliers, nodeLogWeights, dispersion } = design
  if (nodeMultipliers.length === 1) return nodeLaunchLogE(design, 0, hits, owed)
  let above = Number.NEGATIVE_INFINITY
  let below = Number.NEGATIVE_INFINITY
  for (const [q, g] of nodeMultipliers.entries()) {
    const healthy = nodeLogWeights[q]! + (hits * Math.log(g) - g * owed) / dispersion
    above = logAdd(above, healthy + nodeLaunchLogE(design, q * effects.ratios.length, hits, owed))
    below = logAdd(below, healthy)
  }
  return above - below
}

/** The same if the baseline of the node whose components start at `first` were the true one. */
function nodeLaunchLogE(design: TestDesign, first: number, hits: number, owed: number): number {
  const { effects, logRatios, costs, dispersion } = design
  let top = 0
  for (let m = 0; m < effects.ratios.length; m++)
    top = Math.max(top, (hits * logRatios[first + m]! - owed * costs[first + m]!) / dispersion)
  let mixture = 0
  for (const [m, weight] of effects.weights.entries())
    mixture += weight * Math.exp((hits * logRatios[first + m]! - owed * costs[first + m]!) / dispersion - top)
  return top + Math.log(cashAfter(effects, 0) * Math.exp(-top) + effects.launchWeight * mixture)
}
