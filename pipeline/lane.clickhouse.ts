import type { ClickHouseClient } from '@clickhouse/client'
import { type BusRecord, type Positions, partitionKey, type Term } from '../bus/bus.ts'
import type { Clock } from '../lib/clock.ts'
import { AndonError } from '../lib/errors.ts'
import type { Log } from '../lib/log.ts'
import { rowsOf } from '../store/store.clickhouse.ts'
import { type Arrivals, readBatch, storeBatch } from './accept.clickhouse.ts'
import { type BatchContext, processBatch, type StoredBatch } from './batch.clickhouse.ts'
import { createLongTotals, type LongTotals } from './long-totals.clickhouse.ts'
import { JUDGED_ENVIRONMENTS, scopesOf } from './places.ts'
import { claimRange, lastRangeUpTo, type Range, rangesFrom } from './ranges.clickhouse.ts'
import type { BatchMeasures } from './sequencer.clickhouse.ts'
import { heldTraces, openBatches } from './stored.clickhouse.ts'

export type LaneOptions = Omit<BatchContext, 'scopeOf'> &
  Readonly<{
    judgedEnvironments?: readonly string[]
    clock: Clock
    /** How long a fact waits for the span that says whose it is, wall clock. */
    holdMs: number
    /** The facts of a record, or why it cannot be read. The same record must always give the same facts. */
    factsOf: (record: BusRecord) => Arrivals | Poison
    /** Puts records that cannot be read where people find them; resolves when they are durable there. */
    setAside: (poison: readonly Poison[]) => Promise<void>
    onBatch: (batch: BatchMeasures) => void
    /** Records that were never read because the bus does not keep them any more. */
    onLost: (records: number) => void
    log: Log
    /** Bytes of records in one batch, about. */
    maxBatchBytes?: number
  }>

export type Poison = Readonly<{ poison: BusRecord; reason: string }>

type Lane = LaneOptions & BatchContext & Readonly<{ term: Term; holds: Map<string, number>; longTotals: LongTotals }>

/** About ten thousand spans. */
const MAX_BATCH_BYTES = 8 << 20
const IDLE_MS = 1_000

/**
 * The one ordered writer where records come over a bus, for as long as its term lasts. A batch is a range of records that is written down
 * before anything else of it (pipeline/ranges.clickhouse.ts), so that whoever drives it, first or again, writes the same rows under
 * the same tokens: a crash, a second writer that does not know yet that it was replaced, or a record that is read twice change no count.
 * Rejects when anything fails; call it again, it goes on from what is stored.
 */
export async function driveLane(options: LaneOptions, term: Term): Promise<void> {
  const store = fenced(options.store, term)
  const lane: Lane = {
    ...options,
    store,
    longTotals: createLongTotals(store, options.clock, options.log),
    scopeOf: scopesOf(options.judgedEnvironments ?? JUDGED_ENVIRONMENTS),
    term,
    holds: new Map(),
  }
  const { clock, holds } = lane
  let { seq, clockMs, next } = await recover(lane)
  await seekTo(lane, next)
  let counting: Promise<void> = Promise.resolve()
  try {
    while (!term.signal.aborted) {
      const waitMs = Math.max(0, Math.min(IDLE_MS, Math.min(...holds.values()) - clock.nowMs()))
      if (lane.longTotals.dueInMs() <= 0) await lane.longTotals.catchUp()
      const records = await term.poll({ maxBytes: lane.maxBatchBytes ?? MAX_BATCH_BYTES, waitMs })
      const nowMs = clock.nowMs()
      const expired = [...holds].filter(([, untilMs]) => untilMs <= nowMs).map(([traceId]) => traceId)
      if (term.signal.aborted || (records.length === 0 && expired.length === 0)) continue
      const from = next
      next = after(from, records)
      // Clocks of two machines differ; the clock of the batches never goes back.
      clockMs = Math.max(clockMs, nowMs)
      const range: Range = { stamp: { seq: ++seq, acceptedAtMs: clockMs, receivedAtMs: nowMs }, from, next, expired }
      const startedMs = nowMs
      const read = readRecords(lane, records)
      await claimRange(lane.store, range)
      const stored = await storeRange(lane, range, read)
      for (const traceId of expired) holds.delete(traceId)
      await counting
      counting = count(lane, range, stored, startedMs)
      counting.catch(() => {}) // whoever awaits it is told
    }
  } finally {
    await counting.catch(() => {})
  }
  await counting
}

