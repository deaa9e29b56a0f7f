import type { ClickHouseClient } from '@clickhouse/client'
import { after, type BusRecord, between, type Positions, partitionKey, type Term } from '../bus/bus.ts'
import type { Clock } from '../lib/clock.ts'
import type { Log } from '../lib/log.ts'
import { type Arrivals, type BatchFacts, batchFacts } from './accept.clickhouse.ts'
import { type Counting, countHere } from './counting.clickhouse.ts'
import { fenced, superseded } from './fence.ts'
import { createLongTotals, type LongTotals } from './long-totals.clickhouse.ts'
import { JUDGED_ENVIRONMENTS, scopesOf } from './places.ts'
import { claimRange, lastRangeUpTo, openWithoutRange, type Range, rangesFrom } from './ranges.clickhouse.ts'
import { recover as finishWithoutBus } from './recover.clickhouse.ts'
import type { BatchMeasures } from './sequencer.clickhouse.ts'
import type { BatchContext } from './steps.clickhouse.ts'
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
    /** Records that the bus stopped keeping before they were counted: told once, when a batch stands that goes on behind them. */
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
    /** Where the batches under way end, and how many of their records could not be read again. */
    ends: Map<number, Readonly<{ next: Positions; lost: number }>>
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
    await orderOn(order, await recover(order))
  } finally {
    await counting.rest()
  }
}

type Position = Readonly<{ seq: number; clockMs: number; next: Positions }>

async function orderOn(order: Order, start: Position): Promise<void> {
  const { clock, term, holds, counting, longTotals } = order
  let { seq, clockMs, next } = start
  const kept = await term.seek(next)
  let lost = between(next, kept)
  next = { ...next, ...kept }
  let behind: readonly BusRecord[] = [] // read already, for the next batch
  while (!term.signal.aborted) {
    await follow(order)
    const mostMs = counting.isBusy() ? BUSY_MS : IDLE_MS
    const waitMs = Math.max(0, Math.min(mostMs, least(holds.values()) - clock.nowMs()))
    if (longTotals.dueInMs() <= 0) await longTotals.catchUp()
    const polled =
      behind.length > 0 ? behind : await term.poll({ maxBytes: order.maxBatchBytes ?? MAX_BATCH_BYTES, waitMs })
    const nowMs = clock.nowMs()
    const expired = [...holds].filter(([, untilMs]) => untilMs <= nowMs).map(([traceId]) => traceId)
    if (term.signal.aborted || (polled.length === 0 && expired.length === 0 && lost === 0)) continue
    const gaps = await lostIn(term, gapsIn(next, polled))
    const before = gaps.filter(({ key, begin }) => begin === next[key])
    // A batch ends where records are lost, and the next one begins behind them: driven again, it cannot meet them.
    const isBehind = (record: BusRecord) =>
      gaps.some((gap) => !before.includes(gap) && gap.key === keyOf(record) && gap.begin <= record.offset)
    const records = polled.filter((record) => !isBehind(record))
    behind = polled.filter(isBehind)
    const from = passOver(next, before)
    lost += sizeOf(before)
    next = after(from, records)
    // Clocks of two machines differ; the clock of the batches never goes back.
    clockMs = Math.max(clockMs, nowMs)
    const stamp = { seq: ++seq, acceptedAtMs: clockMs, receivedAtMs: nowMs }
    const range: Range = { stamp, from, next, expired, lanes: counting.lanes }
    const read = readRecords(order, records)
    await claimRange(order.store, range)
    tellLost(order, lost) // now it stands that this batch goes on behind them
    lost = 0
    await take(order, range, await factsOfRange(order, range, read))
  }
}

/** Hands a range on to be counted. `lost`: how many of its records could not be read again. */
async function take({ counting, holds, ends }: Order, range: Range, facts: BatchFacts, lost = 0): Promise<void> {
  const { stamp, expired, next, lanes } = range
  ends.set(stamp.seq, { next, lost })
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
  const next = ends.get(progress.seq)?.next
  for (const [seq, { lost }] of ends) {
    if (seq > progress.seq) continue
    ends.delete(seq)
    tellLost(order, lost)
  }
  // Only so that others see the lag: where to go on stands in the store.
  if (next)
    await term
      .commit(next)
      .catch((error: Error) => log.debug({ err: error.message }, 'the offsets could not be committed'))
}

