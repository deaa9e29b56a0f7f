import { afterAll, beforeAll, expect, test } from 'vitest'
import { DRILL } from '../../facts/drill.ts'
import type { Release } from '../../facts/slice.ts'
import { allBoards } from './all.ts'
import { openEmptyStore } from './demo.fixtures.ts'
import { frameOf } from './frame.fixtures.ts'
import { ALL, expanded, type Selection } from './macros.fixtures.ts'
import { clickhouseQueriesOf, keyOfRelease } from './read.fixtures.ts'
import { difference, isOneOf, RELEASE_KEY, share, wilson } from './sql.ts'

/** The board Releases on counts that are written here: one name under two agents and two environments, a young release, and a drill. */
const NOW_S = Date.UTC(2027, 0, 20) / 1000
const DAY_S = 86_400
const release = (agent: string, name: string, environment = 'production'): Release => ({
  environment,
  agent,
  release: name,
})
const A = release('billing', '1.4.0')
const B = release('orders', '1.4.0')
const STAGED = release('billing', '1.4.0', 'staging')
const BEFORE = release('billing', '1.3.0')
const YOUNG = release('billing', '1.5.0')
const ODD = release('two words', 'c% 20 \\')
const DRILLED = release(DRILL.agent, 'drill-1', DRILL.environment)

type Counted = Readonly<{ of: Release; ageDays: number; signal: string; trials: number; hits: number }>
const COUNTED: readonly Counted[] = [
  { of: BEFORE, ageDays: 12, signal: 'failed_updates', trials: 1000, hits: 20 },
  { of: A, ageDays: 9, signal: 'failed_updates', trials: 1000, hits: 80 },
  { of: B, ageDays: 8.5, signal: 'failed_updates', trials: 1000, hits: 10 },
  { of: STAGED, ageDays: 8, signal: 'failed_updates', trials: 1000, hits: 900 },
  { of: ODD, ageDays: 7, signal: 'failed_updates', trials: 10, hits: 1 },
  { of: YOUNG, ageDays: 1, signal: 'failed_updates', trials: 1000, hits: 20 },
  { of: DRILLED, ageDays: 0.01, signal: 'failed_updates', trials: 500, hits: 500 },
  // Healthy alike: the hits of the young ones are still to come.
  { of: BEFORE, ageDays: 12, signal: 'repeat_contacts', trials: 1000, hits: 120 },
  { of: YOUNG, ageDays: 1, signal: 'repeat_contacts', trials: 1000, hits: 30 },
  { of: BEFORE, ageDays: 12, signal: 'complaints', trials: 1000, hits: 15 },
  { of: A, ageDays: 9, signal: 'complaints', trials: 400, hits: 6 },
  { of: A, ageDays: 3, signal: 'complaints', trials: 600, hits: 0 },
]

let empty: Awaited<ReturnType<typeof openEmptyStore>>
beforeAll(async () => {
  empty = await openEmptyStore()
  const at = (ageDays: number) => Math.floor((NOW_S - ageDays * DAY_S) / 60) * 60
  const counts = COUNTED.flatMap(({ of, ageDays, signal, trials, hits }) =>
    [
      { signal, measure: 'trials', n: trials },
      { signal, measure: 'hits', n: hits },
      { signal: '', measure: 'contacts', n: trials },
    ].map((count) => ({ ...of, channel: 'chat', queue: 'help', region: 'eu', minute: at(ageDays), ...count })),
  )
  const insert = (table: string, values: object[]) => empty.store.insert({ table, values, format: 'JSONEachRow' })
  await insert('rollup_minutes', counts)
  await insert(
    'rollup_hours',
    counts.map(({ minute, ...count }) => ({ ...count, hour: Math.floor(minute / 3600) * 3600 })),
  )
  await insert(
    'slice_times',
    COUNTED.map(({ of, ageDays, trials }) => ({
      ...of,
      channel: 'chat',
      queue: 'help',
      region: 'eu',
      first_at: at(ageDays),
      last_at: at(ageDays),
      contacts: trials,
    })),
  )
  const judged = COUNTED.flatMap(({ of, ageDays, signal, trials, hits }, index) =>
    [
      { trigger: signal, trials, hits },
      { trigger: `${signal} on voice`, trials: trials / 10, hits: trials / 10 },
      ...(signal === 'failed_updates' ? [{ trigger: '', trials, hits }] : []),
    ].map((one) => ({
      ...of,
      ...one,
      signal: one.trigger === '' ? '' : signal,
      minute: at(ageDays),
      at: at(ageDays),
      // the narrow trigger speaks last
      seq: index * 10 + one.trigger.length,
      action: 'pause',
      finding: 'watching',
      rate: one.hits / one.trials,
      low: 0,
      high: 1,
      limit: 0.05,
      log_e: hits / 100,
      log_threshold: 1,
    })),
  )
  await insert('evidence_history', judged)
  await insert('batches', [{ seq: 1, clock_at: NOW_S * 1000, accepted_at: NOW_S * 1000, spans: 1, new_spans: 1 }])
})
afterAll(() => empty.close())

