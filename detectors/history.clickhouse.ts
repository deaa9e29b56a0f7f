import type { ClickHouseClient } from '@clickhouse/client'
import type { ReleaseView } from '../facts/overview.ts'
import { releaseKeyOf } from '../facts/slice.ts'
import type { SliceStanding } from './slice-standings.ts'

const MINUTE_MS = 60_000
/** Rows of a table that wait before they are stored in any case: bounds memory while a long history is caught up. */
const MOST_WAITING = 5_000

/**
 * How evidence moved, for boards: at most one row per release, trigger and minute, and one per slice and minute. The detector itself never
 * reads it.
 */
export type History = Readonly<{
  /** Takes how a release, and the slices that the batch touched, stand after it; the last word of a minute stays. */
  note: (view: ReleaseView, slices: readonly SliceStanding[], batch: Readonly<{ seq: number; clockMs: number }>) => void
  /** Stores what waits when it is much, or `isUrgent`. A failed store is tried again with the next call. */
  store: (isUrgent: boolean) => Promise<void>
}>

export function createHistory(store: ClickHouseClient): History {
  const evidence = waitingRows(store, 'evidence_history')
  const slices = waitingRows(store, 'evidence_slices')
  return {
    note: (view, standings, { seq, clockMs }) => {
      if (!view.judged) return
      const minuteMs = Math.floor(clockMs / MINUTE_MS) * MINUTE_MS
      const key = `${releaseKeyOf(view.release)}\u001f${minuteMs}`
      const shared = { ...view.release, minute: minuteMs / 1000, at: clockMs, seq }
      for (const row of rowsOf(view)) evidence.add(`${key}\u001f${row.trigger}`, { ...shared, ...row })
      for (const { channel, queue, signal, logE } of standings)
        slices.add(`${key}\u001f${channel}\u001f${queue}`, {
          ...shared,
          ...{ channel, queue, signal, log_e: logE, log_threshold: view.logThreshold },
        })
    },
    store: async (isUrgent) => {
      await evidence.store(isUrgent)
      await slices.store(isUrgent)
    },
  }
}

type Row = Readonly<Record<string, unknown>>

/** Rows of one table by key, the last of a key, until they are stored. */
function waitingRows(store: ClickHouseClient, table: string) {
  const waiting = new Map<string, Row>()
  return {
    add: (key: string, row: Row) => waiting.set(key, row),
    store: async (isUrgent: boolean): Promise<void> => {
      if (waiting.size === 0 || (!isUrgent && waiting.size < MOST_WAITING)) return
      await store.insert({ table, values: [...waiting.values()], format: 'JSONEachRow' })
      waiting.clear()
    },
  }
}

/** One row per trigger, and one with trigger '' for the joint evidence that a pause needs. */
const rowsOf = ({ triggers, logE, logThreshold, contacts }: ReleaseView) => [
  { trigger: '', trials: contacts, log_e: logE, log_threshold: logThreshold },
  ...triggers.map((view) => ({
    trigger: view.trigger,
    signal: view.signal,
    action: view.action,
    shadow: view.shadow ? 1 : 0,
    finding: view.finding,
    trials: view.trials,
    hits: view.hits,
    rate: view.rate,
    low: view.low,
    high: view.high,
    baseline: view.baseline,
    limit: view.limit,
    ceiling: view.ceiling ?? 0,
    log_e: view.logE,
    log_threshold: view.logThreshold,
  })),
]
