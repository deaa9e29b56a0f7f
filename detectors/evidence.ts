import type { Release } from '../facts/slice.ts'
import { designTest, type TestDesign } from './sequential/design.ts'
import {
  addHits,
  addTrials,
  advance,
  createStream,
  logE,
  removeTrials,
  type StreamState,
} from './sequential/known-rate.ts'
import type { JudgedTrigger } from './triggers.ts'

/** What one batch changed in one count: a row of `deltas`, summed per batch. */
export type Delta = Readonly<{
  signal: string
  measure: 'trials' | 'capped_hits' | 'release_capped_hits' | 'hits' | 'contacts' | 'identified' | 'sampled'
  environment: string
  agent: string
  release: string
  channel: string
  queue: string
  minuteMs: number
  n: number
}>

export type DeltaBatch = Readonly<{ seq: number; clockMs: number; deltas: readonly Delta[] }>

/** Evidence of one channel × queue of a release; leaves keep the order of their first appearance, as their weights depend on it. */
export type LeafEvidence = { channel: string; queue: string; stream: StreamState }

export type TriggerEvidence = {
  /** Hash of the trigger: another hash is another test and starts anew. */
  hash: string
  trials: number
  hits: number
  pooled: StreamState
  leaves: LeafEvidence[]
  /** Batch that first carried this trigger over its own line, null before; kept so that a breach is told once. */
  breachedSeq: number | null
}

/** Everything the detector knows of one release: plain data, bounded, stored with the batch it rests on. */
export type ReleaseEvidence = {
  release: Release
  seq: number
  clockMs: number
  contacts: number
  identified: number
  sampled: number
  firstContactMs: number | null
  lastContactMs: number | null
  triggers: TriggerEvidence[]
  /** Batch in which the joint evidence of the triggers that pause first crossed its line. */
  breachedSeq: number | null
}

/** Names come from outside: a release that spreads over more leaves than this is judged pooled beyond them. */
export const MAX_LEAVES = 24

export type Test = Readonly<{ trigger: JudgedTrigger; design: TestDesign }>

/** Derives the tests of a configuration; never stored, so a state meets exactly the design that made it. */
export const testsOf = (triggers: readonly JudgedTrigger[]): Test[] =>
  triggers.map((trigger) => ({
    trigger,
    design: designTest({
      baseline: trigger.baseline,
      tolerance: trigger.tolerance,
      ...(trigger.ageProfile && { ageProfile: trigger.ageProfile }),
    }),
  }))

export const emptyEvidence = (release: Release): ReleaseEvidence => ({
  release,
  seq: 0,
  clockMs: 0,
  contacts: 0,
  identified: 0,
  sampled: 0,
  firstContactMs: null,
  lastContactMs: null,
  triggers: [],
  breachedSeq: null,
})

/**
 * Advances the evidence of one release by one batch, in place. Deterministic: the same batches give the same state bit for bit,
 * whenever and in however many runs they are read, so a batch that the state has seen is skipped.
 *
 * Evidence is never rewound. What moves inside a batch (a contact that takes another start or slice) is neither new exposure
 * nor a new hit; what leaves a stream stops being at risk from now on.
 */
export function applyBatch(
  evidence: ReleaseEvidence,
  batch: DeltaBatch,
  deltas: readonly Delta[],
  tests: readonly Test[],
): void {
  if (batch.seq <= evidence.seq) return
  evidence.seq = batch.seq
  evidence.clockMs = Math.max(evidence.clockMs, batch.clockMs)
  for (const delta of deltas) {
    if (delta.signal !== '') continue
    if (delta.measure === 'contacts') {
      evidence.contacts += delta.n
      if (delta.n > 0) {
        evidence.firstContactMs = Math.min(evidence.firstContactMs ?? delta.minuteMs, delta.minuteMs)
        evidence.lastContactMs = Math.max(evidence.lastContactMs ?? delta.minuteMs, delta.minuteMs)
      }
    } else if (delta.measure === 'identified') evidence.identified += delta.n
    else if (delta.measure === 'sampled') evidence.sampled += delta.n
  }
  for (const test of tests) {
    if (test.trigger.match.agent !== undefined && test.trigger.match.agent !== evidence.release.agent) continue
    applyToTrigger(evidenceOf(evidence, test), test, batch, deltas)
  }
}

