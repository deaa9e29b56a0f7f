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
  /** Hits of both arms, where two are compared. */
  total?: number
}

/** Onset hypotheses of neighbouring closed cells, joined once only their sum still matters to the evidence. */
export type OnsetGroup = {
  startMs: number
  endMs: number
  hits: number
  exposure: number
  total?: number
  logMass: number[]
}

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
  const { live } = cells
  const known = runningOf(cells, components)
  const { counts } = known
  let at = 0
  while (at < live.length && at < known.valid && isSame(counts, at, live[at]!)) at++
  for (; at < live.length; at++) {
    const cell = live[at]!
    counts[3 * at] = cell.index
    counts[3 * at + 1] = cell.hits
    counts[3 * at + 2] = cell.exposure
    const prior = cell.index === 0 ? 0 : onsetPrior(effects, cell.index)
    const from = at * components
    for (let k = 0; k < components; k++)
      known.mass[from + components + k] = (known.mass[from + k]! + prior) * Math.exp(score(cell, k))
  }
  known.valid = live.length
  return known.mass.subarray(live.length * components, (live.length + 1) * components)
}

/**
 * `mass`: the mixture of the closed cells `closed`, then after each live cell, `components` numbers each. `counts`: the index, hits and
 * exposure of each live cell that these were made from; the first `valid` of them stand.
 */
type Running = { closed: readonly number[] | null; mass: Float64Array; counts: Float64Array; valid: number }
/** Null after the first look. */
const running = new WeakMap<object, Running | null>()

function runningOf<Cell extends RatedCell>(cells: OnsetCells<Cell>, components: number): Running {
  const known = placeOf(cells, components)
  if (known.closed === cells.closed) return known
  for (let k = 0; k < components; k++) known.mass[k] = Math.exp(cells.closed[k] ?? Number.NEGATIVE_INFINITY)
  known.closed = cells.closed
  known.valid = 0
  return known
}

/** A stream that is read back, stepped once and put away again passes through a common place; the second look is worth one of its own. */
function placeOf<Cell extends RatedCell>(cells: OnsetCells<Cell>, components: number): Running {
  const known = running.get(cells)
  const most = cells.live.length
  if (known && hasRoom(known, most, components)) return known
  if (known === undefined) {
    if (!hasRoom(common, most, components)) common = newPlace(Math.max(MANY, most), components)
    common.closed = null
    running.set(cells, null)
    return common
  }
  const own = newPlace(most + ROOM, components)
  running.set(cells, own)
  return own
}

const hasRoom = ({ counts, mass }: Running, cells: number, components: number): boolean =>
  counts.length >= 3 * cells && mass.length >= (cells + 1) * components

const newPlace = (cells: number, components: number): Running => ({
  closed: null,
  mass: new Float64Array((cells + 1) * components),
  counts: new Float64Array(3 * cells),
  valid: 0,
})

/** Live cells that a stream usually has at most. */
const MANY = 96
let common = newPlace(MANY, 0)
/** Live cells that may open before what is remembered needs a larger place. */
const ROOM = 16

const isSame = (counts: Float64Array, at: number, cell: RatedCell) =>
  counts[3 * at] === cell.index && counts[3 * at + 1] === cell.hits && counts[3 * at + 2] === cell.exposure

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
 * Closes the `count` oldest live cells: their contacts can no longer change, so only the sum over their hypotheses is kept.
 * `reference` is the component of (reference node, first ratio). Close several at once: each closing makes the running
 * mixture start over.
 */
export function closeOldest<Cell extends RatedCell>(
  cells: OnsetCells<Cell>,
  effects: Effects,
  components: number,
  score: CellScore<Cell>,
  reference: number,
  count: number,
): void {
  assert(count < cells.live.length, 'the newest onset cell never closes')
  const ratios = effects.ratios.length
  const closing = cells.live.splice(0, count)
  const closed = Float64Array.from({ length: components }, (_, k) => cells.closed[k] ?? Number.NEGATIVE_INFINITY)
  for (const cell of closing) {
    const logPrior = cell.index === 0 ? Number.NEGATIVE_INFINITY : Math.log(onsetPrior(effects, cell.index))
    for (let k = 0; k < components; k++) closed[k] = logAdd(closed[k]!, logPrior) + score(cell, k)
  }
  if (closing.at(-1)!.index > 0) cells.closed = [...closed]
  // newest first: a hypothesis is multiplied by its own cell and by every later one
  const since = new Float64Array(ratios)
  const fresh: OnsetGroup[] = []
  let endMs = cells.live[0]!.startMs
  for (const cell of closing.toReversed()) {
    for (let m = 0; m < ratios; m++) since[m]! += score(cell, reference + m)
    const { index, startMs, hits, exposure, total } = cell
    if (index > 0) {
      const logPrior = Math.log(onsetPrior(effects, index))
      const counts = { hits, exposure, ...(total !== undefined && { total }) }
      fresh.push({ startMs, endMs, ...counts, logMass: Array.from(since, (x) => logPrior + x) })
    }
    endMs = startMs
  }
  for (const { logMass } of cells.groups) for (let m = 0; m < ratios; m++) logMass[m]! += since[m]!
  cells.groups.push(...fresh.reverse())
  joinLightest(cells.groups, effects)
}

/** Joins, down to the bound, the two neighbours that hold the least posterior mass: the blur falls where onset is least likely. */
function joinLightest(groups: OnsetGroup[], effects: Effects): void {
  if (groups.length <= GROUPS) return
  const logWeights = effects.weights.map(Math.log)
  const masses = groups.map((group) => logSum(group.logMass.map((x, m) => x + logWeights[m]!)))
  while (groups.length > GROUPS) {
    let lightest = 0
    for (let i = 1; i + 1 < groups.length; i++) {
      if (Math.max(masses[i]!, masses[i + 1]!) < Math.max(masses[lightest]!, masses[lightest + 1]!)) lightest = i
    }
    const a = groups[lightest]!
    const b = groups[lightest + 1]!
    groups.splice(lightest, 2, {
      startMs: a.startMs,
      endMs: b.endMs,
      hits: a.hits + b.hits,
      exposure: a.exposure + b.exposure,
      ...(a.total !== undefined && { total: a.total + (b.total ?? 0) }),
      logMass: a.logMass.map((x, m) => logAdd(x, b.logMass[m]!)),
    })
    masses.splice(lightest, 2, logAdd(masses[lightest]!, masses[lightest + 1]!))
  }
}
