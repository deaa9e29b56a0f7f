import type { Finding } from '../facts/finding.ts'
import type { SliceStanding, TriggerView } from '../facts/overview.ts'
import { designsOf } from './baseline.ts'
import {
  evidenceLogs,
  evidenceOf,
  isActing,
  isOverCeiling,
  overridesOf,
  type ReleaseEvidence,
  type Test,
  type TriggerEvidence,
} from './evidence.ts'
import { breachReason, findingOf } from './reasons.ts'
import { leafWeight, logThreshold, releaseLogE, signalLogE } from './sequential/combine.ts'
import { type OnsetEstimate, onset, onsetTwoSample } from './sequential/onset.ts'
import { wilsonInterval } from './sequential/wilson.ts'
import { type SlicedTrigger, sliceStandings } from './slice-standings.ts'
import { pooledDesign, type Stream, type StreamDesign, sliceDesign } from './streams.ts'

/** A trigger as judged on one release, and the stream in which its evidence is strongest. */
export type Judged = Readonly<{
  test: Test
  state: TriggerEvidence
  logs: ReturnType<typeof evidenceLogs>
  logE: number
  threshold: number
  acts: boolean
  channel: string
  queue: string
  stream: Stream
  design: StreamDesign
}>

export type Judgement = Readonly<{
  /** Joint evidence of the triggers that can pause, and the line it is compared with. */
  logE: number
  logThreshold: number
  triggers: readonly TriggerView[]
  /** Where the evidence of the triggers that can pause comes from. */
  slices: readonly SliceStanding[]
  /** What is new in this batch: told once. */
  breaches: readonly Breach[]
}>

/** A breach without what only the store knows (first harm, contacts exposed). */
export type Breach = Omit<
  Finding,
  'firstHarmMs' | 'contactsExposed' | 'floorMs' | 'floorContacts' | 'decidedAtMs' | 'acceptedAtMs'
> &
  Readonly<{
    /** Part of the time since `sinceMs` that any test with the same promise needs on average; null where no rate was tested. */
    floor: Readonly<{ share: number; sinceMs: number }> | null
  }>

/**
 * Judges one release (pure, but for marking what it told in `evidence`).
 *
 * The triggers that can pause share one alpha: their evidence is averaged with weights fixed before data, and a pause needs
 * E ≥ 1/α (docs/statistics.md). The breach is charged to the trigger that contributes most. A trigger that only notifies or is in
 * shadow stops nobody and is judged alone. Later, each trigger that crosses the line by itself is told as well and joins the incident.
 * A ceiling is crossed whatever the evidence says.
 */
export function judge(evidence: ReleaseEvidence, tests: readonly Test[]): Judgement {
  const overrides = overridesOf(evidence, tests)
  const judged = tests.flatMap((test): Judged[] => {
    const state = evidenceOf(evidence, test)
    return state ? [judgeTrigger(test, state, isActing(test) ? overrides : state.overrides)] : []
  })
  const acting = judged.filter((one) => one.acts)
  const alpha = tests[0]?.trigger.alpha ?? 0.01
  const jointLogE = releaseLogE(acting.map(({ test, logs }) => ({ weight: test.trigger.weight, ...logs })))
  const line = logThreshold(alpha, overrides)
  const breached = new Map<Judged, Pick<Breach, 'by' | 'logE' | 'logThreshold'>>()
  if (evidence.breachedSeq === null && acting.length > 0 && jointLogE >= line) {
    evidence.breachedSeq = evidence.seq
    const most = acting.reduce((a, b) => (b.logE - b.threshold > a.logE - a.threshold ? b : a))
    breached.set(most, { by: 'evidence', logE: jointLogE, logThreshold: line })
  }
  for (const one of judged) {
    if (one.state.breachedSeq !== null || breached.has(one)) continue
    const own = { logE: one.logE, logThreshold: one.threshold }
    if (one.logE >= one.threshold && (!one.acts || evidence.breachedSeq !== null))
      breached.set(one, { by: 'evidence', ...own })
    else if (isOverCeiling(one.state, one.test)) {
      breached.set(one, { by: 'ceiling', ...own })
      if (one.acts) evidence.breachedSeq ??= evidence.seq
    }
  }
  for (const one of breached.keys()) one.state.breachedSeq = evidence.seq
  const slices = sliceStandings(acting.map(slicedOf))
  return {
    logE: jointLogE,
    logThreshold: line,
    triggers: judged.map((one) => viewOf(one, evidence)),
    slices,
    breaches: [...breached].map(([one, crossed]) =>
      breachOf(one, evidence, crossed, one.acts ? slices : sliceStandings([slicedOf(one)])),
    ),
  }
}

