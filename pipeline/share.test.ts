import { expect, test } from 'vitest'
import { divide, laneOf } from './share.ts'

test('every key falls to one lane, the same in every process, and lanes get about as much', () => {
  const keys = Array.from({ length: 10_000 }, (_, i) => `u//customer-${i}`)
  const lanes = divide(keys, (key) => key, 7)
  expect(lanes.flat().sort()).toEqual([...keys].sort())
  for (const [lane, part] of lanes.entries()) {
    expect(part.every((key) => laneOf(key, 7) === lane)).toBe(true)
    expect(part.length).toBeGreaterThan(1_200)
    expect(part.length).toBeLessThan(1_660)
  }
  // FNV-1a of '', 'a' and 'foobar': 811c9dc5, e40c292c, bf9cf968
  expect(['', 'a', 'foobar'].map((key) => laneOf(key, 16))).toEqual([5, 12, 8])
  expect(laneOf('anything', 1)).toBe(0)
})
