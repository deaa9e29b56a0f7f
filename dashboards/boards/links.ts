import { SLICE_COLUMNS } from './sql.ts'

/** Boards by their short names; the uid is ours and lets boards link to each other. */
export const BOARDS = {
  live: { uid: 'andon-live', title: 'Andon / Live' },
  onCall: { uid: 'andon-on-call', title: 'Andon / On-call' },
  releases: { uid: 'andon-releases', title: 'Andon / Releases' },
  leaders: { uid: 'andon-leaders', title: 'Andon / Leaders' },
  timeline: { uid: 'andon-timeline', title: 'Andon / Release timeline' },
  monitor: { uid: 'andon-monitor', title: 'Andon / Monitor health' },
} as const
export type BoardName = keyof typeof BOARDS

/** All boards of Andon carry it; the links at the top of a board list them by it. */
export const TAG = 'andon'

/** Variables that every board has, so that links carry the selection through each of them. */
export const SHARED = ['clickhouse', ...SLICE_COLUMNS, 'page'] as const
export type Shared = (typeof SHARED)[number]

/** Address of a board with the range and the selection of this one. `given` sets variables; `more` of this board's own are kept as well. */
export function boardUrl(
  board: BoardName,
  given: Readonly<Record<string, string>> = {},
  more: readonly string[] = [],
): string {
  const kept = [...SHARED, ...more].map((name) => `\${${name}:queryparam}`)
  const set = Object.entries(given).map(([name, value]) => `var-${name}=${value}`)
  return `/d/${BOARDS[board].uid}?${['${__url_time_range}', ...kept, ...set].join('&')}`
}

/** The value of another column of the row that was clicked, safe in an address. */
export const ofRow = (column: string): string => `\${__data.fields["${column}"]:percentencode}`

/** The board Releases with the release of the row that was clicked, which has its key in the column `release_key` (sql.ts). */
export const compareUrl = (): string => boardUrl('releases', { left: ofRow('release_key') })