const board = allBoards()['andon-releases.json']!
const select = (left: Release, right: Release, change: Selection = {}): Selection => ({
  ...Object.fromEntries(
    ['environment', 'agent', 'release', 'channel', 'queue', 'region'].map((name) => [
      name,
      { value: [ALL], options: [] },
    ]),
  ),
  left: { value: keyOfRelease(left), options: [] },
  right: { value: keyOfRelease(right), options: [] },
  ...change,
})
const RANGE = { fromMs: (NOW_S - 14 * DAY_S) * 1000, toMs: NOW_S * 1000, intervalMs: (14 * DAY_S * 1000) / 48 }
const rowsOf = async (where: string, selection: Selection, intervalMs = RANGE.intervalMs) => {
  const queries = clickhouseQueriesOf(board).filter((query) => query.where === where)
  expect(queries.length).toBeGreaterThan(0)
  return Promise.all(
    queries.map(
      async ({ rawSql }) => (await frameOf(empty.store, expanded(rawSql, selection, { ...RANGE, intervalMs }))).rows,
    ),
  )
}
const signalRow = async (left: Release, right: Release, title: string, intervalMs?: number) => {
  const [rows] = await rowsOf('Signal by signal', select(left, right), intervalMs)
  return rows!.find((row) => row.signal_title === title)
}

test('one name under two agents and in two environments is three releases, each compared for itself', async () => {
  expect(await signalRow(A, B, 'Failed updates')).toMatchObject({
    trials_a: 1000,
    rate_a: 0.08,
    trials_b: 1000,
    rate_b: 0.01,
    verdict: 'higher',
  })
  expect(await signalRow(A, STAGED, 'Failed updates')).toMatchObject({ rate_a: 0.08, rate_b: 0.9, verdict: 'lower' })
  const [ours, theirs] = await rowsOf('Failed updates', select(A, B))
  expect(ours!.map(({ rate_a }) => rate_a)).toEqual([0.08])
  expect(theirs!.map(({ rate_b }) => rate_b)).toEqual([0.01])
  const [evidence, other] = await rowsOf('Evidence', select(A, STAGED))
  expect([evidence!.map((row) => row.evidence_a), other!.map((row) => row.evidence_b)]).toEqual([[0.8], [9]])
})

test('a name that holds spaces, percent signs and backslashes is found by its key', async () => {
  expect(await signalRow(ODD, A, 'Failed updates')).toMatchObject({ trials_a: 10, trials_b: 1000 })
  const { rows } = await frameOf(empty.store, `SELECT DISTINCT ${RELEASE_KEY} AS release_key FROM slice_times`)
  const keys = [A, B, STAGED, BEFORE, YOUNG, ODD, DRILLED].map(keyOfRelease)
  expect(rows.map((row) => row.release_key).sort()).toEqual(keys.sort())
})

