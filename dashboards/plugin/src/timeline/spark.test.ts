import { expect, test } from 'vitest'
import { scaleOf } from './scale.ts'
import { evidenceAt, sparkOf } from './spark.ts'

const evidence = { timesMs: [10, 20, 60], shares: [0.25, 1, 0.5] }
const scale = scaleOf({ fromMs: 0, toMs: 100 }, 100)

test('evidence holds until the next point, and to the end of the release', () => {
  expect(sparkOf(evidence, scale, 50, 80)).toEqual({
    line: 'M10 40H20V10H60V30H80',
    area: 'M10 40H20V10H60V30H80V50H10Z',
    fromX: 10,
    toX: 80,
  })
})

test('the point before the range still holds at its start', () => {
  expect(sparkOf(evidence, scaleOf({ fromMs: 40, toMs: 140 }, 100), 50, 200).line).toBe('M0 10H20V30H100')
})

test('evidence far beyond the line stays in its box, evidence of health on its foot', () => {
  expect(sparkOf({ timesMs: [10, 20], shares: [9, -3] }, scale, 50, 30).line).toBe('M10 0H20V50H30')
})

test('the cost is that of the width: many points of one pixel are its peak', () => {
  const many = {
    timesMs: Array.from({ length: 100_000 }, (_, index) => index / 1000),
    shares: Array.from({ length: 100_000 }, (_, index) => (index === 50_500 ? 1 : 0)),
  }
  const { line } = sparkOf(many, scale, 50, 100)
  expect(line.split('H').length).toBeLessThanOrEqual(102)
  expect(line).toContain('V10')
})

test('nothing is drawn of nothing', () => {
  expect(sparkOf({ timesMs: [], shares: [] }, scale, 50, 80).line).toBe('')
  expect(sparkOf({ timesMs: [500], shares: [1] }, scale, 50, 80).line).toBe('')
})

test.each([
  [9, null],
  [10, 0.25],
  [59, 1],
  [1000, 0.5],
])('at %d evidence was %d', (ms, share) => {
  expect(evidenceAt(evidence, ms)).toBe(share)
})
