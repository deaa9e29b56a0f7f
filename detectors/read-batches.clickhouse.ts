import type { ClickHouseClient } from '@clickhouse/client'
import type { Release } from '../facts/slice.ts'
import { rowsOf } from '../store/store.clickhouse.ts'
import type { Delta, DeltaBatch } from './evidence.ts'
import { IS_BIN_SQL } from './signals/value-bins.ts'

const IS_JUDGED = `(measure IN ('trials', 'hits', 'capped_hits', 'release_capped_hits', 'contacts', 'identified', 'sampled') OR ${IS_BIN_SQL})`

const COLUMNS =
  'seq, signal, measure, environment, agent, release, channel, queue, toUnixTimestamp(minute) * 1000 AS minuteMs, sum(deltas.n) AS n'
const GROUPED = `GROUP BY seq, signal, measure, environment, agent, release, channel, queue, minuteMs
     HAVING n != 0
     ORDER BY seq, environment, agent, release, channel, queue, signal, measure, minuteMs`

/** Whole batches after `cursor`, in order, with what they changed. */
export async function readBatches(store: ClickHouseClient, cursor: number, most: number): Promise<DeltaBatch[]> {
  const batches = await rowsOf<{ seq: number; clockMs: number }>(
    store,
    `SELECT seq, toUnixTimestamp64Milli(max(clock_at)) AS clockMs FROM batches WHERE seq > {cursor:UInt64} GROUP BY seq ORDER BY seq LIMIT {most:UInt32}`,
    { cursor, most },
  )
  if (batches.length === 0) return []
  const deltas = await rowsOf<Delta & { seq: number }>(
    store,
    `SELECT ${COLUMNS}
     FROM deltas WHERE seq > {cursor:UInt64} AND seq <= {last:UInt64} AND ${IS_JUDGED}
     ${GROUPED}`,
    { cursor, last: batches.at(-1)!.seq },
  )
  const bySeq = Map.groupBy(deltas, (delta) => delta.seq)
  return batches.map(({ seq, clockMs }) => ({ seq, clockMs, deltas: bySeq.get(seq) ?? [] }))
}

/** The batches in [fromSeq, toSeq] that changed one of these releases, in order, with what they changed in them. */
export async function readBatchesOf(
  store: ClickHouseClient,
  release: Release,
  names: readonly string[],
  fromSeq: number,
  toSeq: number,
): Promise<DeltaBatch[]> {
  const { environment, agent } = release
  const deltas = await rowsOf<Delta & { seq: number }>(
    store,
    `SELECT ${COLUMNS}
     FROM deltas WHERE seq >= {fromSeq:UInt64} AND seq <= {toSeq:UInt64} AND ${IS_JUDGED}
       AND environment = {environment:String} AND agent = {agent:String} AND release IN {names:Array(String)}
     ${GROUPED}`,
    { fromSeq, toSeq, environment, agent, names },
  )
  const clocks = await rowsOf<{ seq: number; clockMs: number }>(
    store,
    'SELECT seq, toUnixTimestamp64Milli(max(clock_at)) AS clockMs FROM batches WHERE seq >= {fromSeq:UInt64} AND seq <= {toSeq:UInt64} GROUP BY seq ORDER BY seq',
    { fromSeq, toSeq },
  )
  const bySeq = Map.groupBy(deltas, (delta) => delta.seq)
  return clocks.flatMap(({ seq, clockMs }) => {
    const changed = bySeq.get(seq)
    return changed ? [{ seq, clockMs, deltas: changed }] : []
  })
}
