import { assert } from '../../lib/errors.ts'
import { logChoose } from './gamma.ts'
import { logSum } from './log-domain.ts'

/** Contacts at risk and simultaneous hits of both arms in one stratum: contacts that were equal but for their release. */
export type Stratum = Readonly<{
  candidateAtRisk: number
  stableAtRisk: number
  candidateHits: number
  stableHits: number
}>

/**
 * log likelihood ratio of odds ratio ψ against 1, given how many hits came but not from which arm: Fisher's noncentral
 * hypergeometric distribution, ψ^k / Σ_j w_j ψ^j. The shared rate cancels, whatever it did. For a single hit this is
 * ψ/(θψ + 1 − θ) or 1/(θψ + 1 − θ), θ = the candidate's part of those at risk. O(number of hits).
 * Source: Fisher 1935; McCullagh and Nelder, Generalized Linear Models, §7.3.
 */
export function stratumLogRatio(stratum: Stratum, oddsRatio: number): number {
  const { candidateAtRisk, stableAtRisk, candidateHits, stableHits } = stratum
  assert(candidateHits <= candidateAtRisk && stableHits <= stableAtRisk, 'hits come from contacts at risk')
  const total = candidateHits + stableHits
  const logOdds = Math.log(oddsRatio)
  if (total === 0) return 0
  if (total === 1) {
    const theta = candidateAtRisk / (candidateAtRisk + stableAtRisk)
    return candidateHits * logOdds - Math.log(theta * oddsRatio + 1 - theta)
  }
  const from = Math.max(0, total - stableAtRisk)
  const to = Math.min(total, candidateAtRisk)
  const ways = Array.from(
    { length: to - from + 1 },
    (_, i) => logChoose(candidateAtRisk, from + i) + logChoose(stableAtRisk, total - from - i),
  )
  const tilted = ways.map((x, i) => x + (from + i) * logOdds)
  return candidateHits * logOdds - (logSum(tilted) - logSum(ways))
}
