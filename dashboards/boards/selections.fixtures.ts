/** What the gates of the boards ask: every query of every board, with whatever people may select. */

import { FOUR_SIGNALS } from '../../detectors/signals/library.ts'
import { DAY_MS, HOUR_MS } from '../../simulator/scenario.ts'
import { KPIS } from '../kpis.ts'
import { allBoards, pluginBoards } from './all.ts'
import { HOSTILE_NAME } from './demo.fixtures.ts'
import { ALL, type Selection } from './macros.fixtures.ts'
import { clickhouseQueriesOf, keyOfRelease, type Query } from './read.fixtures.ts'
import type { Range } from './server-macros.fixtures.ts'

export type BoardQuery = Query & Readonly<{ board: string }>

/** Boards by the names of their files. */
export const boards = Object.entries({ ...allBoards(), ...pluginBoards() })
export const queries: readonly BoardQuery[] = boards.flatMap(([file, board]) =>
  clickhouseQueriesOf(board).map((query) => ({ ...query, board: file })),
)
export const titleOf = ({ board, where, refId }: BoardQuery): string => `${board} ${where} (${refId})`

/**
 * One query of each shape: boards draw a panel for every signal and every KPI, whose queries differ in that name alone. With All every query runs;
 * what a selection does to the SQL is the same for the whole shape.
 */
const NAMES = [...FOUR_SIGNALS, ...KPIS].map(({ name }) => `'${name}'`)
const shapeOf = (sql: string): string => NAMES.reduce((text, name) => text.replaceAll(name, "'a name'"), sql)
export const shapes: readonly BoardQuery[] = [...Map.groupBy(queries, ({ rawSql }) => shapeOf(rawSql)).values()].map(
  ([first]) => first!,
)

export const crm = (release: string) => keyOfRelease({ environment: 'production', agent: 'crm-hygiene', release })
/** Every variable that any board has, as people may set it. */
export const OPTIONS: Readonly<Record<string, readonly string[]>> = {
  environment: ['production'],
  agent: ['crm-hygiene', 'collections', 'order-status'],
  release: ['4.2.0', 'r17', '2026.11.0', HOSTILE_NAME],
  left: ['4.1.0', '4.2.0'].map(crm),
  right: ['4.2.0', '4.1.0'].map(crm),
  channel: ['email', 'voice', 'whatsapp'],
  queue: ['onboarding', 'promises', 'orders'],
  region: ['emea', 'north', 'de'],
  period: ['week', 'day', 'month'],
}
/** Variables without All hold a text, the others a list. */
const SINGLE = new Set(['left', 'right', 'period'])
const HOSTILE = [HOSTILE_NAME, `'; DROP TABLE deltas; --`, ') OR 1=1 --', '\\', "'", '$__all)', '東京 "']

export const selectionOf = (
  value: (name: string, options: readonly string[]) => string | readonly string[],
): Selection =>
  Object.fromEntries(Object.entries(OPTIONS).map(([name, options]) => [name, { value: value(name, options), options }]))
export const one = (name: string, value: string): string | readonly string[] => (SINGLE.has(name) ? value : [value])

export const SELECTIONS = {
  All: selectionOf((name, options) => (SINGLE.has(name) ? options[0]! : [ALL])),
  'several values each': selectionOf((name, options) => (SINGLE.has(name) ? options[1]! : options.slice(0, 2))),
  'nothing selected': selectionOf((name) => (SINGLE.has(name) ? '' : [])),
  'hostile values': selectionOf((name) => (SINGLE.has(name) ? HOSTILE[1]! : HOSTILE)),
  'one hostile value': selectionOf((name) => one(name, HOSTILE_NAME)),
} as const satisfies Record<string, Selection>

/** Ranges that read totals by minute, by hour and by day. */
export const ranges = (toMs: number): Readonly<Record<'minutes' | 'hours' | 'days', Range>> => ({
  minutes: { fromMs: toMs - 10 * DAY_MS, toMs, intervalMs: 600_000 },
  hours: { fromMs: toMs - 90 * DAY_MS, toMs, intervalMs: 2 * HOUR_MS },
  days: { fromMs: toMs - 90 * DAY_MS, toMs, intervalMs: 2 * DAY_MS },
})