/** Drives what was begun and not finished, in order, and returns where to go on. */
async function recover(lane: Lane): Promise<{ seq: number; clockMs: number; next: Positions }> {
  const { store, clock, holds, log } = lane
  const [last] = await rowsOf<{ seq: number; clockMs: number }>(
    store,
    'SELECT max(seq) AS seq, max(toUnixTimestamp64Milli(clock_at)) AS clockMs FROM batches',
  )
  let seq = last?.seq ?? 0
  let clockMs = last?.clockMs ?? 0
  let next = (await lastRangeUpTo(store, seq))?.next ?? {}
  const begun = await rangesFrom(store, seq + 1)
  // What a monitor without a bus left unfinished in this store stands before all of them.
  for (const open of await openBatches(store, seq + 1)) {
    if (open >= (begun[0]?.stamp.seq ?? Number.POSITIVE_INFINITY)) break
    const batch = await readBatch(store, open)
    await processBatch(lane, batch)
    seq = open
    clockMs = batch.stamp.acceptedAtMs
  }
  for (const range of begun) {
    log.warn({ seq: range.stamp.seq }, 'a batch that was begun and not finished is driven to its end')
    await count(lane, range, await rebuilt(lane, range), clock.nowMs())
    seq = range.stamp.seq
    clockMs = range.stamp.acceptedAtMs
    next = range.next
  }
  const waiting = await heldTraces({ store, seq: seq + 1 })
  for (const traceId of waiting) holds.set(traceId, clock.nowMs() + lane.holdMs)
  return { seq, clockMs, next }
}

/** The batch of a range, from the same records. Where the bus does not keep them any more, what was stored of it is the batch. */
async function rebuilt(lane: Lane, range: Range): Promise<StoredBatch> {
  const { term, store } = lane
  const wanted = Object.entries(range.next).filter(([partition, next]) => next > (range.from[partition] ?? 0))
  if (wanted.length > 0 && (await seekTo(lane, range.from)) > 0) return readBatch(store, range.stamp.seq)
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
  return storeRange(lane, range, readRecords(lane, records))
}

type Read = Readonly<{ arrivals: readonly Arrivals[]; poison: readonly Poison[] }>

/** The order of records in a batch must not depend on how they were fetched: by partition, then by offset. */
function readRecords({ factsOf }: Lane, records: readonly BusRecord[]): Read {
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

async function storeRange({ store, setAside }: Lane, range: Range, { arrivals, poison }: Read): Promise<StoredBatch> {
  if (poison.length > 0) await setAside(poison)
  return storeBatch(store, range.stamp, arrivals, range.expired)
}

/** Counts a stored batch and tells the bus how far that is. */
async function count(lane: Lane, range: Range, stored: StoredBatch, startedMs: number): Promise<void> {
  const { clock, holds, term, log } = lane
  const storedMs = clock.nowMs()
  const result = await processBatch(lane, stored)
  for (const traceId of result.resolvedTraces) holds.delete(traceId)
  for (const traceId of result.heldTraces) if (!holds.has(traceId)) holds.set(traceId, startedMs + lane.holdMs)
  lane.longTotals.sawBatch()
  lane.onBatch({
    ...result,
    spans: stored.spans.length,
    outcomes: stored.outcomes.length,
    points: stored.points.length,
    acceptMs: storedMs - startedMs,
    processMs: clock.nowMs() - storedMs,
  })
  // Only so that others see the lag: where to go on stands in the store.
  await term
    .commit(range.next)
    .catch((error: Error) => log.debug({ err: error.message }, 'the offsets could not be committed'))
}

async function seekTo({ term, log, onLost }: Lane, positions: Positions): Promise<number> {
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

const superseded = () => new AndonError('superseded', 'another member leads by now', { retryable: true })

/**
 * The store for as long as this member leads. A statement that was already on its way when the term ended is harmless: its token makes it
 * the same as its successor's. The fence keeps a process that was stopped for longer than the store remembers tokens from writing on.
 */
function fenced(store: ClickHouseClient, term: Term): ClickHouseClient {
  const guarded =
    (method: 'insert' | 'command' | 'query') =>
    (params: never): Promise<unknown> =>
      term.isCurrent()
        ? (store[method] as (given: never) => Promise<unknown>).call(store, params)
        : Promise.reject(superseded())
  return {
    ...store,
    insert: guarded('insert'),
    command: guarded('command'),
    query: guarded('query'),
  } as unknown as ClickHouseClient
}
