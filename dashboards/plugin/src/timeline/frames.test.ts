import { type DataFrameDTO, FieldType, toDataFrame } from '@grafana/data'
import { expect, test } from 'vitest'
import { framesOf } from '../../test/scenes.ts'
import { readFrames, timeOf } from './frames.ts'
import { keyOf } from './model.ts'

const text = (name: string, ...values: unknown[]) => ({ name, type: FieldType.string, values })
const time = (name: string, ...values: unknown[]) => ({ name, type: FieldType.time, values })
const number = (name: string, ...values: unknown[]) => ({ name, type: FieldType.number, values })
const read = (...frames: DataFrameDTO[]) => readFrames(frames.map((frame) => toDataFrame(frame)))

const T = Date.UTC(2026, 10, 20, 12)
const KEY = keyOf({ environment: 'production', agent: 'a', release: 'v1' })
const names = [text('environment', 'production'), text('agent', 'a'), text('release', 'v1')]

test('releases, incidents and evidence are told apart by their columns, in any order of queries', () => {
  const tables = framesOf('day').map((frame) => toDataFrame(frame))
  const [forward, backward] = [readFrames(tables), readFrames([...tables].reverse())]
  expect(forward.problems).toEqual([])
  expect([forward.releases.length, forward.incidents.length, forward.evidence.size]).toEqual([10, 6, 10])
  expect(backward.releases.map(({ key }) => key)).toEqual(forward.releases.map(({ key }) => key))
  expect(backward.evidence).toEqual(forward.evidence)
})

test('several rows of one release are one release, from its first to its last contact', () => {
  const rows = {
    fields: [
      text('agent', 'a', 'a'),
      text('release', 'v1', 'v1'),
      time('first_at', T + 5, T),
      time('last_at', T + 8, T + 6),
      number('contacts', 2, 3),
    ],
  }
  expect(read(rows).releases).toMatchObject([
    { environment: '', firstMs: T, lastMs: T + 8, contacts: 5, row: { frame: 0, row: 0 } },
  ])
})

test('a time that has not come is null, never 1970', () => {
  const incident = {
    fields: [
      text('incident_id', 'i'),
      ...names,
      time('detected_at', T),
      time('accepted_at', 0),
      time('drained_at', null),
    ],
  }
  expect(read(incident).incidents[0]!.at).toMatchObject({ detected: T, accepted: null, drained: null, onset: null })
})

test.each([
  [T, T],
  [String(T), T],
  ['2026-11-20 12:00:00', T],
  ['2026-11-20 12:00:00.250', T + 250],
  ['2026-11-20T13:00:00+01:00', T],
  ['', null],
  [null, null],
  [undefined, null],
  ['yesterday', null],
  [Number.NaN, null],
  [0, null],
  ['1970-01-01 00:00:00', null],
])('the time %o is %o', (value, ms) => {
  expect(timeOf(value)).toBe(ms)
})

test('a table of another kind is named, with what the timeline reads', () => {
  const { problems } = read({ refId: 'C', fields: [time('time', T), number('value', 1)] })
  expect(problems).toEqual([{ query: 'C', text: expect.stringMatching(/it has “time”, “value”.*first_at.*Table/) }])
})

test('missing columns are named, with those that are there', () => {
  const { problems, releases } = read({ refId: 'A', fields: [text('agent', 'a'), time('first_at', T)] })
  expect(releases).toEqual([])
  expect(problems[0]!.text).toBe(
    'The table of releases lacks “release”, “last_at”; it has “agent”, “first_at”. Name the columns with AS, and choose the format “Table”.',
  )
})

test('rows that cannot be read are left out and counted; the others stand', () => {
  const rows = {
    refId: 'A',
    fields: [text('agent', 'a', 'b'), text('release', 'v1', 'v1'), time('first_at', 'soon', T), time('last_at', T, T)],
  }
  const { problems, releases } = read(rows)
  expect(releases.map(({ agent }) => agent)).toEqual(['b'])
  expect(problems).toEqual([
    { query: 'A', text: '1 row of releases left out: “first_at” and “last_at” must be times.' },
  ])
})

test('a table without rows, or without columns, is no problem', () => {
  expect(
    read(
      { refId: 'A', fields: [] },
      { refId: 'B', fields: [text('agent'), text('release'), time('first_at'), time('last_at')] },
    ),
  ).toEqual({
    releases: [],
    incidents: [],
    evidence: new Map(),
    problems: [],
    found: null,
  })
})

test('whether a stop was ordered and how it ended is read as it is said; what is not said is not known', () => {
  const one = (name: string, value: string) => text(name, value)
  const known = [one('agent', 'a'), one('release', 'r'), one('incident_id', 'i'), time('detected_at', 100)]
  const said = [number('ordered', 0), time('closed_at', 400), time('resumed_at', 300), time('rolled_back_at', 200)]
  expect(read({ refId: 'A', fields: [...known, ...said] }).incidents[0]).toMatchObject({
    ordered: false,
    closedMs: 400,
    resumedMs: 300,
    rolledBackMs: 200,
  })
  expect(read({ refId: 'A', fields: known }).incidents[0]).toMatchObject({ ordered: null, closedMs: null })
})

test('how many releases there are is what the query says beside each', () => {
  const fields = [text('agent', 'a'), text('release', 'r'), time('first_at', 100), time('last_at', 200)]
  expect(read({ refId: 'A', fields: [...fields, number('releases_found', 1234)] }).found).toBe(1234)
  expect(read({ refId: 'A', fields }).found).toBeNull()
})

test('evidence comes in order of time whatever the order of rows; null is no evidence', () => {
  const column = (name: string, value: string) => text(name, value, value, value)
  const rows = {
    fields: [
      time('time', T + 2, T, T + 1),
      column('environment', 'production'),
      column('agent', 'a'),
      column('release', 'v1'),
      number('evidence', 0.5, 0.1, null),
    ],
  }
  expect(read(rows).evidence.get(KEY)).toEqual({ timesMs: [T, T + 2], shares: [0.1, 0.5] })
})

test('no name of telemetry can take the place of another release', () => {
  expect(keyOf({ environment: 'a b', agent: 'c', release: 'd' })).not.toBe(
    keyOf({ environment: 'a', agent: 'b c', release: 'd' }),
  )
})
