import type { TestDesign } from './design.ts'
import { type Effects, onsetPrior } from './effects.ts'
import { logE, referenceOf, type StreamState, scoreOf } from './known-rate.ts'
import { logSum } from './log-domain.ts'
import type { OnsetCell, OnsetCells } from './onset-cells.ts'
import { armInformation, rateInformation } from './power.ts'
import { mixedInterval, oddsRatioBelow, type RatioBelow, type RatioInterval, rateRatioBelow } from './ratio-interval.ts'
import type { TwoSampleDesign, TwoSampleState } from './two-sample.ts'

/** When the harm began and how large it is, given that the release did go bad. */
export type OnsetEstimate = Readonly<{
  medianMs: number
  /** 5 % and 95 % points: a 90 % range. */
  lowMs: number
  highMs: number
  /** Posterior probability of "bad from the first contact". */
  launchProbability: number
  /** Ratio of the grid in the most probable (onset, ratio) pair. */
  ratio: number
  /** 90 % interval of the rate ratio over all onsets, each as probable as it is. */
  ratioInterval: RatioInterval
  /** Onset of that pair, and the counts since. */
  sinceMs: number
  hitsSince: number
  exposureSince: number
  /**
   * What the trials since that onset could teach on average, were the ratio the true one: Kullback–Leibler information against the healthy rate, in
   * nats. Where the ratio is the largest of the grid, it is what was seen if that is larger still. A test reaches its line L after L ÷ this of the
   * trials at the earliest, on average (power.ts).
   */
  informationSince: number
}>

/**
 * Prior of "bad since the start of cell j" for reporting, as log: half for the launch, the rest even over later cells. The test's own prior all but
 * rules out the first hours after the launch, which is cheap for a test and wrong for an estimate.
 */
const laterLogPrior = (newestCell: number): number => Math.log(0.5 / Math.max(newestCell, FEWEST_CELLS))
/** Later cells that the other half is spread over, at least: 90 % ranges cover 91 to 100 % from the first hour on (docs/detection). */
const FEWEST_CELLS = 12
const LAUNCH_LOG_PRIOR = Math.log(0.5)
/** Onsets less probable than this move no range. */
const UNLIKELY = 1e-5

type Hypothesis = Readonly<{
  startMs: number
  /** Where mass is spread in time: a change inside a cell shows as this cell or the next. */
  fromMs: number
  toMs: number
  hits: number
  exposure: number
  /** log posterior mass by ratio, up to a constant. */
  logMass: readonly number[]
}>

/**
 * Posterior over onset and ratio: π(s, m) ∝ v_s w_m r_m^{N_s} e^{−(r_m − 1)A_s}. Null before the first trial.
 * Onset is read as a start time of contacts: the first contacts that were treated badly, not the first visible hit.
 */
export function onset(design: TestDesign, state: StreamState): OnsetEstimate | null {
  const { dispersion } = design
  return estimateOf(
    hypothesesOf(design, state),
    design.effects,
    ({ hits, exposure }) => rateRatioBelow(hits / dispersion, exposure / dispersion),
    ({ hits, exposure }, ratio) =>
      (exposure / dispersion) * rateInformation(design, atLeast(design.effects, ratio, hits / exposure)),
  )
}

/** The same for a comparison with a stable release; `exposureSince` is then what equal arms would have shown. */
export function onsetTwoSample(design: TwoSampleDesign, state: TwoSampleState): OnsetEstimate | null {
  return estimateOf(
    armHypotheses(design, state),
    design.effects,
    ({ hits, total, exposure }) => oddsRatioBelow(hits, total, exposure),
    ({ hits, total, exposure }, ratio) => {
      if (!(exposure > 0 && exposure < total)) return 0 // where one arm alone was there, nothing could be compared
      const odds = (hits + 0.5) / (total - hits + 0.5) / (exposure / (total - exposure))
      return total * armInformation(exposure / total, atLeast(design.effects, ratio, odds))
    },
  )
}

