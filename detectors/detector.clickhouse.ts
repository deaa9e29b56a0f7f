import type { ClickHouseClient } from '@clickhouse/client'
import type { Finding } from '../facts/finding.ts'
import type { ReleaseView, SliceStanding } from '../facts/overview.ts'
import { type Release, releaseKeyOf } from '../facts/slice.ts'
import type { Clock } from '../lib/clock.ts'
import { AndonError } from '../lib/errors.ts'
import type { Log } from '../lib/log.ts'
import { type Choice, type Choices, openChoices } from './choices.clickhouse.ts'
import { completed } from './complete.clickhouse.ts'
import {
  applyBatch,
  type BatchByRelease,
  type Delta,
  type DeltaBatch,
  emptyEvidence,
  evidenceOf,
  hasHandedOver,
  isActing,
  isFor,
  overridesOf,
  type ReleaseEvidence,
  restartEvidence,
  switchBaseline,
  type Test,
  testsOf,
} from './evidence.ts'
import { loadEvidence, storeEvidence } from './evidence-store.clickhouse.ts'
import type { History } from './history.clickhouse.ts'
import { type Judgement, judge } from './judge.ts'
import { baselineFor } from './past.clickhouse.ts'
import { readBatches } from './read-batches.clickhouse.ts'
import { logThreshold } from './sequential/combine.ts'
import type { JudgedTrigger } from './triggers.ts'

export type DetectorOptions = Readonly<{
  store: ClickHouseClient
  triggers: readonly JudgedTrigger[]
  /** Environments whose releases are judged; the others are counted only. */
  judgedEnvironments: readonly string[]
  clock: Clock
  /** In replay and demo a decision is made at the clock of its batch, live at the wall clock. */
  clockMode: 'wall' | 'event'
  /** Called once per breach, before the cursor moves past its batch: a finding that was not taken is told again. */
  onBreach: (finding: Finding) => Promise<void>
  /** Where boards find how evidence moved; absent keeps none. */
  history?: History
  log: Log
  /** Default true. False for a look at a store that must not change: nothing is written. */
  write?: boolean
}>

/** What an overridden pause costs: the tests of the release go on at a smaller alpha, from new contacts only. */
export type Restart = Readonly<{ overrides: number; alphaSpent: number; alphaNext: number; logThreshold: number }>

export type Detector = Readonly<{
  /** Reads the batches that are new and judges what they changed. Its cost depends on the new deltas only. */
  tick: () => Promise<TickMeasures>
  /** Stores the evidence with its cursor: a restart reads only what came after. */
  save: () => Promise<void>
  /**
   * Call when a person overrode the pause of this release by this trigger (the release is healthy, it goes on). Evidence starts anew
   * at half the alpha of the last one; all triggers that can pause restart together, as they share it. Journaled before it takes
   * effect, so a restart or a replay does the same at the same batch. Throws AndonError `unknown` for a release or trigger without
   * evidence.
   */
  restartAfterOverride: (release: Release, trigger: string) => Promise<Restart>
  views: () => ReleaseView[]
  seq: () => number
}>

export type TickMeasures = Readonly<{
  batches: number
  deltas: number
  seq: number
  breaches: number /** There may be more than one read holds. */
  more: boolean
}>

/** Batches read at once: bounds memory when a long history is caught up. */
const BATCHES_PER_READ = 500

/** Everything that one detector knows; `watchers`: releases whose evidence also reads another release, by that one's key. */
type State = {
  options: DetectorOptions
  tests: Test[]
  choices: Choices
  releases: Map<string, ReleaseEvidence>
  judgements: Map<string, Judgement>
  watchers: Map<string, Set<string>>
  changed: Set<string>
  cursor: number
}

/**
 * Deltas become findings. Evidence is a fold over batches in the order of their acceptance, so reading it in other portions, or again
 * after a restart, gives the same decisions at the same batches.
 */
