import { assert } from '../../lib/errors.ts'
import { gammaP, lgamma } from './gamma.ts'

/** Range of a rate ratio: hits against the healthy hits owed. `high` is Infinity while nothing is owed. */
export type RatioInterval = Readonly<{ low: number; high: number }>

/** Distribution of a ratio given what was seen: the probability that it lies at or below x. */
export type RatioBelow = (x: number) => number

/** What is believed before: one hit where one was owed, so a ratio of 1 that the first few hits outweigh. */
const PRIOR = { hits: 1, exposure: 1 }

/** Posterior of a rate ratio under a Gamma prior: Gamma(hits + 1) ÷ (exposure + 1). */
export function rateRatioBelow(hits: number, exposure: number, prior = PRIOR): RatioBelow {
  assert(hits >= 0 && exposure >= 0, 'hits and exposure are not negative')
  return (x) => (x <= 0 ? 0 : gammaP(hits + prior.hits, (exposure + prior.exposure) * x))
}

/**
 * The same for the odds ratio of two arms: `hits` of `total` came from the candidate, equal arms would have shown `expected` of them. Log odds
 * as normal (Woolf 1955) with two hits before, split as equal arms split them. Says nothing (½ everywhere) where only one arm was there.
 */
export function oddsRatioBelow(hits: number, total: number, expected: number): RatioBelow {
  const theta = expected / total
  if (!(theta > 0 && theta < 1)) return () => 0.5
  const candidate = hits + 2 * theta
  const stable = total - hits + 2 * (1 - theta)
  const middle = Math.log(candidate / stable) - Math.log(theta / (1 - theta))
  const deviation = Math.sqrt(1 / candidate + 1 / stable)
  return (x) => (x <= 0 ? 0 : normalBelow((Math.log(x) - middle) / deviation))
}

const normalBelow = (z: number): number => 0.5 * (1 + Math.sign(z) * gammaP(0.5, (z * z) / 2))

/** A ratio beyond this is as good as any: its upper end is told as Infinity. */
const MOST_RATIO = 1e6

/**
 * Range of a ratio that the distributions of several hypotheses share, each weighed by its probability: the probability below its low end
 * and above its high end is the same. For reporting a pause; it covers the true ratio in 89 to 98 % of pauses at a level of 90 % (docs/detection).
 */
export function mixedInterval(
  parts: readonly Readonly<{ share: number; below: RatioBelow }>[],
  level = 0.9,
): RatioInterval {
  assert(level > 0 && level < 1, 'level lies in (0, 1)')
  const below = (x: number) => parts.reduce((sum, part) => sum + part.share * part.below(x), 0)
  const at = (p: number): number => {
    if (below(MOST_RATIO) < p) return Number.POSITIVE_INFINITY
    if (below(1 / MOST_RATIO) >= p) return 0
    const isAbove = (log: number) => below(Math.exp(log)) >= p
    let [low, high] = [-Math.log(MOST_RATIO), Math.log(MOST_RATIO)]
    for (let i = 0; i < 60; i++) {
      const middle = (low + high) / 2
      if (isAbove(middle)) high = middle
      else low = middle
    }
    return Math.exp(high)
  }
  const tail = (1 - level) / 2
  return { low: at(tail), high: at(1 - tail) }
}

/**
 * Anytime-valid interval of a ratio that is constant from launch: covers it at every look at once with probability
 * 1 − α. The ratio ρ is in while the mixture over all ratios under Exp(1) does not beat it by 1/α:
 * ln M − (N ln ρ − ρA) < ln(1/α), M = Γ(1 + N)/(1 + A)^{1+N}. Valid for Bernoulli hits as well (1 + x ≤ e^x).
 * Source: Robbins 1970, confidence sequences by mixture; Lindon and Malek 2022 for counts.
 */
export function anytimeRatioInterval(hits: number, exposure: number, alpha: number): RatioInterval {
  assert(hits >= 0 && exposure >= 0 && alpha > 0 && alpha < 1, 'hits and exposure are not negative, alpha in (0, 1)')
  if (exposure === 0) return { low: 0, high: Number.POSITIVE_INFINITY }
  const logMixture = lgamma(1 + hits) - (1 + hits) * Math.log1p(exposure)
  const limit = Math.log(1 / alpha)
  const isOut = (ratio: number) => logMixture - ((hits === 0 ? 0 : hits * Math.log(ratio)) - ratio * exposure) >= limit
  const best = hits / exposure
  let out = best * 2 + 1 / exposure
  while (!isOut(out)) out *= 2
  const high = boundary(best, out, isOut)
  return { low: hits === 0 ? 0 : boundary(best, 0, isOut), high }
}

/** Point between `inside` and `outside` where `isOut` changes. */
function boundary(inside: number, outside: number, isOut: (x: number) => boolean): number {
  let a = inside
  let b = outside
  for (let i = 0; i < 200; i++) {
    const middle = (a + b) / 2
    if (middle === a || middle === b) break
    if (middle > 0 && !isOut(middle)) a = middle
    else b = middle
  }
  return a
}

/**
 * Anytime-valid interval of a share of hits among independent trials: the same construction with a Beta(½, ½) mixture.
 * The finding `clear` rests on it: the whole interval lies below the limit. Without trials it is [0, 1].
 */
export function anytimeShareInterval(hits: number, trials: number, alpha: number): { low: number; high: number } {
  assert(hits >= 0 && hits <= trials && alpha > 0 && alpha < 1, 'hits lie between 0 and trials, alpha in (0, 1)')
  if (trials === 0) return { low: 0, high: 1 }
  const misses = trials - hits
  const logBeta = (a: number, b: number) => lgamma(a) + lgamma(b) - lgamma(a + b)
  const logMixture = logBeta(hits + 0.5, misses + 0.5) - logBeta(0.5, 0.5)
  const limit = Math.log(1 / alpha)
  const isOut = (p: number) => logMixture - xlogy(hits, p) - xlogy(misses, 1 - p) >= limit
  const best = hits / trials
  return {
    low: hits === 0 ? 0 : boundary(best, 0, isOut),
    high: misses === 0 ? 1 : boundary(best, 1, isOut),
  }
}

const xlogy = (x: number, y: number) => (x === 0 ? 0 : x * Math.log(y))