/** The grid of ratios ends, faults do not. */
const atLeast = ({ ratios }: Effects, ratio: number, seen: number): number =>
  ratio === ratios.at(-1) && Number.isFinite(seen) ? Math.max(ratio, seen) : ratio

function estimateOf<One extends Hypothesis>(
  hypotheses: readonly One[],
  effects: Effects,
  ratioOf: (since: One) => RatioBelow,
  informationOf: (since: One, ratio: number) => number,
): OnsetEstimate | null {
  if (hypotheses.length === 0) return null
  const masses = hypotheses.map((h) => logSum(h.logMass))
  const total = logSum(masses)
  const shares = masses.map((mass) => Math.exp(mass - total))
  const likely = hypotheses.map((one, i) => ({ one, share: shares[i]! })).filter(({ share }) => share > UNLIKELY)
  const best = hypotheses.reduce((a, b) => (Math.max(...b.logMass) > Math.max(...a.logMass) ? b : a))
  // bad within the first cell is told apart from bad from launch by nothing: the range covers both, the estimate is the launch
  const launch = { ...hypotheses[0]!, toMs: hypotheses[0]!.fromMs }
  const collapsed = [launch, ...hypotheses.slice(1)]
  const ratio = effects.ratios[best.logMass.indexOf(Math.max(...best.logMass))]!
  return {
    medianMs: quantile(collapsed, shares, 0.5),
    lowMs: quantile(collapsed, shares, 0.05),
    highMs: quantile(hypotheses, shares, 0.95),
    launchProbability: shares[0]!,
    ratio,
    ratioInterval: mixedInterval(likely.map(({ one, share }) => ({ share, below: ratioOf(one) }))),
    sinceMs: best.startMs,
    hitsSince: best.hits,
    exposureSince: best.exposure,
    informationSince: informationOf(best, ratio),
  }
}

/** `total`: hits of both arms. */
type ArmHypothesis = Hypothesis & Readonly<{ total: number }>
type ArmCounts = Readonly<{ hits: number; total: number; exposure: number }>
const plus = (a: ArmCounts, b: ArmCounts) => ({
  hits: a.hits + b.hits,
  total: a.total + b.total,
  exposure: a.exposure + b.exposure,
})

/** Launch first, then later onsets by time, from the log likelihood ratios that cells keep. */
function armHypotheses({ effects, stratumMs }: TwoSampleDesign, state: TwoSampleState): ArmHypothesis[] {
  const { live, groups } = state.cells
  const newest = live.at(-1)
  if (!newest) return []
  const logWeights = effects.weights.map(Math.log)
  const logPrior = laterLogPrior(state.newestCell)
  const regroup = logPrior - Math.log(onsetPrior(effects, Math.max(1, live[0]!.index)))
  let since = { hits: 0, total: 0, exposure: 0 }
  let logs = effects.ratios.map(() => 0)
  const latestFirst: ArmHypothesis[] = []
  for (let i = live.length - 1; i >= 0; i--) {
    const cell = live[i]!
    since = plus(since, cell)
    logs = logs.map((x, m) => x + cell.logRatios[m]!)
    if (cell.index === 0) continue
    const logMass = logWeights.map((w, m) => logPrior + w + logs[m]!)
    latestFirst.push({ startMs: cell.startMs, ...spanOf(state, i, newest.lastMs + stratumMs), ...since, logMass })
  }
  for (const group of groups.toReversed()) {
    since = plus(since, { ...group, total: group.total ?? 0 })
    const logMass = group.logMass.map((x, m) => regroup + x + logWeights[m]! + logs[m]!)
    latestFirst.push({ startMs: group.startMs, fromMs: group.startMs, toMs: group.endMs, ...since, logMass })
  }
  const startMs = state.launchMs ?? live[0]!.startMs
  const logMass = logWeights.map((w, m) => LAUNCH_LOG_PRIOR + w + state.logRatios[m]!)
  const toMs = Math.max(startMs, latestFirst.at(-1)?.startMs ?? newest.lastMs + stratumMs)
  const launch = {
    startMs,
    fromMs: startMs,
    toMs,
    hits: state.hits,
    total: state.total,
    exposure: state.exposure,
    logMass,
  }
  return [launch, ...latestFirst.reverse()]
}

