import { createRequire } from 'node:module'
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import { storedRecoveryApi } from '../../app/recovery-api.ts'
import { configSchema } from '../../config.ts'
import { silentLog } from '../../lib/log.ts'
import { DAY_MS, HOUR_MS } from '../../simulator/scenario.ts'
import { type DemoStore, HOSTILE_NAME, openDemoStore, openEmptyStore } from './demo.fixtures.ts'
import { FIGURES, NOT_TOLD, type Told, TWO } from './figures.fixtures.ts'
import { faultsOf, frameOf, isNumber } from './frame.fixtures.ts'
import { expanded, type Selection } from './macros.fixtures.ts'
import { type PanelJson, panelsOf, variablesOf } from './read.fixtures.ts'
import {
  type BoardQuery,
  boards,
  OPTIONS,
  one,
  queries,
  ranges,
  SELECTIONS,
  selectionOf,
  shapes,
  titleOf,
} from './selections.fixtures.ts'
import type { Range } from './server-macros.fixtures.ts'

/** Seconds on a quiet machine: hundreds of queries on an engine that others may share. */
vi.setConfig({ testTimeout: 180_000 })

let demo: DemoStore
let empty: Awaited<ReturnType<typeof openEmptyStore>>

beforeAll(async () => {
  empty = await openEmptyStore()
  demo = await openDemoStore()
}, 400_000)
afterAll(async () => {
  await demo?.close()
  await empty?.close()
})

/** Many selections make the same SQL of a query (nothing selected is All): each is asked once per store. */
const asked = new Map<DemoStore['store'], Map<string, ReturnType<typeof frameOf>>>()
function framesOf(store: DemoStore['store'], sql: string): ReturnType<typeof frameOf> {
  const known = asked.get(store) ?? new Map<string, ReturnType<typeof frameOf>>()
  asked.set(store, known)
  const frame = known.get(sql) ?? frameOf(store, sql)
  known.set(sql, frame)
  return frame
}

/** What ClickHouse or Grafana would say against each query, with the query it is about. */
async function failuresOf(
  store: DemoStore['store'],
  asking: readonly BoardQuery[],
  selection: Selection,
  range: Range,
  mayBeEmpty: (query: BoardQuery) => boolean = () => true,
): Promise<string[]> {
  const found = await Promise.all(
    asking.map(async (query) => {
      const title = titleOf(query)
      const sql = expanded(query.rawSql, selection, range)
      try {
        const frame = await framesOf(store, sql)
        const faults = faultsOf(frame, query.format).map((fault) => `${title}: ${fault}`)
        return frame.rows.length === 0 && !mayBeEmpty(query) ? [...faults, `${title}: no rows`] : faults
      } catch (error) {
        return [`${title}: ${(error as Error).message.slice(0, 400)}\n${sql}`]
      }
    }),
  )
  return found.flat()
}

test('with All every query runs on the data of the demo, by minutes, and over a quarter of a year by hours and by days', async () => {
  for (const range of Object.values(ranges(demo.toMs)))
    expect(await failuresOf(demo.store, queries, SELECTIONS.All, range, ({ mayBeEmpty }) => mayBeEmpty)).toEqual([])
})

/** A release that was paused has no evidence that is close to a pause and is not silent; the window of its contacts may not be over. */
const NOT_OF_ONE_PAUSED = /^(?:Closest to a pause|Last contact|Repeat contact rate by)/

test('narrowed to one slice of a release that was paused, every query finds it', async () => {
  const [{ release: of, finding }] = demo.overview.incidents as [(typeof demo.overview.incidents)[number]]
  const [slice] = (
    await frameOf(
      demo.store,
      `SELECT channel, queue, region FROM slice_times WHERE agent = '${of.agent}' AND release = '${of.release}'
         AND '${finding.channel}' IN ('', channel) AND '${finding.queue}' IN ('', queue)
       ORDER BY contacts DESC LIMIT 1`,
    )
  ).rows as { channel: string; queue: string; region: string }[]
  const values: Readonly<Record<string, string>> = { ...slice!, ...of, compared: '4.1.0', period: 'day' }
  const ofOne = selectionOf((name) => one(name, values[name]!))
  const mayBeEmpty = ({ mayBeEmpty, where }: BoardQuery) => mayBeEmpty || NOT_OF_ONE_PAUSED.test(where)
  expect(await failuresOf(demo.store, shapes, ofOne, ranges(demo.toMs).minutes, mayBeEmpty)).toEqual([])
})

test.each(['several values each', 'nothing selected', 'hostile values', 'one hostile value'] as const)(
  'with %s every query runs on the data of the demo',
  async (name) => {
    expect(await failuresOf(demo.store, shapes, SELECTIONS[name], ranges(demo.toMs).minutes)).toEqual([])
  },
)

test('hostile values run over a quarter of a year as well, read by hours or days', async () => {
  for (const range of [ranges(demo.toMs).hours, ranges(demo.toMs).days])
    expect(await failuresOf(demo.store, shapes, SELECTIONS['hostile values'], range)).toEqual([])
})

