import { createRequire } from 'node:module'
import { afterAll, beforeAll, expect, test, vi } from 'vitest'
import { FOUR_SIGNALS } from '../../detectors/signals/library.ts'
import { KPIS } from '../kpis.ts'
import { allBoards, pluginBoards } from './all.ts'
import { type DemoStore, HOSTILE_NAME, openDemoStore, openEmptyStore } from './demo.fixtures.ts'
import { faultsOf, frameOf, isNumber } from './frame.fixtures.ts'
import { ALL, expanded, type Selection } from './macros.fixtures.ts'
import { clickhouseQueriesOf, type PanelJson, panelsOf, variablesOf } from './read.fixtures.ts'
import type { Range } from './server-macros.fixtures.ts'

/** Seconds on a quiet machine: hundreds of queries on an engine that others may share. */
vi.setConfig({ testTimeout: 180_000 })

const HOUR_MS = 3_600_000
const DAY_MS = 24 * HOUR_MS

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

const boards = Object.entries({ ...allBoards(), ...pluginBoards() })
const queries = boards.flatMap(([file, board]) =>
  clickhouseQueriesOf(board).map((query) => ({ ...query, board: file })),
)

/** Every variable that any board has, as people may set it. */
const OPTIONS: Readonly<Record<string, readonly string[]>> = {
  environment: ['production'],
  agent: ['crm-hygiene', 'collections', 'order-status'],
  release: ['4.2.0', 'r17', '2026.11.0', HOSTILE_NAME],
  compared: ['4.1.0', '4.2.0'],
  channel: ['email', 'voice', 'whatsapp'],
  queue: ['onboarding', 'promises', 'orders'],
  region: ['emea', 'north', 'de'],
  period: ['week', 'day', 'month'],
}
/** Variables without All hold a text, the others a list. */
const SINGLE = new Set(['compared', 'period'])
const HOSTILE = [HOSTILE_NAME, `'; DROP TABLE deltas; --`, ') OR 1=1 --', '\\', "'", '$__all)', '東京 "']

const selectionOf = (value: (name: string, options: readonly string[]) => string | readonly string[]): Selection =>
  Object.fromEntries(Object.entries(OPTIONS).map(([name, options]) => [name, { value: value(name, options), options }]))
const one = (name: string, value: string): string | readonly string[] => (SINGLE.has(name) ? value : [value])

const SELECTIONS = {
  All: selectionOf((name, options) => (SINGLE.has(name) ? options[0]! : [ALL])),
  'several values each': selectionOf((name, options) => (SINGLE.has(name) ? options[1]! : options.slice(0, 2))),
  'nothing selected': selectionOf((name) => (SINGLE.has(name) ? '' : [])),
  'hostile values': selectionOf((name) => (SINGLE.has(name) ? HOSTILE[1]! : HOSTILE)),
  'one hostile value': selectionOf((name) => one(name, HOSTILE_NAME)),
} as const satisfies Record<string, Selection>

