import { assert } from '../../lib/errors.ts'
import { idOf } from '../../lib/hash.ts'
import { type AgeProfile, checkAgeProfile, cumulativeHazard, shareBefore, windowOf } from './age-profile.ts'
import { bernoulliCost, checkEffects, DEFAULT_EFFECTS, type Effects, poissonCost } from './effects.ts'

/** Multipliers of the healthy rate by hour of the UTC week, Monday 00:00 first; their mean should be 1. */
export type HourOfWeek = readonly number[]

/** Baseline known only from a finite history: nodes on its posterior (see baseline-nodes.ts). */
export type BaselineNodes = Readonly<{ multipliers: readonly number[]; weights: readonly number[] }>

/** What is written down about one test before it sees data. */
export type TestOptions = Readonly<{
  /** Share of trials that are hits in a healthy release, in (0, 1). */
  baseline: number
  /** Smallest relative rise that matters: a baseline × (1 + tolerance) still counts as healthy. Default 0. */
  tolerance?: number
  /** Delayed signals only: when hits happen by age of the contact. Its last edge is the window. */
  ageProfile?: AgeProfile
  /** Learned weekly rhythm of the healthy rate. */
  hourOfWeek?: HourOfWeek
  /** Finite history: the evidence is averaged over these nodes. */
  nodes?: BaselineNodes
  /** Overdispersion φ ≥ 1: hits and exposure count 1/φ each. Default 1. */
  dispersion?: number
  effects?: Effects
  /** A later onset cell opens when the newest one is owed this many healthy hits. Default 4. */
  cellHits?: number
  /**
   * `trials`: every trial is a hit or not, which a written rate of an immediate signal prices exactly. `events`: hits are counted on their own, and a
   * trial may bring several (counters); the Poisson bound holds for them. Default trials.
   */
  hitsAre?: HitsAre
}>

export type HitsAre = 'trials' | 'events'

/**
 * The options with everything that can be computed before data. Derived, so never stored:
 * a state carries only `id`, and meets exactly the design that made it.
 */
export type TestDesign = Readonly<{
  id: string
  effects: Effects
  /** Healthy share with the tolerance in it. */
  share: number
  /** Healthy hits owed to one trial over its whole life. */
  hitsPerTrial: number
  /** Components node × ratio: log ratio per hit, cost per expected healthy hit. */
  logRatios: Float64Array
  costs: Float64Array
  /** Node multiplier and log weight; one node (1, 0) for a known baseline. */
  nodeMultipliers: readonly number[]
  nodeLogWeights: readonly number[]
  dispersion: number
  cellHits: number
  /** Cohort grid: contacts begun in the same unit share a cell (and an age). */
  unitMs: number
  minimumCellMs: number
  hourOfWeek: HourOfWeek | null
  delayed: Readonly<{ profile: AgeProfile; windowMs: number; hazardPerMs: Float64Array }> | null
}>

const MINUTE_MS = 60_000
/** Age bins per window: 15 min for 72 h, 35 min for 7 d. */
const AGE_BINS = 288
/** Shortest onset cell of a delayed signal, in age bins: 1 h for 72 h, so at most 73 cells are live. */
const CELL_BINS = 4
/** Checks the options and derives the tables of a test; throws `invariant` on options that no configuration may produce. */
export function designTest(options: TestOptions): TestDesign {
  const effects = options.effects ?? DEFAULT_EFFECTS
  const tolerance = options.tolerance ?? 0
  const dispersion = options.dispersion ?? 1
  const share = options.baseline * (1 + tolerance)
  checkEffects(effects)
  assert(tolerance >= 0 && dispersion >= 1, 'tolerance is at least 0, dispersion at least 1')
  assert(options.baseline > 0 && share < 1, 'baseline × (1 + tolerance) lies strictly between 0 and 1')
  const { hourOfWeek, ageProfile, nodes } = options
  if (hourOfWeek)
    assert(hourOfWeek.length === 168 && hourOfWeek.every((g) => g > 0), 'hourOfWeek needs 168 rates above 0')
  const multipliers = nodes?.multipliers ?? [1]
  const isExact = options.hitsAre !== 'events' && !ageProfile && !hourOfWeek && !nodes && dispersion === 1
  const costOf = (ratio: number) => (isExact ? bernoulliCost(ratio, share) : poissonCost(ratio))
  const ratios = multipliers.flatMap((g) => effects.ratios.map((ratio) => ({ g, ratio })))
  const delayed = ageProfile ? delayedTables(ageProfile, options.baseline, tolerance) : null
  return {
    id: idOf(JSON.stringify(options)),
    effects,
    share,
    hitsPerTrial: delayed ? cumulativeHazard(options.baseline) * (1 + tolerance) : share,
    logRatios: Float64Array.from(ratios, ({ ratio }) => Math.log(ratio)),
    costs: Float64Array.from(ratios, ({ g, ratio }) => g * costOf(ratio)),
    nodeMultipliers: multipliers,
    nodeLogWeights: (nodes?.weights ?? [1]).map(Math.log),
    dispersion,
    cellHits: options.cellHits ?? 4,
    unitMs: delayed ? delayed.windowMs / AGE_BINS : MINUTE_MS,
    minimumCellMs: delayed ? (delayed.windowMs / AGE_BINS) * CELL_BINS : MINUTE_MS,
    hourOfWeek: hourOfWeek ?? null,
    delayed,
  }
}

/** Healthy hazard of a contact still at risk, by age in bins: its mean over each bin, so that the whole window is exact. */
function delayedTables(profile: AgeProfile, baseline: number, tolerance: number): TestDesign['delayed'] {
  checkAgeProfile(profile)
  const windowMs = windowOf(profile)
  const bin = windowMs / AGE_BINS
  const scale = (cumulativeHazard(baseline) * (1 + tolerance)) / bin
  const hazardPerMs = Float64Array.from(
    { length: AGE_BINS },
    (_, age) => scale * (shareBefore(profile, (age + 1) * bin) - shareBefore(profile, age * bin)),
  )
  return { profile, windowMs, hazardPerMs }
}

/** Weekly multiplier at a UTC time; 1 where no rhythm was learned. */
export function rhythmAt(hourOfWeek: HourOfWeek | null, atMs: number): number {
  if (!hourOfWeek) return 1
  // 1970-01-01 was a Thursday: three days after Monday 00:00
  const hour = Math.floor(atMs / 3_600_000) + 72
  return hourOfWeek[((hour % 168) + 168) % 168]!
}
