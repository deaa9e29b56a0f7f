import type { ClickHouseClient } from '@clickhouse/client'
import type { MetricPoint, OutcomeFact, SpanFact } from '../facts/span.ts'
import { rowsOf } from '../store/store.clickhouse.ts'
import { storeBatch } from './accept.clickhouse.ts'
import { type Stamp, wholeSeconds } from './rows.ts'
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
  const stamp = await nextStamp(store, nowMs)
  const facts = {
    spans: factsOf<SpanFact>('span'),
    outcomes: factsOf<OutcomeFact>('outcome'),
    points: factsOf<MetricPoint>('point'),
  }
  await storeBatch({ store }, wholeOf(stamp), facts)
  await store.command({ query: 'ALTER TABLE set_aside DELETE WHERE 1 SETTINGS mutations_sync = 2' })
  return rows.length
}

/**
 * Of a batch that is accepted now. Numbers that halves of a batch are to get are taken. Where batches are stamped with event time, which shows
 * in the last one, the clock stays where it is: else a month of history would end today.
 */
async function nextStamp(store: ClickHouseClient, nowMs: number): Promise<Stamp> {
  const [last] = await rowsOf<{ seq: number; clockMs: number; isEventTime: 0 | 1 }>(
    store,
    `SELECT max(number) AS seq, toUnixTimestamp64Milli(max(clock)) AS clockMs,
       abs(toUnixTimestamp64Milli(argMax(clock, number)) - argMax(received_ms, number)) >= 1000 AS isEventTime
     FROM (
       SELECT seq AS number, clock_at AS clock, toUnixTimestamp64Milli(accepted_at) AS received_ms FROM batches
       UNION ALL SELECT seq, accepted_at, toUnixTimestamp(received_at) * 1000 FROM spans
       UNION ALL SELECT seq, accepted_at, toUnixTimestamp(received_at) * 1000 FROM outcomes
       UNION ALL SELECT seq, accepted_at, toUnixTimestamp(received_at) * 1000 FROM metric_points
       UNION ALL SELECT if(set_aside = 0, half_seq + 1, seq), accepted_at, toUnixTimestamp(received_at) * 1000 FROM taken_back)`,
  )
  const { seq, clockMs, isEventTime } = last!
  return { seq: seq + 1, acceptedAtMs: isEventTime ? clockMs : Math.max(nowMs, clockMs), receivedAtMs: nowMs }
}
