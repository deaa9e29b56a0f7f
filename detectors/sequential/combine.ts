import { assert } from '../../lib/errors.ts'
import { logAdd, logSum } from './log-domain.ts'

/**
 * Evidence of one signal of a release: the pooled stream, and its leaves (slices) in the order in which they first
 * appeared. An average of e-processes is an e-process under any dependence, as long as weights are fixed before data;
 * plain means over leaves are not, because leaves appear later. So leaf j weighs 1/(j(j + 1)), which sums to 1 over all
 * leaves that may ever come, and what has not come yet stays worth 1.
 * Source: Vovk and Wang, "E-values: calibration, combination and applications", Annals of Statistics 2021.
 */
export type SignalEvidence = Readonly<{
  /** Share of the release's α, fixed before data. */
  weight: number
  pooledLogE: number
  /** In order of first appearance; the order must never change. */
  leafLogEs: readonly number[]
}>

/** Weight of the j-th leaf to appear, counted from 1. */
export const leafWeight = (j: number): number => 1 / (j * (j + 1))

/** log of ½ pooled + ½ weighted leaves, unseen leaves at 1. */
export function signalLogE({ pooledLogE, leafLogEs }: Omit<SignalEvidence, 'weight'>): number {
  const unseen = -Math.log(leafLogEs.length + 1) // Σ_{j>n} 1/(j(j+1)) = 1/(n+1)
  const leaves = leafLogEs.reduce((sum, logE, i) => logAdd(sum, Math.log(leafWeight(i + 1)) + logE), unseen)
  return logAdd(pooledLogE, leaves) - Math.LN2
}

/** log evidence of a release over all its signals; α not given to any signal stays worth 1. */
export function releaseLogE(signals: readonly SignalEvidence[]): number {
  const given = signals.reduce((sum, s) => sum + s.weight, 0)
  assert(signals.every((s) => s.weight > 0) && given <= 1 + 1e-9, 'signal weights are above 0 and sum to at most 1')
  const rest = Math.max(0, 1 - given)
  return logSum([Math.log(rest), ...signals.map((s) => Math.log(s.weight) + signalLogE(s))])
}

/**
 * Evidence that a pause needs. Each overridden pause halves what the next test may spend: α/2, α/4, … on fresh streams, so
 * that the false-pause probability of the whole chain stays within 2α, and within α for the pauses after the first.
 */
export function logThreshold(alpha: number, overrides = 0): number {
  assert(alpha > 0 && alpha < 1 && overrides >= 0, 'alpha lies in (0, 1), overrides is a count')
  return Math.log(1 / alpha) + overrides * Math.LN2
}
