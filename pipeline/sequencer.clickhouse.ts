import type { Clock } from '../lib/clock.ts'
import { AndonError } from '../lib/errors.ts'
import type { Log } from '../lib/log.ts'
import { type Arrivals, batchFacts, type ClockMode, type Stored, stampOf, storeBatch } from './accept.clickhouse.ts'
import { type BatchResult, processBatch } from './batch.clickhouse.ts'
import { createLongTotals } from './long-totals.clickhouse.ts'
import { JUDGED_ENVIRONMENTS, scopesOf } from './places.ts'
import { recover } from './recover.clickhouse.ts'
import { wholeOf } from './share.ts'
import type { BatchContext, StoredBatch } from './steps.clickhouse.ts'
import type { TakenBack } from './take-back.clickhouse.ts'
import { least } from './together.ts'

export type { Arrivals, ClockMode }

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
    /** Told of a batch that cannot be counted: its facts go on in halves, or are set aside (pipeline/take-back.clickhouse.ts). */
    onTakenBack?: (taken: TakenBack) => void
    log: Log
    /** Aborted while the start still waits for a batch that cannot be counted, or for a long way to catch up: then it rejects with `unavailable`. */
    signal?: AbortSignal
    /** Rows that may wait for a batch; beyond it `accept` refuses with `overloaded`. */
    maxWaitingRows?: number
    maxBatchRows?: number
    /** Where so many rows wait, a batch is stored while the one before is being counted. */
    eagerRows?: number
  }>

export type BatchMeasures = BatchResult &
  Readonly<{ spans: number; outcomes: number; points: number; acceptMs: number; processMs: number }>

