import type { ClickHouseClient } from '@clickhouse/client'
import { type BusRecord, type Positions, partitionKey, type Term } from '../bus/bus.ts'
import type { Clock } from '../lib/clock.ts'
import type { Log } from '../lib/log.ts'
import { type Arrivals, batchFacts, readBatch } from './accept.clickhouse.ts'
import { processBatch } from './batch.clickhouse.ts'
import { type Counting, countHere } from './counting.clickhouse.ts'
import { fenced, superseded } from './fence.ts'
import { createLongTotals, type LongTotals } from './long-totals.clickhouse.ts'
import { JUDGED_ENVIRONMENTS, scopesOf } from './places.ts'
import { claimRange, lastRangeUpTo, type Range, rangesFrom } from './ranges.clickhouse.ts'
import type { BatchMeasures } from './sequencer.clickhouse.ts'
import type { BatchContext } from './steps.clickhouse.ts'
import { heldTraces, lastWhole, openBatches } from './stored.clickhouse.ts'
import { least } from './together.ts'

export type OrderOptions = Omit<BatchContext, 'scopeOf'> &
  Readonly<{
    judgedEnvironments?: readonly string[]
    clock: Clock
    /** How long a fact waits for the span that says whose it is, wall clock. */
    holdMs: number
    /** The facts of a record, or why it cannot be read. The same record must always give the same facts. */
    factsOf: (record: BusRecord) => Arrivals | Poison
    /** Puts records that cannot be read where people find them; resolves when they are durable there. */
    setAside: (poison: readonly Poison[]) => Promise<void>
    /** Absent: the batches are counted here. */
    countIn?: (store: ClickHouseClient, signal: AbortSignal) => Promise<Counting>
    /** A batch that was counted here. */
    onBatch: (batch: BatchMeasures) => void
    /** Batches became whole, whoever counted them. */
    onProgress?: () => void
    /** Records that were never read because the bus does not keep them any more. */
    onLost: (records: number) => void
    log: Log
    /** Bytes of records in one batch, about. */
    maxBatchBytes?: number
  }>

export type Poison = Readonly<{ poison: BusRecord; reason: string }>

type Order = OrderOptions &
  BatchContext &
  Readonly<{
    term: Term
    counting: Counting
    longTotals: LongTotals
    /** Traces with facts that wait, and until when (wall clock). */
    holds: Map<string, number>
    /** Where the batches under way end. */
    ends: Map<number, Positions>
  }>

/** About ten thousand spans. */
const MAX_BATCH_BYTES = 8 << 20
const IDLE_MS = 1_000
/** While batches are under way, their progress is looked at this often. */
const BUSY_MS = 100

/**
 * Puts what comes over a bus in order, for as long as its term lasts: records become numbered batches, each a range that is written down before
 * anything else of it (pipeline/ranges.clickhouse.ts), so that whoever drives it, first or again, writes the same rows under the same
 * tokens: a crash, a second writer that does not know yet that it was replaced, or a record that is read twice change no count. The
 * batches are counted here or by lanes (pipeline/counting.clickhouse.ts). Rejects when anything fails; call it again, it goes on from what
 * is stored.
 */
export async function orderBatches(options: OrderOptions, term: Term): Promise<void> {
  const { clock, log } = options
  const store = fenced(options.store, term)
  const context: BatchContext = {
    ...options,
    store,
    scopeOf: scopesOf(options.judgedEnvironments ?? JUDGED_ENVIRONMENTS),
  }
  const counting = await (options.countIn?.(store, term.signal) ?? countHere(context, options))
  const order: Order = {
    ...options,
    ...context,
    term,
    counting,
    longTotals: createLongTotals(store, clock, log),
    holds: new Map(),
    ends: new Map(),
  }
  try {
    const start = await recover(order)
    await seekTo(order, start.next)
    await orderOn(order, start)
  } finally {
    await counting.rest()
  }
}

type Position = Readonly<{ seq: number; clockMs: number; next: Positions }>

async function orderOn(order: Order, start: Position): Promise<void> {
  const { clock, term, holds, counting, longTotals } = order
  let { seq, clockMs, next } = start
  while (!term.signal.aborted) {
    await follow(order)
    const mostMs = counting.isBusy() ? BUSY_MS : IDLE_MS
    const waitMs = Math.max(0, Math.min(mostMs, least(holds.values()) - clock.nowMs()))
    if (longTotals.dueInMs() <= 0) await longTotals.catchUp()
    const records = await term.poll({ maxBytes: order.maxBatchBytes ?? MAX_BATCH_BYTES, waitMs })
    const nowMs = clock.nowMs()
    const expired = [...holds].filter(([, untilMs]) => untilMs <= nowMs).map(([traceId]) => traceId)
    if (term.signal.aborted || (records.length === 0 && expired.length === 0)) continue
    const from = next
    next = after(from, records)
    // Clocks of two machines differ; the clock of the batches never goes back.
    clockMs = Math.max(clockMs, nowMs)
    const stamp = { seq: ++seq, acceptedAtMs: clockMs, receivedAtMs: nowMs }
    const range: Range = { stamp, from, next, expired, lanes: counting.lanes }
    const read = readRecords(order, records)
    await claimRange(order.store, range)
    await take(order, range, await factsOfRange(order, range, read))
  }
}

