import type { ClickHouseClient } from '@clickhouse/client'
import { rowsOf } from '../store/store.clickhouse.ts'
import type { Delta, DeltaBatch } from './evidence.ts'

const JUDGED_MEASURES = "('trials', 'hits', 'capped_hits', 'release_capped_hits', 'contacts', 'identified', 'sampled')"

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