export type Sequencer = Readonly<{
  /**
   * Resolves when the facts are durable. Rejects with AndonError `overloaded` (try again later) before anything was taken,
   * with the store's retryable error (what was rejected may still be counted once, as its copy changes nothing), or with `unreadable` when some
   * of the facts can never be stored; the others are.
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
  const eagerRows = options.eagerRows ?? EAGER_ROWS
  const stop = new AbortController()
  let waiting: Submission[] = []
  let waitingRows = 0
  /** The store refuses even to say where to go on: nobody is kept waiting for it. */
  let isStuck = false
  let wake: () => void = () => {}
  let crowded: () => void = () => {}
  /** The batch that is being counted; at most one more is being stored meanwhile. */
  let counting: Promise<void> = Promise.resolve()
  const whole: (() => void)[] = []
  let expireAll = false
  let busy = false
  let lastProgressMs = clock.nowMs()
  /** Traces with facts that wait, and until when (wall clock). */
  const holds = new Map<string, number>()
  const longTotals = createLongTotals(options.store, clock, log)
  let position = await recover(options, holds, options.signal ?? stop.signal)

  const accept = (arrivals: Arrivals): Promise<void> => {
    const rows = arrivals.spans.length + arrivals.outcomes.length + arrivals.points.length
    if (stop.signal.aborted)
      return Promise.reject(new AndonError('unavailable', 'the monitor is stopping', { retryable: true }))
    if (isStuck) return Promise.reject(refusal())
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
      crowded()
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

  const count = async (stored: StoredBatch, startedMs: number): Promise<void> => {
    const acceptedMs = clock.nowMs()
    const result = await processBatch(options, stored)
    for (const traceId of result.resolvedTraces) holds.delete(traceId)
    for (const traceId of result.heldTraces) if (!holds.has(traceId)) holds.set(traceId, startedMs + options.holdMs)
    lastProgressMs = clock.nowMs()
    longTotals.sawBatch()
    options.onBatch({
      ...result,
      spans: stored.spans.length,
      outcomes: stored.outcomes.length,
      points: stored.points.length,
      acceptMs: acceptedMs - startedMs,
      processMs: lastProgressMs - acceptedMs,
    })
  }

  /** Stores a batch, and counts it when the batch before is counted; where much waits already, the next one may be stored meanwhile. */
  const driveNext = async (taken: Submission[], expired: readonly string[]): Promise<void> => {
    const startedMs = clock.nowMs()
    const arrivals = taken.map((submission) => submission.arrivals)
    const stamp = stampOf(options, position, arrivals)
    const stored = await storeBatch(options, wholeOf(stamp), batchFacts(stamp, arrivals, expired))
    answer(taken, stored.bared)
    for (const traceId of expired) holds.delete(traceId)
    position = { nextSeq: stamp.seq + 1, clockMs: stamp.acceptedAtMs }
    await counting
    counting = count(stored, startedMs)
    counting.catch(() => {}) // whoever awaits it is told
    await Promise.race([counting, muchWaits()])
  }

  const muchWaits = (): Promise<void> =>
    new Promise((resolve) => {
      crowded = () => waitingRows >= eagerRows && resolve()
      crowded()
    })

  /** Waits for what is under way, then goes on from what is stored. */
  const startAgain = async (taken: readonly Submission[], error: unknown): Promise<void> => {
    const { message } = error as Error
    for (const submission of taken) submission.reject(refusal(error))
    log.error({ err: message, seq: position.nextSeq }, 'a batch failed; it is driven again from what is stored')
    await counting.catch(() => {})
    counting = Promise.resolve()
    await recoverUntilItWorks()
  }

  /** Sleeps until something arrives or a trace has waited long enough. */
  const idle = async (): Promise<void> => {
    if (holds.size === 0) expireAll = false
    // From here on: what arrives while totals catch up must not wait for the sleep that follows.
    const pause = new AbortController()
    wake = () => pause.abort()
    if (whole.length > 0 || longTotals.dueInMs() <= 0) await longTotals.catchUp()
    for (const done of whole.splice(0)) done()
    const nextHoldMs = Math.min(clock.nowMs() + longTotals.dueInMs(), least(holds.values()))
    const idleMs = Number.isFinite(nextHoldMs) ? Math.max(1, nextHoldMs - clock.nowMs()) : IDLE_MS
    await clock.sleep(idleMs, AbortSignal.any([stop.signal, pause.signal]))
    wake = () => {}
    // Exporters send side by side: what comes within a moment of the first request shares its batch.
    if (waiting.length > 0) await clock.sleep(LINGER_MS, stop.signal)
  }

  const loop = async () => {
    while (!stop.signal.aborted) {
      let taken: Submission[] = []
      busy = true
      try {
        if (waitingRows < eagerRows) await counting
        if (longTotals.dueInMs() < -LONG_TOTALS_LAG_MS) await longTotals.catchUp()
        const expired = overdue()
        if (waiting.length > 0 || expired.length > 0) {
          taken = take()
          await driveNext(taken, expired)
          continue
        }
      } catch (error) {
        await startAgain(taken, error)
        continue
      } finally {
        busy = false
      }
      await idle()
    }
    await counting.catch(() => {}) // what is stored but not counted is counted after the next start
  }

  const recoverUntilItWorks = async () => {
    while (!stop.signal.aborted) {
      try {
        position = await recover(options, holds, stop.signal)
        isStuck = false
        return
      } catch (error) {
        isStuck = true
        for (const submission of waiting.splice(0)) submission.reject(refusal(error))
        waitingRows = 0
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

/** A submission is taken, or refused for good where the store kept nothing of some of its facts; the others of it are taken all the same. */
function answer(taken: readonly Submission[], bared: Stored['bared']): void {
  const from = { spans: 0, outcomes: 0, points: 0 }
  for (const { arrivals, rows, resolve, reject } of taken) {
    let lost = 0
    for (const kind of ['spans', 'outcomes', 'points'] as const) {
      const end = from[kind] + arrivals[kind].length
      lost += bared[kind].filter((place) => place >= from[kind] && place < end).length
      from[kind] = end
    }
    if (lost === 0) resolve()
    else
      reject(
        new AndonError('unreadable', `the store cannot keep ${lost} of these ${rows} items; do not send them again`),
      )
  }
}

/** The store's own words may quote what others sent: they go to the log, not to the sender. */
const refusal = (cause?: unknown): AndonError =>
  new AndonError('unavailable', 'the store does not take batches now: send it again later', { retryable: true, cause })

const IDLE_MS = 60_000
/** Under load that never pauses, totals for long ranges lag this much more. */
const LONG_TOTALS_LAG_MS = 25_000
const LINGER_MS = 15
/** From here on throughput counts more than the time until a fact is counted. */
const EAGER_ROWS = 2_000
