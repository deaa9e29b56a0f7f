import type { ClickHouseClient } from '@clickhouse/client'
import type { Clock } from '../lib/clock.ts'
import type { Log } from '../lib/log.ts'
import { rowsOf } from '../store/store.clickhouse.ts'
import { lastWhole } from './stored.clickhouse.ts'

/** What boards and KPIs read over long ranges, per hour, per day and per slice: not worth a view in the path of every batch. */
export type LongTotals = Readonly<{
  /** Brings the totals up to the last whole batch. Never rejects: what could not be added is added the next time. */
  catchUp: () => Promise<void>
  /** Milliseconds until they should catch up, below 0 when overdue; Infinity when nothing is new. */
  dueInMs: () => number
  /** A batch is whole: the totals lag behind now. */
  sawBatch: () => void
}>

const EVERY_MS = 5_000
/** Batches whose deltas are summed at once: bounds memory when a long history is caught up. */
const BATCHES_AT_ONCE = 5_000

const RANGE = 'seq >= {from:UInt64} AND seq <= {to:UInt64}'
const SLICE = 'environment, agent, release, channel, queue'
const TOTALS: Readonly<Record<string, string>> = {
  rollup_hours: `SELECT signal, measure, ${SLICE}, region, toStartOfHour(minute) AS hour, sum(deltas.n) AS n FROM deltas WHERE ${RANGE} GROUP BY ALL`,
  rollup_days: `SELECT signal, measure, ${SLICE}, toDate(minute) AS day, sum(deltas.n) AS n FROM deltas WHERE ${RANGE} GROUP BY ALL`,
  slice_times: `SELECT ${SLICE}, region, min(minute) AS first_at, max(minute) AS last_at, sum(deltas.n) AS contacts
    FROM deltas WHERE ${RANGE} AND signal = '' AND measure = 'contacts' GROUP BY ALL`,
}

/**
 * Follows the deltas a few seconds behind. A range of batches is written down before its totals are: whoever adds them, first, again
 * after a crash or beside a writer that was replaced, adds the same ones under the same token, so they count once. To be called by the one
 * ordered writer.
 */
export function createLongTotals(store: ClickHouseClient, clock: Clock, log: Log): LongTotals {
  let behind = true
  let caughtUpMs = clock.nowMs()
  let isResumed = false

  const catchUp = async (): Promise<void> => {
    if (!behind) return
    caughtUpMs = clock.nowMs()
    behind = false
    try {
      let last = await lastRange(store)
      // The process that wrote it down may have ended before its totals were added.
      if (!isResumed && last.to > 0) await addTotals(store, last)
      isResumed = true
      for (;;) {
        const range = await nextRange(store, last.to + 1)
        if (range === null) return
        await addTotals(store, range)
        last = range
      }
    } catch (error) {
      behind = true
      isResumed = false
      log.error({ err: (error as Error).message }, 'totals per hour, day and slice lag behind; they are tried again')
    }
  }
  return {
    catchUp,
    dueInMs: () => (behind ? caughtUpMs + EVERY_MS - clock.nowMs() : Number.POSITIVE_INFINITY),
    sawBatch: () => {
      behind = true
    },
  }
}

type SeqRange = Readonly<{ from: number; to: number }>

async function lastRange(store: ClickHouseClient): Promise<SeqRange> {
  const [last] = await rowsOf<SeqRange>(
    store,
    'SELECT range_from AS from, range_to AS to FROM totalled_ranges ORDER BY range_from DESC, claimed_at LIMIT 1',
  )
  return last ?? { from: 0, to: 0 }
}

/** Writes down the next range and reads it back, because the first row of a range counts; null when no batch is new. */
async function nextRange(store: ClickHouseClient, from: number): Promise<SeqRange | null> {
  const newest = await lastWhole(store)
  if (newest.seq < from) return null
  await store.insert({
    table: 'totalled_ranges',
    values: [{ range_from: from, range_to: Math.min(newest.seq, from + BATCHES_AT_ONCE - 1) }],
    format: 'JSONEachRow',
    clickhouse_settings: { insert_deduplication_token: `range ${from}`, async_insert: 0 },
  })
  return lastRange(store)
}

async function addTotals(store: ClickHouseClient, { from, to }: SeqRange): Promise<void> {
  for (const [table, select] of Object.entries(TOTALS)) {
    await store.command({
      query: `INSERT INTO ${table} ${select} SETTINGS insert_deduplication_token = '${table} ${from}', insert_select_deduplicate = 1`,
      query_params: { from, to },
    })
  }
}
