import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { ClickHouseClient } from '@clickhouse/client'
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import { ALERT_RULES, alertRuleFile } from '../../dashboards/boards/alert-rules.ts'
import { HOSTILE_NAME, playDemo } from '../../dashboards/boards/demo.fixtures.ts'
import { type Frame, faultsOf, frameOf } from '../../dashboards/boards/frame.fixtures.ts'
import { VECTOR_RANGE, VECTORS, WRONG } from '../../dashboards/boards/macro-vectors.fixtures.ts'
import { browserHalf, type Selection } from '../../dashboards/boards/macros.fixtures.ts'
import {
  type BoardQuery,
  queries,
  ranges,
  SELECTIONS,
  shapes,
  titleOf,
} from '../../dashboards/boards/selections.fixtures.ts'
import { type Range, serverHalf } from '../../dashboards/boards/server-macros.fixtures.ts'
import { seriesOf, tableOf, type WideFrame } from '../../dashboards/boards/wide.fixtures.ts'
import { connectStore, openStore, rowsOf } from '../../store/store.clickhouse.ts'
import { DATABASE, PASSWORD, type Server, startServer } from './clickhouse/server.ts'
import { type Answer, findPlugin, type JsonFrame, type Plugin, type Source, startPlugin } from './datasource/plugin.ts'
import { provisionedSource } from './datasource/provisioned.ts'

/** Minutes on a busy machine: thousands of queries, each by two ways. */
vi.setConfig({ testTimeout: 300_000, hookTimeout: 400_000 })

const binary = findPlugin()
const folder = mkdtempSync(join(tmpdir(), 'andon-datasource-'))
const MOST_POINTS = 700
type Way = 'native' | 'http'
type Name = 'demo' | 'empty'

/** A server, who reads in it as Grafana does, and the provisioned data source that leads there. */
type Store = Readonly<{ server: Server; reader: ClickHouseClient; sources: Readonly<Record<Way, Source>> }>
const stores = {} as Record<Name, Store>
let plugin: Plugin
let toMs: number

beforeAll(async () => {
  if (!binary) return
  plugin = await startPlugin(binary)
  ;({ toMs } = await playDemo(join(folder, 'demo', 'data')))
  for (const name of ['demo', 'empty'] as const) stores[name] = await openServer(name)
  await takeOver(stores.demo.server)
})
afterAll(async () => {
  await plugin?.end()
  for (const { reader, server } of Object.values(stores)) {
    await reader.close()
    await server.close()
  }
  rmSync(folder, { recursive: true, force: true })
})

let made = 0
const sourceOf = ({ url, nativePort }: Server, way: Way, changes: Readonly<Record<string, string>> = {}): Source =>
  provisionedSource(++made, {
    ANDON_CLICKHOUSE_HOST: '127.0.0.1',
    ANDON_CLICKHOUSE_PORT: way === 'native' ? String(nativePort) : new URL(url).port,
    ANDON_CLICKHOUSE_PROTOCOL: way,
    ANDON_CLICKHOUSE_TLS: 'false',
    ANDON_CLICKHOUSE_USER: 'andon_reader',
    ANDON_CLICKHOUSE_PASSWORD: PASSWORD,
    ANDON_CLICKHOUSE_DATABASE: DATABASE,
    ...changes,
  })

async function openServer(name: Name): Promise<Store> {
  const server = await startServer(join(folder, name), { native: true })
  await (await openStore(server.as('andon_pipeline'))).close()
  return {
    server,
    reader: connectStore(server.as('andon_reader')),
    sources: { native: sourceOf(server, 'native'), http: sourceOf(server, 'http') },
  }
}

/** The demo was played into an embedded store, which lies in the same folder: its parts become those of the server's tables. */
async function takeOver(server: Server): Promise<void> {
  const admin = connectStore(server.as('andon_admin'))
  const tables = await rowsOf<{ name: string }>(
    admin,
    "SELECT name FROM system.tables WHERE database = 'default' AND engine LIKE '%MergeTree' AND total_rows > 0 AND name != 'schema_migrations'",
  )
  for (const { name } of tables)
    await admin.command({ query: `ALTER TABLE ${DATABASE}.${name} ATTACH PARTITION ALL FROM default.${name}` })
  await admin.close()
}

