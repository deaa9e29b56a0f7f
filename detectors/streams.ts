import type { Baseline, Designs } from './baseline.ts'
import { weightOf } from './baseline.ts'
import type { Delta } from './evidence.ts'
import type { TestDesign } from './sequential/design.ts'
import {
  addHits,
  addTrials,
  advance,
  createStream,
  logE,
  removeTrials,
  type StreamState,
} from './sequential/known-rate.ts'
import {
  type Arm,
  addAtRisk,
  addStratumHits,
  advanceTwoSample,
  createTwoSample,
  stratumStartOf,
  type TwoSampleDesign,
  type TwoSampleState,
  twoSampleLogE,
} from './sequential/two-sample.ts'

/** One running test, pooled or of one slice, in the form that its baseline asks for. Plain data. */
export type Stream = {
  /** log E that an earlier baseline of the same life ended with: the next test continues with that fortune. */
  carriedLogE: number
  rate: StreamState | null
  arms: TwoSampleState | null
}

/** Designs of one stream: of a rate, or of two arms. */
export type StreamDesign = Readonly<{ rate: TestDesign; arms: TwoSampleDesign | null }>

export const pooledDesign = ({ pooled, arms }: Designs): StreamDesign => ({ rate: pooled, arms: arms?.pooled ?? null })
export const sliceDesign = ({ slice, arms }: Designs, channel: string, queue: string): StreamDesign => ({
  rate: slice(channel, queue),
  arms: arms?.slice(channel, queue) ?? null,
})

export const newStream = ({ rate, arms }: StreamDesign, carriedLogE = 0): Stream =>
  arms
    ? { carriedLogE, rate: null, arms: createTwoSample(arms) }
    : { carriedLogE, rate: createStream(rate), arms: null }

export function advanceStream({ rate, arms }: StreamDesign, stream: Stream, nowMs: number): void {
  if (stream.rate) advance(rate, stream.rate, nowMs)
  if (stream.arms) advanceTwoSample(arms!, stream.arms, nowMs)
}

/** Natural logarithm of the evidence of one stream. */
export const streamLogE = ({ rate, arms }: StreamDesign, stream: Stream): number =>
  stream.carriedLogE +
  (stream.rate
    ? remembered(stream.rate, stream.rate.trials, (state) => logE(rate, state))
    : remembered(stream.arms!, stream.arms!.total, (state) => twoSampleLogE(arms!, state)))

type Counted = { hits: number; exposure: number; newestCell: number; cells: { live: readonly unknown[] } }
type Known = { hits: number; exposure: number; count: number; newestCell: number; live: number; logE: number }
const known = new WeakMap<Counted, Known>()

/**
 * Most streams of a release stand still in a batch, so the last answer serves as long as nothing it is made of has moved: counts only grow, and
 * cells open or close with them.
 */
function remembered<State extends Counted>(state: State, count: number, compute: (state: State) => number): number {
  const { hits, exposure, newestCell } = state
  const live = state.cells.live.length
  const last = known.get(state)
  if (
    last &&
    last.hits === hits &&
    last.exposure === exposure &&
    last.count === count &&
    last.newestCell === newestCell &&
    last.live === live
  )
    return last.logE
  const fresh = compute(state)
  known.set(state, { hits, exposure, count, newestCell, live, logE: fresh })
  return fresh
}

/** A measure's change by start minute: new facts, and what only moved or left. `weight` as the new ones are charged. */
type Moves = Readonly<{
  added: readonly Readonly<{ atMs: number; n: number; weight: number }>[]
  removed: readonly Readonly<{ atMs: number; n: number }>[]
}>

/** What is new, minute by minute; what was only moved inside the batch cancels, the oldest first. */
function movesOf(
  deltas: readonly Delta[],
  measure: Delta['measure'],
  clockMs: number,
  weight: (delta: Delta) => number,
): Moves {
  const byMinute = new Map<number, { n: number; positive: number; weighted: number }>()
  for (const delta of deltas) {
    if (delta.measure !== measure) continue
    const minute = byMinute.get(delta.minuteMs) ?? { n: 0, positive: 0, weighted: 0 }
    minute.n += delta.n
    if (delta.n > 0) {
      minute.positive += delta.n
      minute.weighted += delta.n * weight(delta)
    }
    byMinute.set(delta.minuteMs, minute)
  }
  const minutes = [...byMinute].sort(([a], [b]) => a - b)
  let moved = minutes.reduce((sum, [, { n }]) => sum + Math.max(0, -n), 0)
  // A start ahead of the clock (a late clock, a wrong one) is taken as now.
  const added = minutes.flatMap(([minuteMs, { n, positive, weighted }]) => {
    const cancelled = Math.min(moved, Math.max(0, n))
    moved -= cancelled
    return n - cancelled > 0
      ? [{ atMs: Math.min(minuteMs, clockMs), n: n - cancelled, weight: weighted / positive }]
      : []
  })
  const removed = minutes.flatMap(([minuteMs, { n }]) => {
    const left = Math.min(moved, Math.max(0, -n))
    moved -= left
    return left > 0 ? [{ atMs: Math.min(minuteMs, clockMs), n: left }] : []
  })
  return { added, removed }
}

export type HitMeasure = 'capped_hits' | 'release_capped_hits'

/** Advances a rate stream by one batch: exposure before hits. */
export function feedRate(
  design: TestDesign,
  state: StreamState,
  deltas: readonly Delta[],
  hitMeasure: HitMeasure,
  clockMs: number,
  baseline: Baseline | null,
): void {
  const weigh = (delta: Delta) => (baseline ? weightOf(baseline, delta.channel, delta.queue) : 1)
  const trials = movesOf(deltas, 'trials', clockMs, weigh)
  for (const { atMs, n, weight } of trials.added) addTrials(design, state, atMs, n * weight)
  for (const { atMs, n } of trials.removed) removeTrials(design, state, atMs, n)
  for (const { atMs, n, weight } of movesOf(deltas, hitMeasure, clockMs, weigh).added)
    addHits(design, state, atMs, n, n * weight)
}

/** Slice by slice, advances a comparison of two arms by one batch: contacts at risk before hits, the hits of a stratum together. */
export function feedArms(
  design: TwoSampleDesign,
  state: TwoSampleState,
  arms: Readonly<Record<Arm, readonly Delta[]>>,
  hitMeasure: HitMeasure,
  clockMs: number,
  sliceOf: (delta: Delta) => number,
): void {
  const hits = new Map<string, { atMs: number; slice: number; counts: Record<Arm, number> }>()
  for (const arm of ['candidate', 'stable'] as const) {
    for (const [slice, deltas] of [...Map.groupBy(arms[arm], sliceOf)].sort(([a], [b]) => a - b)) {
      const trials = movesOf(deltas, 'trials', clockMs, () => 1)
      for (const { atMs, n } of trials.added) addAtRisk(design, state, arm, atMs, n, slice)
      for (const { atMs, n } of trials.removed) addAtRisk(design, state, arm, atMs, -n, slice)
      for (const { atMs, n } of movesOf(deltas, hitMeasure, clockMs, () => 1).added) {
        const key = `${stratumStartOf(design, atMs, slice)}|${slice}`
        const found = hits.get(key) ?? { atMs, slice, counts: { candidate: 0, stable: 0 } }
        found.counts[arm] += n
        hits.set(key, found)
      }
    }
  }
  for (const { atMs, slice, counts } of hits.values()) addStratumHits(design, state, atMs, counts, slice)
}
