import { expect, test } from 'vitest'
import { dispersionOf } from './dispersion.ts'

test('counting noise has dispersion 1, bursts more', () => {
  expect(dispersionOf([])).toBe(1)
  expect(dispersionOf([{ hits: 10, exposure: 10 }])).toBe(1)
  const burst = [
    { hits: 16, exposure: 10 },
    { hits: 4, exposure: 10 },
  ]
  expect(dispersionOf(burst)).toBeCloseTo(3.6, 12)
})

test('what was learned from the blocks themselves makes them look calmer than the next ones are: 14 days with 7 figures count three times', () => {
  const days = Array.from({ length: 14 }, (_, i) => ({ hits: i % 2 === 0 ? 120 : 80, exposure: 100 }))
  expect(dispersionOf(days)).toBeCloseTo(4, 12)
  expect(dispersionOf(days, 7 / 14)).toBeCloseTo(12, 12)
  expect(dispersionOf(days, 1)).toBe(1)
})
