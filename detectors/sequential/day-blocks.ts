import { assert } from '../../lib/errors.ts'
import { cashAfter, DEFAULT_EFFECTS, type Effects, onsetPrior } from './effects.ts'
import { logAdd, logSum } from './log-domain.ts'

/**
 * The known-rate test for a baseline that moves from day to day: each day's healthy rate is multiplied by a gamma frailty of
 * mean 1 and coefficient of variation c, κ = 1/c², integrated out block by block. One day then proves little on its own, which
 * costs about three times the delay; without it day noise of 15 % pauses most healthy releases in time.
 * Use it when day-level CV in the history is above 5 %, and prefer a concurrent stable release, which cancels shared days.
 *
 * Block term for onset before the block: r^k [(κ + A)/(κ + rA)]^{k + κ}; inside it: r^{k − k_s} [(κ + A)/(κ + A_s + r(A − A_s))]^{k + κ}.
 * Calendar restarts: for immediate signals whose hits come within the day of their contact.
 */
export type DayBlockState = {
  hits: number
  exposure: number
  /** Frailty precision κ and hits owed per onset cell. */
  kappa: number
  cellHits: number
  newestCell: number
  /** Hits owed since the newest cell opened. */
  sinceCell: number
  /** Open block. */
  blockHits: number
  blockExposure: number
  /** Onsets inside the open block: prior, and the block's counts before them. */
  inside: { prior: number; hits: number; exposure: number }[]
  /** log mixture by ratio over onsets before the open block; empty until the first block closed. */
  before: number[]
}

/** `dayCv` is the coefficient of variation of the daily rate multiplier, learned from history. */
export function createDayBlocks(dayCv: number, cellHits = 4, effects: Effects = DEFAULT_EFFECTS): DayBlockState {
  assert(dayCv > 0, 'day blocks need a day-level variation above 0')
  return {
    hits: 0,
    exposure: 0,
    kappa: 1 / (dayCv * dayCv),
    cellHits,
    newestCell: 0,
    sinceCell: 0,
    blockHits: 0,
    blockExposure: 0,
    inside: [{ prior: effects.launchWeight, hits: 0, exposure: 0 }],
    before: [],
  }
}

/** Charges expected healthy hits; onset cells open wherever another `cellHits` are owed. */
export function expose(state: DayBlockState, owed: number, effects: Effects = DEFAULT_EFFECTS): void {
  let rest = owed
  while (state.sinceCell + rest >= state.cellHits) {
    const part = state.cellHits - state.sinceCell
    state.blockExposure += part
    rest -= part
    state.sinceCell = 0
    state.newestCell++
    const prior = onsetPrior(effects, state.newestCell)
    state.inside.push({ prior, hits: state.blockHits, exposure: state.blockExposure })
  }
  state.blockExposure += rest
  state.sinceCell += rest
  state.exposure += owed
}

export function hit(state: DayBlockState, count = 1): void {
  state.blockHits += count
  state.hits += count
}

/** Ends the day: its frailty is drawn anew for the next block. */
export function endBlock(state: DayBlockState, effects: Effects = DEFAULT_EFFECTS): void {
  state.before = effects.ratios.map((ratio) => mixture(state, ratio, effects))
  state.blockHits = 0
  state.blockExposure = 0
  state.inside = []
}

export function dayBlocksLogE(state: DayBlockState, effects: Effects = DEFAULT_EFFECTS): number {
  const terms = effects.ratios.map((ratio, m) => Math.log(effects.weights[m]!) + mixture(state, ratio, effects))
  return logAdd(logSum(terms), Math.log(cashAfter(effects, state.newestCell)))
}

/** log over onsets so far of prior × likelihood ratio for one ratio, relative to "healthy". */
function mixture(state: DayBlockState, ratio: number, effects: Effects): number {
  const { kappa, blockHits: k, blockExposure: owed } = state
  const term = (hitsAfter: number, owedAfter: number) =>
    hitsAfter * Math.log(ratio) + (k + kappa) * Math.log((kappa + owed) / (kappa + owed + (ratio - 1) * owedAfter))
  const older = state.before[effects.ratios.indexOf(ratio)]
  const logs = state.inside.map(({ prior, hits, exposure }) => Math.log(prior) + term(k - hits, owed - exposure))
  if (older !== undefined) logs.push(older + term(k, owed))
  return logSum(logs)
}
