import { replyWindow } from '../facts/reply-window.ts'
import type { AffectedItem } from './affected.ts'
import { nameOf, type RecoveryEntry, stepsByItem } from './ledger.ts'

/** One row of an export: an item, what was done about it, and how long the customer may still be answered. Times RFC 3339 UTC, '' = none. */
export type AffectedRow = Readonly<Record<(typeof COLUMNS)[number], string | number>>

export const COLUMNS = [
  'kind',
  'item',
  'need',
  'why',
  'done',
  'doneAt',
  'doneBy',
  'environment',
  'agent',
  'release',
  'channel',
  'queue',
  'intent',
  'contactId',
  'conversation',
  'customer',
  'contactEnd',
  'system',
  'recordType',
  'recordId',
  'recordKey',
  'amount',
  'currency',
  'at',
  'endedAt',
  'replyUntil',
  'replySecondsLeft',
] as const

const rfc3339 = (ms: number): string => new Date(ms).toISOString()

/** Items with their entries. `lastActivityMs`: of each customer on a channel with a reply window, where it is later than the item says. */
export function affectedRows(
  items: readonly AffectedItem[],
  entries: readonly RecoveryEntry[],
  lastActivityMs: ReadonlyMap<string, number>,
  nowMs: number,
): AffectedRow[] {
  const steps = stepsByItem(entries)
  return items.map(({ atMs, endedAtMs, why, ...item }) => {
    const entry = steps.get(nameOf(item))
    const activityMs = Math.max(endedAtMs, lastActivityMs.get(item.customer) ?? 0)
    const reply = item.kind === 'customer' ? replyWindow(item.channel, activityMs, nowMs) : null
    return {
      ...item,
      why: why.join(' '),
      done: entry?.step ?? '',
      doneAt: entry ? rfc3339(entry.atMs) : '',
      doneBy: entry?.actor ?? '',
      at: rfc3339(atMs),
      endedAt: rfc3339(endedAtMs),
      replyUntil: reply ? rfc3339(reply.untilMs) : '',
      replySecondsLeft: reply ? Math.floor(reply.leftMs / 1000) : '',
    }
  })
}

/** RFC 4180 with a head line. A text that a spreadsheet would run as a formula gets an apostrophe. */
export function csvOf(rows: readonly AffectedRow[]): string {
  const lines = rows.map((row) => COLUMNS.map((column) => cell(row[column])).join(','))
  return `${[COLUMNS.join(','), ...lines].join('\r\n')}\r\n`
}

function cell(value: string | number): string {
  if (typeof value === 'number') return String(value)
  const safe = /^[=+\-@\t\r]/.test(value) ? `'${value}` : value
  return /[",\r\n]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe
}