/** Launch first, then later onsets by time. */
function hypothesesOf(design: TestDesign, state: StreamState): Hypothesis[] {
  const { effects, unitMs } = design
  const { live, groups } = state.cells
  const newest = live.at(-1)
  if (!newest || state.launchMs === null) return []
  const score = scoreOf(design)
  const reference = referenceOf(design)
  const logWeights = effects.weights.map(Math.log)
  const logPrior = laterLogPrior(state.newestCell)
  // closed cells hold the test's prior, which hardly moves from one to the next
  const regroup = logPrior - Math.log(onsetPrior(effects, Math.max(1, live[0]!.index)))
  let since = { hits: 0, exposure: 0 }
  const latestFirst: Hypothesis[] = []
  for (let i = live.length - 1; i >= 0; i--) {
    const cell = live[i]!
    since = { hits: since.hits + cell.hits, exposure: since.exposure + cell.exposure }
    if (cell.index === 0) continue
    const logMass = logWeights.map((w, m) => logPrior + w + score(since, reference + m))
    latestFirst.push({ startMs: cell.startMs, ...spanOf(state, i, newest.lastMs + unitMs), ...since, logMass })
  }
  const afterGroups = since
  for (const group of groups.toReversed()) {
    since = { hits: since.hits + group.hits, exposure: since.exposure + group.exposure }
    const logMass = group.logMass.map((x, m) => regroup + x + logWeights[m]! + score(afterGroups, reference + m))
    latestFirst.push({ startMs: group.startMs, fromMs: group.startMs, toMs: group.endMs, ...since, logMass })
  }
  const { launchMs, hits, exposure } = state
  const logMass = logWeights.map((w, m) => LAUNCH_LOG_PRIOR + w + score(state, reference + m))
  const toMs = Math.max(launchMs, latestFirst.at(-1)?.startMs ?? newest.lastMs + unitMs)
  return [{ startMs: launchMs, fromMs: launchMs, toMs, hits, exposure, logMass }, ...latestFirst.reverse()]
}

/** From the middle of the cell before to the middle of this one: the true start is nearest to this boundary there. */
function spanOf(
  state: Readonly<{ cells: OnsetCells<OnsetCell> }>,
  i: number,
  endMs: number,
): { fromMs: number; toMs: number } {
  const { live, groups } = state.cells
  const { startMs } = live[i]!
  const beforeMs = live[i - 1]?.startMs ?? groups.at(-1)?.endMs ?? startMs
  const afterMs = live[i + 1]?.startMs ?? endMs
  return { fromMs: (beforeMs + startMs) / 2, toMs: (startMs + afterMs) / 2 }
}

/** Time at which the posterior reaches probability p; mass is spread evenly over each hypothesis' span. */
function quantile(hypotheses: readonly Hypothesis[], shares: readonly number[], p: number): number {
  let below = 0
  for (const [i, { fromMs, toMs }] of hypotheses.entries()) {
    const share = shares[i]!
    if (share > 0 && below + share >= p) return fromMs + ((p - below) / share) * (toMs - fromMs)
    below += share
  }
  return hypotheses.at(-1)!.toMs
}

/** What boards and reports show of a stream at any time. */
export function summary(
  design: TestDesign,
  state: StreamState,
): Readonly<{
  trials: number
  hits: number
  /** Healthy hits owed so far: hits ÷ this is the crude rate ratio since launch. */
  exposure: number
  logE: number
  /** Contacts of a delayed signal that may still see their hit. */
  atRisk: number
}> {
  const atRisk = state.risk?.open.reduce((sum, open) => sum + open, 0) ?? 0
  return { trials: state.trials, hits: state.hits, exposure: state.exposure, logE: logE(design, state), atRisk }
}