export async function createDetector(options: DetectorOptions): Promise<Detector> {
  const { store } = options
  const tests = testsOf(options.triggers)
  const releases = new Map<string, ReleaseEvidence>()
  const cursor = await loadEvidence(store, releases)
  const state: State = {
    options,
    tests,
    choices: await openChoices(store, { write: options.write !== false, fromSeq: cursor }),
    releases,
    judgements: new Map(),
    watchers: new Map(),
    changed: new Set(),
    cursor,
  }
  replayRestarts(state, cursor) // one may have come after the evidence was stored
  for (const [key, evidence] of releases) {
    state.judgements.set(key, judge(evidence, tests))
    watch(state, key, evidence)
  }
  // one at a time: a person's override waits for the batches that are being judged
  let last: Promise<unknown> = Promise.resolve()
  const inTurn = <T>(work: () => Promise<T>): Promise<T> => {
    const next = last.then(work, work)
    last = next.catch(() => {})
    return next
  }
  return {
    tick: () => inTurn(() => tick(state)),
    save: () => inTurn(() => save(state)),
    restartAfterOverride: (release, trigger) => inTurn(() => restart(state, release, trigger)),
    views: () => [...state.releases].map(([key, evidence]) => lookAt(state, evidence, state.judgements.get(key)!)),
    seq: () => state.cursor,
  }
}

const isJudged = ({ options }: State, release: Release): boolean =>
  release.agent !== '' && release.release !== '' && options.judgedEnvironments.includes(release.environment)

async function tick(state: State): Promise<TickMeasures> {
  const batches = await readBatches(state.options.store, state.cursor, BATCHES_PER_READ)
  let breaches = 0
  for (const batch of batches) {
    const byRelease: BatchByRelease = Map.groupBy(batch.deltas, (delta) => releaseKeyOf(delta))
    const touched = new Set(byRelease.keys())
    for (const key of byRelease.keys()) for (const watcher of state.watchers.get(key) ?? []) touched.add(watcher)
    for (const key of [...touched].sort()) breaches += await step(state, key, batch, byRelease)
    replayRestarts(state, batch.seq)
    state.cursor = batch.seq
  }
  await state.options.history?.store(breaches > 0)
  return {
    batches: batches.length,
    deltas: batches.reduce((sum, batch) => sum + batch.deltas.length, 0),
    seq: state.cursor,
    breaches,
    more: batches.length === BATCHES_PER_READ,
  }
}

/** One release, one batch: baselines for tests that begin, evidence, judgement, a baseline that no longer serves. */
async function step(state: State, key: string, batch: DeltaBatch, byRelease: BatchByRelease): Promise<number> {
  const { options, releases, judgements } = state
  const [first] = byRelease.get(key) ?? []
  const evidence = releases.get(key) ?? emptyEvidence(releaseOf(first!))
  const tests = isJudged(state, evidence.release) ? state.tests.filter((test) => isFor(test, evidence.release)) : []
  if (batch.seq > evidence.seq) await chooseMissing(state, key, evidence, tests, batch)
  releases.set(key, evidence)
  const chosen = (test: Test) => choiceOf(state, key, test, 'chosen')!.baseline
  if (!applyBatch(evidence, batch, byRelease, tests, chosen)) return 0
  state.changed.add(key)
  const judgement = judge(evidence, tests)
  judgements.set(key, judgement)
  options.history?.note(lookAt(state, evidence, judgement), touched(judgement, byRelease.get(key) ?? []), batch)
  for (const breach of judgement.breaches) {
    const { baseline } = evidence.triggers.find(({ hash }) => hash === breach.triggerHash)!
    const decidedAtMs = options.clockMode === 'wall' ? options.clock.nowMs() : batch.clockMs
    await options.onBreach(await completed(options.store, breach, baseline, { ...batch, decidedAtMs }))
  }
  await switchMissing(state, key, evidence, tests, batch)
  watch(state, key, evidence)
  return judgement.breaches.length
}

