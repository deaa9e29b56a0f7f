import type { ClickHouseClient } from '@clickhouse/client'
import type { Positions } from '../bus/bus.ts'
import { AndonError } from '../lib/errors.ts'
import { rowsOf } from '../store/store.clickhouse.ts'
import { type Stamp, wholeSeconds } from './rows.ts'
import { openBatches } from './stored.clickhouse.ts'

/** Which records make up a batch: with them, everybody who drives it makes the same rows. */
export type Range = Readonly<{
  stamp: Stamp
  /** Offset of every partition at which the batch begins, and the next batch does. */
  from: Positions
  next: Positions
  /** Traces whose waiting this batch ends. */
  expired: readonly string[]
  /** Parts in which the batch is counted. */
  lanes: number
}>

/**
 * Takes a batch number for these records. The first row of a number stands (its token drops all later ones), so what is read back tells
 * whether this process was first. @throws AndonError `range_taken` (retryable) when another writer was: go on from what it wrote.
 */
export async function claimRange(store: ClickHouseClient, range: Range): Promise<void> {
  const { seq, acceptedAtMs, receivedAtMs } = range.stamp
  await store.insert({
    table: 'ranges',
    values: [
      {
        seq,
        accepted_at: acceptedAtMs,
        received_at: wholeSeconds(receivedAtMs),
        from_offsets: range.from,
        next_offsets: range.next,
        expired: range.expired,
        lanes: range.lanes,
      },
    ],
    format: 'JSONEachRow',
    clickhouse_settings: { insert_deduplication_token: `g${seq}`, async_insert: 0 },
  })
  const [stands] = await rangesFrom(store, seq, 1)
  if (!stands || textOf(stands) !== textOf(range))
    throw new AndonError('range_taken', `batch ${seq} was begun by another writer`, { retryable: true })
}

/** Ranges from `seq` on, in order; the first row of a number counts. */
export async function rangesFrom(store: ClickHouseClient, seq: number, most = 1_000): Promise<Range[]> {
  const rows = await rowsOf<Row>(
    store,
    `${SELECT} WHERE seq >= {seq:UInt64} ORDER BY seq, claimed_at LIMIT 1 BY seq LIMIT {most:UInt32}`,
    { seq, most },
  )
  return rows.map(rangeOf)
}

/** The last range up to `seq`; null when no batch came over a bus. */
export async function lastRangeUpTo(store: ClickHouseClient, seq: number): Promise<Range | null> {
  const [row] = await rowsOf<Row>(store, `${SELECT} WHERE seq <= {seq:UInt64} ORDER BY seq DESC, claimed_at LIMIT 1`, {
    seq,
  })
  return row ? rangeOf(row) : null
}

/** Open batches from `seq` on that did not come over a bus. A range is written down before its facts are stored, so it is read after them. */
export async function openWithoutRange(store: ClickHouseClient, seq: number): Promise<number[]> {
  const open = await openBatches(store, seq)
  if (open.length === 0) return open
  const begun = new Set((await rangesFrom(store, seq)).map(({ stamp }) => stamp.seq))
  return open.filter((number) => !begun.has(number))
}

type Row = Stamp & {
  from: Record<string, string | number>
  next: Record<string, string | number>
  expired: string[]
  lanes: number
}

const SELECT = `SELECT seq, toUnixTimestamp64Milli(accepted_at) AS acceptedAtMs, toUnixTimestamp(received_at) * 1000 AS receivedAtMs,
  from_offsets AS from, next_offsets AS next, expired, lanes FROM ranges`

const rangeOf = ({ seq, acceptedAtMs, receivedAtMs, from, next, expired, lanes }: Row): Range => ({
  stamp: { seq, acceptedAtMs, receivedAtMs },
  from: numbersOf(from),
  next: numbersOf(next),
  expired,
  lanes,
})

const numbersOf = (offsets: Readonly<Record<string, string | number>>): Positions =>
  Object.fromEntries(Object.entries(offsets).map(([partition, offset]) => [partition, Number(offset)]))

const sorted = (positions: Positions) => Object.entries(positions).sort(([a], [b]) => (a < b ? -1 : 1))
const textOf = ({ stamp, from, next, expired, lanes }: Range): string =>
  JSON.stringify([stamp.acceptedAtMs, wholeSeconds(stamp.receivedAtMs), sorted(from), sorted(next), expired, lanes])
