import type { ClickHouseClient } from '@clickhouse/client'
import type { Bus } from '../bus/bus.ts'
import type { Clock } from '../lib/clock.ts'
import { AndonError } from '../lib/errors.ts'
import { type BatchFacts, storeBatch } from './accept.clickhouse.ts'
import { type BatchResult, processBatch } from './batch.clickhouse.ts'
import { doAllLanes, firstBodies } from './lane-steps.clickhouse.ts'
import { recordsOf } from './letters.ts'
import type { Stamp } from './rows.ts'
import type { BatchMeasures } from './sequencer.clickhouse.ts'
import { wholeOf } from './share.ts'
import type { BatchContext } from './steps.clickhouse.ts'
import { holdsBetween, lastWhole } from './stored.clickhouse.ts'

/** What became whole: the last batch, and traces that began or ceased to wait, in order. */
export type Progress = Readonly<{ seq: number; holds: readonly Readonly<{ traceId: string; waits: boolean }>[] }>

/** Who counts the batches that were put in order: this process, or lanes. */
export type Counting = Readonly<{
  /** Equal parts in which a batch is counted. */
  lanes: number
  /** Takes the next batch, in order; resolves when one more may follow. `lanes`: of the batch, where it was begun with another number. */
  take: (stamp: Stamp, facts: BatchFacts, lanes: number) => Promise<void>
  /** What became whole since the last call; null: nothing. Rejects when counting failed or stands still. */
  progress: () => Promise<Progress | null>
  /** Whether batches are under way: progress may be near. */
  isBusy: () => boolean
  /** Resolves when nothing is under way here, whatever became of it. */
  rest: () => Promise<void>
}>

/** Counts in this process: one batch is stored while the one before is counted. */
export function countHere(
  context: BatchContext,
  { clock, onBatch }: Readonly<{ clock: Clock; onBatch: (batch: BatchMeasures) => void }>,
): Counting {
  let counting: Promise<void> = Promise.resolve()
  let failure: Promise<void> | null = null
  let underWay = 0
  let whole: Progress | null = null

  const isWhole = (seq: number, holds: Progress['holds']) => {
    whole = { seq, holds: [...(whole?.holds ?? []), ...holds] }
  }
  const follow = (begun: Promise<void>) => {
    counting = begun
    underWay++
    begun.then(
      () => void underWay--,
      () => {
        failure = begun // whoever asks next is told
      },
    )
  }
  async function countAlone(stamp: Stamp, facts: BatchFacts): Promise<void> {
    const startedMs = clock.nowMs()
    const stored = await storeBatch(context, wholeOf(stamp), facts)
    const storedMs = clock.nowMs()
    await counting
    follow(
      processBatch(context, stored).then((result) => {
        isWhole(result.seq, holdsOf(result))
        onBatch({
          ...result,
          spans: stored.spans.length,
          outcomes: stored.outcomes.length,
          points: stored.points.length,
          acceptMs: storedMs - startedMs,
          processMs: clock.nowMs() - storedMs,
        })
      }),
    )
  }
  async function finishLanes(stamp: Stamp, facts: BatchFacts, lanes: number): Promise<void> {
    await counting
    const startedMs = clock.nowMs()
    const counts = await doAllLanes(context, stamp, facts, lanes)
    isWhole(stamp.seq, await holdsBetween(context.store, stamp.seq - 1, stamp.seq))
    const times = { acceptMs: 0, processMs: clock.nowMs() - startedMs }
    onBatch({ seq: stamp.seq, clockMs: stamp.acceptedAtMs, ...counts, heldTraces: [], resolvedTraces: [], ...times })
  }
  return {
    lanes: 1,
    take: (stamp, facts, lanes) => (lanes === 1 ? countAlone(stamp, facts) : finishLanes(stamp, facts, lanes)),
    progress: async () => {
      await failure
      const progress = whole
      whole = null
      return progress
    },
    isBusy: () => underWay > 0 || whole !== null,
    rest: () => counting.catch(() => {}),
  }
}

const holdsOf = ({ heldTraces, resolvedTraces }: BatchResult): Progress['holds'] => [
  ...heldTraces.map((traceId) => ({ traceId, waits: true })),
  ...resolvedTraces.map((traceId) => ({ traceId, waits: false })),
]

