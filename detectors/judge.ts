import type { Finding, FindingKind } from '../facts/finding.ts'
import type { TriggerView } from '../facts/overview.ts'
import { releaseLabelOf } from '../facts/slice.ts'
import { evidenceLogs, type ReleaseEvidence, type Test, type TriggerEvidence } from './evidence.ts'
import { leafWeight, logThreshold, releaseLogE, signalLogE } from './sequential/combine.ts'
import { onset as onsetOf, summary } from './sequential/onset.ts'
import { detectionAtLaunch } from './sequential/power.ts'
import { anytimeRatioInterval } from './sequential/ratio-interval.ts'
import { wilsonInterval } from './sequential/wilson.ts'

/** A trigger as judged on one release, and the stream in which its evidence is strongest. */
type Judged = Readonly<{
  test: Test
  state: TriggerEvidence
  logE: number
  threshold: number
  acts: boolean
  channel: string
  queue: string
  stream: TriggerEvidence['pooled']
}>

export type Judgement = Readonly<{
  /** Joint evidence of the triggers that can pause, and the line it is compared with. */
  logE: number
  logThreshold: number
  triggers: readonly TriggerView[]
  /** What is new in this batch: told once. */
  breaches: readonly Breach[]
}>

/** A breach without what only the store knows (first harm, contacts exposed). */
export type Breach = Omit<Finding, 'firstHarmMs' | 'contactsExposed' | 'decidedAtMs' | 'acceptedAtMs'>

/**
 * Judges one release (pure, but for marking what it told in `evidence`).
 *
 * The triggers that can pause share one alpha: their evidence is averaged with weights fixed before data, and a pause needs
 * E ≥ 1/α (docs/statistics.md). The breach is charged to the trigger that contributes most. A trigger that only notifies or is in
 * shadow stops nobody and is judged alone. Later, each trigger that crosses the line by itself is told as well and joins the incident.
 */
export function judge(evidence: ReleaseEvidence, tests: readonly Test[]): Judgement {
  const judged = tests.flatMap((test): Judged[] => {
    const state = evidence.triggers.find((candidate) => candidate.hash === test.trigger.hash)
    return state ? [judgeTrigger(test, state)] : []
  })
  const acting = judged.filter((one) => one.acts)
  const alpha = tests[0]?.trigger.alpha ?? 0.01
  const jointLogE = releaseLogE(
    acting.map(({ test, state }) => ({ weight: test.trigger.weight, ...evidenceLogs(state, test.design) })),
  )
  const line = logThreshold(alpha)
  const breached = new Map<Judged, number>()
  if (evidence.breachedSeq === null && acting.length > 0 && jointLogE >= line) {
    evidence.breachedSeq = evidence.seq
    breached.set(
      acting.reduce((a, b) => (b.logE - b.threshold > a.logE - a.threshold ? b : a)),
      jointLogE,
    )
  }
  for (const one of judged)
    if (one.state.breachedSeq === null && one.logE >= one.threshold && (!one.acts || evidence.breachedSeq !== null))
      breached.set(one, breached.get(one) ?? one.logE)
  for (const one of breached.keys()) one.state.breachedSeq = evidence.seq
  return {
    logE: jointLogE,
    logThreshold: line,
    triggers: judged.map((one) => viewOf(one, evidence)),
    breaches: [...breached].map(([one, logE]) =>
      breachOf(one, evidence, logE, logE === one.logE ? one.threshold : line),
    ),
  }
}

function judgeTrigger(test: Test, state: TriggerEvidence): Judged {
  const { trigger, design } = test
  const logs = evidenceLogs(state, design)
  const strongest = logs.leafLogEs.reduce(
    (best, logE, index) =>
      logE + Math.log(leafWeight(index + 1)) > best.weighted
        ? { weighted: logE + Math.log(leafWeight(index + 1)), index }
        : best,
    { weighted: logs.pooledLogE, index: -1 },
  )
  const leaf = state.leaves[strongest.index]
  return {
    test,
    state,
    logE: signalLogE(logs),
    threshold: logThreshold(trigger.alpha) - Math.log(trigger.weight),
    acts: !trigger.shadow && trigger.action !== 'notify',
    channel: leaf?.channel ?? trigger.match.channel ?? '',
    queue: leaf?.queue ?? trigger.match.queue ?? '',
    stream: leaf?.stream ?? state.pooled,
  }
}

const percent = (share: number): string => `${(share * 100).toFixed(share < 0.1 ? 2 : 1)} %`

