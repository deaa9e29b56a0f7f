import { DRILL, isDrill } from '../facts/drill.ts'
import { type Release, releaseKeyOf } from '../facts/slice.ts'
import { type Baseline, designsOf, writtenBaselineOf } from './baseline.ts'
import { type Ceiling, emptyCeiling, overCeiling, seeCeiling } from './ceiling.ts'
import { designTest, type TestDesign } from './sequential/design.ts'
import { SHIPPED } from './sequential/effects.ts'
import type { BinMeasure } from './signals/value-bins.ts'
import {
  advanceStream,
  feedArms,
  feedRate,
  type HitMeasure,
  newStream,
  pooledDesign,
  type Stream,
  sliceDesign,
  streamLogE,
} from './streams.ts'
import type { JudgedTrigger } from './triggers.ts'
import { readBy } from './usual.ts'

/** What one batch changed in one count: a row of `deltas`, summed per batch. */
export type Delta = Readonly<{
  signal: string
  measure:
    | 'trials'
    | 'capped_hits'
    | 'release_capped_hits'
    | 'hits'
    | 'contacts'
    | 'identified'
    | 'sampled'
    | BinMeasure
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
export type LeafEvidence = { channel: string; queue: string; stream: Stream }

export type TriggerEvidence = {
  /** Hash of the trigger: another hash is another test and starts anew. */
  hash: string
  baseline: Baseline
  /** Counts of the streams below, since they began. */
  trials: number
  hits: number
  pooled: Stream
  leaves: LeafEvidence[]
  /** Contacts begun before this do not count: a test that restarts owes nothing for them. Null: all count. */
  fromMs: number | null
  /** Pauses by this trigger that a person overrode: each halves the alpha of what follows. */
  overrides: number
  /** Trials of both arms since the last look at who serves the traffic; only against a concurrent release. */
  arms: { candidate: number; stable: number }
  ceiling: Ceiling
  /** Batch that first carried this trigger over its own line, null before; kept so that a breach is told once. */
  breachedSeq: number | null
}

/** Everything the detector knows of one release: plain data, bounded, stored with the batch it rests on. */
export type ReleaseEvidence = {
  version: typeof EVIDENCE_VERSION
  release: Release
  seq: number
  clockMs: number
  contacts: number
  identified: number
  sampled: number
  firstContactMs: number | null
  lastContactMs: number | null
  triggers: TriggerEvidence[]
  /** Batch in which the joint evidence of the triggers that pause first crossed its line, or a ceiling was crossed. */
  breachedSeq: number | null
}

/**
 * Evidence of another version is computed again from the deltas: raise it whenever the shape of a state, or the priors and cells that ship,
 * change, as a stream continues only under the design that started it.
 */
export const EVIDENCE_VERSION = 4
/** Names come from outside: a release that spreads over more leaves than this is judged pooled beyond them. */
export const MAX_LEAVES = 24
/** Evidence of triggers that changed is kept beside the present one, the latest this many in all. */
const MAX_TRIGGERS = 64
/** A stable release that keeps less of the traffic than this teaches too little: another baseline takes over … */
export const LEAST_STABLE_SHARE = 0.2
/** … decided each time the candidate had this many trials. */
const LOOK_TRIALS = 50

export type Test = Readonly<{
  trigger: JudgedTrigger
  /** The test against the written rate. */
  design: TestDesign
}>

/** Derives the tests of a configuration; never stored, so a state meets exactly the design that made it. */
export const testsOf = (triggers: readonly JudgedTrigger[]): Test[] =>
  triggers.map((trigger) => ({
    trigger,
    design: designTest({
      ...SHIPPED,
      baseline: trigger.baseline,
      tolerance: trigger.tolerance,
      hitsAre: trigger.hitsAre,
      ...(trigger.ageProfile && { ageProfile: trigger.ageProfile }),
    }),
  }))

export const emptyEvidence = (release: Release): ReleaseEvidence => ({
  version: EVIDENCE_VERSION,
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

/** Drills are judged by their own trigger and by no other: those of the configuration share one alpha, which it would overdraw. */
export const isFor = ({ trigger }: Test, release: Release): boolean =>
  isDrill(release) === (trigger.name === DRILL.trigger) &&
  (trigger.match.agent === undefined || trigger.match.agent === release.agent)

/** Deltas of every release in a batch, by release key: a comparison reads two of them. */
export type BatchByRelease = ReadonlyMap<string, readonly Delta[]>

/**
 * Advances the evidence of one release by one batch, in place; false for a batch that it has seen. Deterministic: the same batches and
 * baselines give the same state bit for bit, whenever and in however many runs they are read.
 *
 * Evidence is never rewound. What moves inside a batch (a contact that takes another start or slice) is neither new exposure
 * nor a new hit; what leaves a stream stops being at risk from now on.
 */
export function applyBatch(
  evidence: ReleaseEvidence,
  batch: Readonly<{ seq: number; clockMs: number }>,
  byRelease: BatchByRelease,
  tests: readonly Test[],
  chosen: (test: Test) => Baseline = ({ trigger }) => writtenBaselineOf(trigger, ''),
): boolean {
  if (batch.seq <= evidence.seq) return false
  evidence.seq = batch.seq
  evidence.clockMs = Math.max(evidence.clockMs, batch.clockMs)
  const deltas = byRelease.get(releaseKeyOf(evidence.release)) ?? []
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
    if (!isFor(test, evidence.release)) continue
    const state = evidenceOf(evidence, test) ?? startTest(evidence, test, chosen(test))
    const { against } = state.baseline
    const stable = against === '' ? [] : (byRelease.get(releaseKeyOf({ ...evidence.release, release: against })) ?? [])
    applyToTrigger(state, test, batch.clockMs, deltas, stable)
  }
  return true
}

export const evidenceOf = (evidence: ReleaseEvidence, { trigger }: Test): TriggerEvidence | undefined =>
  evidence.triggers.find((candidate) => candidate.hash === trigger.hash)

function startTest(evidence: ReleaseEvidence, test: Test, baseline: Baseline): TriggerEvidence {
  const fresh = freshEvidence(test, baseline)
  evidence.triggers.push(fresh)
  if (evidence.triggers.length > MAX_TRIGGERS) evidence.triggers.shift()
  return fresh
}

const freshEvidence = ({ trigger }: Test, baseline: Baseline): TriggerEvidence => ({
  hash: trigger.hash,
  baseline,
  trials: 0,
  hits: 0,
  pooled: newStream(pooledDesign(designsOf(baseline, trigger))),
  leaves: [],
  fromMs: null,
  overrides: 0,
  arms: { candidate: 0, stable: 0 },
  ceiling: emptyCeiling(),
  breachedSeq: null,
})

function applyToTrigger(
  state: TriggerEvidence,
  { trigger }: Test,
  clockMs: number,
  deltas: readonly Delta[],
  stableDeltas: readonly Delta[],
): void {
  const { channel, queue } = trigger.match
  const isMine = (delta: Delta) =>
    delta.signal === trigger.signal &&
    (channel === undefined || delta.channel === channel) &&
    (queue === undefined || delta.queue === queue) &&
    (state.fromMs === null || delta.minuteMs >= state.fromMs)
  const { baseline } = state
  const mine = readBy(baseline.fromBin, deltas.filter(isMine))
  const stable = readBy(baseline.fromBin, stableDeltas.filter(isMine))
  const seen = { trials: sumOf(mine, 'trials'), hits: sumOf(mine, 'hits') }
  state.trials += seen.trials
  state.hits += seen.hits
  if (trigger.ceiling) seeCeiling(state.ceiling, trigger.ceiling, seen)
  if (baseline.mode === 'none') return
  const designs = designsOf(baseline, trigger)
  // The cap per customer holds per release for the pooled stream, per slice for leaves and for a trigger bound to a slice.
  const pooledHits: HitMeasure = channel !== undefined || queue !== undefined ? 'capped_hits' : 'release_capped_hits'
  const pooled = pooledDesign(designs)
  advanceStream(pooled, state.pooled, clockMs)
  for (const leaf of state.leaves) advanceStream(sliceDesign(designs, leaf.channel, leaf.queue), leaf.stream, clockMs)
  const bySlice = Map.groupBy(mine.filter(isOfSlice), keyOf)
  for (const key of bySlice.keys()) leafOf(state, designs, key, clockMs)
  if (state.pooled.rate) feedRate(pooled.rate, state.pooled.rate, mine, pooledHits, clockMs, baseline)
  if (state.pooled.arms) {
    state.arms.candidate += Math.max(0, seen.trials)
    state.arms.stable += Math.max(0, sumOf(stable, 'trials'))
    const indexOf = (delta: Delta) => sliceIndex(state, delta)
    feedArms(pooled.arms!, state.pooled.arms, { candidate: mine, stable }, pooledHits, clockMs, indexOf)
  }
  const stableBySlice = Map.groupBy(stable.filter(isOfSlice), keyOf)
  for (const leaf of state.leaves) {
    const key = `${leaf.channel}\u001f${leaf.queue}`
    const [candidate, other] = [bySlice.get(key) ?? [], stableBySlice.get(key) ?? []]
    const design = sliceDesign(designs, leaf.channel, leaf.queue)
    if (leaf.stream.rate) feedRate(design.rate, leaf.stream.rate, candidate, 'capped_hits', clockMs, null)
    if (leaf.stream.arms)
      feedArms(design.arms!, leaf.stream.arms, { candidate, stable: other }, 'capped_hits', clockMs, () => 0)
  }
}

const isOfSlice = ({ measure }: Delta) => measure === 'trials' || measure === 'capped_hits'
const keyOf = ({ channel, queue }: Delta) => `${channel}\u001f${queue}`
const sumOf = (deltas: readonly Delta[], measure: Delta['measure']): number =>
  deltas.reduce((sum, delta) => sum + (delta.measure === measure ? delta.n : 0), 0)

/** Slices of the baseline keep its order, others follow in order of appearance; what has no leaf shares the last index. */
function sliceIndex({ baseline, leaves }: TriggerEvidence, { channel, queue }: Delta): number {
  const isSame = (one: { channel: string; queue: string }) => one.channel === channel && one.queue === queue
  const known = baseline.slices.findIndex(isSame)
  if (known >= 0) return known
  const leaf = leaves.findIndex(isSame)
  return baseline.slices.length + (leaf >= 0 ? leaf : MAX_LEAVES)
}

function leafOf(state: TriggerEvidence, designs: ReturnType<typeof designsOf>, key: string, clockMs: number): void {
  const [channel = '', queue = ''] = key.split('\u001f')
  if (state.leaves.some((leaf) => leaf.channel === channel && leaf.queue === queue)) return
  if (state.leaves.length >= MAX_LEAVES) return
  const design = sliceDesign(designs, channel, queue)
  const stream = newStream(design)
  advanceStream(design, stream, clockMs)
  state.leaves.push({ channel, queue, stream })
}

/**
 * Whether the stable release no longer serves enough of the traffic to be compared with. Looked at each time the candidate had another
 * fifty trials; resets what it looked at.
 */
export function hasHandedOver(state: TriggerEvidence): boolean {
  if (state.baseline.mode !== 'concurrent' || state.arms.candidate < LOOK_TRIALS) return false
  const { candidate, stable } = state.arms
  state.arms = { candidate: 0, stable: 0 }
  return stable / (candidate + stable) < LEAST_STABLE_SHARE
}

/**
 * Goes on against another baseline from `clockMs`: the evidence so far is the fortune that the next test begins with (a product of
 * e-processes, the second begun after the first, is one). Contacts begun before stay with the test that ends.
 */
export function switchBaseline(state: TriggerEvidence, { trigger }: Test, baseline: Baseline, clockMs: number): void {
  const before = designsOf(state.baseline, trigger)
  const after = designsOf(baseline, trigger)
  state.pooled = newStream(pooledDesign(after), streamLogE(pooledDesign(before), state.pooled))
  for (const leaf of state.leaves) {
    const carried = streamLogE(sliceDesign(before, leaf.channel, leaf.queue), leaf.stream)
    leaf.stream = newStream(sliceDesign(after, leaf.channel, leaf.queue), carried)
  }
  state.baseline = baseline
  state.fromMs = clockMs
  state.arms = { candidate: 0, stable: 0 }
}

/**
 * Starts the evidence anew after a person overrode a pause; contacts begun before `clockMs` no longer count. Triggers that can pause
 * share one alpha, so they restart together; one that only notifies restarts alone.
 */
export function restartEvidence(
  evidence: ReleaseEvidence,
  tests: readonly Test[],
  triggerName: string,
  overrides: number,
  clockMs: number,
): void {
  const named = tests.find(({ trigger }) => trigger.name === triggerName)
  if (!named) return
  for (const test of tests) {
    if (test !== named && !(isActing(test) && isActing(named))) continue
    const state = evidenceOf(evidence, test)
    if (!state || state.overrides >= overrides) continue
    Object.assign(state, { ...freshEvidence(test, state.baseline), overrides, fromMs: clockMs })
  }
  if (isActing(named)) evidence.breachedSeq = null
}

export const isActing = ({ trigger }: Test): boolean => !trigger.shadow && trigger.action !== 'notify'

/** Pauses that a person overrode so far: what the alpha of the release is divided by, as a power of two. */
export const overridesOf = (evidence: ReleaseEvidence, tests: readonly Test[]): number =>
  Math.max(0, ...tests.filter(isActing).map((test) => evidenceOf(evidence, test)?.overrides ?? 0))

export const isOverCeiling = (state: TriggerEvidence, { trigger }: Test): boolean =>
  trigger.ceiling !== null && overCeiling(state.ceiling, trigger.ceiling)

/** log E of pooled and leaves. */
export function evidenceLogs(state: TriggerEvidence, { trigger }: Test): { pooledLogE: number; leafLogEs: number[] } {
  const designs = designsOf(state.baseline, trigger)
  return {
    pooledLogE: streamLogE(pooledDesign(designs), state.pooled),
    leafLogEs: state.leaves.map((leaf) => streamLogE(sliceDesign(designs, leaf.channel, leaf.queue), leaf.stream)),
  }
}
