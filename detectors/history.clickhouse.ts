import type { ClickHouseClient } from '@clickhouse/client'
import type { ReleaseView, SliceStanding } from '../facts/overview.ts'
import { releaseKeyOf } from '../facts/slice.ts'

const MINUTE_MS = 60_000
/** A release that was not noted for as long is forgotten: its slices begin anew, with a row each. */
const FORGOTTEN_AFTER_MS = 24 * 60 * MINUTE_MS
/** Rows of a table that wait before they are stored in any case: bounds memory while a long history is caught up. */
const MOST_WAITING = 5_000
/** Share of the line by which a slice moves before that is worth a row where the batch brought nothing of it: time alone moves evidence as well. */
const LEAST_MOVE = 0.005

/**
 * How evidence moved, for boards: at most one row per release, trigger and minute, and one per slice and minute. The detector itself never
 * reads it.
 */
export type History = Readonly<{
  /** Takes how a release stands after a batch, and which of its slices the batch touched; the last word of a minute stays. */
  note: (view: ReleaseView, slices: readonly SliceStanding[], batch: Readonly<{ seq: number; clockMs: number }>) => void
  /** Stores what waits when it is much, or `isUrgent`. A failed store is tried again with the next call. */
  store: (isUrgent: boolean) => Promise<void>
}>

export function createHistory(store: ClickHouseClient): History {
  const evidence = waitingRows(store, 'evidence_history')
  const slices = waitingRows(store, 'evidence_slices')
  const noted = new Map<string, Noted>() // by release; nothing after a restart
  return {
    note: (view, touched, { seq, clockMs }) => {
      if (!view.judged) return
      const release = releaseKeyOf(view.release)
      const said = noted.get(release)?.said ?? new Map<string, number>()
      noted.delete(release) // so that whoever was not noted for longest comes first
      noted.set(release, { atMs: clockMs, said })
      for (const [key, { atMs }] of noted) {
        if (atMs > clockMs - FORGOTTEN_AFTER_MS) break
        noted.delete(key)
      }
      const minuteMs = Math.floor(clockMs / MINUTE_MS) * MINUTE_MS
      const key = `${release}\u001f${minuteMs}`
      const shared = { ...view.release, minute: minuteMs / 1000, at: clockMs, seq }
      for (const row of rowsOf(view)) evidence.add(`${key}\u001f${row.trigger}`, { ...shared, ...row })
      for (const slice of new Set([...touched, ...view.slices])) {
        const { channel, queue, signal, logE } = slice
        const name = `${channel}\u001f${queue}`
        const last = said.get(name)
        const hasMoved = last === undefined || Math.abs(logE - last) >= LEAST_MOVE * view.logThreshold
        if (!hasMoved && !touched.includes(slice)) continue
        said.set(name, logE)
        const standing = { channel, queue, signal, log_e: logE, log_threshold: view.logThreshold }
        slices.add(`${key}\u001f${name}`, { ...shared, ...standing })
      }
    },
    store: async (isUrgent) => {
      await evidence.store(isUrgent)
      await slices.store(isUrgent)
    },
  }
}

/** When a release was noted last, and what the history last said of its slices. */
type Noted = Readonly<{ atMs: number; said: Map<string, number> }>

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
