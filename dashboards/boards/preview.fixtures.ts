/**
 * What every panel of the boards gets from the data of the demo, as JSON on stdout: node dashboards/boards/preview.fixtures.ts. The plugin draws it
 * (dashboards/plugin/test/pictures.mts).
 */

import { DAY_MS } from '../../simulator/scenario.ts'
import { allBoards } from './all.ts'
import { openDemoStore, type Play } from './demo.fixtures.ts'
import { frameOf } from './frame.fixtures.ts'
import { ALL, expanded, type Selection } from './macros.fixtures.ts'
import { clickhouseQueriesOf, keyOfRelease, panelsOf } from './read.fixtures.ts'
import { SLICE_COLUMNS } from './sql.ts'
import { seriesOf, tableOf } from './wide.fixtures.ts'

/** Widest panel, in points: what a browser of 1,400 pixels asks for. */
const MOST_POINTS = 700

/** Four days of three agents with traffic enough for lines that can be read; two releases go bad. */
const PLAY: Play = {
  pausesAll: true,
  days: 4,
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

const demo = await openDemoStore(PLAY)
const all = { value: [ALL], options: [] }
const one = (value: string) => ({ value, options: [value] })
const crm = (release: string) => keyOfRelease({ environment: 'production', agent: 'crm-hygiene', release })
const selection: Selection = {
  ...Object.fromEntries(SLICE_COLUMNS.map((name) => [name, all])),
  period: one('day'),
  left: one(crm('4.2.0')),
  right: one(crm('4.1.0')),
}
const range = { fromMs: demo.fromMs, toMs: demo.fromMs + PLAY.days * DAY_MS }
const boards = await Promise.all(
  Object.entries(allBoards()).map(async ([file, board]) => ({
    file,
    title: board.title,
    range,
    panels: await Promise.all(
      panelsOf(board).map(async (panel) => {
        const mine = clickhouseQueriesOf(board).filter(({ where }) => where === panel.title)
        const isDay = JSON.stringify(panel).includes('"interval":"1d"')
        const points = panel.maxDataPoints ?? MOST_POINTS
        const intervalMs = isDay ? DAY_MS : Math.max(60_000, (range.toMs - range.fromMs) / points)
        const frames = await Promise.all(
          mine.map(async ({ rawSql, refId, format }) => {
            const frame = await frameOf(demo.store, expanded(rawSql, selection, { ...range, intervalMs }))
            return (format === 'series' ? seriesOf : tableOf)(refId, frame)
          }),
        )
        const { targets: _, ...drawn } = panel
        return { ...drawn, frames }
      }),
    ),
  })),
)
await demo.close()
// Names that Grafana fills in where they are drawn.
process.stdout.write(
  JSON.stringify(boards)
    .replaceAll(/\$\{left\}/g, crm('4.2.0'))
    .replaceAll(/\$\{right\}/g, crm('4.1.0')),
)
