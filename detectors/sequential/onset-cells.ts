import { assert } from '../../lib/errors.ts'
import { type Effects, onsetPrior } from './effects.ts'
import { logAdd, logSum } from './log-domain.ts'

/**
 * Weighted Shiryaev–Roberts over onset cells, restarted by cohort: a cell covers the contacts begun in
 * [startMs, next cell's startMs), and the hypothesis "bad since cell s" counts the contacts of cell s and of all later ones.
 * Its likelihood ratio is therefore a product over cells ≥ s, and the mixture over s is one Horner pass, oldest cell first.
 *
 * Sources: Shiryaev 1963, Roberts 1966; e-detectors, Shin, Ramdas and Rinaldo 2022 (arXiv 2203.03532).
 * Launch (cell 0) is not in here: it counts everything, so totals are enough for it.
 *
 * The pass runs over *components* k: a ratio of the grid, or (baseline node × ratio) for a finite history.
 */
export type OnsetCell = {
  /** 0 is the launch cell, whose hypothesis is tested by totals. */
  index: number
  startMs: number
  /** Greatest cohort unit charged here: a later cell must start above it. */
  lastMs: number
}

/** A cell whose likelihood ratios change only together with these two figures. */
export type RatedCell = OnsetCell & {
  hits: number
  /** Healthy hits owed by its contacts so far. */
  exposure: number
}

/** Onset hypotheses of neighbouring closed cells, joined once only their sum still matters to the evidence. */
export type OnsetGroup = { startMs: number; endMs: number; hits: number; exposure: number; logMass: number[] }

export type OnsetCells<Cell extends OnsetCell> = {
  /** Cells that still take exposure or hits, oldest first; bounded by the caller's fold rule. */
  live: Cell[]
  /** Log mass per component of all closed onset hypotheses after the launch; empty while there are none. */
  closed: number[]
  /** The same mass by onset time for the reference node, at most GROUPS entries: for the onset estimate only. */
  groups: OnsetGroup[]
}

/** log likelihood ratio of component k over one cell's own contacts. */
export type CellScore<Cell> = (cell: Cell, k: number) => number

/** Resolution kept for onsets older than every live cell; joining loses time resolution, never evidence. */
const GROUPS = 16

/**
 * Mixture over later onsets, per component, as plain numbers (fast path): Σ_s v_s · Π_{cells ≥ s} e^score.
 * Overflow gives Infinity, upon which the caller takes {@link laterOnsetLogs}. The array is valid until the next call.
 *
 * Only the newest cells change from call to call, so the running mixture after each cell is remembered beside the state
 * and reused as far as cells still hold the very counts that it was made from: same result to the last bit, 10 × faster.
 */
export function laterOnsets<Cell extends RatedCell>(
  cells: OnsetCells<Cell>,
  effects: Effects,
  components: number,
  score: CellScore<Cell>,
): Float64Array {
  const known = runningOf(cells, components)
  const { live } = cells
  let at = 0
  while (at < live.length && sameCounts(known.steps[at], live[at]!)) at++
  let before = at === 0 ? known.start : known.steps[at - 1]!.mass
  for (; at < live.length; at++) {
    const { index, hits, exposure } = live[at]!
    const prior = index === 0 ? 0 : onsetPrior(effects, index)
    const mass = known.steps[at]?.mass ?? new Float64Array(components)
    known.steps[at] = { index, hits, exposure, mass }
    for (let k = 0; k < components; k++) mass[k] = (before[k]! + prior) * Math.exp(score(live[at]!, k))
    before = mass
  }
  known.steps.length = live.length
  return before
}

type Step = { index: number; hits: number; exposure: number; mass: Float64Array }
type Running = { closed: readonly number[]; start: Float64Array; steps: Step[] }
const running = new WeakMap<object, Running>()

function runningOf<Cell extends RatedCell>(cells: OnsetCells<Cell>, components: number): Running {
  const known = running.get(cells)
  if (known && known.closed === cells.closed) return known
  const start = new Float64Array(components)
  for (let k = 0; k < components; k++) start[k] = Math.exp(cells.closed[k] ?? Number.NEGATIVE_INFINITY)
  const fresh = { closed: cells.closed, start, steps: [] }
  running.set(cells, fresh)
  return fresh
}

const sameCounts = (step: Step | undefined, cell: RatedCell) =>
  step?.index === cell.index && step.hits === cell.hits && step.exposure === cell.exposure

/** The same in the log domain: slower, and never overflows. */
export function laterOnsetLogs<Cell extends OnsetCell>(
  cells: OnsetCells<Cell>,
  effects: Effects,
  components: number,
  score: CellScore<Cell>,
): number[] {
  const logs = Array.from({ length: components }, (_, k) => cells.closed[k] ?? Number.NEGATIVE_INFINITY)
  for (const cell of cells.live) {
    const logPrior = cell.index === 0 ? Number.NEGATIVE_INFINITY : Math.log(onsetPrior(effects, cell.index))
    for (let k = 0; k < components; k++) logs[k] = logAdd(logs[k]!, logPrior) + score(cell, k)
  }
  return logs
}

/**
 * Closes the oldest live cell: its contacts can no longer change, so only the sum over its hypotheses is kept.
 * `reference` is the component of (reference node, first ratio); `ratios` the number of ratios per node.
 */
export function closeOldest<Cell extends RatedCell>(
  cells: OnsetCells<Cell>,
  effects: Effects,
  components: number,
  score: CellScore<Cell>,
  reference: number,
): void {
  const cell = cells.live.shift()
  const next = cells.live[0]
  assert(cell && next, 'the newest onset cell never closes')
  if (cell.index === 0) return
  const logPrior = Math.log(onsetPrior(effects, cell.index))
  cells.closed = Array.from({ length: components }, (_, k) => {
    const older = cells.closed[k] ?? Number.NEGATIVE_INFINITY
    return logAdd(older, logPrior) + score(cell, k)
  })
  const scores = effects.ratios.map((_, m) => score(cell, reference + m))
  for (const group of cells.groups) group.logMass = group.logMass.map((mass, m) => mass + scores[m]!)
  cells.groups.push({
    startMs: cell.startMs,
    endMs: next.startMs,
    hits: cell.hits,
    exposure: cell.exposure,
    logMass: scores.map((x) => logPrior + x),
  })
  if (cells.groups.length > GROUPS) joinLightestPair(cells.groups, effects)
}

/** Joins the two neighbours that together hold the least posterior mass: the blur falls where onset is least likely. */
function joinLightestPair(groups: OnsetGroup[], effects: Effects): void {
  const massOf = (g: OnsetGroup) => logSum(g.logMass.map((x, m) => x + Math.log(effects.weights[m]!)))
  const masses = groups.map(massOf)
  let lightest = 0
  let least = Number.POSITIVE_INFINITY
  for (let i = 0; i + 1 < groups.length; i++) {
    const joint = logAdd(masses[i]!, masses[i + 1]!)
    if (joint < least) {
      least = joint
      lightest = i
    }
  }
  const a = groups[lightest]!
  const b = groups[lightest + 1]!
  groups.splice(lightest, 2, {
    startMs: a.startMs,
    endMs: b.endMs,
    hits: a.hits + b.hits,
    exposure: a.exposure + b.exposure,
    logMass: a.logMass.map((x, m) => logAdd(x, b.logMass[m]!)),
  })
}