const ranges = (toMs: number) => ({
  minutes: { fromMs: toMs - 6 * DAY_MS, toMs, intervalMs: 300_000 },
  hours: { fromMs: toMs - 90 * DAY_MS, toMs, intervalMs: 2 * HOUR_MS },
  days: { fromMs: toMs - 90 * DAY_MS, toMs, intervalMs: 2 * DAY_MS },
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

/**
 * One query of each shape: boards draw a panel for every signal and every KPI, whose queries differ in that name alone. With All every query runs;
 * what a selection does to the SQL is the same for the whole shape.
 */
const NAMES = [...FOUR_SIGNALS, ...KPIS].map(({ name }) => `'${name}'`)
const shapeOf = (sql: string): string => NAMES.reduce((text, name) => text.replaceAll(name, "'a name'"), sql)
const shapes = [...Map.groupBy(queries, ({ rawSql }) => shapeOf(rawSql)).values()].map(([first]) => first!)

/** What ClickHouse or Grafana would say against each query, with the query it is about. */
async function failuresOf(
  store: DemoStore['store'],
  asking: typeof queries,
  selection: Selection,
  range: Range,
  mayBeEmpty: (query: (typeof queries)[number]) => boolean = () => true,
): Promise<string[]> {
  const found = await Promise.all(
    asking.map(async (query) => {
      const title = `${query.board} ${query.where} (${query.refId})`
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
  const mayBeEmpty = ({ mayBeEmpty, where }: (typeof queries)[number]) => mayBeEmpty || NOT_OF_ONE_PAUSED.test(where)
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

test('the table of limits says what the API says: hits, trials, rate, interval, limit, joint and own evidence, finding, state', async () => {
  const rows = await rowsOfPanel('andon-live.json', 'Releases against their limits')
  const expected = demo.overview.releases.flatMap((view) =>
    view.triggers
      .filter(({ trials }) => trials > 0)
      .map((trigger) => ({
        agent: view.release.agent,
        release: view.release.release,
        environment: view.release.environment,
        state: view.state,
        signal_title: trigger.title,
        trials: trigger.trials,
        hits: trigger.hits,
        rate: expect.closeTo(trigger.rate!, 12),
        low: expect.closeTo(trigger.low!, 12),
        high: expect.closeTo(trigger.high!, 12),
        limit_rate: trigger.limit,
        ceiling_rate: trigger.ceiling ?? null,
        joint_ratio: expect.closeTo(Math.max(0, view.logE / view.logThreshold), 9),
        evidence_ratio: expect.closeTo(Math.max(0, trigger.logE / trigger.logThreshold), 9),
        finding: trigger.finding,
      })),
  )
  expect(rows).toHaveLength(expected.length)
  for (const row of expected) expect(rows).toContainEqual(row)
})

test('totals, releases and the evidence closest to a pause are those of the API', async () => {
  const views = demo.overview.releases
  const sum = (of: (view: (typeof views)[number]) => number) => views.reduce((total, view) => total + of(view), 0)
  expect(await rowsOfPanel('andon-live.json', 'Contacts')).toEqual([{ contacts: sum((view) => view.contacts) }])
  expect(await rowsOfPanel('andon-live.json', 'Releases with traffic')).toEqual([{ releases: views.length }])
  expect(await rowsOfPanel('andon-live.json', 'Identified contacts')).toEqual([
    { identified: expect.closeTo(sum((view) => view.identified) / sum((view) => view.contacts), 12) },
  ])
  const live = views.filter((view) => view.state === 'live').map((view) => view.logE / view.logThreshold)
  expect(await rowsOfPanel('andon-live.json', 'Closest to a pause')).toEqual([
    { evidence_ratio: expect.closeTo(Math.max(0, ...live), 9) },
  ])
})

test('a selection narrows to exactly the releases selected, whatever their names hold', async () => {
  const only = { ...SELECTIONS.All, release: { value: [HOSTILE_NAME], options: OPTIONS.release! } }
  const rows = await rowsOfPanel('andon-live.json', 'Releases against their limits', only)
  expect(new Set(rows.map((row) => row.release))).toEqual(new Set([HOSTILE_NAME]))
  const [contacts] = await rowsOfPanel('andon-live.json', 'Contacts', only)
  const view = demo.overview.releases.find(({ release }) => release.release === HOSTILE_NAME)!
  expect(contacts).toEqual({ contacts: view.contacts })
})

test('incidents and their clocks are those of the API', async () => {
  const rows = await rowsOfPanel('andon-on-call.json', 'The clock of each incident')
  const secondsOf = (fromMs: number | null, untilMs: number | null) =>
    fromMs === null || untilMs === null ? null : expect.closeTo((untilMs - fromMs) / 1000, 2) // the store keeps whole ms
  expect(rows).toHaveLength(demo.overview.incidents.length)
  expect(rows.length).toBeGreaterThan(1)
  for (const { release, clock, finding } of demo.overview.incidents)
    expect(rows).toContainEqual(
      expect.objectContaining({
        release: release.release,
        to_detect: secondsOf(clock.onsetMs, clock.detectedMs),
        since_harm: secondsOf(clock.firstHarmMs, clock.detectedMs),
        to_pause: secondsOf(clock.detectedMs, clock.acceptedMs),
        to_stop: secondsOf(clock.acceptedMs, clock.stoppedMs),
        to_drain: secondsOf(clock.acceptedMs, clock.drainedMs),
        onset_range: secondsOf(finding.onsetLowMs, finding.onsetHighMs),
      }),
    )
  const listed = await rowsOfPanel('andon-on-call.json', 'Incidents and what to do next')
  for (const incident of demo.overview.incidents)
    expect(listed).toContainEqual(
      expect.objectContaining({
        incident_id: incident.incidentId,
        state: incident.state,
        reason: incident.reason,
        signal_names: incident.finding.signal,
        contacts_exposed: incident.finding.contactsExposed,
        contacts_after_pause: incident.contactsAfterPause,
        traffic_goes_to: incident.finding.trafficGoesTo,
      }),
    )
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