/** Our own way: the fixtures' expansion, run on the store. Selections that make the same SQL of a query share it. */
const run = new Map<ClickHouseClient, Map<string, ReturnType<typeof frameOf>>>()
function rowsByUs(reader: ClickHouseClient, sql: string): ReturnType<typeof frameOf> {
  const known = run.get(reader) ?? new Map<string, ReturnType<typeof frameOf>>()
  run.set(reader, known)
  const frame = known.get(sql) ?? frameOf(reader, sql)
  known.set(sql, frame)
  return frame
}

/**
 * What the data source makes of rows. Without any, a time series is no frame, and a variable, which has no format and so the first, neither; a table
 * has its columns over the native protocol, and none over HTTP, where an answer of no rows has no bytes.
 */
function expectedOf({ refId, format }: BoardQuery, way: Way, frame: Frame): WideFrame {
  const none = frame.rows.length === 0 && (format === 'variable' || way === 'http')
  if (none) return { refId, fields: [] }
  return (format === 'series' ? seriesOf : tableOf)(refId, frame)
}

const wideOf = (refId: string, frame: JsonFrame | undefined): WideFrame => ({
  refId,
  fields: (frame?.schema.fields ?? []).map(({ name, type, labels }, index) => ({
    name,
    type: type as WideFrame['fields'][number]['type'],
    values: frame!.data.values[index]!,
    ...(labels && Object.keys(labels).length > 0 && { labels }),
  })),
})

/** What is wrong with what the data source answered, before a figure is compared. */
function complaintsOf({ frames, error }: Answer): string[] {
  if (error !== '') return [error]
  if (frames.length > 1) return [`${frames.length} frames`]
  return frames.flatMap(({ schema, data }) => [
    ...(schema.meta?.notices ?? []).map(({ text }) => `notice: ${text}`),
    ...(data.entities?.some(Boolean) ? ['holds what is no number'] : []),
  ])
}

/** The first thing in which two frames differ, in words; empty when they are equal. */
function unlike(theirs: WideFrame, ours: WideFrame): string[] {
  const shapeOf = ({ fields }: WideFrame) =>
    fields.map(({ name, type, labels }) => JSON.stringify({ name, type, labels }))
  const [their, our] = [shapeOf(theirs).join('\n'), shapeOf(ours).join('\n')]
  if (their !== our) return [`has the fields\n${their}\ninstead of\n${our}`]
  for (const [index, { name, values }] of theirs.fields.entries()) {
    const expected = ours.fields[index]!.values
    if (values.length !== expected.length) return [`${name} has ${values.length} values instead of ${expected.length}`]
    const at = values.findIndex((value, row) => !Object.is(value, expected[row]))
    if (at !== -1) return [`${name} is ${values[at]} instead of ${expected[at]} in row ${at} of ${values.length}`]
  }
  return []
}

type Asking = Readonly<{
  store: Store
  way: Way
  selection: Selection
  range: Range
  timezone?: string
  mustHaveRows?: boolean
}>

/** Asks the data source, and compares its SQL, its fields and its figures with ours. */
async function differencesOf(
  query: BoardQuery,
  { store, way, selection, range, timezone = 'UTC', mustHaveRows = false }: Asking,
) {
  const rawSql = browserHalf(query.rawSql, selection)
  const answer = await plugin.ask(store.sources[way], {
    model: { ...query.model, refId: query.refId, rawSql, meta: { timezone } },
    range,
    mostPoints: MOST_POINTS,
  })
  const sql = serverHalf(rawSql, range)
  const rows = await rowsByUs(store.reader, sql)
  const [frame] = answer.frames
  const complaints = [...complaintsOf(answer), ...faultsOf(rows, query.format)]
  if (mustHaveRows && rows.rows.length === 0) complaints.push('no rows')
  const executed = frame?.schema.meta?.executedQueryString
  if (executed !== undefined && executed !== sql) complaints.push(`ran ${executed}\ninstead of ${sql}`)
  complaints.push(...unlike(wideOf(query.refId, frame), expectedOf(query, way, rows)))
  return complaints.map((complaint) => `${titleOf(query)}: ${complaint}`)
}

async function allDifferences(asking: readonly BoardQuery[], as: Asking): Promise<string[]> {
  const found: string[] = []
  for (const query of asking) found.push(...(await differencesOf(query, as)))
  return found
}

/** Queries of Grafana's alert rules: no browser comes between them and the data source. */
const alertQueries: readonly (BoardQuery & Readonly<{ lookBackMs: number }>)[] = alertRuleFile().groups.flatMap(
  ({ rules }) =>
    rules.map(({ uid, title, data: [query] }) => ({
      board: 'alert rule',
      where: title,
      refId: 'A',
      rawSql: ALERT_RULES.find((rule) => rule.uid === uid)!.rawSql,
      format: 'table' as const,
      mayBeEmpty: true,
      model: { ...query!.model },
      lookBackMs: query!.relativeTimeRange.from * 1000,
    })),
)