function judgeTrigger(test: Test, state: TriggerEvidence, overrides: number): Judged {
  const { trigger } = test
  const logs = evidenceLogs(state, test)
  const strongest = logs.leafLogEs.reduce(
    (best, logE, index) =>
      logE + Math.log(leafWeight(index + 1)) > best.weighted
        ? { weighted: logE + Math.log(leafWeight(index + 1)), index }
        : best,
    { weighted: logs.pooledLogE, index: -1 },
  )
  const leaf = state.leaves[strongest.index]
  const designs = designsOf(state.baseline, trigger)
  return {
    test,
    state,
    logs,
    logE: signalLogE(logs),
    threshold: logThreshold(trigger.alpha, overrides) - Math.log(trigger.weight),
    acts: isActing(test),
    channel: leaf?.channel ?? trigger.match.channel ?? '',
    queue: leaf?.queue ?? trigger.match.queue ?? '',
    stream: leaf?.stream ?? state.pooled,
    design: leaf ? sliceDesign(designs, leaf.channel, leaf.queue) : pooledDesign(designs),
  }
}

const slicedOf = ({ test: { trigger }, state, logs }: Judged): SlicedTrigger => ({
  signal: trigger.signal,
  weight: trigger.weight,
  leaves: state.leaves.map(({ channel, queue }, index) => ({ channel, queue, logE: logs.leafLogEs[index]! })),
})

function viewOf(one: Judged, evidence: ReleaseEvidence): TriggerView {
  const { trigger } = one.test
  const { trials, hits, baseline } = one.state
  const interval = trials > 0 ? wilsonInterval(Math.max(0, Math.min(hits, trials)), trials) : null
  const { kind, reason } = findingOf(one, evidence)
  return {
    trigger: trigger.name,
    signal: trigger.signal,
    title: trigger.title,
    action: trigger.action,
    shadow: trigger.shadow,
    finding: kind,
    reason,
    trials,
    hits,
    rate: interval ? hits / trials : null,
    low: interval?.low ?? null,
    high: interval?.high ?? null,
    baseline: baseline.rate,
    limit: baseline.rate * (1 + trigger.tolerance),
    ...(trigger.ceiling && { ceiling: trigger.ceiling.rate }),
    baselineMode: baseline.mode,
    baselineAgainst: baseline.against,
    baselineReason: [baseline.reason, baseline.profileReason].filter(Boolean).join('; '),
    warnings: baseline.warnings,
    logE: one.logE,
    logThreshold: one.threshold,
  }
}

/** An estimate lies between moments; facts are whole milliseconds, and so the same on every way to them. */
const wholeMs = (ms: number | undefined): number | null => (ms === undefined ? null : Math.round(ms))

function onsetOf({ design, stream }: Judged): OnsetEstimate | null {
  return stream.rate ? onset(design.rate, stream.rate) : onsetTwoSample(design.arms!, stream.arms!)
}

function breachOf(
  one: Judged,
  evidence: ReleaseEvidence,
  crossed: Pick<Breach, 'by' | 'logE' | 'logThreshold'>,
  slices: readonly SliceStanding[],
): Breach {
  const { trigger } = one.test
  const { state } = one
  const estimate = onsetOf(one)
  const finite = (x: number | undefined) => (x !== undefined && Number.isFinite(x) ? x : null)
  return {
    kind: 'breach',
    reason: breachReason(one, evidence, estimate, crossed.by === 'ceiling'),
    release: evidence.release,
    trigger: trigger.name,
    triggerHash: trigger.hash,
    signal: trigger.signal,
    action: trigger.action,
    shadow: trigger.shadow,
    trafficGoesTo: trigger.trafficGoesTo,
    channel: one.channel,
    queue: one.queue,
    strongest: one.channel === '' && one.queue === '' ? strongestOf(slices) : null,
    trials: state.trials,
    hits: state.hits,
    baseline: state.baseline.rate,
    baselineMode: state.baseline.mode,
    baselineReason: state.baseline.reason,
    ratio: finite(estimate?.ratio),
    ratioLow: finite(estimate?.ratioInterval.low),
    ratioHigh: finite(estimate?.ratioInterval.high),
    overrides: state.overrides,
    ...crossed,
    onsetMs: wholeMs(estimate?.medianMs),
    onsetLowMs: wholeMs(estimate?.lowMs),
    onsetHighMs: wholeMs(estimate?.highMs),
    floor: crossed.by === 'evidence' && estimate ? floorOf(estimate, crossed.logThreshold) : null,
    seq: evidence.seq,
  }
}

const strongestOf = (slices: readonly SliceStanding[]): Pick<SliceStanding, 'channel' | 'queue'> | null => {
  if (slices.length === 0) return null
  const { channel, queue } = slices.reduce((most, slice) => (slice.logE > most.logE ? slice : most))
  return { channel, queue }
}

const floorOf = ({ informationSince, sinceMs }: OnsetEstimate, line: number): Breach['floor'] =>
  informationSince > 0 ? { share: line / informationSince, sinceMs } : null
