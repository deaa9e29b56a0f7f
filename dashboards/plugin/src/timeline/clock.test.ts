import { expect, test } from 'vitest'
import { clockOf, figuresOf, withDatesOnce } from './clock.ts'
import { duration } from './duration.ts'
import { anIncident } from './fixtures.ts'

const lines = (...given: Parameters<typeof anIncident>) =>
  clockOf(anIncident(...given)).map(
    ({ word, atMs, sinceMs }) => `${word} ${atMs ?? 'not yet'}${sinceMs === null ? '' : ` +${sinceMs}`}`,
  )

test('the clock counts from one known moment to the next', () => {
  expect(lines({ onset: 100, harm: 160, detected: 400, sent: 410, accepted: 415, drained: 500 })).toEqual([
    'Onset 100',
    'First harm 160 +60',
    'Detected 400 +240',
    'Sent 410 +10',
    'Accepted 415 +5',
    'Drained 500 +85',
  ])
})

test('what is awaited stands there as not yet; what was never known does not', () => {
  expect(lines({ onset: 100, detected: 400, sent: 410 })).toEqual([
    'Onset 100',
    'Detected 400 +300',
    'Sent 410 +10',
    'Accepted not yet',
    'Drained not yet',
  ])
  expect(lines({ detected: 400, accepted: 415, drained: 500 }, { tellsRecovery: true }).at(-1)).toBe(
    'Recovered not yet',
  )
})

test('a breach that was only told waits for nothing', () => {
  expect(lines({ onset: 100, detected: 400 }, { state: 'observed' })).toEqual(['Onset 100', 'Detected 400 +300'])
})

test('the onset has its range, when it has one', () => {
  expect(clockOf(anIncident({ onset: 100, detected: 400 }, { onsetLowMs: 80, onsetHighMs: 130 }))[0]!.rangeMs).toEqual([
    80, 130,
  ])
  expect(clockOf(anIncident({ onset: 100, detected: 400 }))[0]!.rangeMs).toBeNull()
})

test('the date stands only where it changes', () => {
  expect(withDatesOnce(['2026-11-19 23:59:58', '2026-11-19 23:59:59', null, '2026-11-20 00:00:01'])).toEqual([
    '2026-11-19 23:59:58',
    '23:59:59',
    null,
    '2026-11-20 00:00:01',
  ])
})

test('the three lengths; null is not zero, and no clock runs backwards', () => {
  expect(figuresOf(anIncident({ onset: 500, detected: 400, accepted: 415 })).map(({ ms }) => ms)).toEqual([0, 15, null])
})

test.each([
  [0, '0 ms'],
  [830, '830 ms'],
  [1000, '1 s'],
  [3449, '3.4 s'],
  [59_999, '59 s'],
  [60_000, '1 min'],
  [1_261_000, '21 min 1 s'],
  [3_599_999, '59 min 59 s'],
  [24_480_000, '6 h 48 min'],
  [86_400_000 * 2 + 3 * 3_600_000, '2 d 3 h'],
  [-5000, '−5 s'],
  [Number.NaN, 'unknown'],
])('%d ms are %s', (ms, text) => {
  expect(duration(ms).replaceAll('\u00a0', ' ')).toBe(text)
})