describe.skipIf(!binary)('the real data source, provisioned, as the reader of the grants', () => {
  describe.each(['native', 'http'] as const)('over %s', (way) => {
    test('is healthy', async () => {
      const { sources } = stores.demo
      expect(await plugin.checkHealth(sources[way])).toEqual({ status: 'ok', message: 'Data source is working' })
    })

    test('with All every query answers what ours does', async () => {
      const as = { store: stores.demo, way, selection: SELECTIONS.All, range: ranges(toMs).minutes, mustHaveRows: true }
      expect(await allDifferences(queries, as)).toEqual([])
    })

    test.each(['hostile values', 'one hostile value'] as const)(
      'with %s every query answers what ours does',
      async (name) => {
        const as = { store: stores.demo, way, selection: SELECTIONS[name], range: ranges(toMs).minutes }
        expect(await allDifferences(shapes, as)).toEqual([])
      },
    )

    test('on an empty store every query answers what ours does', async () => {
      const as = { store: stores.empty, way, range: ranges(toMs).minutes }
      expect(await allDifferences(queries, { ...as, selection: SELECTIONS.All })).toEqual([])
      expect(await allDifferences(shapes, { ...as, selection: SELECTIONS['hostile values'] })).toEqual([])
    })

    test.each(['demo', 'empty'] as const)('every alert rule answers what ours does, on the store %s', async (name) => {
      for (const query of alertQueries) {
        const range = { fromMs: toMs - query.lookBackMs, toMs, intervalMs: 1_000 }
        expect(await differencesOf(query, { store: stores[name], way, selection: {}, range })).toEqual([])
      }
    })

    test('macros become what the fixtures say, or errors', async () => {
      const ask = (rawSql: string) =>
        plugin.ask(stores.empty.sources[way], {
          model: { refId: 'A', format: 1, rawSql },
          range: VECTOR_RANGE,
          mostPoints: MOST_POINTS,
        })
      // Most of them are no SQL: what was sent to ClickHouse is told with its error as well.
      for (const [sql, filled] of VECTORS)
        expect((await ask(sql)).frames[0]?.schema.meta?.executedQueryString, sql).toBe(filled)
      for (const sql of WRONG) expect((await ask(sql)).error, sql).toContain('Could not apply macros')
    })

    test('a hostile name comes out of its variable as it went in', async () => {
      const query = queries.find(({ where }) => where === 'variable release')!
      const rawSql = browserHalf(query.rawSql, SELECTIONS.All)
      const { frames } = await plugin.ask(stores.demo.sources[way], {
        model: { ...query.model, rawSql },
        range: ranges(toMs).minutes,
        mostPoints: MOST_POINTS,
      })
      expect(frames[0]!.data.values[0]).toContain(HOSTILE_NAME)
    })
  })

  // What travels is the same for both protocols from here on.
  const as = () =>
    ({ store: stores.demo, way: 'native', selection: SELECTIONS.All, range: ranges(toMs).minutes }) as const

  test.each(['hours', 'days'] as const)(
    'over a quarter of a year every query answers what ours does, by %s',
    async (by) => {
      expect(await allDifferences(queries, { ...as(), range: ranges(toMs)[by], mustHaveRows: true })).toEqual([])
    },
  )

  test.each(['several values each', 'nothing selected'] as const)(
    'with %s every query answers what ours does',
    async (name) => {
      expect(await allDifferences(shapes, { ...as(), selection: SELECTIONS[name] })).toEqual([])
    },
  )

  test('wherever the browser is, a point stays where it is', async () => {
    expect(await allDifferences(shapes, { ...as(), timezone: 'Asia/Kolkata' })).toEqual([])
  })

  test('its health says what is wrong: the password, or that nobody is there', async () => {
    const healthOf = (changes: Readonly<Record<string, string>>) =>
      plugin.checkHealth(sourceOf(stores.empty.server, 'http', changes))
    expect(await healthOf({ ANDON_CLICKHOUSE_PASSWORD: 'wrong' })).toMatchObject({
      status: 'error',
      message: expect.stringContaining('Authentication failed'),
    })
    expect(await healthOf({ ANDON_CLICKHOUSE_PORT: '1' })).toMatchObject({
      status: 'error',
      message: expect.stringContaining('connection refused'),
    })
  })
})
