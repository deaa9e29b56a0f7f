import type { ClickHouseClient } from '@clickhouse/client'
import type { Finding } from '../facts/finding.ts'
import type { ReleaseView } from '../facts/overview.ts'
import { type Release, releaseKeyOf } from '../facts/slice.ts'
import type { Clock } from '../lib/clock.ts'
import type { Log } from '../lib/log.ts'
import { rowsOf } from '../store/store.clickhouse.ts'
import { applyBatch, type Delta, type DeltaBatch, emptyEvidence, type ReleaseEvidence, testsOf } from './evidence.ts'
import type { History } from './history.clickhouse.ts'
import { type Breach, type Judgement, judge } from './judge.ts'
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
}>

export type Detector = Readonly<{
  /** Reads the batches that are new and judges what they changed. Its cost depends on the new deltas only. */
  tick: () => Promise<TickMeasures>
  /** Stores the evidence with its cursor: a restart reads only what came after. */
  save: () => Promise<void>
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
const JUDGED_MEASURES = "('trials', 'hits', 'capped_hits', 'release_capped_hits', 'contacts', 'identified', 'sampled')"

/**
 * Deltas become findings. Evidence is a fold over batches in the order of their acceptance, so reading it in other portions, or again
 * after a restart, gives the same decisions at the same batches.
 */
export async function createDetector(options: DetectorOptions): Promise<Detector> {
  const { store, log } = options
  const tests = testsOf(options.triggers)
  const releases = new Map<string, ReleaseEvidence>()
  const judgements = new Map<string, Judgement>()
  const changed = new Set<string>()
  let cursor = await load(store, releases)
  for (const [key, evidence] of releases) judgements.set(key, judge(evidence, tests))

  const judged = (release: Release) =>
    release.agent !== '' && release.release !== '' && options.judgedEnvironments.includes(release.environment)

  const tick = async (): Promise<TickMeasures> => {
    const batches = await readBatches(store, cursor)
    let breaches = 0
    for (const batch of batches) {
      for (const [key, deltas] of Map.groupBy(batch.deltas, (delta) => releaseKeyOf(delta))) {
        const [first] = deltas
        const evidence =
          releases.get(key) ??
          emptyEvidence({ environment: first!.environment, agent: first!.agent, release: first!.release })
        releases.set(key, evidence)
        applyBatch(evidence, batch, deltas, judged(evidence.release) ? tests : [])
        changed.add(key)
        const judgement = judge(evidence, tests)
        judgements.set(key, judgement)
        options.history?.note(viewOf(evidence, judgement, judged(evidence.release)), batch)
        for (const breach of judgement.breaches) {
          await options.onBreach(await completed(options, breach, batch))
          breaches++
        }
      }
      cursor = batch.seq
    }
    await options.history?.store(breaches > 0)
    return {
      batches: batches.length,
      deltas: batches.reduce((sum, batch) => sum + batch.deltas.length, 0),
      seq: cursor,
      breaches,
      more: batches.length === BATCHES_PER_READ,
    }
  }

  return {
    tick,
    save: async () => {
      await options.history?.store(true)
      const keys = [...changed]
      if (keys.length === 0) return
      const rows = keys.map((key) => ({ release_key: key, seq: cursor, body: JSON.stringify(releases.get(key)) }))
      await store.insert({ table: 'evidence', values: rows, format: 'JSONEachRow' })
      await store.insert({
        table: 'evidence',
        values: [{ release_key: '', seq: cursor, body: '' }],
        format: 'JSONEachRow',
      })
      for (const key of keys) changed.delete(key)
      log.debug({ seq: cursor, releases: keys.length }, 'evidence stored')
    },
    views: () =>
      [...releases].map(([key, evidence]) => viewOf(evidence, judgements.get(key)!, judged(evidence.release))),
    seq: () => cursor,
  }
}

function viewOf(evidence: ReleaseEvidence, judgement: Judgement, isJudged: boolean): ReleaseView {
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
    triggers: judgement.triggers,
    contactsPerHour: [],
  }
}

