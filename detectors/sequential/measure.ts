import { assert } from '../../lib/errors.ts'
import { designTest, type TestDesign, type TestOptions } from './design.ts'
import { addHits, addTrials, advance, createStream, logE, type StreamState } from './known-rate.ts'
import { logSum } from './log-domain.ts'

/**
 * A quantity (latency, review minutes) tested without a model of its distribution: three yes-or-no streams "this value
 * exceeds the baseline's q-quantile", whose healthy shares are known by definition, averaged as evidence. The median sees a
 * shift of everything, the upper two see a tail.
 */
export const MEASURE_QUANTILES = [0.5, 0.9, 0.99] as const

export type MeasureDesign = Readonly<{
  /** Baseline values at {@link MEASURE_QUANTILES}, from history; in the unit of the measure. */
  limits: readonly number[]
  tests: readonly TestDesign[]
}>

/** `limits` are the baseline's quantiles, rising. Ties at a limit do not exceed it, so coarse values stay conservative. */
export function designMeasure(limits: readonly number[], options: Omit<TestOptions, 'baseline'> = {}): MeasureDesign {
  assert(
    limits.length === MEASURE_QUANTILES.length && limits.every((x, i) => i === 0 || x >= limits[i - 1]!),
    'a measure needs the baseline values at q50, q90 and q99, in this order',
  )
  return { limits, tests: MEASURE_QUANTILES.map((q) => designTest({ ...options, baseline: 1 - q })) }
}

export const createMeasure = ({ tests }: MeasureDesign): StreamState[] => tests.map(createStream)

/** Counts values observed on contacts begun at `cohortMs`. */
export function addValues(
  design: MeasureDesign,
  states: readonly StreamState[],
  nowMs: number,
  cohortMs: number,
  values: readonly number[],
): void {
  for (const [i, test] of design.tests.entries()) {
    const state = states[i]!
    advance(test, state, nowMs)
    addTrials(test, state, cohortMs, values.length)
    addHits(test, state, cohortMs, values.filter((value) => value > design.limits[i]!).length)
  }
}

/** log of the mean evidence of the three streams: an e-process however they depend on each other. */
export const measureLogE = (design: MeasureDesign, states: readonly StreamState[]): number =>
  logSum(design.tests.map((test, i) => logE(test, states[i]!) - Math.log(design.tests.length)))
