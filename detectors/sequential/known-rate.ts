import { assert } from '../../lib/errors.ts'
import { rhythmAt, type TestDesign } from './design.ts'
import { cashAfter } from './effects.ts'
import { logAdd, logSum } from './log-domain.ts'
import { closeOldest, laterOnsetLogs, laterOnsets, type OnsetCells, type RatedCell } from './onset-cells.ts'
import { changeAtRisk, chargeTime, emptyRiskSet, owedOnArrival, type RiskSet } from './risk-set.ts'

/**
 * The counting-process test of one stream against a baseline that is known beforehand: hits N against the hits A that
 * a healthy release would owe. Evidence E is a mixture, over rate ratio r and onset s, of r^{N_s} e^{−(r−1)A_s}: an
 * e-process, so P(E ever reaches 1/α) ≤ α for a healthy release, whenever and however often one looks (Ville 1939).
 *
 * One engine for both kinds of signal; only the moment of charging differs:
 * - immediate (failed update, duplicate): a trial owes its share when it opens, its hit may come later;
 * - delayed (repeat contact, complaint): a contact owes λ₀(age)·dt for as long as it stays at risk.
 *
 * Every onset hypothesis counts whole contacts: a hit goes to the cell that holds its contact's exposure. Evidence
 * falls between hits, so test after hits.
 */
export type RateCell = RatedCell & {
  /** Healthy hits that the trials counted here will owe in all: decides, from trials alone, when the next cell opens. */
  planned: number
}

/** Plain data, to be stored as JSON beside the cursor of its input; at most about 92 cells, 289 bins and 16 groups. */
export type StreamState = {
  /** {@link TestDesign} that it belongs to. */
  designId: string
  /** Clock of the stream: everything up to here is charged. Null before the first move. */
  nowMs: number | null
  /** Start of the earliest contact counted. */
  launchMs: number | null
  /** Totals of all contacts: the launch hypothesis. */
  trials: number
  hits: number
  exposure: number
  /** Index of the newest onset cell. */
  newestCell: number
  cells: OnsetCells<RateCell>
  /** Null for immediate signals. */
  risk: RiskSet | null
}

/** Cells that close together. */
const CLOSE_TOGETHER = 12
/** Live cells of an immediate signal, at least. A hit whose contact began before all of them counts for the launch hypothesis only. */
const LIVE_CELLS = 64

/** A stream without data: E = 1. */
export const createStream = (design: TestDesign): StreamState => ({
  designId: design.id,
  nowMs: null,
  launchMs: null,
  trials: 0,
  hits: 0,
  exposure: 0,
  newestCell: 0,
  cells: { live: [], closed: [], groups: [] },
  risk: design.delayed ? emptyRiskSet() : null,
})

/**
 * Moves the clock forward (a clock that runs back is ignored) and charges open contacts of a delayed signal for the time.
 * Call before each batch with the batch's clock, and on a tick without input. Changes `state` in place, like all below.
 */
export function advance(design: TestDesign, state: StreamState, nowMs: number): void {
  assert(state.designId === design.id, 'a stream continues only under the design that started it')
  if (state.nowMs !== null && nowMs <= state.nowMs) return
  const { delayed } = design
  if (delayed && state.risk && state.nowMs !== null) {
    const { live } = state.cells
    let at = 0 // cohort bins come oldest first, and so do cells
    chargeTime(design, state.risk, state.nowMs, nowMs, (cohortMs, owed) => {
      if (at >= live.length || cohortMs < live[at]!.startMs) at = 0
      while (at + 1 < live.length && live[at + 1]!.startMs <= cohortMs) at++
      const cell = live[at]
      if (cell && cohortMs >= cell.startMs) cell.exposure += owed
      state.exposure += owed
    })
    const oldestMs = nowMs - delayed.windowMs - design.unitMs
    if (live.length > CLOSE_TOGETHER && live[CLOSE_TOGETHER]!.startMs <= oldestMs) close(design, state)
  }
  state.nowMs = nowMs
}

/**
 * Counts contacts that became trials. `cohortMs` is their start (event time), which may be long past: they belong to the
 * cell that covers it, and pay for their age at once.
 */
export function addTrials(design: TestDesign, state: StreamState, cohortMs: number, count: number): void {
  assert(count >= 0, 'trials are added, or moved by removeTrials')
  if (count === 0) return
  const { delayed, unitMs } = design
  const unitStartMs = Math.floor(cohortMs / unitMs) * unitMs
  const perTrial = delayed
    ? owedOnArrival(design, cohortMs, state.nowMs ?? cohortMs)
    : design.hitsPerTrial * rhythmAt(design.hourOfWeek, cohortMs)
  const cell = cellForTrials(design, state, unitStartMs)
  if (cell) {
    cell.exposure += count * perTrial
    cell.planned += count * design.hitsPerTrial
  }
  state.exposure += count * perTrial
  state.trials += count
  state.launchMs = Math.min(state.launchMs ?? cohortMs, cohortMs)
  if (!state.risk || !delayed) return
  if ((state.nowMs ?? cohortMs) - cohortMs < delayed.windowMs) changeAtRisk(state.risk, unitMs, cohortMs, count)
}

/**
 * Counts hits of contacts begun at `cohortMs`, after their exposure; a contact has at most one, and then leaves the risk set.
 * `leaving` differs from `count` where trials are charged by weight.
 */