/** Hands on what was begun and not finished, in order, and returns where to go on. */
async function recover(order: Order): Promise<Position> {
  const { store, holds, log } = order
  // What a monitor without a bus left unfinished in this store stands before all ranges.
  const whole = await finishWithoutBus(
    { ...order, clockMode: 'wall', openFrom: openWithoutRange },
    holds,
    order.term.signal,
  )
  let seq = whole.nextSeq - 1
  let { clockMs } = whole
  let next = (await lastRangeUpTo(store, seq))?.next ?? {}
  const begun = await rangesFrom(store, seq + 1)
  for (const range of begun) {
    log.warn({ seq: range.stamp.seq }, 'a batch that was begun and not finished is driven to its end')
    const { records, lost } = await readAgain(order, range)
    const facts = await factsOfRange(order, range, readRecords(order, records))
    await take(order, range, { ...facts, isAgain: true }, lost)
    await follow(order)
    seq = range.stamp.seq
    clockMs = range.stamp.acceptedAtMs
    next = range.next
  }
  return { seq, clockMs, next }
}

/**
 * Reads the records of a range once more, as far as the topics keep them and this term reads their partitions; the rest is `lost`, unless an
 * earlier attempt stored it already.
 */
async function readAgain(
  { term }: Order,
  { from, next }: Range,
): Promise<Readonly<{ records: readonly BusRecord[]; lost: number }>> {
  const partitions = Object.keys(next).filter((key) => next[key]! > (from[key] ?? 0))
  if (partitions.length === 0) return { records: [], lost: 0 }
  const within = (positions: Positions): Positions =>
    Object.fromEntries(partitions.map((key) => [key, Math.min(positions[key] ?? next[key]!, next[key]!)]))
  const records: BusRecord[] = []
  let at = within(await term.seek(from))
  let lost = between(from, at)
  while (between(at, next) > 0) {
    const polled = await term.poll({ maxBytes: MAX_BATCH_BYTES, waitMs: IDLE_MS })
    if (!term.isCurrent()) throw superseded()
    const some = polled.filter((record) => keyOf(record) in at)
    const ofRange = some.filter((record) => record.offset < next[keyOf(record)]!)
    // Where nothing of the range comes, perhaps nothing of it is left, whatever else comes.
    const missing =
      ofRange.length > 0 ? gapsIn(at, some) : partitions.map((key) => ({ key, begin: at[key]!, end: next[key]! }))
    const gaps = await lostIn(
      term,
      missing.map((gap) => ({ ...gap, end: Math.min(gap.end, next[gap.key]!) })),
    )
    lost += sizeOf(gaps)
    records.push(...ofRange)
    at = within(after(passOver(at, gaps), some))
  }
  return { records, lost }
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

/** Offsets that records leave out in one partition: from `begin` on, up to before `end`. */
type Gap = Readonly<{ key: string; begin: number; end: number }>

function gapsIn(next: Positions, records: readonly BusRecord[]): Gap[] {
  const gaps: Gap[] = []
  const at: Record<string, number> = { ...next }
  for (const record of records) {
    const key = keyOf(record)
    const begin = at[key] ?? record.offset
    if (record.offset > begin) gaps.push({ key, begin, end: record.offset })
    at[key] = record.offset + 1
  }
  return gaps
}

/** What of the gaps the topics stopped keeping. Transactions leave gaps, too: only what stands before the oldest record is lost. */
async function lostIn(term: Term, gaps: readonly Gap[]): Promise<Gap[]> {
  if (gaps.length === 0) return []
  const oldest = await term.oldest()
  return gaps
    .map((gap) => ({ ...gap, end: Math.min(gap.end, oldest[gap.key] ?? 0) }))
    .filter(({ begin, end }) => end > begin)
}

/** Goes on behind the gaps at which reading stands. */
const passOver = (next: Positions, gaps: readonly Gap[]): Positions => ({
  ...next,
  ...Object.fromEntries(gaps.filter(({ key, begin }) => begin === next[key]).map(({ key, end }) => [key, end])),
})

const sizeOf = (gaps: readonly Gap[]): number => gaps.reduce((size, { begin, end }) => size + end - begin, 0)

function tellLost({ onLost, log }: Order, lost: number): void {
  if (lost === 0) return
  onLost(lost)
  log.error(
    { records: lost },
    'the topics do not keep these records any more: they were not counted. Keep records longer than the pipeline may be away',
  )
}

const keyOf = ({ topic, partition }: BusRecord): string => partitionKey(topic, partition)
