import type { ClickHouseClient } from '@clickhouse/client'
import type { MetricPoint, OutcomeFact, SpanFact } from '../facts/span.ts'
import type { Clock } from '../lib/clock.ts'
import { AndonError, assert } from '../lib/errors.ts'
import type { Log } from '../lib/log.ts'
import { rowsOf } from '../store/store.clickhouse.ts'
import { type BatchContext, type BatchResult, processBatch, type StoredBatch } from './batch.clickhouse.ts'
import { expiryOf } from './changes.ts'
import { JUDGED_ENVIRONMENTS, scopesOf } from './places.ts'
import {
  OUTCOME_SELECT,
  outcomeRow,
  POINT_SELECT,
  pointRow,
  SPAN_SELECT,
  SPAN_TABLE_COLUMNS,
  type Stamp,
  spanValues,
} from './rows.ts'
import { heldTraces } from './stored.clickhouse.ts'

export type Arrivals = Readonly<{
  spans: readonly SpanFact[]
  outcomes: readonly OutcomeFact[]
  points: readonly MetricPoint[]
}>

/**
 * wall: facts are accepted at the monitor's clock (live). event: at the greatest event time accepted so far (replay, demo),
 * so that a month of history takes its own month.
 */
export type ClockMode = 'wall' | 'event'

export type SequencerOptions = Omit<BatchContext, 'scopeOf'> &
  Readonly<{
    /** Environments that are judged; they share their customers, every other environment has its own. Default: absent, production, prod. */
    judgedEnvironments?: readonly string[]
    clock: Clock
    clockMode: ClockMode
    /** How long a fact waits for the span that says whose it is, wall clock. */
    holdMs: number
    /** Called when a batch is whole, in order of seq. */
    onBatch: (batch: BatchMeasures) => void
    log: Log
    /** Rows that may wait for a batch; beyond it `accept` refuses with `overloaded`. */
    maxWaitingRows?: number
    maxBatchRows?: number
  }>

export type BatchMeasures = BatchResult &
  Readonly<{ spans: number; outcomes: number; points: number; acceptMs: number; processMs: number }>

export type Sequencer = Readonly<{
  /**
   * Resolves when the facts are durable. Rejects with AndonError `overloaded` (try again later) before anything was taken,
   * or with the store's retryable error; what was rejected may still be counted once, as its copy changes nothing.
   */
  accept: (arrivals: Arrivals) => Promise<void>
  /** Ends all waiting for late agent spans now; resolves when everything accepted so far is counted. */
  settle: () => Promise<void>
  waitingRows: () => number
  /** Wall clock of the last batch that was completed, or of the start; for liveness. */
  lastProgressMs: () => number
  close: () => Promise<void>
}>

type Options = SequencerOptions & BatchContext
type Submission = { arrivals: Arrivals; rows: number; resolve: () => void; reject: (error: unknown) => void }

const MAX_WAITING_ROWS = 100_000
const MAX_BATCH_ROWS = 20_000
const RETRY_MS = 1_000

/**
 * The one ordered writer: whatever has arrived while the last batch was driven becomes the next batch, is inserted
 * (that is what acknowledges it) and then driven to its end. Load makes batches larger, not the queue longer.
 */
