import { assert } from '../../lib/errors.ts'
import { idOf } from '../../lib/hash.ts'
import { cashAfter, checkEffects, DEFAULT_EFFECTS, type Effects } from './effects.ts'
import { logAdd, logSum } from './log-domain.ts'
import { closeOldest, laterOnsetLogs, laterOnsets, type OnsetCells, type RatedCell } from './onset-cells.ts'
import { stratumLogRatios } from './stratum.ts'

/**
 * The test against a stable release that serves the same traffic at the same time. Given that a hit happened among the
 * contacts of one cohort stratum, only its arm carries information: candidate with probability θr/(θr + 1 − θ), where θ
 * is the candidate's part of the stratum's contacts still without a hit. Whatever moves both arms cancels: hour, day, outage,
 * and, because a stratum holds contacts of one age, the age profile too. No baseline has to be known.
 *
 * Strata are cohorts (start time): one minute for immediate signals, a quarter of an hour to an hour for delayed ones,
 * where finer strata often hold only one arm and then say nothing: a stratum of n contacts loses 1/n of the information.
 * Contacts of different slices never share a stratum: a candidate that serves another mix of channels is compared channel by
 * channel. Exact if, inside a stratum, routing to an arm does not depend on the outcome.
 * Sources: Cox 1972; anytime-valid logrank, Grünwald et al. 2020 (arXiv 2011.06931).
 */
export type TwoSampleOptions = Readonly<{
  stratumMs: number
  /** Length of strata by slice index, where it differs from `stratumMs`. */
  sliceStrataMs?: readonly number[]
  windowMs: number
  effects?: Effects
  cellHits?: number
}>

export type TwoSampleDesign = Readonly<Required<TwoSampleOptions> & { id: string }>

/**
 * `hits` are the candidate's, `total` those of both arms, `exposure` is Σθ: the candidate's hits that equal arms would show.
 * `logRatios`: Σ log likelihood ratio by ratio.
 */
export type TwoSampleCell = RatedCell & { total: number; logRatios: number[] }

/** Contacts still at risk per cohort stratum, and hits held until the stratum has ended. */
type Cohort = { startMs: number; slice: number; candidate: number; stable: number; held: Record<Arm, number> }

/** Plain data; at most windowMs ÷ stratumMs + 2 cohorts per slice and 75 cells. */
export type TwoSampleState = {
  designId: string
  nowMs: number | null
  /** Start of the candidate's earliest contact. */
  launchMs: number | null
  hits: number
  total: number
  exposure: number
  logRatios: number[]
  newestCell: number
  /** Σθ since the newest cell opened. */
  sinceCell: number
  cells: OnsetCells<TwoSampleCell>
  cohorts: Cohort[]
}

/** Onset cells per window at most: bounds the state. */
const MOST_CELLS = 72

export type Arm = 'candidate' | 'stable'

export function designTwoSample(options: TwoSampleOptions): TwoSampleDesign {
  const effects = options.effects ?? DEFAULT_EFFECTS
  checkEffects(effects)
  const sliceStrataMs = options.sliceStrataMs ?? []
  assert(
    [options.stratumMs, ...sliceStrataMs].every((ms) => ms > 0 && ms <= options.windowMs),
    'a window holds at least one stratum',
  )
  return { ...options, sliceStrataMs, effects, cellHits: options.cellHits ?? 4, id: idOf(JSON.stringify(options)) }
}

const stratumMsOf = (design: TwoSampleDesign, slice: number) => design.sliceStrataMs[slice] ?? design.stratumMs

/** Start of the stratum that a contact of a slice belongs to. */
export function stratumStartOf(design: TwoSampleDesign, cohortMs: number, slice: number): number {
  const stratumMs = stratumMsOf(design, slice)
  return Math.floor(cohortMs / stratumMs) * stratumMs
}

export const createTwoSample = (design: TwoSampleDesign): TwoSampleState => ({
  designId: design.id,
  nowMs: null,
  launchMs: null,
  hits: 0,
  total: 0,
  exposure: 0,
  logRatios: design.effects.ratios.map(() => 0),
  newestCell: 0,
  sinceCell: 0,
  cells: { live: [], closed: [], groups: [] },
  cohorts: [],
})

/**
 * Moves the clock: strata that have ended are compared with the hits held for them, cohorts past the window leave, and cells
 * that hold only such cohorts close.
 */
export function advanceTwoSample(design: TwoSampleDesign, state: TwoSampleState, nowMs: number): void {
  assert(state.designId === design.id, 'a stream continues only under the design that started it')
  if (state.nowMs !== null && nowMs <= state.nowMs) return
  const beforeMs = state.nowMs ?? Number.NEGATIVE_INFINITY
  state.nowMs = nowMs
  for (const cohort of state.cohorts) {
    const endMs = cohort.startMs + stratumMsOf(design, cohort.slice)
    if (endMs <= beforeMs || endMs > nowMs) continue
    compare(design, state, cohort, cohort.held)
    cohort.held = { candidate: 0, stable: 0 }
  }
  const longestMs = Math.max(design.stratumMs, ...design.sliceStrataMs)
  const oldestMs = nowMs - design.windowMs - longestMs
  const kept = state.cohorts.findIndex((cohort) => cohort.startMs >= oldestMs)
  state.cohorts.splice(0, kept < 0 ? state.cohorts.length : kept)
  const { live } = state.cells
  const past = live.findLastIndex((cell) => cell.startMs < oldestMs)
  if (past > 0) closeOldest(state.cells, design.effects, design.effects.ratios.length, scoreOf, 0, past)
}