test('on an empty store every query runs with All, and with several and with hostile values', async () => {
  const range = ranges(demo.toMs).minutes
  expect(await failuresOf(empty.store, queries, SELECTIONS.All, range)).toEqual([])
  for (const name of ['several values each', 'hostile values'] as const)
    expect(await failuresOf(empty.store, shapes, SELECTIONS[name], range)).toEqual([])
})

test('variables offer what the demo has, in order, and hostile names as they are', async () => {
  for (const [file, board] of boards) {
    for (const variable of variablesOf(board)) {
      const sql = expanded(variable.rawSql, SELECTIONS.All, ranges(demo.toMs).minutes)
      const { columns, rows } = await frameOf(demo.store, sql)
      expect(columns, `${file} ${variable.name}`).toHaveLength(1)
      const values = rows.map((row) => row[columns[0]!.name])
      if (variable.name === 'release') expect(values).toEqual(expect.arrayContaining([HOSTILE_NAME, '4.2.0']))
      if (variable.name === 'agent') expect(values).toEqual(['collections', 'crm-hygiene', 'order-status'])
    }
  }
})

/** Rows of one query of a panel, by name, over everything. */
async function rowsOfPanel(file: string, title: string, selection: Selection = SELECTIONS.All) {
  const query = queries.find(({ board, where }) => board === file && where === title)
  if (!query) throw new Error(`${file} has no panel '${title}'`)
  return (await frameOf(demo.store, expanded(query.rawSql, selection, ranges(demo.toMs).minutes))).rows
}

describe('what a board shows is what the API says', () => {
  let told: Told
  beforeAll(async () => {
    const api = storedRecoveryApi(demo.store, configSchema.parse({}), silentLog, null)
    const affected = demo.overview.incidents.map(
      async ({ incidentId }) => [incidentId, (await api.rows(incidentId)).rows] as const,
    )
    told = { overview: demo.overview, affected: new Map(await Promise.all(affected)) }
  })
  const POINTS = { hour: HOUR_MS, whole: 100_000 * DAY_MS }
  const comparing = { ...SELECTIONS.All, release: { value: [TWO.release], options: [] } }

  test.each(FIGURES.map((figure) => [`${figure.board} ${figure.panel} (${figure.query ?? 0})`, figure] as const))(
    '%s',
    async (_, { board, panel, query = 0, point, says }) => {
      const { rawSql } = queries.filter((one) => one.board === board && one.where === panel)[query]!
      const range = { ...ranges(demo.toMs).minutes, ...(point && { intervalMs: POINTS[point] }) }
      const selection = board === 'andon-releases.json' ? comparing : SELECTIONS.All
      says((await frameOf(demo.store, expanded(rawSql, selection, range))).rows, told)
    },
  )

  test('every panel is held against the API, or says why it is not', () => {
    const open = boards.flatMap(([file, board]) => {
      const excused = NOT_TOLD[file] ?? {}
      const asking = panelsOf(board).filter(({ title }) =>
        queries.some((one) => one.board === file && one.where === title),
      )
      const known = new Set(asking.map(({ title }) => title))
      const gone = Object.keys(excused).filter((title) => title !== '*' && !known.has(title))
      const isHeld = (title: string) => FIGURES.some((figure) => figure.board === file && figure.panel === title)
      return [...gone, ...[...known].filter((title) => !isHeld(title) && !(title in excused) && !('*' in excused))]
    })
    expect(open).toEqual([])
  })
})

test('a selection narrows to exactly the releases selected, whatever their names hold', async () => {
  const only = { ...SELECTIONS.All, release: { value: [HOSTILE_NAME], options: OPTIONS.release! } }
  const rows = await rowsOfPanel('andon-live.json', 'Releases against their limits', only)
  expect(new Set(rows.map((row) => row.release))).toEqual(new Set([HOSTILE_NAME]))
  const [contacts] = await rowsOfPanel('andon-live.json', 'Contacts', only)
  const view = demo.overview.releases.find(({ release }) => release.release === HOSTILE_NAME)!
  expect(contacts).toEqual({ contacts: view.contacts })
})

test('counts by day, by hour and by minute are the same counts', async () => {
  const [row] = (
    await frameOf(
      demo.store,
      `SELECT (SELECT sum(n) FROM rollup_minutes WHERE measure = 'contacts') AS by_minute, (SELECT sum(n) FROM rollup_hours WHERE measure = 'contacts') AS by_hour, (SELECT sum(n) FROM rollup_days WHERE measure = 'contacts') AS by_day,
         (SELECT sum(contacts) FROM slice_times) AS by_slice, (SELECT uniqExact(region) FROM rollup_minutes WHERE measure = 'contacts') AS regions`,
    )
  ).rows
  expect(row!.by_hour).toBe(row!.by_minute)
  expect(row!.by_day).toBe(row!.by_minute)
  expect(row!.by_slice).toBe(row!.by_minute)
  expect(row!.regions).toBeGreaterThan(1)
})

