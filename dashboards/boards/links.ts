import { SLICE_COLUMNS, type SliceColumn } from './sql.ts'

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

/** Address of another board with the range and the selection of this one; `instead` replaces single variables. */
export function boardUrl(
  board: BoardName,
  instead: Readonly<Record<string, string>> = {},
  columns: readonly SliceColumn[] = SLICE_COLUMNS,
): string {
  const kept = ['clickhouse', ...columns].filter((name) => !(name in instead)).map((name) => `\${${name}:queryparam}`)
  const given = Object.entries(instead).map(([name, value]) => `var-${name}=${value}`)
  return `/d/${BOARDS[board].uid}?${['${__url_time_range}', ...kept, ...given].join('&')}`
}

/** The value of another column of the row that was clicked, safe in an address. */
export const ofRow = (column: string): string => `\${__data.fields["${column}"]:percentencode}`
