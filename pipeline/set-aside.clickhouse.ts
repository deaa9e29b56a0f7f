import type { ClickHouseClient } from '@clickhouse/client'
import type { MetricPoint, OutcomeFact, SpanFact } from '../facts/span.ts'
import { rowsOf } from '../store/store.clickhouse.ts'
import { storeBatch } from './accept.clickhouse.ts'
import { wholeSeconds } from './rows.ts'
import { wholeOf } from './share.ts'
import type { StoredBatch } from './steps.clickhouse.ts'

/** One fact that is set aside: it counts nowhere. */
export type SetAside = Readonly<{
  kind: 'span' | 'outcome' | 'point'
  /** Trace and span, outcome, or metric and series. */
  id: string
  /** The batch that failed with nothing else in it, and how. */
  seq: number
  error: string
  /** RFC 3339, when it was received. */
  at: string
}>

/** Sets all facts of a batch aside. */
export async function setAside(store: ClickHouseClient, batch: StoredBatch, error: string): Promise<void> {
  const { share, spans, outcomes, points } = batch
  const { seq, receivedAtMs } = share.stamp
  const facts = [
    ...spans.map((fact) => ({ kind: 'span', id: `${fact.traceId}/${fact.spanId}`, fact })),
    ...outcomes.map((fact) => ({ kind: 'outcome', id: fact.outcomeId, fact })),
    ...points.map((fact) => ({ kind: 'point', id: `${fact.name}/${fact.series}`, fact })),
  ]
  const received_at = wholeSeconds(receivedAtMs)
  await store.insert({
    table: 'set_aside',
    values: facts.map(({ kind, id, fact }, position) => ({
      ...{ seq, position, received_at, kind, id, error },
      body: JSON.stringify(fact),
    })),
    format: 'JSONEachRow',
    clickhouse_settings: { insert_deduplication_token: `s${seq}`, async_insert: 0 },
  })
}

/** How many facts are set aside. */
export const countSetAside = async (store: ClickHouseClient): Promise<number> =>
  (await rowsOf<{ n: number }>(store, 'SELECT toUInt32(count()) AS n FROM set_aside'))[0]!.n

/** What is set aside, oldest first. */
export const listSetAside = (store: ClickHouseClient): Promise<SetAside[]> =>
  rowsOf<SetAside>(
    store,
    "SELECT kind, id, seq, error, formatDateTime(received_at, '%Y-%m-%dT%H:%i:%SZ', 'UTC') AS at FROM set_aside ORDER BY seq, position",
  )

/**
 * Accepts again what is set aside, as one batch that the next monitor on this store counts; returns how many facts. No monitor may run on it
 * meanwhile. Interrupted and done again it accepts copies, which change nothing.
 */
export async function replaySetAside(store: ClickHouseClient, nowMs: number): Promise<number> {
  const rows = await rowsOf<Pick<SetAside, 'kind'> & { body: string }>(
    store,
    'SELECT kind, body FROM set_aside ORDER BY seq, position',
  )
  if (rows.length === 0) return 0
  const factsOf = <Fact>(of: SetAside['kind']) =>
    rows.filter(({ kind }) => kind === of).map(({ body }) => JSON.parse(body) as Fact)
  const [last] = await rowsOf<{ seq: number; clockMs: number }>(
    store,
    `SELECT max(seq) AS seq, toUnixTimestamp64Milli(max(at)) AS clockMs FROM (
       SELECT seq, clock_at AS at FROM batches UNION ALL SELECT seq, accepted_at FROM spans
       UNION ALL SELECT seq, accepted_at FROM outcomes UNION ALL SELECT seq, accepted_at FROM metric_points)`,
  )
  const stamp = { seq: last!.seq + 1, acceptedAtMs: Math.max(nowMs, last!.clockMs), receivedAtMs: nowMs }
  const facts = {
    spans: factsOf<SpanFact>('span'),
    outcomes: factsOf<OutcomeFact>('outcome'),
    points: factsOf<MetricPoint>('point'),
  }
  await storeBatch({ store }, wholeOf(stamp), facts)
  await store.command({ query: 'ALTER TABLE set_aside DELETE WHERE 1 SETTINGS mutations_sync = 2' })
  return rows.length
}
