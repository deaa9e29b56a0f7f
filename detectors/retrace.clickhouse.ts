import type { ClickHouseClient } from '@clickhouse/client'
import type { Finding } from '../facts/finding.ts'
import { releaseKeyOf } from '../facts/slice.ts'
import { AndonError } from '../lib/errors.ts'
import type { Baseline } from './baseline.ts'
import { type Choice, openChoices } from './choices.clickhouse.ts'
import {
  applyBatch,
  type DeltaBatch,
  emptyEvidence,
  evidenceOf,
  hasHandedOver,
  type ReleaseEvidence,
  restartEvidence,
  switchBaseline,
  type Test,
  testsOf,
} from './evidence.ts'
import { type Breach, type Judgement, judge } from './judge.ts'
import { readBatchesOf } from './read-batches.clickhouse.ts'
import type { JudgedTrigger } from './triggers.ts'
import { readBy } from './usual.ts'

/** How the evidence stood after one batch. Counts are those of the trigger since its evidence began. */
export type Step = Readonly<{
  seq: number
  atMs: number
  trials: number
  hits: number
  /** log E of the trigger alone, and of everything that can pause the release. */
  logE: number
  jointLogE: number
  jointLine: number
  line: number
  /** What else happened at this batch. */
  note: string
}>

/** Trials and hits by start minute of their contact: what the picture draws as a rate. */
export type MinuteCounts = Readonly<{ minuteMs: number; trials: number; hits: number }>

export type Retraced = Readonly<{
  trigger: JudgedTrigger
  /** Baseline in force at the decision. */
  baseline: Baseline
  steps: readonly Step[]
  minutes: readonly MinuteCounts[]
  /** The decision that the replay came to at the same batch; null when it came to none. */
  breach: Breach | null
  /** What differs between the replay and the record; empty: the very same decision. */
  differences: readonly string[]
}>

/**
 * Computes the evidence behind a finding again from the stored deltas and choices, batch by batch with the code that decided, and compares
 * the outcome with the record. Throws AndonError `unknown` where the store no longer holds what is needed.
 */
export async function retrace(store: ClickHouseClient, finding: Finding): Promise<Retraced> {
  const key = releaseKeyOf(finding.release)
  const choices = (await openChoices(store, { write: false, releaseKey: key }))
    .of(key)
    .filter((choice) => choice.seq <= finding.seq)
  const tests = testsInForce(choices, finding)
  const test = tests.find(({ trigger }) => trigger.hash === finding.triggerHash)
  const started = choices.filter((choice) => choice.kind !== 'restarted')
  if (!test || started.length === 0)
    throw new AndonError(
      'unknown',
      `the store does not hold how trigger '${finding.trigger}' (${finding.triggerHash}) began on this release; it was decided by an earlier version, or elsewhere`,
    )
  const names = [finding.release.release, ...started.map((choice) => choice.baseline.against)].filter(
    (name, i, all) => name !== '' && all.indexOf(name) === i,
  )
  const batches = await readBatchesOf(store, finding.release, names, started[0]!.seq, finding.seq)
  const evidence = emptyEvidence(finding.release)
  const steps: Step[] = []
  let breach: Breach | null = null
  for (const [i, batch] of batches.entries()) {
    const before = i === 0 ? 0 : batches[i - 1]!.seq
    const notes = restartsBetween(choices, before, batch.seq, evidence, tests)
    const judgement = stepOf(evidence, batch, tests, choices, notes)
    if (!judgement) continue
    const state = evidenceOf(evidence, test)
    const view = judgement.triggers.find((one) => one.trigger === test.trigger.name)
    for (const one of judgement.breaches) {
      notes.push(`${one.trigger} crossed its line`)
      if (batch.seq === finding.seq && one.triggerHash === finding.triggerHash) breach = one
    }
    if (state && view)
      steps.push({
        seq: batch.seq,
        atMs: batch.clockMs,
        trials: state.trials,
        hits: state.hits,
        logE: view.logE,
        line: view.logThreshold,
        jointLogE: judgement.logE,
        jointLine: judgement.logThreshold,
        note: notes.join('; '),
      })
  }
  const state = evidenceOf(evidence, test)
  if (!state || steps.length === 0)
    throw new AndonError('unknown', 'the deltas that this decision rests on are no longer stored (store.retentionDays)')
  return {
    trigger: test.trigger,
    baseline: state.baseline,
    steps,
    minutes: minutesOf(batches, finding, test.trigger, state.baseline),
    breach,
    differences: differencesOf(finding, breach),
  }
}