test('what a panel styles or links by name is a column of its query', async () => {
  const missing: string[] = []
  for (const [file, board] of boards)
    for (const panel of panelsOf(board)) {
      const mine = queries.filter((query) => query.board === file && query.where === panel.title)
      if (mine.length === 0) continue
      const frames = await Promise.all(
        mine.map((query) => framesOf(empty.store, expanded(query.rawSql, SELECTIONS.All, ranges(demo.toMs).minutes))),
      )
      const columns = new Set(frames.flatMap((frame) => frame.columns.map(({ name }) => name)))
      const styled = (panel.fieldConfig?.overrides ?? []).filter(({ matcher }) => matcher.id === 'byName')
      const linked = [...JSON.stringify(panel).matchAll(/__data\.fields\[\\+"(\w+)\\+"\]/g)].map((match) => match[1]!)
      for (const name of [...styled.map(({ matcher }) => matcher.options), ...linked])
        if (!columns.has(name)) missing.push(`${file} ${panel.title}: ${name}`)
      if (panel.type === 'table')
        for (const { name } of frames[0]!.columns)
          if (!styled.some(({ matcher }) => matcher.options === name))
            missing.push(`${file} ${panel.title}: ${name} has no name for people`)
    }
  expect(missing).toEqual([])
})

type Override = NonNullable<PanelJson['fieldConfig']>['overrides'][number]
const propertyOf = ({ properties }: Override, id: string): unknown => properties.find((one) => one.id === id)?.value

test('every line has a name for people, and every word or code that has a colour stands in its list', async () => {
  const nameless: string[] = []
  const wordless: string[] = []
  for (const [file, board] of boards)
    for (const { title, fieldConfig } of panelsOf(board)) {
      const { defaults, overrides } = fieldConfig ?? { defaults: {}, overrides: [] }
      const byLabel = String((defaults as { displayName?: string }).displayName).includes('__field.labels.series')
      const styleOf = (name: string) => overrides.find(({ matcher }) => matcher.options === name)
      for (const query of queries.filter(({ board: of, where }) => of === file && where === title)) {
        const sql = expanded(query.rawSql, SELECTIONS.All, ranges(demo.toMs).minutes)
        const { columns, rows } = await framesOf(demo.store, sql)
        const hasLabel = columns.some(({ name }) => name === 'series')
        for (const { name, type } of columns) {
          const style = styleOf(name)
          if (byLabel && !hasLabel && isNumber(type) && !(style && propertyOf(style, 'displayName')))
            nameless.push(`${file} ${title}: ${name}`)
          const mappings = (style ? propertyOf(style, 'mappings') : isNumber(type) && defaults.mappings) || undefined
          const words = (mappings as { options: Record<string, unknown> }[] | undefined)?.[0]?.options
          for (const row of rows)
            if (words && row[name] !== null && !(String(row[name]) in words))
              wordless.push(`${file} ${title}: ${name} ${row[name]}`)
        }
      }
    }
  expect(nameless).toEqual([])
  expect(wordless).toEqual([])
})

/** What the panel of the app plugin reads out of frames; it lives in another package, so its types stand here. */
type ReadFrames = (frames: readonly unknown[]) => {
  problems: readonly unknown[]
  releases: readonly { agent: string; release: string; contacts: number }[]
  incidents: readonly { id: string; at: Readonly<Record<string, number | null>> }[]
  evidence: ReadonlyMap<string, { shares: readonly number[] }>
}

test('the release timeline reads what its board asks for: releases, clocks and evidence are those of the API', async () => {
  // Node itself reads this file: vitest would look for the build settings of a package that may not be installed.
  const { readFrames } = createRequire(import.meta.url)('../plugin/src/timeline/frames.ts') as {
    readFrames: ReadFrames
  }
  const mine = queries.filter(({ board, where }) => board === 'andon-timeline.json' && where === 'Releases')
  const frames = await Promise.all(
    mine.map(async ({ rawSql, refId }) => {
      const range = ranges(demo.toMs).minutes
      const { columns, rows } = await frameOf(demo.store, expanded(rawSql, SELECTIONS.All, range))
      const fields = columns.map(({ name }) => ({ name, values: rows.map((row) => row[name]) }))
      return { refId, fields, length: rows.length }
    }),
  )
  const { problems, releases, incidents, evidence } = readFrames(frames)
  expect(problems).toEqual([])
  const { overview } = demo
  for (const { release, contacts } of overview.releases)
    expect(releases).toContainEqual(
      expect.objectContaining({ agent: release.agent, release: release.release, contacts }),
    )
  expect(incidents).toHaveLength(overview.incidents.length)
  for (const { incidentId, clock } of overview.incidents)
    expect(incidents.find(({ id }) => id === incidentId)!.at).toMatchObject({
      onset: clock.onsetMs,
      harm: clock.firstHarmMs,
      detected: clock.detectedMs,
      sent: clock.sentMs,
      accepted: clock.acceptedMs,
      stopped: clock.stoppedMs,
      drained: clock.drainedMs,
    })
  const paused = overview.releases
    .filter(({ state }) => state !== 'live')
    .map(({ release: { environment, agent, release } }) => [environment, agent, release].join('\u001f'))
  expect(paused.length).toBeGreaterThan(1)
  for (const key of paused) expect(Math.max(...evidence.get(key)!.shares)).toBeGreaterThanOrEqual(1)
})
