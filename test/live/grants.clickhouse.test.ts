import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { ClickHouseClient } from '@clickhouse/client'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { finishForgetting, forgetCustomers } from '../../app/forget.clickhouse.ts'
import { DEFAULT_CONFIG, signalsOf } from '../../config.ts'
import { ALERT_RULES } from '../../dashboards/boards/alert-rules.ts'
import { allBoards, pluginBoards } from '../../dashboards/boards/all.ts'
import { frameOf } from '../../dashboards/boards/frame.fixtures.ts'
import { ALL, expanded, type Selection } from '../../dashboards/boards/macros.fixtures.ts'
import { clickhouseQueriesOf, variablesOf } from '../../dashboards/boards/read.fixtures.ts'
import { serverHalf } from '../../dashboards/boards/server-macros.fixtures.ts'
import { compileSignals } from '../../detectors/signals/compile.ts'
import { EMPTY_SPAN } from '../../facts/span.ts'
import { wallClock } from '../../lib/clock.ts'
import { idOf } from '../../lib/hash.ts'
import { silentLog } from '../../lib/log.ts'
import { storeBatch } from '../../pipeline/accept.clickhouse.ts'
import { scopesOf } from '../../pipeline/places.ts'
import { createSequencer } from '../../pipeline/sequencer.clickhouse.ts'
import { listSetAside, replaySetAside } from '../../pipeline/set-aside.clickhouse.ts'
import { wholeOf } from '../../pipeline/share.ts'
import { lastWhole } from '../../pipeline/stored.clickhouse.ts'
import { takeBack } from '../../pipeline/take-back.clickhouse.ts'
import { recount } from '../../recount/recount.clickhouse.ts'
import { applyRetention } from '../../store/retention.clickhouse.ts'
import { connectStore, openStore, rowsOf } from '../../store/store.clickhouse.ts'
import { type Server, startServer, type User } from './clickhouse/server.ts'

/** What the composition's users may do, on a server that holds them to it. What the roles do all day is in roles.kafka.test.ts, as the same users. */
const folder = mkdtempSync(join(tmpdir(), 'andon-grants-'))
const customer = idOf('customer')
let server: Server
let store: ClickHouseClient

beforeAll(async () => {
  server = await startServer(folder)
  store = await openStore(server.as('andon_pipeline'))
})
afterAll(async () => {
  await store?.close()
  await server?.close()
  rmSync(folder, { recursive: true, force: true })
})

const as = async <T>(user: User, work: (client: ClickHouseClient) => Promise<T>): Promise<T> => {
  const client = connectStore({ ...server.as(user), session: user })
  try {
    return await work(client)
  } finally {
    await client.close()
  }
}

test('the grants are statements that ClickHouse reads, on tables that exist, for the users that users.sh makes', async () => {
  const read = (name: string) => readFileSync(new URL(`../../deploy/clickhouse/${name}`, import.meta.url), 'utf8')
  const statements = read('grants.sql')
    .split(';')
    .map((part) => part.replace(/^--.*$/gm, '').trim())
    .filter(Boolean)
  const created = /--query "(CREATE USER .+)"/.exec(read('users.sh'))![1]!.replace('$hash', 'ab'.repeat(32))
  expect(await rowsOf(store, 'SELECT formatQuery({created:String}) AS sql', { created })).toHaveLength(1)
  for (const sql of statements)
    expect(await rowsOf(store, 'SELECT formatQuery({sql:String}) AS sql', { sql }), sql).toHaveLength(1)
  const sql = 'SELECT name FROM system.tables WHERE database = currentDatabase()'
  const tables = new Set((await rowsOf<{ name: string }>(store, sql)).map(({ name }) => name))
  const named = statements.flatMap((statement) => [...statement.matchAll(/ON andon\.(\w+)/g)].map((match) => match[1]!))
  expect(named.filter((name) => !tables.has(name))).toEqual(['forgetting']) // it lives as long as `andon forget` takes
  const users = new Set(statements.map((statement) => /TO (\w+)$/.exec(statement)?.[1]))
  expect([...users].sort()).toEqual(['andon_alerter', 'andon_detector', 'andon_pipeline', 'andon_reader'])
})