export function addHits(
  design: TestDesign,
  state: StreamState,
  cohortMs: number,
  count: number,
  leaving: number = count,
): void {
  assert(count >= 0, 'hits are never taken back: evidence is not rewound')
  if (count === 0) return
  const cell = liveCellOf(state, cohortMs)
  if (cell) cell.hits += count
  state.hits += count
  if (state.risk) changeAtRisk(state.risk, design.unitMs, cohortMs, -leaving)
}

/** Contacts that moved to another slice are at risk no longer; what they have paid and brought here stays. */
export function removeTrials(design: TestDesign, state: StreamState, cohortMs: number, count: number): void {
  if (state.risk && count > 0) changeAtRisk(state.risk, design.unitMs, cohortMs, -count)
}

/** Natural logarithm of the evidence. Pause when it reaches log(1/α). */
export function logE(design: TestDesign, state: StreamState): number {
  const { effects, nodeMultipliers, nodeLogWeights, dispersion } = design
  const later = laterOnsets(state.cells, effects, design.costs.length, scoreOf(design))
  if (nodeMultipliers.length === 1) return nodeLogE(design, state, later, 0)
  // average over the posterior of the baseline: Σ e^{ℓ_q} E_q / Σ e^{ℓ_q}, ℓ_q the log likelihood of node q when healthy
  let above = Number.NEGATIVE_INFINITY
  let below = Number.NEGATIVE_INFINITY
  for (const [q, g] of nodeMultipliers.entries()) {
    const healthy = nodeLogWeights[q]! + (state.hits * Math.log(g) - g * state.exposure) / dispersion
    above = logAdd(above, healthy + nodeLogE(design, state, later, q * effects.ratios.length))
    below = logAdd(below, healthy)
  }
  return above - below
}

/** log evidence if the baseline of the node whose components start at `first` were the true one. */
function nodeLogE(design: TestDesign, state: StreamState, later: Float64Array, first: number): number {
  const { effects } = design
  const score = scoreOf(design)
  const cash = cashAfter(effects, state.newestCell)
  let evidence = cash
  for (let m = 0; m < effects.weights.length; m++) {
    evidence += effects.weights[m]! * (effects.launchWeight * Math.exp(score(state, first + m)) + later[first + m]!)
  }
  if (Number.isFinite(evidence)) return Math.log(evidence)
  const laterLogs = laterOnsetLogs(state.cells, effects, design.costs.length, score)
  const logs = effects.weights.map((weight, m) => {
    const launch = Math.log(effects.launchWeight) + score(state, first + m)
    return Math.log(weight) + logAdd(launch, laterLogs[first + m]!)
  })
  return logSum([Math.log(cash), ...logs])
}

/** log likelihood ratio of component k for any pair of hits and exposure. */
export const scoreOf =
  ({ logRatios, costs, dispersion }: TestDesign) =>
  (counts: Readonly<{ hits: number; exposure: number }>, k: number): number =>
    (counts.hits * logRatios[k]! - counts.exposure * costs[k]!) / dispersion

/** Component of the node nearest to 1 with the smallest ratio. */
export const referenceOf = ({ nodeMultipliers, effects }: TestDesign): number => {
  const distances = nodeMultipliers.map((g) => Math.abs(Math.log(g)))
  return distances.indexOf(Math.min(...distances)) * effects.ratios.length
}

function close(design: TestDesign, state: StreamState): void {
  closeOldest(state.cells, design.effects, design.costs.length, scoreOf(design), referenceOf(design), CLOSE_TOGETHER)
}

/** Newest live cell begun at or before `cohortMs`; undefined when that cohort's cell is closed. */
function liveCellOf(state: StreamState, cohortMs: number): RateCell | undefined {
  const { live } = state.cells
  for (let i = live.length - 1; i >= 0; i--) if (live[i]!.startMs <= cohortMs) return live[i]
  return undefined
}

/** Cell that takes trials of a cohort unit; opens the first cell, and a new one once the newest is owed enough. */
function cellForTrials(design: TestDesign, state: StreamState, unitStartMs: number): RateCell | undefined {
  const { live } = state.cells
  const newest = live.at(-1)
  if (!newest) return openCell(state, 0, unitStartMs)
  const full = newest.planned / design.dispersion >= design.cellHits
  // a later cell must not share a unit with an earlier one, or a hit could land where its exposure is not
  if (full && unitStartMs > newest.lastMs && unitStartMs >= newest.startMs + design.minimumCellMs) {
    state.newestCell++
    const cell = openCell(state, state.newestCell, unitStartMs)
    if (!design.delayed && live.length >= LIVE_CELLS + CLOSE_TOGETHER) close(design, state)
    return cell
  }
  const cell = liveCellOf(state, unitStartMs)
  if (cell) cell.lastMs = Math.max(cell.lastMs, unitStartMs)
  // contacts older than the first one seen belong to the launch cell
  if (!cell && live[0]!.index === 0) {
    live[0]!.startMs = unitStartMs
    return live[0]
  }
  return cell
}

function openCell(state: StreamState, index: number, startMs: number): RateCell {
  const cell: RateCell = { index, startMs, lastMs: startMs, hits: 0, exposure: 0, planned: 0 }
  state.cells.live.push(cell)
  return cell
}