export async function createSequencer(given: SequencerOptions): Promise<Sequencer> {
  const options: Options = { ...given, scopeOf: scopesOf(given.judgedEnvironments ?? JUDGED_ENVIRONMENTS) }
  const { clock, log } = options
  const maxWaitingRows = options.maxWaitingRows ?? MAX_WAITING_ROWS
  const stop = new AbortController()
  let waiting: Submission[] = []
  let waitingRows = 0
  let wake: () => void = () => {}
  const whole: (() => void)[] = []
  let expireAll = false
  let busy = false
  let lastProgressMs = clock.nowMs()
  /** Traces with facts that wait, and until when (wall clock). */
  const holds = new Map<string, number>()
  let position = await recover(options, holds)

  const accept = (arrivals: Arrivals): Promise<void> => {
    const rows = arrivals.spans.length + arrivals.outcomes.length + arrivals.points.length
    if (stop.signal.aborted)
      return Promise.reject(new AndonError('unavailable', 'the monitor is stopping', { retryable: true }))
    if (rows === 0) return Promise.resolve()
    if (waitingRows > 0 && waitingRows + rows > maxWaitingRows)
      return Promise.reject(
        new AndonError(
          'overloaded',
          `${waitingRows} rows wait to be stored, at most ${maxWaitingRows} may: send again later`,
          { retryable: true },
        ),
      )
    return new Promise((resolve, reject) => {
      waiting.push({ arrivals, rows, resolve, reject })
      waitingRows += rows
      wake()
    })
  }

  /** Takes what waits, up to the batch size, at least one submission. */
  const take = (): Submission[] => {
    let rows = 0
    let count = 0
    while (
      count < waiting.length &&
      (count === 0 || rows + waiting[count]!.rows <= (options.maxBatchRows ?? MAX_BATCH_ROWS))
    )
      rows += waiting[count++]!.rows
    const taken = waiting.slice(0, count)
    waiting = waiting.slice(count)
    waitingRows -= rows
    return taken
  }

  const overdue = (): string[] => {
    const nowMs = clock.nowMs()
    return [...holds].filter(([, untilMs]) => expireAll || untilMs <= nowMs).map(([traceId]) => traceId)
  }

  const driveNext = async (taken: Submission[], expired: readonly string[]): Promise<void> => {
    const startedMs = clock.nowMs()
    const stored = await storeBatch(options, position, taken, expired)
    for (const submission of taken) submission.resolve()
    const acceptedMs = clock.nowMs()
    const result = await processBatch(options, stored)
    position = { nextSeq: stored.stamp.seq + 1, clockMs: stored.stamp.acceptedAtMs }
    for (const traceId of [...result.resolvedTraces, ...expired]) holds.delete(traceId)
    for (const traceId of result.heldTraces) if (!holds.has(traceId)) holds.set(traceId, startedMs + options.holdMs)
    lastProgressMs = clock.nowMs()
    options.onBatch({
      ...result,
      spans: stored.spans.length,
      outcomes: stored.outcomes.length,
      points: stored.points.length,
      acceptMs: acceptedMs - startedMs,
      processMs: lastProgressMs - acceptedMs,
    })
  }

  const loop = async () => {
    while (!stop.signal.aborted) {
      const expired = overdue()
      if (waiting.length === 0 && expired.length === 0) {
        if (holds.size === 0) expireAll = false
        for (const done of whole.splice(0)) done()
        const nextHoldMs = Math.min(...holds.values())
        const pause = new AbortController()
        wake = () => pause.abort()
        const idleMs = Number.isFinite(nextHoldMs) ? Math.max(1, nextHoldMs - clock.nowMs()) : IDLE_MS
        await clock.sleep(idleMs, AbortSignal.any([stop.signal, pause.signal]))
        wake = () => {}
        // Exporters send side by side: what comes within a moment of the first request shares its batch.
        if (waiting.length > 0) await clock.sleep(LINGER_MS, stop.signal)
        continue
      }
      const taken = take()
      busy = true
      try {
        await driveNext(taken, expired)
      } catch (error) {
        for (const submission of taken)
          submission.reject(
            new AndonError('unavailable', `the store did not take the batch: ${(error as Error).message}`, {
              retryable: true,
              cause: error,
            }),
          )
        log.error(
          { err: (error as Error).message, seq: position.nextSeq },
          'a batch failed; it is driven again from what is stored',
        )
        await recoverUntilItWorks()
      } finally {
        busy = false
      }
    }
  }

  const recoverUntilItWorks = async () => {
    while (!stop.signal.aborted) {
      try {
        position = await recover(options, holds)
        return
      } catch (error) {
        log.error({ err: (error as Error).message }, `the store cannot continue yet; trying again in ${RETRY_MS} ms`)
        await clock.sleep(RETRY_MS, stop.signal)
      }
    }
  }

  const running = loop()
  return {
    accept,
    settle: () =>
      new Promise((resolve) => {
        expireAll = true
        whole.push(resolve)
        wake()
      }),
    waitingRows: () => waitingRows,
    lastProgressMs: () => (busy || waitingRows > 0 ? lastProgressMs : clock.nowMs()),
    close: async () => {
      stop.abort()
      await running
      for (const submission of waiting.splice(0))
        submission.reject(new AndonError('unavailable', 'the monitor is stopping', { retryable: true }))
      for (const done of whole.splice(0)) done()
    },
  }
}

