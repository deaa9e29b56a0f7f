import { expect, test } from 'vitest'
import { around, dragged, panned, SHORTEST_MS, scaleOf, ticksOf, zoomed } from './scale.ts'

const HOUR = 3_600_000
const DAY = 24 * HOUR
const NOON = Date.UTC(2026, 10, 20, 12)
const utc = () => 0
const labels = (fromMs: number, toMs: number, width: number, offset = utc as (ms: number) => number) =>
  ticksOf(scaleOf({ fromMs, toMs }, width), offset).map(({ label, major }) => (major ? `*${label}` : label))

test('a moment and its pixel are each other’s inverse', () => {
  const scale = scaleOf({ fromMs: NOON, toMs: NOON + HOUR }, 720)
  for (const x of [0, 1, 359.5, 720]) expect(scale.xOf(scale.msOf(x))).toBeCloseTo(x, 6)
})

test('a range without length does not divide by zero', () => {
  expect(scaleOf({ fromMs: 5, toMs: 5 }, 0).xOf(5)).toBe(0)
  expect(Number.isFinite(scaleOf({ fromMs: 5, toMs: 5 }, 0).msOf(3))).toBe(true)
})

test('zooming keeps the moment under the cursor where it is', () => {
  const range = { fromMs: 0, toMs: 1_000_000 }
  const next = zoomed(range, 250_000, 0.5)
  expect(next).toEqual({ fromMs: 125_000, toMs: 625_000 })
  expect(zoomed(next, 250_000, 2)).toEqual(range)
})

test('zooming ends at a second', () => {
  const { fromMs, toMs } = zoomed({ fromMs: 0, toMs: 1200 }, 600, 0.001)
  expect(toMs - fromMs).toBe(SHORTEST_MS)
})

test('moving keeps the length', () => {
  expect(panned({ fromMs: 100, toMs: 200 }, -0.2)).toEqual({ fromMs: 80, toMs: 180 })
})

test('dragging chooses a range in either direction, and no farther than the axis; a click chooses none', () => {
  const scale = scaleOf({ fromMs: 0, toMs: 100_000 }, 100)
  expect(dragged(scale, 20, 60)).toEqual({ fromMs: 20_000, toMs: 60_000 })
  expect(dragged(scale, 60, -500)).toEqual({ fromMs: 0, toMs: 60_000 })
  expect(dragged(scale, 20, 23)).toBeNull()
})

test('the range around moments leaves air at both ends', () => {
  expect(around([])).toBeNull()
  expect(around([NOON])).toEqual({ fromMs: NOON - 60_000, toMs: NOON + 60_000 })
  expect(around([NOON, NOON + HOUR])).toEqual({ fromMs: NOON - 0.15 * HOUR, toMs: NOON + 1.15 * HOUR })
})

test.each([
  ['a second', NOON, NOON + 1000, ['12:00:00.0', '12:00:00.2', '12:00:00.4', '12:00:00.6', '12:00:00.8', '12:00:01.0']],
  [
    'a minute',
    NOON,
    NOON + 60_000,
    ['12:00:00', '12:00:10', '12:00:20', '12:00:30', '12:00:40', '12:00:50', '12:01:00'],
  ],
  ['an hour', NOON + 60_000, NOON + HOUR, ['12:10', '12:20', '12:30', '12:40', '12:50', '13:00']],
  ['over midnight', NOON, NOON + DAY, ['12:00', '18:00', '*Nov 21', '06:00', '12:00']],
  ['from midnight on', NOON - 12 * HOUR, NOON, ['*Nov 20', '02:00', '04:00', '06:00', '08:00', '10:00', '12:00']],
  ['four weeks', NOON, NOON + 28 * DAY, ['Nov 23', 'Nov 30', '*Dec 7', 'Dec 14']],
  ['years', NOON, NOON + 1000 * DAY, expect.arrayContaining([expect.stringMatching(/ 202[789]$/)])],
])('ticks over %s stand at round times', (_, fromMs, toMs, expected) => {
  expect(labels(fromMs, toMs, 504)).toEqual(expected)
})

test('ticks stand at round local times, over a change of the clocks as well', () => {
  // Berlin leaves summer time at 01:00 UTC on 25 October 2026: two hours ahead before, one after.
  const change = Date.UTC(2026, 9, 25, 1)
  const berlin = (ms: number) => (ms < change ? 120 : 60)
  expect(labels(change - 9 * HOUR, change + 11 * HOUR, 504, berlin)).toEqual(['18:00', '*Oct 25', '06:00', '12:00'])
})

test('there are never more ticks than fit', () => {
  for (const width of [40, 84, 300, 1200])
    for (const span of [1000, 90_000, HOUR, 7 * HOUR, DAY, 30 * DAY, 400 * DAY, 4000 * DAY])
      expect(labels(NOON, NOON + span, width).length).toBeLessThanOrEqual(Math.max(1, Math.floor(width / 84)) + 1)
})
