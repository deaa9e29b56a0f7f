import type { ClickHouseClient } from '@clickhouse/client'
import { EMPTY_OUTCOME, EMPTY_SPAN, type MetricPoint, type OutcomeFact, type SpanFact } from '../facts/span.ts'
import type { Clock } from '../lib/clock.ts'
import { assert } from '../lib/errors.ts'
import { rowsOf } from '../store/store.clickhouse.ts'
import { expiryOf } from './changes.ts'
import { insertReadable } from './readable.clickhouse.ts'
import {
  OUTCOME_SELECT,
  outcomeRow,
  POINT_SELECT,
  pointRow,
  SPAN_SELECT,
  SPAN_TABLE_COLUMNS,
  type Stamp,
  spanValues,
} from './rows.ts'
import { type Share, wholeOf } from './share.ts'
import type { BatchContext, StoredBatch } from './steps.clickhouse.ts'
import { storedSpans } from './stored.clickhouse.ts'
import { together, unique } from './together.ts'

export type Arrivals = Readonly<{
  spans: readonly SpanFact[]
  outcomes: readonly OutcomeFact[]
  points: readonly MetricPoint[]
}>

/**
 * Facts of a batch that was put in order. `isAgain`: it was begun before, perhaps from more records or by another configuration. What was
 * stored of it then stands.
 */
export type BatchFacts = Arrivals & Readonly<{ isAgain?: boolean }>

/**
 * wall: facts are accepted at the monitor's clock (live). event: at the greatest event time accepted so far (replay, demo),
 * so that a month of history takes its own month.
 */
export type ClockMode = 'wall' | 'event'

/** The number that the next batch gets, and the event clock before it. */
export type Position = Readonly<{ nextSeq: number; clockMs: number }>

/** Number and clocks of a batch that arrives now. */
export function stampOf(
  { clock, clockMode }: Readonly<{ clock: Clock; clockMode: ClockMode }>,
  position: Position,
  taken: readonly Arrivals[],
): Stamp {
  const receivedAtMs = clock.nowMs()
  const acceptedAtMs = clockMode === 'wall' ? receivedAtMs : eventClock(position.clockMs, taken)
  return { seq: position.nextSeq, acceptedAtMs, receivedAtMs }
}

/** The facts of a batch as they are stored: each with a time, and with what ends the waiting of traces. */
export function batchFacts(stamp: Stamp, taken: readonly Arrivals[], expired: readonly string[]): Arrivals {
  const { acceptedAtMs } = stamp
  const arrived = taken.flatMap((arrivals) => arrivals.spans)
  return {
    spans: [
      ...arrived.map((span) => withTimes(span, acceptedAtMs)),
      ...expired.map((traceId) => expiryOf(traceId, acceptedAtMs)),
    ],
    outcomes: taken
      .flatMap((arrivals) => arrivals.outcomes)
      .map((outcome) => ({ ...outcome, atMs: plausible(outcome.atMs) || acceptedAtMs })),
    points: taken
      .flatMap((arrivals) => arrivals.points)
      .map((point) => ({ ...point, startMs: plausible(point.startMs), atMs: plausible(point.atMs) || acceptedAtMs })),
  }
}

/** `bared`: places in `spans`, `outcomes` and `points` of facts of which the store could keep nothing but the identity. */
export type Stored = StoredBatch & Readonly<{ bared: Readonly<Record<keyof Arrivals, readonly number[]>> }>

/**
 * Makes (a lane's share of) a batch durable. Its number and clock are stored with every row, so it can be driven again as it was. What it
 * writes depends on its arguments alone: storing the same share again changes nothing. Of a batch that was begun before, what stands after it
 * is returned, whoever stored it.
 */
export async function storeBatch(
  { store, onUnreadable }: Pick<BatchContext, 'store' | 'onUnreadable'>,
  share: Share,
  facts: BatchFacts,
): Promise<Stored> {
  const { stamp, lane, lanes } = share
  /** One number a row over all lanes, in order within a lane: all copies of a fact come to the same one. */
  const positionOf = (index: number) => index * lanes + lane
  const settings = (part: string) =>
    ({
      insert_deduplication_token: `a${stamp.seq}.${lane}${part}`,
      async_insert: 0,
      deduplicate_blocks_in_dependent_materialized_views: 1,
    }) as const
  const insert =
    <Fact>(table: string, rowOf: (fact: Fact, position: number, stamp: Stamp) => object) =>
    (some: readonly Fact[], from: number, part: string) =>
      store.insert({
        table,
        values: some.map((fact, index) => rowOf(fact, positionOf(from + index), stamp)),
        format: 'JSONEachRow',
        clickhouse_settings: settings(part),
      })
  const [known, spans, outcomes, points] = await together([
    spansBefore(store, stamp.seq, facts.spans),
    insertReadable(facts.spans, bareSpan, (some, from, part) =>
      store.insert({
        table: 'spans',
        columns: [...SPAN_TABLE_COLUMNS] as [string, ...string[]],
        values: some.map((span, index) => spanValues(span, positionOf(from + index), stamp)),
        format: 'JSONCompactEachRow',
        clickhouse_settings: settings(part),
      }),
    ),
    insertReadable(facts.outcomes, bareOutcome, insert('outcomes', outcomeRow)),
    insertReadable(facts.points, barePoint, insert('metric_points', pointRow)),
  ])
  const lost = spans.bared.length + outcomes.bared.length + points.bared.length
  if (lost > 0) onUnreadable?.(lost)
  const bared = { spans: spans.bared, outcomes: outcomes.bared, points: points.bared }
  if (facts.isAgain) return { ...(await readShare(store, share)), bared }
  return { share, known, spans: spans.facts, outcomes: outcomes.facts, points: points.facts, bared }
}