const IDLE_MS = 60_000
const LINGER_MS = 15

type Position = Readonly<{ nextSeq: number; clockMs: number }>

/** Makes a batch durable. Its number and clock are stored with every row, so it can be driven again as it was. */
async function storeBatch(
  options: Options,
  position: Position,
  taken: readonly Submission[],
  expired: readonly string[],
): Promise<StoredBatch> {
  const { store, clock } = options
  const arrivedOutcomes = taken.flatMap((submission) => submission.arrivals.outcomes)
  const arrivedPoints = taken.flatMap((submission) => submission.arrivals.points)
  const receivedAtMs = clock.nowMs()
  const arrived = taken.flatMap((submission) => submission.arrivals.spans)
  const acceptedAtMs =
    options.clockMode === 'wall' ? receivedAtMs : eventClock(position.clockMs, arrived, arrivedOutcomes, arrivedPoints)
  const spans = [
    ...arrived.map((span) => withTimes(span, acceptedAtMs)),
    ...expired.map((traceId) => expiryOf(traceId, acceptedAtMs)),
  ]
  const outcomes = arrivedOutcomes.map((outcome) => ({ ...outcome, atMs: plausible(outcome.atMs) || acceptedAtMs }))
  const points = arrivedPoints.map((point) => ({
    ...point,
    startMs: plausible(point.startMs),
    atMs: plausible(point.atMs) || acceptedAtMs,
  }))
  const stamp: Stamp = { seq: position.nextSeq, acceptedAtMs, receivedAtMs }
  const token = {
    insert_deduplication_token: `a${stamp.seq}`,
    async_insert: 0,
    deduplicate_blocks_in_dependent_materialized_views: 1,
  } as const
  if (spans.length > 0)
    await store.insert({
      table: 'spans',
      columns: [...SPAN_TABLE_COLUMNS] as [string, ...string[]],
      values: spans.map((span, position) => spanValues(span, position, stamp)),
      format: 'JSONCompactEachRow',
      clickhouse_settings: token,
    })
  if (outcomes.length > 0)
    await store.insert({
      table: 'outcomes',
      values: outcomes.map((outcome, position) => outcomeRow(outcome, position, stamp)),
      format: 'JSONEachRow',
      clickhouse_settings: token,
    })
  if (points.length > 0)
    await store.insert({
      table: 'metric_points',
      values: points.map((point, position) => pointRow(point, position, stamp)),
      format: 'JSONEachRow',
      clickhouse_settings: token,
    })
  return { stamp, spans, outcomes, points }
}

/** The greatest event time accepted so far: times of starts and outcomes, never of ends, which may lie far ahead. */
function eventClock(
  clockMs: number,
  spans: readonly SpanFact[],
  outcomes: readonly OutcomeFact[],
  points: readonly MetricPoint[],
): number {
  let latestMs = clockMs
  for (const span of spans) latestMs = Math.max(latestMs, plausible(span.startedAtMs))
  for (const outcome of outcomes) latestMs = Math.max(latestMs, plausible(outcome.atMs))
  for (const point of points) latestMs = Math.max(latestMs, plausible(point.atMs))
  return latestMs
}

/** 2100-01-01: later times are mistakes of the sender, and ClickHouse's DateTime ends in 2106. */
const LAST_TIME_MS = 4_102_444_800_000
/** Whole milliseconds, as the store keeps them: what is counted now must be what a later batch reads. */
const plausible = (ms: number): number => (ms > 0 && ms < LAST_TIME_MS ? Math.floor(ms) : 0)