/** The triggers that were judged together when the finding was made, as they were written then. */
function testsInForce(choices: readonly Choice[], finding: Finding): Test[] {
  const made = choices.filter((choice) => choice.kind !== 'restarted')
  const inForce = made.findLast((choice) => choice.inForce.includes(finding.triggerHash))?.inForce ?? []
  const triggers = inForce.map((hash) => made.find((choice) => choice.triggerHash === hash)?.trigger)
  return testsOf(triggers.filter((trigger) => trigger !== undefined))
}

function restartsBetween(
  choices: readonly Choice[],
  afterSeq: number,
  beforeSeq: number,
  evidence: ReleaseEvidence,
  tests: readonly Test[],
): string[] {
  const notes: string[] = []
  for (const choice of choices) {
    if (choice.kind !== 'restarted' || choice.seq < afterSeq || choice.seq >= beforeSeq) continue
    restartEvidence(evidence, tests, choice.trigger, choice.overrides, choice.clockMs)
    notes.push(`a person overrode the pause: evidence anew, alpha ÷ ${2 ** choice.overrides}`)
  }
  return notes
}

/** One batch as the detector takes it; null when the release was not touched by it. */
function stepOf(
  evidence: ReleaseEvidence,
  batch: DeltaBatch,
  tests: readonly Test[],
  choices: readonly Choice[],
  notes: string[],
): Judgement | null {
  const byRelease = Map.groupBy(batch.deltas, (delta) => releaseKeyOf(delta))
  const watched = evidence.triggers.flatMap(({ baseline }) =>
    baseline.mode === 'concurrent' ? [baseline.against] : [],
  )
  const keys = [evidence.release.release, ...watched].map((release) => releaseKeyOf({ ...evidence.release, release }))
  if (!keys.some((key) => byRelease.has(key))) return null
  const madeFor = (test: Test, kind: 'chosen' | 'switched', seq?: number) =>
    choices.findLast(
      (choice) =>
        choice.kind === kind && choice.triggerHash === test.trigger.hash && (seq === undefined || choice.seq === seq),
    )
  const begins = tests.filter((test) => !evidenceOf(evidence, test) && (madeFor(test, 'chosen')?.seq ?? 0) <= batch.seq)
  const known = tests.filter((test) => evidenceOf(evidence, test) || begins.includes(test))
  applyBatch(evidence, batch, byRelease, known, (test) => baselineOf(madeFor(test, 'chosen')))
  const judgement = judge(evidence, known)
  for (const test of known) {
    const running = evidenceOf(evidence, test)
    if (!running || !hasHandedOver(running)) continue
    const choice = madeFor(test, 'switched', batch.seq)
    if (!choice) continue
    switchBaseline(running, test, baselineOf(choice), batch.clockMs)
    notes.push(`${test.trigger.name}: ${running.baseline.reason}`)
  }
  return judgement
}

function baselineOf(choice: Choice | undefined): Baseline {
  if (!choice || choice.kind === 'restarted') throw new AndonError('unknown', 'the baseline of a trigger is not stored')
  return choice.baseline
}

function minutesOf(
  batches: readonly DeltaBatch[],
  finding: Finding,
  trigger: JudgedTrigger,
  { fromBin }: Baseline,
): MinuteCounts[] {
  const byMinute = new Map<number, { trials: number; hits: number }>()
  const { channel, queue } = trigger.match
  for (const { deltas } of batches)
    for (const delta of readBy(fromBin, deltas)) {
      if (delta.signal !== trigger.signal || delta.release !== finding.release.release) continue
      if ((channel !== undefined && delta.channel !== channel) || (queue !== undefined && delta.queue !== queue))
        continue
      if (delta.measure !== 'trials' && delta.measure !== 'hits') continue
      const counts = byMinute.get(delta.minuteMs) ?? { trials: 0, hits: 0 }
      counts[delta.measure] += delta.n
      byMinute.set(delta.minuteMs, counts)
    }
  return [...byMinute].sort(([a], [b]) => a - b).map(([minuteMs, counts]) => ({ minuteMs, ...counts }))
}

/** Figures that must be the same to the last bit. */
const COMPARED = ['logE', 'logThreshold', 'trials', 'hits', 'baseline', 'onsetMs', 'onsetLowMs', 'onsetHighMs'] as const

function differencesOf(finding: Finding, breach: Breach | null): string[] {
  if (!breach) return [`the record says breach at batch ${finding.seq}; the replay came to none there`]
  return COMPARED.flatMap((name) =>
    breach[name] === finding[name]
      ? []
      : [`${name} was recorded as ${finding[name]}, the replay gives ${breach[name]}`],
  )
}
