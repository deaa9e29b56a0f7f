import type { ClickHouseClient } from '@clickhouse/client'
import type { ReleaseView } from '../facts/overview.ts'
import { releaseKeyOf } from '../facts/slice.ts'

const MINUTE_MS = 60_000
/** Rows that wait before they are stored in any case: bounds memory while a long history is caught up. */
const MOST_WAITING = 5_000

/** How evidence moved, for boards: at most one row per release, trigger and minute. The detector itself never reads it. */
export type History = Readonly<{
  /** Takes how a release stands after a batch; the last word of a minute stays. */
  note: (view: ReleaseView, batch: Readonly<{ seq: number; clockMs: number }>) => void
  /** Stores what waits when it is much, or `isUrgent`. A failed store is tried again with the next call. */
  store: (isUrgent: boolean) => Promise<void>
}>

export function createHistory(store: ClickHouseClient): History {
  const waiting = new Map<string, Record<string, unknown>>()
  return {
    note: (view, { seq, clockMs }) => {
      if (!view.judged) return
      const minuteMs = Math.floor(clockMs / MINUTE_MS) * MINUTE_MS
      const shared = { ...view.release, minute: minuteMs / 1000, at: clockMs, seq }
      for (const row of rowsOf(view))
        waiting.set(`${releaseKeyOf(view.release)}\u001f${row.trigger}\u001f${minuteMs}`, { ...shared, ...row })
    },
    store: async (isUrgent) => {
      if (waiting.size === 0 || (!isUrgent && waiting.size < MOST_WAITING)) return
      await store.insert({ table: 'evidence_history', values: [...waiting.values()], format: 'JSONEachRow' })
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
    log_e: view.logE,
    log_threshold: view.logThreshold,
  })),
]
