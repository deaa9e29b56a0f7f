import { assert } from '../../lib/errors.ts'
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
export const stratumLogRatio = (stratum: Stratum, oddsRatio: number): number =>
  stratumLogRatios(stratum, [oddsRatio])[0]!

/** The same for several odds ratios at once: the ways in which hits can fall on the arms are counted once. */
export function stratumLogRatios(stratum: Stratum, oddsRatios: readonly number[]): number[] {
  const { candidateAtRisk, stableAtRisk, candidateHits, stableHits } = stratum
  assert(candidateHits <= candidateAtRisk && stableHits <= stableAtRisk, 'hits come from contacts at risk')
  const total = candidateHits + stableHits
  if (total === 0) return oddsRatios.map(() => 0)
  if (total === 1) {
    const theta = candidateAtRisk / (candidateAtRisk + stableAtRisk)
    return oddsRatios.map((odds) => candidateHits * Math.log(odds) - Math.log(theta * odds + 1 - theta))
  }
  const from = Math.max(0, total - stableAtRisk)
  const ways = waysOf(stratum, from, Math.min(total, candidateAtRisk))
  const all = logSum(ways)
  return oddsRatios.map((odds) => {
    const logOdds = Math.log(odds)
    return candidateHits * logOdds - (logSum(ways.map((x, i) => x + (from + i) * logOdds)) - all)
  })
}

/** log of C(candidateAtRisk, j)·C(stableAtRisk, total − j) for j in [from, to], up to a constant: by the ratio of neighbours. */
function waysOf(
  { candidateAtRisk, stableAtRisk, candidateHits, stableHits }: Stratum,
  from: number,
  to: number,
): number[] {
  const total = candidateHits + stableHits
  const ways = [0]
  for (let j = from; j < to; j++) {
    const up = (candidateAtRisk - j) / (j + 1)
    const down = (total - j) / (stableAtRisk - total + j + 1)
    ways.push(ways.at(-1)! + Math.log(up * down))
  }
  return ways
}