/** Adds contacts of one arm and slice to the cohort of their start time (negative: they moved elsewhere). */
export function addAtRisk(
  design: TwoSampleDesign,
  state: TwoSampleState,
  arm: Arm,
  cohortMs: number,
  count: number,
  slice = 0,
): void {
  const cohort = cohortOf(design, state, cohortMs, slice)
  if (!cohort) return
  cohort[arm] = Math.max(0, cohort[arm] + count)
  if (arm === 'candidate') state.launchMs = Math.min(state.launchMs ?? cohortMs, cohortMs)
  openCell(design, state, cohort.startMs)
}

/**
 * Counts hits of both arms that became known together in one stratum, after its contacts and in one call: one arm's hits before the other's would
 * lean towards it, as each leaves fewer of its arm at risk. While the stratum is still filling
 * they are held: a hit that comes at once must not be compared with contacts that have already had their chance. A hit of a
 * cohort that has left the window, or of a contact never added, is ignored: it has no risk set to be compared in.
 */
export function addStratumHits(
  design: TwoSampleDesign,
  state: TwoSampleState,
  cohortMs: number,
  hits: Readonly<Record<Arm, number>>,
  slice = 0,
): void {
  const cohort = cohortOf(design, state, cohortMs, slice)
  if (!cohort) return
  const ended = state.nowMs !== null && cohort.startMs + stratumMsOf(design, slice) <= state.nowMs
  if (ended) {
    compare(design, state, cohort, hits)
    return
  }
  cohort.held.candidate += hits.candidate
  cohort.held.stable += hits.stable
}

/** Compares simultaneous hits with the contacts at risk of their stratum; those hit are at risk no longer. */
function compare(
  design: TwoSampleDesign,
  state: TwoSampleState,
  cohort: Cohort,
  hits: Readonly<Record<Arm, number>>,
): void {
  const candidateHits = Math.min(hits.candidate, cohort.candidate)
  const stableHits = Math.min(hits.stable, cohort.stable)
  const total = candidateHits + stableHits
  if (total === 0) return
  const theta = cohort.candidate / (cohort.candidate + cohort.stable)
  const stratum = { candidateAtRisk: cohort.candidate, stableAtRisk: cohort.stable, candidateHits, stableHits }
  const logRatios = stratumLogRatios(stratum, design.effects.ratios)
  const cell = state.cells.live.findLast((c) => c.startMs <= cohort.startMs)
  for (const counts of cell ? [state, cell] : [state]) {
    counts.hits += candidateHits
    counts.total += total
    counts.exposure += theta * total
    counts.logRatios = counts.logRatios.map((x, m) => x + logRatios[m]!)
  }
  state.sinceCell += theta * total
  cohort.candidate -= candidateHits
  cohort.stable -= stableHits
}

/** Natural logarithm of the evidence that the candidate is worse than the stable release. */
export function twoSampleLogE(design: TwoSampleDesign, state: TwoSampleState): number {
  const { effects } = design
  const fast = laterOnsets(state.cells, effects, effects.ratios.length, scoreOf)
  const cash = cashAfter(effects, state.newestCell)
  let evidence = cash
  for (const [m, weight] of effects.weights.entries())
    evidence += weight * (effects.launchWeight * Math.exp(state.logRatios[m]!) + fast[m]!)
  if (Number.isFinite(evidence)) return Math.log(evidence)
  const later = laterOnsetLogs(state.cells, effects, effects.ratios.length, scoreOf)
  const terms = effects.weights.map(
    (w, m) => Math.log(w) + logAdd(Math.log(effects.launchWeight) + state.logRatios[m]!, later[m]!),
  )
  return logAdd(logSum(terms), Math.log(cash))
}

const scoreOf = (cell: TwoSampleCell, m: number) => cell.logRatios[m]!

/** The cohort of a start time and slice, created in order; undefined for one that has left the window. */
function cohortOf(design: TwoSampleDesign, state: TwoSampleState, cohortMs: number, slice: number): Cohort | undefined {
  const startMs = stratumStartOf(design, cohortMs, slice)
  if (state.nowMs !== null && startMs < state.nowMs - design.windowMs - stratumMsOf(design, slice)) return undefined
  const { cohorts } = state
  const isAfter = (cohort: Cohort) => cohort.startMs > startMs || (cohort.startMs === startMs && cohort.slice > slice)
  let at = cohorts.length
  while (at > 0 && isAfter(cohorts[at - 1]!)) at--
  const known = cohorts[at - 1]
  if (known?.startMs === startMs && known.slice === slice) return known
  const fresh = { startMs, slice, candidate: 0, stable: 0, held: { candidate: 0, stable: 0 } }
  cohorts.splice(at, 0, fresh)
  return fresh
}

/** Opens the launch cell, and later ones: a cell is full when equal arms would have shown `cellHits` candidate hits. */
function openCell(design: TwoSampleDesign, state: TwoSampleState, startMs: number): void {
  const { live } = state.cells
  const newest = live.at(-1)
  if (newest && startMs <= newest.lastMs) {
    if (startMs < live[0]!.startMs && live[0]!.index === 0) live[0]!.startMs = startMs
    return
  }
  const minimumMs = design.windowMs / MOST_CELLS
  if (newest && (state.sinceCell < design.cellHits || startMs < newest.startMs + minimumMs)) {
    newest.lastMs = startMs
    return
  }
  if (newest) state.newestCell++
  state.sinceCell = 0
  const logRatios = design.effects.ratios.map(() => 0)
  live.push({ index: state.newestCell, startMs, lastMs: startMs, hits: 0, total: 0, exposure: 0, logRatios })
}
