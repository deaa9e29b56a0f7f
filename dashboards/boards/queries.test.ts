import { createRequire } from 'node:module'
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import { storedRecoveryApi } from '../../app/recovery-api.ts'
import { configSchema } from '../../config.ts'
import { silentLog } from '../../lib/log.ts'
import { DAY_MS, HOUR_MS } from '../../simulator/scenario.ts'
import { type DemoStore, HOSTILE_NAME, openDemoStore, openEmptyStore } from './demo.fixtures.ts'
import { FIGURES, lastStateOf, NOT_TOLD, type Told, TWO } from './figures.fixtures.ts'
import { faultsOf, frameOf, isNumber } from './frame.fixtures.ts'
import { chosenOne, expanded, type Selection } from './macros.fixtures.ts'
import { keyOfRelease, type PanelJson, panelsOf, variablesOf } from './read.fixtures.ts'
import {
  type BoardQuery,
  boards,
  crm,
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
    expect(await failuresOf(demo.store, queries, SELECTIONS.All, range, () => false)).toEqual([])
})

/** A release that was paused has no evidence that is close to a pause, is not silent, and breached with a pause; this one moves no money. */
const NOT_OF_ONE_PAUSED = /^(?:Closest to a pause|Last contact|Breaches without a pause|Revenue or cash)/