/** Hands a range on to be counted. */
async function take({ counting, holds, ends }: Order, range: Range, facts: Arrivals): Promise<void> {
  const { stamp, expired, next, lanes } = range
  ends.set(stamp.seq, next)
  for (const traceId of expired) holds.delete(traceId)
  await counting.take(stamp, facts, lanes)
}

/** Takes note of what became whole, and tells the bus how far that is. */
async function follow(order: Order): Promise<void> {
  const { counting, holds, ends, clock, holdMs, longTotals, term, log } = order
  const progress = await counting.progress()
  if (progress === null) return
  order.onProgress?.()
  for (const { traceId, waits } of progress.holds) {
    if (!waits) holds.delete(traceId)
    else if (!holds.has(traceId)) holds.set(traceId, clock.nowMs() + holdMs)
  }
  longTotals.sawBatch()
  const next = ends.get(progress.seq)
  for (const seq of ends.keys()) if (seq <= progress.seq) ends.delete(seq)
  // Only so that others see the lag: where to go on stands in the store.
  if (next)
    await term
      .commit(next)
      .catch((error: Error) => log.debug({ err: error.message }, 'the offsets could not be committed'))
}

/** Hands on what was begun and not finished, in order, and returns where to go on. */
async function recover(order: Order): Promise<Position> {
  const { store, clock, holds, log } = order
  let { seq, clockMs } = await lastWhole(store)
  let next = (await lastRangeUpTo(store, seq))?.next ?? {}
  const begun = await rangesFrom(store, seq + 1)
  // What a monitor without a bus left unfinished in this store stands before all of them.
  for (const open of await openBatches(store, seq + 1)) {
    if (open >= (begun[0]?.stamp.seq ?? Number.POSITIVE_INFINITY)) break
    const batch = await readBatch(store, open)
    await processBatch(order, batch)
    seq = open
    clockMs = batch.share.stamp.acceptedAtMs
  }
  for (const traceId of await heldTraces({ store, seq: seq + 1 })) holds.set(traceId, clock.nowMs() + order.holdMs)
  for (const range of begun) {
    log.warn({ seq: range.stamp.seq }, 'a batch that was begun and not finished is driven to its end')
    await take(order, range, await rebuilt(order, range))
    await follow(order)
    seq = range.stamp.seq
    clockMs = range.stamp.acceptedAtMs
    next = range.next
  }
  return { seq, clockMs, next }
}

/** The facts of a range, from the same records. Where the bus does not keep them any more, what was stored of it is the batch. */
async function rebuilt(order: Order, range: Range): Promise<Arrivals> {
  const { term, store } = order
  const wanted = Object.entries(range.next).filter(([partition, next]) => next > (range.from[partition] ?? 0))
  if (wanted.length > 0 && (await seekTo(order, range.from)) > 0) return readBatch(store, range.stamp.seq)
  const records: BusRecord[] = []
  const reached = new Map(wanted.map(([partition]) => [partition, range.from[partition] ?? 0]))
  while (wanted.some(([partition, next]) => reached.get(partition)! < next)) {
    const some = await term.poll({ maxBytes: MAX_BATCH_BYTES, waitMs: IDLE_MS })
    if (!term.isCurrent()) throw superseded()
    for (const record of some) {
      const partition = partitionKey(record.topic, record.partition)
      if (!reached.has(partition)) continue
      reached.set(partition, record.offset + 1)
      if (record.offset < range.next[partition]!) records.push(record)
    }
  }
  return factsOfRange(order, range, readRecords(order, records))
}

type Read = Readonly<{ arrivals: readonly Arrivals[]; poison: readonly Poison[] }>

/** The order of records in a batch must not depend on how they were fetched: by partition, then by offset. */
function readRecords({ factsOf }: Order, records: readonly BusRecord[]): Read {
  const inOrder = [...records].sort(
    (a, b) => (a.topic < b.topic ? -1 : a.topic > b.topic ? 1 : a.partition - b.partition) || a.offset - b.offset,
  )
  const arrivals: Arrivals[] = []
  const poison: Poison[] = []
  for (const record of inOrder) {
    const found = factsOf(record)
    if ('poison' in found) poison.push(found)
    else arrivals.push(found)
  }
  return { arrivals, poison }
}

async function factsOfRange({ setAside }: Order, range: Range, { arrivals, poison }: Read): Promise<Arrivals> {
  if (poison.length > 0) await setAside(poison)
  return batchFacts(range.stamp, arrivals, range.expired)
}

async function seekTo({ term, log, onLost }: Order, positions: Positions): Promise<number> {
  const lost = await term.seek(positions)
  if (lost > 0) {
    onLost(lost)
    log.error(
      { records: lost },
      'the topics do not keep these records any more: they were never counted. Keep records longer than the pipeline may be away',
    )
  }
  return lost
}

const after = (positions: Positions, records: readonly BusRecord[]): Positions => {
  const next: Record<string, number> = { ...positions }
  for (const { topic, partition, offset } of records) {
    const key = partitionKey(topic, partition)
    next[key] = Math.max(next[key] ?? 0, offset + 1)
  }
  return next
}
