import fc from 'fast-check'
import { expect, test } from 'vitest'
// @ts-expect-error plain JavaScript for the browser; page/tsconfig.json checks its types
import * as format from './format.js'

const { count, counted, dateTime, duration, evidenceShare, odds, percent, percentRange, timeNear, titleOf, visible } =
  format
const spaced = (text: string): string => text.replaceAll('\u00a0', ' ')

test.each([
  [0, '0 %'],
  [0.00001, '< 0.01 %'],
  [0.0034, '0.34 %'],
  [0.00996, '1.0 %'],
  [0.031, '3.1 %'],
  [0.174, '17.4 %'],
  [0.9994, '99.9 %'],
  [0.9999, '100 %'],
  [1, '100 %'],
])('a share of %d is written %s', (share, text) => {
  expect(spaced(percent(share))).toBe(text)
})

test('an interval names its unit once, and is one number when both ends read alike', () => {
  expect(spaced(percentRange(0.024, 0.04))).toBe('2.4–4.0 %')
  expect(spaced(percentRange(0.02401, 0.02402))).toBe('2.4 %')
})

test.each([
  [0, '0 ms'],
  [830, '830 ms'],
  [999.6, '1 s'],
  [1_000, '1 s'],
  [4_240, '4.2 s'],
  [9_960, '10 s'],
  [59_700, '1 min'],
  [124_000, '2 min 4 s'],
  [3_599_600, '1 h'],
  [8_040_000, '2 h 14 min'],
  [86_399_999, '1 d'],
  [273_600_000, '3 d 4 h'],
  [-4_240, '−4.2 s'],
])('%d ms are written %s', (ms, text) => {
  expect(spaced(duration(ms))).toBe(text)
})

test('a length of time is never written with a full larger unit', () => {
  const full = /(^|\D)(60 s|60 min|24 h|1000 ms)/
  fc.assert(fc.property(fc.double({ min: 0, max: 1e10, noNaN: true }), (ms) => !full.test(spaced(duration(ms)))))
})

test('a longer time is never written as a shorter one', () => {
  const units: Record<string, number> = { ms: 1, s: 1_000, min: 60_000, h: 3_600_000, d: 86_400_000 }
  const read = (text: string) =>
    [...spaced(text).matchAll(/([\d.]+) (ms|min|s|h|d)/g)].reduce(
      (sum, [, n, unit]) => sum + Number(n) * units[unit!]!,
      0,
    )
  const anyMs = fc.double({ min: 0, max: 1e10, noNaN: true })
  fc.assert(fc.property(anyMs, anyMs, (a, b) => read(duration(Math.min(a, b))) <= read(duration(Math.max(a, b)))))
})

test('counts have separators and the right number of their noun', () => {
  expect(count(1_234_567)).toBe('1,234,567')
  expect(spaced(counted(1, 'contact'))).toBe('1 contact')
  expect(spaced(counted(0, 'contact'))).toBe('0 contacts')
})

test('times are RFC 3339 in UTC, and name the day only where it differs', () => {
  const atMs = Date.UTC(2026, 10, 20, 14, 3, 22, 123)
  expect(dateTime(atMs)).toBe('2026-11-20 14:03:22Z')
  expect(timeNear(atMs, atMs + 3_600_000)).toBe('14:03:22Z')
  expect(timeNear(atMs, atMs + 86_400_000)).toBe('11-20 14:03:22Z')
})

test('evidence is written as odds', () => {
  expect(spaced(odds(-3))).toBe('1 : 1')
  expect(spaced(odds(Math.log(2.5)))).toBe('2.5 : 1')
  expect(spaced(odds(Math.log(100)))).toBe('100 : 1')
  expect(spaced(odds(Math.log(1337)))).toBe('1,340 : 1')
  expect(spaced(odds(Math.log(2e12)))).toBe('more than 10¹² : 1')
})

test('evidence for health is no way to the pause line', () => {
  expect(evidenceShare({ logE: -2, logThreshold: 4 })).toBe(0)
  expect(evidenceShare({ logE: 3, logThreshold: 4 })).toBe(0.75)
})

test('control characters and what turns text round are made visible, scripts stay as they are', () => {
  expect(visible('a\u202eb\u0000\n')).toBe('a\\u202eb\\u0000\\u000a')
  expect(visible('注文 وضعية नमस्ते 👩‍💻')).toBe('注文 وضعية नमस्ते 👩‍💻')
  expect(titleOf('failed_updates')).toBe('Failed updates')
})
