import type { FindingKind } from '../facts/finding.ts'
import { releaseLabelOf } from '../facts/slice.ts'
import { designsOf } from './baseline.ts'
import type { ReleaseEvidence } from './evidence.ts'
import type { Judged } from './judge.ts'
import { logThreshold } from './sequential/combine.ts'
import type { TestDesign } from './sequential/design.ts'
import type { OnsetEstimate } from './sequential/onset.ts'
import { summary } from './sequential/onset.ts'
import { armInformation, detectionAtLaunch } from './sequential/power.ts'
import { anytimeRatioInterval, anytimeShareInterval } from './sequential/ratio-interval.ts'
import type { JudgedTrigger } from './triggers.ts'

/** What is said of one trigger on one release, and why. Only `clear` is good news. */
export type Words = Readonly<{ kind: FindingKind; reason: string }>

export function findingOf(one: Judged, evidence: ReleaseEvidence): Words {
  const { state } = one
  if (state.breachedSeq !== null)
    return { kind: 'breach', reason: `the evidence crossed its line in batch ${state.breachedSeq}` }
  if (evidence.sampled > 0 && state.trials === 0)
    return {
      kind: 'sampled',
      reason: `${evidence.sampled} contacts were sampled at the source; sampled contacts are counted, not judged`,
    }
  if (state.trials === 0)
    return { kind: 'no_data', reason: 'no contact of this release was a trial of this signal yet' }
  if (state.baseline.mode === 'none') return { kind: 'insufficient', reason: state.baseline.reason }
  return (state.pooled.rate ? ofRate(one) : ofArms(one)) ?? watching(one)
}

function watching({ logE, threshold }: Judged): Words {
  const powers = (log: number) => (log / Math.LN10).toFixed(2)
  return {
    kind: 'watching',
    reason: `no breach: the evidence stands at ${powers(logE)} of ${powers(threshold)} powers of ten`,
  }
}

function ofRate({ test, state }: Judged): Words | null {
  const { trigger } = test
  const design = designsOf(state.baseline, trigger).pooled
  const { hits, exposure } = summary(design, state.pooled.rate!)
  const needed = medianTrialsOf(design, trigger)
  if (exposure < needed * design.hitsPerTrial) {
    const have = Math.floor(exposure / design.hitsPerTrial)
    return {
      kind: 'insufficient',
      reason: `about ${have} matured trials; a doubling of the rate is found in half of all cases by ${Number.isFinite(needed) ? needed : 'no number of'} trials`,
    }
  }
  // A rate that was itself measured is not a line to be surely below of.
  if (state.baseline.historyHits > 0) return null
  const { high } = anytimeRatioInterval(hits, exposure, trigger.alpha)
  return high <= 1 ? clear(design.share, trigger.alpha) : null
}

/** Against a stable release: hits of both arms tell whether there is anything to compare yet. */
function ofArms({ test, state, threshold }: Judged): Words | null {
  const { trigger } = test
  const arms = state.pooled.arms!
  const stable = state.baseline.against
  if (arms.total === 0 || arms.exposure <= 0 || arms.exposure >= arms.total)
    return {
      kind: 'insufficient',
      reason: `no hit yet among contacts that began at the same time as contacts of ${stable}`,
    }
  const theta = arms.exposure / arms.total
  const needed = Math.ceil(threshold / armInformation(theta, 2))
  if (arms.total < needed)
    return {
      kind: 'insufficient',
      reason: `${arms.total} hits of both releases since contacts are compared with ${stable}; a doubling takes about ${needed}`,
    }
  const { high } = anytimeShareInterval(arms.hits, arms.total, trigger.alpha)
  if (high > theta) return null
  return {
    kind: 'clear',
    reason: `fewer hits than ${stable} at the same time, with probability ${percent(1 - trigger.alpha)} at any time`,
  }
}

const clear = (share: number, alpha: number): Words => ({
  kind: 'clear',
  reason: `the rate lies below the limit of ${percent(share)} with probability ${percent(1 - alpha)} at any time`,
})

const medianTrials = new WeakMap<TestDesign, number>()
/** Trials by which half of all releases with a doubled rate are found; derived once per design. */
function medianTrialsOf(design: TestDesign, { alpha, weight }: JudgedTrigger): number {
  const known = medianTrials.get(design)
  if (known !== undefined) return known
  const trials = detectionAtLaunch(design, 2, logThreshold(alpha) - Math.log(weight / 2)).medianTrials
  medianTrials.set(design, trials)
  return trials
}

/** One sentence for people, with the figures that led to a breach. */
export function breachReason(
  { test, state }: Judged,
  evidence: ReleaseEvidence,
  estimate: OnsetEstimate | null,
  byCeiling: boolean,
): string {
  const { trigger } = test
  const { trials, hits, baseline, ceiling } = state
  const what = `${trigger.usual ? 'contacts with ' : ''}${trigger.title.toLowerCase()} of ${releaseLabelOf(evidence.release)}`
  const sofar = `${hits} of ${trials} contacts so far (${percent(trials > 0 ? hits / trials : 0)})`
  if (byCeiling && trigger.ceiling) {
    const [latestHits, latestTrials] = [ceiling.hits + ceiling.beforeHits, ceiling.trials + ceiling.beforeTrials]
    return `${what} are above the ceiling of ${percent(trigger.ceiling.rate)}: ${latestHits} of the latest ${latestTrials}; ${sofar}`
  }
  const against = {
    written: `above the limit of ${percent(baseline.rate * (1 + trigger.tolerance))}`,
    concurrent: `above those of ${baseline.against}, which runs at the same time (${percent(baseline.rate)} before)`,
    previous: `above those of ${baseline.against} before it (${percent(baseline.rate)})`,
    pooled: `above those of other queues (${percent(baseline.rate)})`,
    none: 'above what is usual',
  }[baseline.mode]
  const since = estimate ? `, about ${estimate.ratio} times the healthy rate since the harm began` : ''
  const alpha = trigger.alpha / 2 ** state.overrides
  return `${what} are ${against}: ${sofar}${since}; a healthy release comes this far with probability ${percent(alpha)} at most over its whole life`
}

export const percent = (share: number): string => `${(share * 100).toFixed(share < 0.1 ? 2 : 1)} %`