test('narrowed to one slice of a release that was paused, every query finds it', async () => {
  const { release: of, finding } = demo.overview.incidents.find(({ closed }) => closed?.verdict === 'confirmed')!
  const { channel, queue } = finding.strongest ?? finding
  const [slice] = (
    await frameOf(
      demo.store,
      `SELECT channel, queue, region FROM slice_times WHERE agent = '${of.agent}' AND release = '${of.release}'
         AND '${channel}' IN ('', channel) AND '${queue}' IN ('', queue)
       ORDER BY contacts DESC LIMIT 1`,
    )
  ).rows as { channel: string; queue: string; region: string }[]
  const compared = { left: keyOfRelease(of), right: crm('4.1.0') }
  const values: Readonly<Record<string, string>> = { ...slice!, ...of, ...compared, period: 'day' }
  const ofOne = selectionOf((name) => one(name, values[name]!))
  const mayBeEmpty = ({ where }: BoardQuery) => NOT_OF_ONE_PAUSED.test(where)
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

test('what a query finds does not depend on the time zone of the server', async () => {
  // From 02:00 UTC on: in New York that is the day before, on which there were contacts as well.
  const fromMs = demo.fromMs + DAY_MS + 2 * HOUR_MS
  const answerIn = async (sql: string, zone: string) =>
    (await frameOf(demo.store, sql, `, session_timezone = '${zone}', date_time_output_format = 'unix_timestamp'`)).rows
  for (const intervalMs of [600_000, 2 * DAY_MS])
    for (const { where, board, rawSql } of shapes) {
      const sql = expanded(rawSql, SELECTIONS.All, { fromMs, toMs: demo.toMs, intervalMs })
      expect(await answerIn(sql, 'America/New_York'), `${board} ${where}`).toEqual(await answerIn(sql, 'UTC'))
    }
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
  const comparing = { ...SELECTIONS.All, left: chosenOne(crm(TWO.left)), right: chosenOne(crm(TWO.right)) }

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

const secondsOf = (fromMs: number | null, untilMs: number | null): number | null =>
  fromMs === null || untilMs === null ? null : Math.max(0, untilMs - fromMs) / 1000
/** Rollback events by the monitor's own account: what it ordered to stop. */
const rollbacks = () => demo.overview.incidents.filter(({ ordered }) => ordered !== 'nothing')
const middleOf = (values: readonly number[]): number => {
  const sorted = values.toSorted((a, b) => a - b)
  const half = Math.floor(sorted.length / 2)
  return sorted.length % 2 === 1 ? sorted[half]! : (sorted[half - 1]! + sorted[half]!) / 2
}
const inWords = (seconds: number): string => {
  const [per, unit] =
    seconds < 60 ? [1, 's'] : seconds < 3600 ? [60, 'min'] : seconds < 86_400 ? [3600, 'h'] : [86_400, 'd']
  return `${Math.round((seconds / (per as number)) * 10) / 10} ${unit}`
}

test('rollbacks, verdicts and times of the leaders are those of the API, with their numbers', async () => {
  const incidents = rollbacks()
  expect(incidents).toHaveLength(2)
  const of = (title: string) => rowsOfPanel('andon-leaders.json', title)
  expect(await of('Rollback events')).toEqual([{ value: 2 }])
  expect(await of('Found by people first')).toEqual([{ found: '0 of 2' }])
  const verdicts = incidents.map(({ closed }) => closed!.verdict).sort()
  expect(verdicts).toEqual(['confirmed', 'false_alarm'])
  // Wilson for 1 of 2
  expect(await of('Precision of pauses')).toEqual([{ confirmed: '1 of 2 (9 to 91 %)' }])
  for (const [title, seconds] of [
    ['Median time to detect', incidents.map(({ clock }) => secondsOf(clock.onsetMs, clock.detectedMs)!)],
    ['Median time to pause', incidents.map(({ clock }) => secondsOf(clock.detectedMs, clock.acceptedMs)!)],
    ['Median time to drain', incidents.map(({ clock }) => secondsOf(clock.acceptedMs, clock.drainedMs)!)],
  ] as const) {
    const [row] = await of(title)
    expect(row!.time_and_floor, title).toMatch(new RegExp(`^${inWords(middleOf(seconds)).replace('.', '\\.')}, n 2`))
  }
  const factors = incidents.map(
    ({ clock, finding }) => secondsOf(clock.onsetMs, clock.detectedMs)! / (finding.floorMs! / 1000),
  )
  const [detect] = await of('Median time to detect')
  expect(detect!.time_and_floor).toMatch(new RegExp(`, ${Math.round(middleOf(factors) * 10) / 10} × floor$`))
})

test('each rollback event of the leaders stands with the clock, the floor and the channel that the API tells', async () => {
  const rows = await rowsOfPanel('andon-leaders.json', 'Each rollback event')
  expect(rows).toHaveLength(rollbacks().length)
  for (const { release, clock, finding, closed } of rollbacks()) {
    const near = (seconds: number | null) => (seconds === null ? null : expect.closeTo(seconds, 2))
    expect(rows).toContainEqual(
      expect.objectContaining({
        release: release.release,
        channel: finding.channel || finding.strongest!.channel,
        signal: finding.signal,
        seconds_to_detect: near(secondsOf(clock.onsetMs, clock.detectedMs)),
        floor_seconds_to_detect: near(finding.floorMs! / 1000),
        seconds_to_pause: near(secondsOf(clock.detectedMs, clock.acceptedMs)),
        seconds_to_drain: near(secondsOf(clock.acceptedMs, clock.drainedMs)),
        verdict: closed!.verdict,
      }),
    )
  }
  const channels = new Set(rows.map((row) => row.channel))
  expect(channels).not.toContain('')
})

test('what customers went through is, on the board of leaders, what the API lists as affected', async () => {
  const of = async (title: string) => (await rowsOfPanel('andon-leaders.json', title))[0]!
  const listed = demo.affected
  const count = (kind: string) => listed.filter((row) => row.kind === kind).length
  expect(await of('Affected conversations')).toEqual({ value: count('contact') })
  const customers = new Set(listed.filter(({ kind }) => kind === 'customer').map(({ item }) => item))
  expect(customers.size).toBeGreaterThan(1)
  expect(await of('Affected customers')).toEqual({ customers: customers.size })
  const needing = listed.filter(({ need }) => need !== '')
  const done = needing.filter((row) => row.done !== '')
  expect(done.length).toBeGreaterThan(0)
  expect(await of('Recovery completeness')).toEqual({
    done: `${done.length} of ${needing.length} (${Math.floor((100 * done.length) / needing.length)} %)`,
  })
  const amount = listed.filter(({ kind }) => kind === 'record').reduce((sum, row) => sum + Number(row.amount), 0)
  expect(amount).toBeGreaterThan(0)
  expect(await of('Revenue or cash at risk')).toEqual({
    at_risk: amount < 1e4 ? `EUR ${Math.round(amount)}` : `EUR ${Math.round(amount / 1e3)} k`,
  })
})

test('the history of releases is that of the API, and two of them compared have the counts of the detector', async () => {
  const history = await rowsOfPanel('andon-releases.json', 'Releases in the range')
  expect(history).toHaveLength(demo.overview.releases.length)
  for (const one of demo.overview.releases)
    expect(history).toContainEqual(
      expect.objectContaining({
        ...one.release,
        all_contacts: one.contacts,
        state: lastStateOf(demo.overview, one),
        release_key: keyOfRelease(one.release),
      }),
    )
  const view = (name: string) => demo.overview.releases.find(({ release }) => release.release === name)!
  const [left, right] = [view('4.2.0'), view('4.1.0')]
  const selection = {
    ...SELECTIONS.All,
    left: chosenOne(keyOfRelease(left.release)),
    right: chosenOne(keyOfRelease(right.release)),
  }
  const rows = await rowsOfPanel('andon-releases.json', 'Signal by signal', selection)
  const triggerOf = (release: typeof left) => release.triggers.find(({ signal }) => signal === 'failed_updates')!
  const [ours, theirs] = [triggerOf(left), triggerOf(right)]
  expect(rows[0]).toMatchObject({
    signal_title: 'Failed updates',
    trials_a: ours.trials,
    low_a: expect.closeTo(ours.low!, 12),
    trials_b: theirs.trials,
    high_b: expect.closeTo(theirs.high!, 12),
    verdict: 'higher',
  })
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
    .filter(({ state }) => state === 'drained')
    .map(({ release: { environment, agent, release } }) => [environment, agent, release].join('\u001f'))
  expect(paused.length).toBeGreaterThan(1)
  for (const key of paused) expect(Math.max(...evidence.get(key)!.shares)).toBeGreaterThanOrEqual(1)
})
