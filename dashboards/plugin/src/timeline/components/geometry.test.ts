import { expect, test } from 'vitest'
import { DEFAULTS } from '../options.ts'
import { FLAG_WIDTH, flagOffset, geometryOf, isNarrow } from './geometry.ts'

test('names stand beside the lanes where there is room, above them where there is none', () => {
  expect(geometryOf(1200, DEFAULTS)).toMatchObject({ gutter: 230, caption: 0, plotWidth: 954 })
  const narrow = geometryOf(366, DEFAULTS)
  expect(isNarrow(narrow)).toBe(true)
  expect(narrow.plotWidth).toBeGreaterThan(330)
  expect(narrow.lane).toBeGreaterThan(geometryOf(1200, DEFAULTS).lane)
})

test('a compact lane has no evidence and is half as high', () => {
  const compact = geometryOf(1200, { ...DEFAULTS, density: 'compact' })
  expect(compact).toMatchObject({ sparkHeight: 0, lane: 26 })
  expect(geometryOf(1200, { ...DEFAULTS, evidence: false }).sparkHeight).toBe(0)
})

test('a panel without width breaks nothing', () => {
  expect(geometryOf(0, DEFAULTS).plotWidth).toBe(40)
})

test('the time at the crosshair stays inside the panel', () => {
  for (const width of [366, 1200]) {
    const geometry = geometryOf(width, DEFAULTS)
    for (const x of [0, 30, geometry.plotWidth / 2, geometry.plotWidth]) {
      const left = geometry.gutter + x + flagOffset(geometry, x)
      expect(left).toBeGreaterThanOrEqual(0)
      expect(left + FLAG_WIDTH).toBeLessThanOrEqual(width)
    }
  }
})
