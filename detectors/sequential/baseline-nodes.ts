import { assert } from '../../lib/errors.ts'
import type { BaselineNodes } from './design.ts'
import { gammaP, gammaQuantile } from './gamma.ts'

/** Widest step between neighbouring nodes, as a logarithm: 4 %. */
const STEP = 0.04
const FEWEST = 5
const MOST = 64
/** Mass beyond the outermost nodes on each side; it is given to the end nodes, so that the weights sum to 1. */
const TAIL = 0.0005

/**
 * A baseline that is known only from a finite history: nodes on the posterior of (true rate ÷ observed rate), which is
 * Gamma(a)/a with a = hits in the history + ½ (Jeffreys). A plug-in of the observed rate pauses healthy releases in 16 % of
 * lives after 100 hits of history; averaged over these nodes it stays below 1 % (docs/detection).
 *
 * `historyHits` counts hits of the earlier release over the same kind of exposure; the design's `baseline` is then
 * (historyHits + ½) ÷ trials. Below about 100 only large ratios are found.
 */
export function baselineNodes(historyHits: number): BaselineNodes {
  assert(historyHits >= 0, 'a history has at least 0 hits')
  const a = historyHits + 0.5
  const low = Math.log(Math.max(1e-9, gammaQuantile(TAIL, a) / a))
  const high = Math.log(gammaQuantile(1 - TAIL, a) / a)
  const count = Math.max(FEWEST, Math.min(MOST, Math.ceil((high - low) / STEP)))
  const step = (high - low) / count
  const below = (i: number) => (i === 0 ? 0 : i === count ? 1 : gammaP(a, a * Math.exp(low + i * step)))
  const indices = Array.from({ length: count }, (_, i) => i)
  return {
    multipliers: indices.map((i) => Math.exp(low + (i + 0.5) * step)),
    weights: indices.map((i) => below(i + 1) - below(i)),
  }
}

/**
 * log likelihood ratio of ratio r against a baseline with that posterior, in closed form (launch, one ratio):
 * N ln r + (a + N) ln[(a + A)/(a + rA)]. What the nodes approximate; kept as their reference.
 */
export function unknownBaselineLogRatio(historyHits: number, hits: number, exposure: number, ratio: number): number {
  const a = historyHits + 0.5
  return hits * Math.log(ratio) + (a + hits) * Math.log((a + exposure) / (a + ratio * exposure))
}
