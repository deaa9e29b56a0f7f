import { assert } from '../../lib/errors.ts'

/**
 * What "gone bad" may mean: a grid of rate ratios, and when: at launch, or at the start of a later onset cell.
 * Both priors are fixed before any data; the false-pause bound holds for any choice, only the delay depends on it.
 */
export type Effects = Readonly<{
  /** Rate ratios against the healthy baseline, each > 1, rising. */
  ratios: readonly number[]
  /** Prior weight of each ratio; they sum to 1. */
  weights: readonly number[]
  /** Prior mass of "bad from the first contact"; the rest is spread over later cells. */
  launchWeight: number
  /** Half of the later mass lies in the first `halfLife` cells (H); the tail falls like 1/j². */
  halfLife: number
}>

/**
 * Default priors. Break-even of a sustained rise against r₁ = 1.25 is (r₁ − 1)/ln r₁ = 1.12: a smaller rise never pauses.
 * Six ratios cost about 16 % more observations than knowing the true one (docs/detection).
 */
export const DEFAULT_EFFECTS: Effects = {
  ratios: [1.25, 1.5, 2, 3, 5, 10],
  weights: [0.12, 0.22, 0.26, 0.2, 0.12, 0.08],
  launchWeight: 0.5,
  halfLife: 250,
}

/**
 * Priors and cells of the tests that ship: onset cells of two expected hits instead of four, the prior spread over as many contacts as
 * before. Delays are the same; the estimated beginning of a fault soon after the launch is twice as fine.
 */
export const SHIPPED = { effects: { ...DEFAULT_EFFECTS, halfLife: 500 }, cellHits: 2 } as const

/** Throws when the priors are no probability distribution over harmful effects. */
export function checkEffects(effects: Effects): void {
  const { ratios, weights, launchWeight, halfLife } = effects
  assert(ratios.length > 0 && ratios.length === weights.length, 'effects need one weight for each ratio')
  assert(
    ratios.every((r, m) => r > (ratios[m - 1] ?? 1) && Number.isFinite(r)),
    'effect ratios must be above 1 and rising',
  )
  assert(weights.every((w) => w > 0) && Math.abs(weights.reduce((a, b) => a + b) - 1) < 1e-9, 'weights must sum to 1')
  assert(launchWeight > 0 && launchWeight <= 1 && halfLife > 0, 'launchWeight lies in (0, 1], halfLife above 0')
}

/** Prior mass of "bad since the start of cell j": cell 0 is the launch. All cells together hold mass 1. */
export function onsetPrior(effects: Effects, j: number): number {
  if (j === 0) return effects.launchWeight
  const h = effects.halfLife
  return (1 - effects.launchWeight) * (h / (h + j - 1) - h / (h + j))
}

/** Prior mass of all cells after the newest one: wagered on nothing yet, so it stays "cash" of value 1. */
export const cashAfter = (effects: Effects, newestCell: number): number =>
  ((1 - effects.launchWeight) * effects.halfLife) / (effects.halfLife + newestCell)

/**
 * What one unit of expected healthy hits costs a bet on ratio r when hits are a counting process (Poisson bound):
 * e^{−(r−1)A}. Valid for Bernoulli trials too, because 1 + x ≤ e^x; the price is 3 % delay at a share of 2 %, 15 % at 10 %.
 */
export const poissonCost = (ratio: number): number => ratio - 1

/**
 * The same for independent yes-or-no trials of known share p (ratio read as odds ratio ψ): each trial costs
 * ln(1 − p + ψp), here per expected hit, so that exposure stays one number per cell.
 */
export const bernoulliCost = (oddsRatio: number, share: number): number => Math.log1p((oddsRatio - 1) * share) / share