function evidenceOf(evidence: ReleaseEvidence, { trigger, design }: Test): TriggerEvidence {
  const found = evidence.triggers.find((candidate) => candidate.hash === trigger.hash)
  if (found) return found
  const fresh: TriggerEvidence = {
    hash: trigger.hash,
    trials: 0,
    hits: 0,
    pooled: createStream(design),
    leaves: [],
    breachedSeq: null,
  }
  evidence.triggers.push(fresh)
  return fresh
}

function applyToTrigger(
  state: TriggerEvidence,
  { trigger, design }: Test,
  batch: DeltaBatch,
  deltas: readonly Delta[],
): void {
  const { channel, queue } = trigger.match
  const bound = channel !== undefined || queue !== undefined
  const mine = deltas.filter(
    (delta) =>
      delta.signal === trigger.signal &&
      (channel === undefined || delta.channel === channel) &&
      (queue === undefined || delta.queue === queue),
  )
  for (const delta of mine) {
    if (delta.measure === 'trials') state.trials += delta.n
    if (delta.measure === 'hits') state.hits += delta.n
  }
  advance(design, state.pooled, batch.clockMs)
  for (const leaf of state.leaves) advance(design, leaf.stream, batch.clockMs)
  // The cap per customer holds per release for the pooled stream, per slice for leaves and for a trigger bound to a slice.
  const pooledHits = bound ? 'capped_hits' : 'release_capped_hits'
  move(design, state.pooled, mine, 'trials', batch.clockMs)
  move(design, state.pooled, mine, pooledHits, batch.clockMs)
  for (const [key, ofLeaf] of Map.groupBy(
    mine.filter((delta) => delta.measure === 'trials' || delta.measure === 'capped_hits'),
    (delta) => `${delta.channel}\u001f${delta.queue}`,
  )) {
    const stream = leafOf(state, design, key, batch.clockMs)
    if (!stream) continue
    move(design, stream, ofLeaf, 'trials', batch.clockMs)
    move(design, stream, ofLeaf, 'capped_hits', batch.clockMs)
  }
}

function leafOf(state: TriggerEvidence, design: TestDesign, key: string, clockMs: number): StreamState | null {
  const [channel = '', queue = ''] = key.split('\u001f')
  const found = state.leaves.find((leaf) => leaf.channel === channel && leaf.queue === queue)
  if (found) return found.stream
  if (state.leaves.length >= MAX_LEAVES) return null
  const stream = createStream(design)
  advance(design, stream, clockMs)
  state.leaves.push({ channel, queue, stream })
  return stream
}

/** Adds what is new, minute by minute; what was only moved inside the batch cancels, the oldest first. */
function move(
  design: TestDesign,
  stream: StreamState,
  deltas: readonly Delta[],
  measure: Delta['measure'],
  clockMs: number,
): void {
  const byMinute = new Map<number, number>()
  for (const delta of deltas)
    if (delta.measure === measure) byMinute.set(delta.minuteMs, (byMinute.get(delta.minuteMs) ?? 0) + delta.n)
  if (byMinute.size === 0) return
  const minutes = [...byMinute].sort(([a], [b]) => a - b)
  let moved = minutes.reduce((sum, [, n]) => sum + Math.max(0, -n), 0)
  for (const [minuteMs, n] of minutes) {
    if (n <= 0) continue
    const cancelled = Math.min(moved, n)
    moved -= cancelled
    // A start ahead of the clock (a late clock, a wrong one) is taken as now.
    const cohortMs = Math.min(minuteMs, clockMs)
    if (measure === 'trials') addTrials(design, stream, cohortMs, n - cancelled)
    else addHits(design, stream, cohortMs, n - cancelled)
  }
  if (measure !== 'trials' || moved === 0) return
  for (const [minuteMs, n] of minutes) {
    if (n >= 0 || moved === 0) continue
    const left = Math.min(moved, -n)
    moved -= left
    removeTrials(design, stream, Math.min(minuteMs, clockMs), left)
  }
}

/** log E of pooled and leaves. */
export const evidenceLogs = (
  state: TriggerEvidence,
  design: TestDesign,
): { pooledLogE: number; leafLogEs: number[] } => ({
  pooledLogE: logE(design, state.pooled),
  leafLogEs: state.leaves.map((leaf) => logE(design, leaf.stream)),
})