/** A fact without a (plausible) time happened when it was accepted. */
const withTimes = (span: SpanFact, acceptedAtMs: number): SpanFact => {
  const startedAtMs = plausible(span.startedAtMs) || plausible(span.endedAtMs) || acceptedAtMs
  const endedAtMs = Math.max(plausible(span.endedAtMs), startedAtMs)
  return span.startedAtMs === startedAtMs && span.endedAtMs === endedAtMs ? span : { ...span, startedAtMs, endedAtMs }
}

/**
 * Where to go on: after the last whole batch. Batches that are stored but not whole are driven to their end first, and
 * facts whose agent span had not come are waited for again.
 */
async function recover(options: Options, holds: Map<string, number>): Promise<Position> {
  const { store, clock } = options
  const [last] = await rowsOf<{ seq: number; clockMs: number }>(
    store,
    'SELECT max(seq) AS seq, max(toUnixTimestamp64Milli(clock_at)) AS clockMs FROM batches',
  )
  let position: Position = { nextSeq: (last?.seq ?? 0) + 1, clockMs: last?.clockMs ?? 0 }
  const open = await rowsOf<{ seq: number }>(
    store,
    `SELECT DISTINCT seq FROM (SELECT seq FROM spans WHERE seq >= {from:UInt64} UNION ALL SELECT seq FROM outcomes WHERE seq >= {from:UInt64} UNION ALL SELECT seq FROM metric_points WHERE seq >= {from:UInt64}) ORDER BY seq`,
    { from: position.nextSeq },
  )
  for (const { seq } of open) {
    const batch = await readBatch(store, seq)
    const result = await processBatch(options, batch)
    position = { nextSeq: seq + 1, clockMs: batch.stamp.acceptedAtMs }
    options.onBatch({
      ...result,
      spans: batch.spans.length,
      outcomes: batch.outcomes.length,
      points: batch.points.length,
      acceptMs: 0,
      processMs: 0,
    })
  }
  const held = new Set(await heldTraces({ store, seq: position.nextSeq }))
  for (const traceId of holds.keys()) if (!held.has(traceId)) holds.delete(traceId)
  for (const traceId of held) if (!holds.has(traceId)) holds.set(traceId, clock.nowMs() + options.holdMs)
  return position
}

async function readBatch(store: ClickHouseClient, seq: number): Promise<StoredBatch> {
  const spans = await rowsOf<SpanFact>(
    store,
    `SELECT ${SPAN_SELECT} FROM spans WHERE seq = {seq:UInt64} ORDER BY position`,
    { seq },
  )
  const outcomes = await rowsOf<OutcomeFact>(
    store,
    `SELECT ${OUTCOME_SELECT} FROM outcomes WHERE seq = {seq:UInt64} ORDER BY position`,
    {
      seq,
    },
  )
  const points = await rowsOf<MetricPoint>(
    store,
    `SELECT ${POINT_SELECT} FROM metric_points WHERE seq = {seq:UInt64} ORDER BY position`,
    { seq },
  )
  const [stamp] = await rowsOf<{ acceptedAtMs: number; receivedAtMs: number }>(
    store,
    `SELECT toUnixTimestamp64Milli(max(accepted_at)) AS acceptedAtMs, toUnixTimestamp(max(received_at)) * 1000 AS receivedAtMs
     FROM (SELECT accepted_at, received_at FROM spans WHERE seq = {seq:UInt64}
       UNION ALL SELECT accepted_at, received_at FROM outcomes WHERE seq = {seq:UInt64}
       UNION ALL SELECT accepted_at, received_at FROM metric_points WHERE seq = {seq:UInt64})`,
    { seq },
  )
  assert(stamp, `batch ${seq} has rows`)
  return { stamp: { seq, acceptedAtMs: stamp.acceptedAtMs, receivedAtMs: stamp.receivedAtMs }, spans, outcomes, points }
}
