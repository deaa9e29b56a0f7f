/**
 * Records what the boards get from the data of the demo: npm run preview. The plugin draws it (dashboards/plugin/test/pictures.mts) and holds the
 * boards' layout against it (dashboards/plugin/test/layout.chromium.test.ts), which refuses a recording of other queries than the boards have.
 */

import { createHash } from 'node:crypto'
import { writeFileSync } from 'node:fs'
import { DAY_MS, HOUR_MS } from '../../simulator/scenario.ts'
import { allBoards } from './all.ts'
import { type DemoStore, openDemoStore, type Play } from './demo.fixtures.ts'
import type { BoardJson } from './finish.ts'
import { frameOf } from './frame.fixtures.ts'
import { ALL, chosenOne, expanded, type Selection } from './macros.fixtures.ts'
import { annotationsOf, clickhouseQueriesOf, keyOfRelease, type PanelJson, panelsOf } from './read.fixtures.ts'
import type { Range } from './server-macros.fixtures.ts'
import { SLICE_COLUMNS } from './sql.ts'
import { seriesOf, tableOf } from './wide.fixtures.ts'

const RECORDING = new URL('../plugin/test/recording.json', import.meta.url)

/** Widest panel, in points: what a browser of 1,400 pixels asks for. */
const MOST_POINTS = 700

/** Nearly four days of three agents with traffic enough for lines that can be read; two releases go bad. */
const PLAY: Play = {
  pausesAll: true,
  days: 3.75,
  traffic: 3,
  stepHours: 2,
  launches: [
    ['order-status', '2026.11.0', 0],
    ['collections', 'r16', 0],
    ['crm-hygiene', '4.1.0', 0],
    ['crm-hygiene', '4.2.0', 1, { harm: 'failed_updates', onsetMs: 1.5 * DAY_MS, rate: 0.07 }],
    ['order-status', '2026.11.1', 1.5],
    ['collections', 'r17', 2, { harm: 'duplicate_creations', onsetMs: 2.25 * DAY_MS, rate: 0.06 }],
    ['crm-hygiene', '4.2.1', 3],
  ],
}
/** The two releases that are compared; the other boards show all. */
const crm = (release: string) => keyOfRelease({ environment: 'production', agent: 'crm-hygiene', release })
const COMPARED = { left: crm('4.2.0'), right: crm('4.1.0'), period: 'day' }

const all = { value: [ALL], options: [] }
const ofAll: Selection = {
  ...Object.fromEntries(SLICE_COLUMNS.map((name) => [name, all])),
  period: chosenOne(COMPARED.period),
}
const ofTwo: Selection = { ...ofAll, left: chosenOne(COMPARED.left), right: chosenOne(COMPARED.right) }

/** Six digits are more than a picture shows. */
const short = (_: string, value: unknown): unknown =>
  typeof value === 'number' && !Number.isInteger(value) ? Number(value.toPrecision(6)) : value

const demo = await openDemoStore(PLAY)
// Neither end is a midnight: no tick of an axis stands at the edge, where it would be cut.
const range = { fromMs: demo.fromMs - 2 * HOUR_MS, toMs: demo.fromMs + PLAY.days * DAY_MS }
const boards = Object.fromEntries(
  await Promise.all(
    Object.entries(allBoards()).map(async ([file, board]) => {
      const selection = JSON.stringify(board).includes('${left') ? ofTwo : ofAll
      return [file, await recordingOf(demo, board, selection, range)] as const
    }),
  ),
)
await demo.close()
writeFileSync(RECORDING, `${JSON.stringify({ range, chosen: COMPARED, boards }, short)}\n`)

async function recordingOf(
  { store }: DemoStore,
  board: BoardJson,
  selection: Selection,
  range: Omit<Range, 'intervalMs'>,
) {
  const queries = clickhouseQueriesOf(board).filter(({ format }) => format !== 'annotation')
  const intervalOf = ({ interval, maxDataPoints }: PanelJson): number =>
    interval === '1d' ? DAY_MS : Math.max(60_000, (range.toMs - range.fromMs) / (maxDataPoints ?? MOST_POINTS))
  const panels = await Promise.all(
    panelsOf(board).map(async (panel) => {
      const mine = queries.filter(({ where }) => where === panel.title)
      const intervalMs = intervalOf(panel)
      const frames = await Promise.all(
        mine.map(async ({ rawSql, refId, format }) => {
          const frame = await frameOf(store, expanded(rawSql, selection, { ...range, intervalMs }))
          return (format === 'series' ? seriesOf : tableOf)(refId, frame)
        }),
      )
      return [panel.title, { asked: hashOf(mine.map(({ rawSql }) => rawSql)), frames }] as const
    }),
  )
  const marks = await Promise.all(
    annotationsOf(board).map(async ({ name, target: { rawSql } }) => {
      if (rawSql === undefined) return [] // asks Prometheus, which the demo has not
      const frame = await frameOf(store, expanded(rawSql, selection, { ...range, intervalMs: 60_000 }))
      return [[name, { asked: hashOf([rawSql]), frames: [tableOf('Anno', frame)] }] as const]
    }),
  )
  return { panels: Object.fromEntries(panels), marks: Object.fromEntries(marks.flat()) }
}

function hashOf(queries: readonly string[]): string {
  return createHash('sha256').update(JSON.stringify(queries)).digest('hex').slice(0, 16)
}