/** Work of nobody knows whom: it joins its trace and counts nothing. */
const bareSpan = ({ traceId, spanId, startedAtMs, endedAtMs }: SpanFact): SpanFact => ({
  ...EMPTY_SPAN,
  traceId,
  spanId,
  startedAtMs,
  endedAtMs,
})
/** It counts among those that nothing can be attributed to. */
const bareOutcome = ({ outcomeId, kind, atMs }: OutcomeFact): OutcomeFact => ({
  ...EMPTY_OUTCOME,
  outcomeId,
  kind,
  atMs,
})
/** The point of no metric. */
const barePoint = (point: MetricPoint): MetricPoint => ({
  name: '',
  series: '',
  environment: '',
  agent: '',
  release: '',
  channel: '',
  queue: '',
  startMs: 0,
  atMs: point.atMs,
  value: 0,
  temporality: 'gauge',
  monotonic: 0,
})

/** What is stored of the same traces: their spans in batches before `seq`. */
const spansBefore = (store: ClickHouseClient, seq: number, spans: readonly SpanFact[]): Promise<SpanFact[]> =>
  storedSpans({ store, seq }, unique(spans.map((span) => span.traceId)))

/** The greatest event time accepted so far: times of starts and outcomes, never of ends, which may lie far ahead. */
function eventClock(clockMs: number, taken: readonly Arrivals[]): number {
  let latestMs = clockMs
  for (const { spans, outcomes, points } of taken) {
    for (const span of spans) latestMs = Math.max(latestMs, plausible(span.startedAtMs))
    for (const outcome of outcomes) latestMs = Math.max(latestMs, plausible(outcome.atMs))
    for (const point of points) latestMs = Math.max(latestMs, plausible(point.atMs))
  }
  return latestMs
}

/** 2100-01-01: later times are mistakes of the sender, and ClickHouse's DateTime ends in 2106. */
const LAST_TIME_MS = 4_102_444_800_000
/** Whole milliseconds, as the store keeps them: what is counted now must be what a later batch reads. */
const plausible = (ms: number): number => (ms > 0 && ms < LAST_TIME_MS ? Math.floor(ms) : 0)

/** A fact without a (plausible) time happened when it was accepted. */
const withTimes = (span: SpanFact, acceptedAtMs: number): SpanFact => {
  const startedAtMs = plausible(span.startedAtMs) || plausible(span.endedAtMs) || acceptedAtMs
  const endedAtMs = Math.max(plausible(span.endedAtMs), startedAtMs)
  return span.startedAtMs === startedAtMs && span.endedAtMs === endedAtMs ? span : { ...span, startedAtMs, endedAtMs }
}

/** A batch as it was stored, to be driven again. */
export const readBatch = async (store: ClickHouseClient, seq: number): Promise<StoredBatch> =>
  readShare(store, wholeOf(await readStamp(store, seq)))

/** Number and clocks of a batch of which facts stand. */
export async function readStamp(store: ClickHouseClient, seq: number): Promise<Stamp> {
  const [stamp] = await rowsOf<{ acceptedAtMs: number; receivedAtMs: number }>(
    store,
    `SELECT toUnixTimestamp64Milli(max(accepted_at)) AS acceptedAtMs, toUnixTimestamp(max(received_at)) * 1000 AS receivedAtMs
     FROM (SELECT accepted_at, received_at FROM spans WHERE seq = {seq:UInt64}
       UNION ALL SELECT accepted_at, received_at FROM outcomes WHERE seq = {seq:UInt64}
       UNION ALL SELECT accepted_at, received_at FROM metric_points WHERE seq = {seq:UInt64})`,
    { seq },
  )
  assert(stamp, `batch ${seq} has rows`)
  return { seq, ...stamp }
}

/** What stands of a lane's share of a batch. */
export async function readShare(store: ClickHouseClient, share: Share): Promise<StoredBatch> {
  const { stamp, lane, lanes } = share
  const { seq } = stamp
  const facts = <Fact>(select: string, table: string): Promise<Fact[]> =>
    rowsOf<Fact>(
      store,
      `SELECT ${select} FROM ${table} WHERE seq = {seq:UInt64} AND position % {lanes:UInt16} = {lane:UInt16} ORDER BY position`,
      { seq, lane, lanes },
    )
  const [spans, outcomes, points] = await together([
    facts<SpanFact>(SPAN_SELECT, 'spans'),
    facts<OutcomeFact>(OUTCOME_SELECT, 'outcomes'),
    facts<MetricPoint>(POINT_SELECT, 'metric_points'),
  ])
  return { share, spans, known: await spansBefore(store, seq, spans), outcomes, points }
}
