import type { ComparedMode } from '../facts/trigger.ts'
import type { AgeProfile } from './sequential/age-profile.ts'
import { baselineNodes } from './sequential/baseline-nodes.ts'
import { designTest, type TestDesign } from './sequential/design.ts'
import { SHIPPED } from './sequential/effects.ts'
import { designTwoSample, type TwoSampleDesign } from './sequential/two-sample.ts'
import type { JudgedTrigger } from './triggers.ts'

/** What one slice of the release compared with did, and how long a stratum of it must be to hold enough contacts of both arms. */
export type SliceBaseline = Readonly<{
  channel: string
  queue: string
  /** Healthy share of this slice, drawn towards the pooled one where it has little history. */
  rate: number
  hits: number
  stratumMs: number
}>

/**
 * What one trigger compares one release with: chosen when the first contact arrives, from what was accepted before it. Plain data,
 * journaled and stored with the evidence, so that a restart or a replay meets exactly this baseline again.
 */
export type Baseline = Readonly<{
  mode: ComparedMode
  /** One sentence: why this one, and why not a better one. */
  reason: string
  /** What people should know of it: it is bad itself, or it cannot show small rises. */
  warnings: readonly string[]
  /** Release compared with, '' for written and pooled. */
  against: string
  /** Healthy share: written, or measured on that history; for concurrent only shown, the test does without. */
  rate: number
  /** History behind `rate`; 0 hits when it is written. */
  historyTrials: number
  historyHits: number
  /** Overdispersion φ of the history's hours and days; 1 for a written rate. */
  dispersion: number
  slices: readonly SliceBaseline[]
  /** Strata of slices without history, and how long a contact stays comparable. */
  stratumMs: number
  windowMs: number
  ageProfile: AgeProfile | null
  /** Where the age profile comes from, for people; '' for immediate signals. */
  profileReason: string
  hourOfWeek: readonly number[] | null
  /** Lowest bin of values that count as hits, of a quantity that is judged against what was usual; else null. */
  fromBin: number | null
  /** Smallest sustained ratio that this history can ever reveal at launch; null where no history limits it. */
  smallestRatio: number | null
}>

/** History hits that a slice without history of its own is worth: its rate may well differ from the pooled one. */
export const UNSEEN_HITS = 10

/** Tests that a baseline implies: derived, never stored. */
export type Designs = Readonly<{
  pooled: TestDesign
  slice: (channel: string, queue: string) => TestDesign
  /** Null unless the baseline is a release that runs at the same time. */
  arms: Readonly<{ pooled: TwoSampleDesign; slice: (channel: string, queue: string) => TwoSampleDesign }> | null
}>

type Terms = Pick<JudgedTrigger, 'tolerance' | 'hitsAre'>
const known = new WeakMap<Baseline, Map<string, Designs>>()

/** The tests of a baseline under a trigger's terms; derived once per baseline object. */
export function designsOf(baseline: Baseline, terms: Terms): Designs {
  const byTerms = known.get(baseline) ?? new Map<string, Designs>()
  known.set(baseline, byTerms)
  const key = `${terms.tolerance}|${terms.hitsAre}`
  const designs = byTerms.get(key) ?? derive(baseline, terms)
  byTerms.set(key, designs)
  return designs
}

function derive(baseline: Baseline, { tolerance, hitsAre }: Terms): Designs {
  const { mode, dispersion, ageProfile, hourOfWeek } = baseline
  const isLearned = mode === 'previous' || mode === 'pooled'
  const designOf = (rate: number, hits: number) =>
    designTest({
      ...SHIPPED,
      baseline: rate,
      hitsAre,
      tolerance: rate * (1 + tolerance) < 1 ? tolerance : 0,
      ...(ageProfile && { ageProfile }),
      ...(hourOfWeek && { hourOfWeek }),
      ...(isLearned && { nodes: baselineNodes(hits / dispersion), dispersion }),
    })
  const pooled = designOf(baseline.rate, baseline.historyHits)
  const bySlice = new Map<string, TestDesign>()
  const slice = (channel: string, queue: string): TestDesign => {
    if (!isLearned) return pooled
    const found = baseline.slices.find((one) => one.channel === channel && one.queue === queue)
    const key = found ? `${channel}\u001f${queue}` : ''
    const design = bySlice.get(key) ?? designOf(found?.rate ?? baseline.rate, (found?.hits ?? 0) + UNSEEN_HITS)
    bySlice.set(key, design)
    return design
  }
  return { pooled, slice, arms: mode === 'concurrent' ? armsOf(baseline) : null }
}

function armsOf({ slices, stratumMs, windowMs }: Baseline): Designs['arms'] {
  const byLength = new Map<number, TwoSampleDesign>()
  const ofLength = (ms: number): TwoSampleDesign => {
    const design = byLength.get(ms) ?? designTwoSample({ ...SHIPPED, stratumMs: ms, windowMs })
    byLength.set(ms, design)
    return design
  }
  return {
    pooled: designTwoSample({ ...SHIPPED, stratumMs, sliceStrataMs: slices.map((slice) => slice.stratumMs), windowMs }),
    slice: (channel, queue) =>
      ofLength(slices.find((one) => one.channel === channel && one.queue === queue)?.stratumMs ?? stratumMs),
  }
}

/** A slice's healthy share relative to the pooled one: what the pooled stream charges its trials with. */
export function weightOf(baseline: Baseline, channel: string, queue: string): number {
  if (baseline.mode !== 'previous') return 1
  const found = baseline.slices.find((one) => one.channel === channel && one.queue === queue)
  return found ? found.rate / baseline.rate : 1
}

/** The baseline of a trigger that needs no history. */
export const writtenBaselineOf = (trigger: JudgedTrigger, reason: string): Baseline => ({
  mode: 'written',
  reason,
  warnings: [],
  against: '',
  rate: trigger.baseline,
  historyTrials: 0,
  historyHits: 0,
  dispersion: 1,
  slices: [],
  stratumMs: 3_600_000,
  windowMs: 21_600_000,
  ageProfile: trigger.ageProfile,
  profileReason: trigger.ageProfile ? (trigger.ageProfileGiven ? GIVEN_PROFILE : WRITTEN_PROFILE) : '',
  hourOfWeek: null,
  fromBin: null,
  smallestRatio: null,
})

export const GIVEN_PROFILE = 'the age profile is the one written for this trigger'
export const WRITTEN_PROFILE = 'the age profile is the written default: too little history to learn it'