/** The stored evidence; returns the batch up to which all of it is complete. A release stored later than that skips what it has seen. */
async function load(store: ClickHouseClient, releases: Map<string, ReleaseEvidence>): Promise<number> {
  const rows = await rowsOf<{ release_key: string; seq: number; body: string }>(
    store,
    'SELECT release_key, max(evidence.seq) AS seq, argMax(body, evidence.seq) AS body FROM evidence GROUP BY release_key',
  )
  for (const row of rows)
    if (row.release_key !== '') releases.set(row.release_key, JSON.parse(row.body) as ReleaseEvidence)
  return rows.find((row) => row.release_key === '')?.seq ?? 0
}

/** Whole batches after `cursor`, in order, with what they changed. */
async function readBatches(store: ClickHouseClient, cursor: number): Promise<DeltaBatch[]> {
  const batches = await rowsOf<{ seq: number; clockMs: number }>(
    store,
    `SELECT seq, toUnixTimestamp64Milli(max(clock_at)) AS clockMs FROM batches WHERE seq > {cursor:UInt64} GROUP BY seq ORDER BY seq LIMIT ${BATCHES_PER_READ}`,
    { cursor },
  )
  if (batches.length === 0) return []
  const deltas = await rowsOf<Delta & { seq: number }>(
    store,
    `SELECT seq, signal, measure, environment, agent, release, channel, queue, toUnixTimestamp(minute) * 1000 AS minuteMs, sum(deltas.n) AS n
     FROM deltas WHERE seq > {cursor:UInt64} AND seq <= {last:UInt64} AND measure IN ${JUDGED_MEASURES}
     GROUP BY seq, signal, measure, environment, agent, release, channel, queue, minuteMs
     HAVING n != 0
     ORDER BY seq, environment, agent, release, channel, queue, signal, measure, minuteMs`,
    { cursor, last: batches.at(-1)!.seq },
  )
  const bySeq = Map.groupBy(deltas, (delta) => delta.seq)
  return batches.map(({ seq, clockMs }) => ({ seq, clockMs, deltas: bySeq.get(seq) ?? [] }))
}

/** Adds what only the store knows: the first hit of a contact begun since the onset, and how many contacts began since. */
async function completed(options: DetectorOptions, breach: Breach, batch: DeltaBatch): Promise<Finding> {
  const sinceMs = breach.onsetMs ?? 0
  const { environment, agent, release } = breach.release
  const [known] = await rowsOf<{ firstHarmMs: number; contactsExposed: number }>(
    options.store,
    `SELECT
       (SELECT toUnixTimestamp64Milli(min(clock_at)) FROM batches WHERE seq = (
         SELECT min(seq) FROM deltas WHERE signal = {signal:String} AND measure = 'hits' AND n > 0 AND seq <= {seq:UInt64}
           AND environment = {environment:String} AND agent = {agent:String} AND release = {release:String} AND minute >= toStartOfMinute(toDateTime({since:UInt32})))) AS firstHarmMs,
       (SELECT sum(n) FROM rollup_minutes WHERE signal = '' AND measure = 'contacts'
         AND environment = {environment:String} AND agent = {agent:String} AND release = {release:String} AND minute >= toStartOfMinute(toDateTime({since:UInt32}))) AS contactsExposed`,
    { signal: breach.signal, seq: breach.seq, environment, agent, release, since: Math.floor(sinceMs / 1000) },
  )
  return {
    ...breach,
    firstHarmMs: known && known.firstHarmMs > 0 ? known.firstHarmMs : null,
    contactsExposed: known?.contactsExposed ?? 0,
    decidedAtMs: options.clockMode === 'wall' ? options.clock.nowMs() : batch.clockMs,
    acceptedAtMs: batch.clockMs,
  }
}