/** Slices that the batch brought something of: the history of the others has nothing new to say. */
function touched({ slices }: Judgement, deltas: readonly Delta[]): SliceStanding[] {
  const keys = new Set(deltas.map(({ channel, queue }) => `${channel}\u001f${queue}`))
  return slices.filter(({ channel, queue }) => keys.has(`${channel}\u001f${queue}`))
}

const releaseOf = ({ environment, agent, release }: Release): Release => ({ environment, agent, release })

type Chosen = Extract<Choice, { kind: 'chosen' | 'switched' }>

function choiceOf(
  state: State,
  key: string,
  { trigger }: Test,
  kind: Chosen['kind'],
  seq?: number,
): Chosen | undefined {
  return state.choices
    .of(key)
    .findLast(
      (choice): choice is Chosen =>
        choice.kind === kind && choice.triggerHash === trigger.hash && (seq === undefined || choice.seq === seq),
    )
}

/** A test that begins with this batch takes its baseline from what was accepted before it; one that began before keeps its own. */
async function chooseMissing(
  state: State,
  key: string,
  evidence: ReleaseEvidence,
  tests: readonly Test[],
  batch: DeltaBatch,
): Promise<void> {
  const missing = tests.filter((test) => !evidenceOf(evidence, test) && !choiceOf(state, key, test, 'chosen'))
  if (missing.length === 0) return
  const inForce = tests.map(({ trigger }) => trigger.hash)
  const sound = breachedIn(state, evidence)
  // side by side: the first batch of a release waits for all of them
  const baselines = await Promise.all(
    missing.map(({ trigger }) => baselineFor(state.options.store, trigger, evidence.release, batch, sound)),
  )
  const fresh: Choice[] = []
  for (const [index, { trigger }] of missing.entries()) {
    const baseline = baselines[index]!
    fresh.push({
      releaseKey: key,
      triggerHash: trigger.hash,
      seq: batch.seq,
      kind: 'chosen',
      trigger,
      baseline,
      inForce,
    })
    state.options.log.info(
      { release: evidence.release, trigger: trigger.name, baseline: baseline.mode, reason: baseline.reason },
      'a baseline was chosen',
    )
  }
  await state.choices.add(fresh)
}

/** A stable release that handed its traffic over gives way to the next baseline in line, after this batch. */
async function switchMissing(
  state: State,
  key: string,
  evidence: ReleaseEvidence,
  tests: readonly Test[],
  batch: DeltaBatch,
): Promise<void> {
  for (const test of tests) {
    const { trigger } = test
    const running = evidenceOf(evidence, test)
    if (!running || !hasHandedOver(running) || trigger.baselineMode === 'concurrent') continue
    let choice = choiceOf(state, key, test, 'switched', batch.seq)
    if (!choice) {
      const without = ['concurrent'] as const
      const sound = breachedIn(state, evidence)
      const after = { seq: batch.seq + 1, clockMs: batch.clockMs }
      const baseline = await baselineFor(state.options.store, trigger, evidence.release, after, sound, without)
      const inForce = tests.map((one) => one.trigger.hash)
      const id = { releaseKey: key, triggerHash: trigger.hash, seq: batch.seq }
      choice = { ...id, kind: 'switched', trigger, baseline, inForce }
      await state.choices.add([choice])
    }
    switchBaseline(running, test, choice.baseline, batch.clockMs)
  }
}

/** Whether another release of the same agent was found bad by a trigger that can pause. */
function breachedIn(state: State, { release }: ReleaseEvidence): (name: string) => boolean {
  return (name) => (state.releases.get(releaseKeyOf({ ...release, release: name }))?.breachedSeq ?? null) !== null
}

