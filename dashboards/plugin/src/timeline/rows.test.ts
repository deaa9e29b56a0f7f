import { expect, test } from 'vitest'
import { aRelease } from './fixtures.ts'
import { lanesOf } from './lanes.ts'
import { laneAt, rowsInSight, rowsOf, scrolledTo } from './rows.ts'

const HEIGHTS = { lane: 50, agent: 30 }
const releases = Array.from({ length: 200 }, (_, index) =>
  aRelease(100 + index, 900, { agent: `agent ${index % 4}`, release: `v${index}` }),
)
const { lanes } = lanesOf(
  { releases, incidents: [], evidence: new Map(), problems: [], found: null },
  { fromMs: 0, toMs: 1000 },
  { nowMs: 1000, silentAfterMs: 500 },
  'agent',
)

test('releases of one agent stand under its heading', () => {
  const { rows, height } = rowsOf(lanes, HEIGHTS, true)
  expect(rows.filter(({ kind }) => kind === 'agent')).toMatchObject([
    { agent: 'agent 0', y: 0, releases: 50 },
    { agent: 'agent 1', y: 30 + 50 * 50 },
    { agent: 'agent 2' },
    { agent: 'agent 3' },
  ])
  expect(height).toBe(200 * 50 + 4 * 30)
})

test('without headings lanes follow each other', () => {
  expect(rowsOf(lanes, HEIGHTS, false)).toMatchObject({ height: 200 * 50 })
})

test('of many rows only those in sight are drawn, wherever one scrolls', () => {
  const all = rowsOf(lanes, HEIGHTS, true)
  for (const top of [0, 1, 49, 5000, all.height - 300]) {
    const inSight = rowsInSight(all, top, 300, 0)
    expect(inSight.length).toBeLessThanOrEqual(9)
    expect(inSight).toEqual(all.rows.filter((row) => row.y + row.height > top && row.y <= top + 300))
  }
  expect(rowsInSight(rowsOf([], HEIGHTS, true), 0, 300, 0)).toEqual([])
})

test('the row under a point is found; below the last there is none', () => {
  const all = rowsOf(lanes, HEIGHTS, true)
  expect(laneAt(all, 10)).toMatchObject({ kind: 'agent' })
  expect(laneAt(all, 31)).toMatchObject({ kind: 'lane', index: 0 })
  expect(laneAt(all, all.height + 1)).toBeNull()
})

test('a chosen row is scrolled into sight, and no farther', () => {
  const row = rowsOf(lanes, HEIGHTS, false).rows[10]!
  expect(scrolledTo(row, 0, 300, 0)).toBe(250)
  expect(scrolledTo(row, 400, 300, 0)).toBe(400)
  expect(scrolledTo(row, 800, 300, 0)).toBe(500)
})