test('contacts whose window is not over count for no verdict of a delayed signal', async () => {
  for (const intervalMs of [60_000, RANGE.intervalMs]) {
    expect(await signalRow(YOUNG, BEFORE, 'Repeat contacts', intervalMs)).toMatchObject({
      trials_a: 0,
      rate_a: null,
      trials_b: 1000,
      difference: null,
      verdict: 'too young',
    })
    expect(await signalRow(YOUNG, BEFORE, 'Failed updates', intervalMs)).toMatchObject({
      rate_a: 0.02,
      verdict: 'not told apart',
    })
    // 400 of the contacts are older than a week, 600 are not.
    expect(await signalRow(A, BEFORE, 'Complaints', intervalMs)).toMatchObject({
      trials_a: 400,
      rate_a: 6 / 400,
      verdict: 'not told apart',
    })
  }
  expect(await signalRow(B, BEFORE, 'Complaints')).toMatchObject({ verdict: 'no data' })
})

// Newcombe, Statistics in Medicine 17 (1998) 873–890, table II, method 10.
test.each([
  [56, 70, 48, 80, 0.0524, 0.3339],
  [9, 10, 3, 10, 0.1705, 0.809],
  [6, 7, 2, 7, 0.0582, 0.8062],
  [5, 56, 0, 29, -0.0381, 0.1926],
  [0, 10, 0, 20, -0.1611, 0.2775],
  [0, 10, 0, 10, -0.2775, 0.2775],
  [10, 10, 0, 20, 0.6791, 1],
  [10, 10, 0, 10, 0.6075, 1],
])('the difference of %d in %d and %d in %d has the published interval', async (a, m, b, n, low, high) => {
  const { rows } = await frameOf(
    empty.store,
    `SELECT ${share(`${a}`, `${m}`)} AS rate_a, ${wilson('low', `${a}`, `${m}`)} AS low_a, ${wilson('high', `${a}`, `${m}`)} AS high_a,
       ${share(`${b}`, `${n}`)} AS rate_b, ${wilson('low', `${b}`, `${n}`)} AS low_b, ${wilson('high', `${b}`, `${n}`)} AS high_b,
       round(${difference('low', SIDE_A, SIDE_B)}, 4) AS low, round(${difference('high', SIDE_A, SIDE_B)}, 4) AS high`,
  )
  expect(rows[0]).toMatchObject({ low, high })
})
const SIDE_A = { rate: 'rate_a', low: 'low_a', high: 'high_a' }
const SIDE_B = { rate: 'rate_b', low: 'low_b', high: 'high_b' }

test('a drill is in no list and no panel, so the release that is chosen at first is none', async () => {
  const variables = clickhouseQueriesOf(board).filter(({ where }) => where.startsWith('variable '))
  expect(variables.length).toBe(8)
  for (const { where, rawSql } of variables) {
    const { rows } = await frameOf(empty.store, expanded(rawSql, select(A, B), RANGE))
    expect(rows.length, where).toBeGreaterThan(0)
    expect(JSON.stringify(rows), where).not.toMatch(/drill/)
  }
  const named = select(DRILLED, DRILLED)
  for (const panel of ['Signal by signal', 'Failed updates', 'Evidence', 'What was found'])
    for (const rows of await rowsOf(panel, named)) expect(rows, panel).toEqual([])
  const { rows } = await frameOf(
    empty.store,
    expanded(`SELECT count() AS n FROM slice_times WHERE ${isOneOf('left')}`, named, RANGE),
  )
  expect(rows).toEqual([{ n: 0 }])
})

test('the first release is the latest, the second the latest of the same agent beside it', async () => {
  const options = async (name: string) => {
    const query = clickhouseQueriesOf(board).find(({ where }) => where === `variable ${name}`)!
    const { rows } = await frameOf(empty.store, expanded(query.rawSql, select(A, B), RANGE))
    return rows.map((row) => Object.values(row)[0])
  }
  expect((await options('left'))[0]).toBe(keyOfRelease(YOUNG))
  expect((await options('right')).slice(0, 4)).toEqual([YOUNG, STAGED, BEFORE, ODD].map(keyOfRelease))
})