/** Notes which releases this one is compared with: their batches move its evidence as well. */
function watch(state: State, key: string, evidence: ReleaseEvidence): void {
  for (const watching of state.watchers.values()) watching.delete(key)
  for (const { baseline } of evidence.triggers) {
    if (baseline.mode !== 'concurrent') continue
    const against = releaseKeyOf({ ...evidence.release, release: baseline.against })
    state.watchers.set(against, (state.watchers.get(against) ?? new Set()).add(key))
  }
}

async function restart(state: State, release: Release, trigger: string): Promise<Restart> {
  const key = releaseKeyOf(release)
  const evidence = state.releases.get(key)
  const test = state.tests.find((one) => one.trigger.name === trigger)
  const running = evidence && test && evidenceOf(evidence, test)
  if (!evidence || !test || !running)
    throw new AndonError(
      'unknown',
      `trigger '${trigger}' has no evidence on ${release.agent} ${release.release} to restart`,
    )
  const overrides = (isActing(test) ? overridesOf(evidence, state.tests) : running.overrides) + 1
  const clockMs = Math.max(evidence.clockMs, state.options.clockMode === 'wall' ? state.options.clock.nowMs() : 0)
  const triggerHash = test.trigger.hash
  await state.choices.add([
    { releaseKey: key, triggerHash, seq: state.cursor, kind: 'restarted', trigger, overrides, clockMs },
  ])
  restartEvidence(evidence, state.tests, trigger, overrides, clockMs)
  state.judgements.set(key, judge(evidence, state.tests))
  state.changed.add(key)
  const { alpha } = test.trigger
  return {
    overrides,
    alphaSpent: alpha * (2 - 2 ** (1 - overrides)),
    alphaNext: alpha / 2 ** overrides,
    logThreshold: logThreshold(alpha, overrides),
  }
}

/** Restarts that were journaled after this batch: evidence that is computed again restarts where it did; what was stored later has done so. */
function replayRestarts({ choices, releases, tests, changed }: State, seq: number): void {
  for (const { releaseKey, trigger, overrides, clockMs } of choices.restartsAt(seq)) {
    const evidence = releases.get(releaseKey)
    if (!evidence || evidence.seq > seq) continue
    restartEvidence(evidence, tests, trigger, overrides, clockMs)
    changed.add(releaseKey)
  }
}

async function save({ options, releases, changed, cursor }: State): Promise<void> {
  await options.history?.store(true)
  const keys = [...changed]
  await storeEvidence(options.store, new Map(keys.map((key) => [key, releases.get(key)!])), cursor)
  for (const key of keys) changed.delete(key)
  options.log.debug({ seq: cursor, releases: keys.length }, 'evidence stored')
}

const lookAt = (state: State, evidence: ReleaseEvidence, judgement: Judgement): ReleaseView =>
  viewOf(evidence, judgement, isJudged(state, evidence.release), foundBad(state, evidence))

/** Releases that this one is compared with and that were found bad meanwhile. */
function foundBad(state: State, evidence: ReleaseEvidence): ReadonlySet<string> {
  const isBad = breachedIn(state, evidence)
  return new Set(evidence.triggers.map(({ baseline }) => baseline.against).filter((name) => name !== '' && isBad(name)))
}

function viewOf(
  evidence: ReleaseEvidence,
  judgement: Judgement,
  isJudged: boolean,
  bad: ReadonlySet<string>,
): ReleaseView {
  return {
    release: evidence.release,
    state: 'live',
    judged: isJudged,
    contacts: evidence.contacts,
    identified: evidence.identified,
    firstContactMs: evidence.firstContactMs,
    lastContactMs: evidence.lastContactMs,
    logE: judgement.logE,
    logThreshold: judgement.logThreshold,
    triggers: judgement.triggers.map((view) => {
      const name = view.baselineAgainst ?? ''
      if (!bad.has(name)) return view
      const warning = `${name}, which this release is compared with, was found bad`
      return { ...view, warnings: [...(view.warnings ?? []), warning] }
    }),
    slices: judgement.slices.toSorted((a, b) => b.logE - a.logE),
    contactsPerHour: [],
  }
}