function viewOf(one: Judged, evidence: ReleaseEvidence): TriggerView {
  const { test, state } = one
  const { trigger } = test
  const interval =
    state.trials > 0 ? wilsonInterval(Math.max(0, Math.min(state.hits, state.trials)), state.trials) : null
  const { kind, reason } = findingOf(one, evidence)
  return {
    trigger: trigger.name,
    signal: trigger.signal,
    title: trigger.title,
    action: trigger.action,
    shadow: trigger.shadow,
    finding: kind,
    reason,
    trials: state.trials,
    hits: state.hits,
    rate: interval ? state.hits / state.trials : null,
    low: interval?.low ?? null,
    high: interval?.high ?? null,
    baseline: trigger.baseline,
    limit: trigger.baseline * (1 + trigger.tolerance),
    logE: one.logE,
    logThreshold: one.threshold,
  }
}

/** Only `clear` is good news; everything else says why it is not. */
function findingOf(one: Judged, evidence: ReleaseEvidence): { kind: FindingKind; reason: string } {
  const { test, state, logE, threshold } = one
  const { trigger, design } = test
  if (state.breachedSeq !== null)
    return { kind: 'breach', reason: `the evidence crossed its line in batch ${state.breachedSeq}` }
  if (evidence.sampled > 0 && state.trials === 0)
    return {
      kind: 'sampled',
      reason: `${evidence.sampled} contacts were sampled at the source; sampled contacts are counted, not judged`,
    }
  if (state.trials === 0)
    return { kind: 'no_data', reason: 'no contact of this release was a trial of this signal yet' }
  const { hits, exposure } = summary(design, state.pooled)
  const needed = medianTrialsOf(test)
  if (exposure < needed * design.hitsPerTrial) {
    const have = Math.floor(exposure / design.hitsPerTrial)
    return {
      kind: 'insufficient',
      reason: `about ${have} matured trials; a doubling of the rate is found in half of all cases by ${Number.isFinite(needed) ? needed : 'no number of'} trials`,
    }
  }
  const { high } = anytimeRatioInterval(hits, exposure, trigger.alpha)
  if (high <= 1)
    return {
      kind: 'clear',
      reason: `the rate lies below the limit of ${percent(trigger.baseline * (1 + trigger.tolerance))} with probability ${percent(1 - trigger.alpha)} at any time`,
    }
  return {
    kind: 'watching',
    reason: `no breach: the evidence stands at ${(logE / Math.LN10).toFixed(2)} of ${(threshold / Math.LN10).toFixed(2)} powers of ten`,
  }
}

const medianTrials = new WeakMap<Test, number>()
/** Trials by which half of all releases with a doubled rate are found; derived once per test. */
function medianTrialsOf(test: Test): number {
  const known = medianTrials.get(test)
  if (known !== undefined) return known
  const { trigger, design } = test
  const trials = detectionAtLaunch(design, 2, logThreshold(trigger.alpha) - Math.log(trigger.weight / 2)).medianTrials
  medianTrials.set(test, trials)
  return trials
}

function breachOf(one: Judged, evidence: ReleaseEvidence, logE: number, threshold: number): Breach {
  const { test, state } = one
  const { trigger } = test
  const onset = onsetOf(test.design, one.stream)
  const rate = state.trials > 0 ? state.hits / state.trials : 0
  return {
    kind: 'breach',
    reason:
      `${trigger.title.toLowerCase()} of ${releaseLabelOf(evidence.release)} are above the limit of ${percent(trigger.baseline * (1 + trigger.tolerance))}: ` +
      `${state.hits} of ${state.trials} contacts so far (${percent(rate)})${onset ? `, about ${onset.ratio} times the healthy rate since the harm began` : ''}; ` +
      `a healthy release comes this far with probability ${percent(trigger.alpha)} at most over its whole life`,
    release: evidence.release,
    trigger: trigger.name,
    triggerHash: trigger.hash,
    signal: trigger.signal,
    action: trigger.action,
    shadow: trigger.shadow,
    trafficGoesTo: trigger.trafficGoesTo,
    channel: one.channel,
    queue: one.queue,
    trials: state.trials,
    hits: state.hits,
    baseline: trigger.baseline,
    logE,
    logThreshold: threshold,
    onsetMs: onset?.medianMs ?? null,
    onsetLowMs: onset?.lowMs ?? null,
    onsetHighMs: onset?.highMs ?? null,
    seq: evidence.seq,
  }
}