test('the pipeline makes and alters tables, counts, recounts and erases', async () => {
  await applyRetention(store, 40)
  const signals = signalsOf(DEFAULT_CONFIG)
  const sequencer = await createSequencer({
    store,
    statements: compileSignals(signals),
    idleMs: null,
    clock: wallClock,
    clockMode: 'event',
    holdMs: 0,
    onBatch: () => {},
    log: silentLog,
  })
  const span = { ...EMPTY_SPAN, role: 'agent', agentName: 'a', release: '1', environment: 'e', customer } as const
  const spans = Array.from({ length: 20 }, (_, i) => {
    const traceId = idOf(i)
    const startedAtMs = Date.UTC(2026, 10, 16, i)
    const times = { startedAtMs, endedAtMs: startedAtMs + 1000 }
    return { ...span, ...times, traceId, spanId: traceId.slice(0, 16), conversation: `c${i}`, intent: 'i' }
  })
  await sequencer.accept({ spans, outcomes: [], points: [] })
  await sequencer.settle()
  await sequencer.close()
  expect(await as('andon_pipeline', (client) => recount({ store: client, signals }))).toMatchObject({ equal: true })
  await as('andon_pipeline', (client) => forgetCustomers(client, [customer]))
  expect(
    await rowsOf(store, 'SELECT count() AS n FROM spans WHERE customer = {customer:String}', { customer }),
  ).toEqual([{ n: 0 }])
  expect(await as('andon_pipeline', (client) => recount({ store: client, signals }))).toMatchObject({ equal: true })
  expect(await finishForgetting(store)).toBe(false)
})

const denied = { type: 'ACCESS_DENIED' }
const changesNothing = async (client: ClickHouseClient) => {
  await expect(client.insert({ table: 'spans', values: [{}], format: 'JSONEachRow' })).rejects.toMatchObject(denied)
  await expect(client.command({ query: 'DROP TABLE spans' })).rejects.toMatchObject(denied)
  await expect(client.command({ query: 'CREATE TABLE t (a UInt8) ENGINE = Memory' })).rejects.toMatchObject(denied)
}

test.each(['andon_detector', 'andon_alerter'] as const)('%s reads everything and counts nothing', (user) =>
  as(user, async (client) => {
    expect(await rowsOf(client, 'SELECT count() AS n FROM spans')).toEqual([{ n: 20 }])
    await changesNothing(client)
  }),
)

const boards = Object.values({ ...allBoards(), ...pluginBoards() })
const HOUR_MS = 3_600_000
const toMs = Date.UTC(2026, 10, 17)
/** By minutes, hours and days: each reads totals of its own. */
const RANGES = [60_000, 2 * HOUR_MS, 48 * HOUR_MS].map((intervalMs) => ({
  fromMs: toMs - 90 * 24 * HOUR_MS,
  toMs,
  intervalMs,
}))
/** Every variable that a board has, with All, or with a value where it has one only; what begins with __ is Grafana's own. */
const everything: Selection = new Proxy(
  {},
  {
    get: (_, name) => {
      if (String(name).startsWith('__')) return undefined
      return ['compared', 'period'].includes(String(name))
        ? { value: 'day', options: ['day'] }
        : { value: [ALL], options: ['a'] }
    },
  },
)
const asked = (): string[] => [
  ...RANGES.flatMap((range) =>
    boards.flatMap((board) =>
      [...clickhouseQueriesOf(board), ...variablesOf(board)].map(({ rawSql }) => expanded(rawSql, everything, range)),
    ),
  ),
  ...ALERT_RULES.map(({ rawSql }) => serverHalf(rawSql, RANGES[0]!)),
]