/** Batches that may be under way in lanes at once: enough to keep every lane busy; the fewer, the larger they are under load. */
const MOST_UNDER_WAY = 3
const LOOK_MS = 100
/**
 * Nothing became whole for this long although batches are under way: they are handed to the lanes anew. Perhaps the store is only slow, and an
 * attempt that is cut off too early never ends: each is given twice as long as the one before, until something becomes whole.
 */
const STANDSTILL_MS = 60_000
const MOST_DOUBLINGS = 4

export type LaneCountingOptions = Readonly<{
  bus: Pick<Bus, 'send' | 'bounds'>
  topic: string
  lanes: number
  clock: Clock
}>

/**
 * Hands batches to lanes and looks in the store which of them are whole. Whoever orders next hands over again what is under way; lanes know
 * it already and go on. Only where nothing moves any more do they begin anew, as another attempt.
 * @throws AndonError `standstill` (retryable) from `take` and `progress`
 */
export function countInLanes(
  options: LaneCountingOptions,
): (store: ClickHouseClient, signal: AbortSignal) => Promise<Counting> {
  const attempt = { number: 0, standstills: 0 }
  return async (store, signal) =>
    openCounting({ ...options, store, signal, attempt, from: (await lastWhole(store)).seq })
}

/** `standstills`: one after the other, without progress between them. */
type Attempt = { number: number; standstills: number }
type Open = LaneCountingOptions &
  Readonly<{ store: ClickHouseClient; signal: AbortSignal; attempt: Attempt; from: number }>

/**
 * How many records a topic ever took: a number for the next attempt that is greater than those of all attempts before, whoever made them and
 * by whatever clock, because each of them sent letters.
 */
const recordsEver = async (bus: Pick<Bus, 'bounds'>, topic: string): Promise<number> =>
  (await bus.bounds(topic)).reduce((sum, { next }) => sum + next, 0)

function openCounting({
  store,
  bus,
  topic,
  lanes: inForce,
  clock,
  signal,
  attempt,
  from: wholeAtStart,
}: Open): Counting {
  let whole = wholeAtStart
  let taken = { seq: whole, lanes: inForce }
  let movedMs = clock.nowMs()
  let noticed = whole

  const look = async () => {
    const { seq } = await lastWhole(store)
    if (seq > whole || taken.seq <= seq) movedMs = clock.nowMs()
    if (seq > whole) attempt.standstills = 0
    whole = Math.max(whole, seq)
    const patienceMs = STANDSTILL_MS * 2 ** Math.min(attempt.standstills, MOST_DOUBLINGS)
    if (clock.nowMs() - movedMs <= patienceMs) return
    attempt.number = await recordsEver(bus, topic)
    attempt.standstills++
    throw new AndonError(
      'standstill',
      `batch ${whole + 1} did not become whole within ${patienceMs / 1000} s: does a pipeline lead every lane?`,
      { retryable: true },
    )
  }
  /** A key falls to another lane where their number changes: everything before must be whole by then. */
  const room = (seq: number, lanes: number) => (lanes === taken.lanes ? MOST_UNDER_WAY : 1) - (seq - whole)

  return {
    lanes: inForce,
    take: async (stamp, facts, lanes) => {
      while (room(stamp.seq, lanes) < 0 && !signal.aborted) {
        await look()
        if (room(stamp.seq, lanes) < 0) await clock.sleep(LOOK_MS, signal)
      }
      if (signal.aborted) return
      const letters = firstBodies(facts, lanes).map((body, lane) => ({
        share: { stamp, lane, lanes },
        step: 'traces' as const,
        from: -1,
        attempt: attempt.number,
        body,
      }))
      for (const records of recordsOf(letters)) await bus.send(topic, records)
      if (whole === taken.seq) movedMs = clock.nowMs()
      taken = { seq: stamp.seq, lanes }
    },
    progress: async () => {
      if (taken.seq > whole) await look()
      if (whole === noticed) return null
      const from = noticed
      noticed = whole
      return { seq: whole, holds: await holdsBetween(store, from, whole) }
    },
    isBusy: () => taken.seq > whole,
    rest: async () => {},
  }
}