test('Grafana reads what boards, alert rules and leaders ask for', () =>
  as('andon_reader', async (client) => {
    const failed: string[] = []
    for (const sql of new Set([...asked(), 'SELECT * FROM kpis']))
      await frameOf(client, sql).catch((error: Error) => failed.push(`${error.message}\n${sql}`))
    expect(failed).toEqual([])
  }))

/** Tables and views in the text of a query or view, and what those views read in turn. */
async function readBy(texts: readonly string[]): Promise<Set<string>> {
  const sql = 'SELECT name, as_select FROM system.tables WHERE database = currentDatabase()'
  const tables = new Map(
    (await rowsOf<{ name: string; as_select: string }>(store, sql)).map((table) => [table.name, table.as_select]),
  )
  const found = new Set<string>()
  const open = [...texts]
  for (let text = open.pop(); text !== undefined; text = open.pop())
    for (const [, name] of text.matchAll(/\b(?:FROM|JOIN)\s+(?:`?andon`?\.)?`?(\w+)/g))
      if (tables.has(name!) && !found.has(name!)) {
        found.add(name!)
        open.push(tables.get(name!)!)
      }
  return found
}

test('Grafana reads no more than that: no raw facts, no contacts, nothing of an erasure, and changes nothing', async () => {
  const granted = [
    ...readFileSync(new URL('../../deploy/clickhouse/grants.sql', import.meta.url), 'utf8').matchAll(
      /^GRANT SELECT(?:\([^)]*\))? ON andon\.(\S+) TO andon_reader;$/gm,
    ),
  ].map((match) => match[1]!)
  expect(granted.sort()).toEqual([...(await readBy([...asked(), 'FROM kpis']))].sort())
  await store.command({ query: 'CREATE TABLE forgetting (customer String) ENGINE = MergeTree ORDER BY customer' })
  await as('andon_reader', async (client) => {
    for (const table of ['spans', 'outcomes', 'contacts', 'deltas', 'places', 'customer_hits', 'forgetting'])
      await expect(rowsOf(client, `SELECT count() FROM ${table}`), table).rejects.toMatchObject(denied)
    for (const column of ['customer', 'conversation', 'record_id', 'record_key'])
      for (const table of ['affected_items', 'affected_now'])
        await expect(rowsOf(client, `SELECT ${column} FROM ${table}`), table).rejects.toMatchObject(denied)
    await changesNothing(client)
  })
  await store.command({ query: 'DROP TABLE forgetting' })
})

test('the pipeline takes back what cannot be counted, sets it aside and accepts it again', async () => {
  const nowMs = wallClock.nowMs()
  const stamp = { seq: (await lastWhole(store)).seq + 1, acceptedAtMs: nowMs, receivedAtMs: nowMs }
  const statements = compileSignals(signalsOf(DEFAULT_CONFIG))
  const context = { store, statements, idleMs: null, scopeOf: scopesOf([]) }
  const traceId = idOf('aside')
  const span = { ...EMPTY_SPAN, traceId, spanId: traceId.slice(0, 16), startedAtMs: nowMs, endedAtMs: nowMs }
  const batch = await storeBatch(context, wholeOf(stamp), { spans: [span], outcomes: [], points: [] })
  const taken = await takeBack(context, batch, 'too large', { ...stamp, seq: stamp.seq + 1 })
  expect(taken).toMatchObject({ setAside: 1, id: traceId })
  expect(await listSetAside(store)).toMatchObject([{ seq: stamp.seq, error: 'too large' }])
  expect(await replaySetAside(store, nowMs)).toBe(1)
  expect(await listSetAside(store)).toEqual([])
})

test('a wrong password, or another database, is refused at once and not taken for an outage', async () => {
  const wrong = connectStore({ ...server.as('andon_reader'), password: 'wrong' })
  await expect(rowsOf(wrong, 'SELECT 1')).rejects.toMatchObject({ type: 'AUTHENTICATION_FAILED' })
  await wrong.close()
  await as('andon_reader', (client) =>
    expect(rowsOf(client, 'SELECT * FROM system.users')).rejects.toMatchObject({ type: 'ACCESS_DENIED' }),
  )
})
