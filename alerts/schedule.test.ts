import { expect, test } from 'vitest'
import { HOUR, MINUTE, SECOND, START_MS } from './fixtures.ts'
import { dueMs, FAST_MS, RETRY_AFTER_MAX_MS, retryAfterMs, SCHEDULE_MS } from './schedule.ts'

test('a pause is tried five times in fifteen seconds, then ever more slowly for a day', () => {
  expect(FAST_MS).toEqual([0, SECOND, 2 * SECOND, 5 * SECOND, 15 * SECOND])
  expect(SCHEDULE_MS.slice(5, 13)).toEqual([
    30 * SECOND,
    MINUTE,
    2 * MINUTE,
    5 * MINUTE,
    15 * MINUTE,
    30 * MINUTE,
    HOUR,
    2 * HOUR,
  ])
  expect(SCHEDULE_MS.at(-1)).toBe(24 * HOUR)
  expect([...SCHEDULE_MS].sort((a, b) => a - b)).toEqual(SCHEDULE_MS)
})

test('an attempt is due by the schedule, or a second after a slow answer, and at last not at all', () => {
  expect(dueMs({ startedAtMs: START_MS, attempt: 1, lastEndedAtMs: START_MS })).toBe(START_MS)
  expect(dueMs({ startedAtMs: START_MS, attempt: 4, lastEndedAtMs: START_MS + 2 * SECOND })).toBe(START_MS + 5 * SECOND)
  expect(dueMs({ startedAtMs: START_MS, attempt: 2, lastEndedAtMs: START_MS + 15 * SECOND })).toBe(
    START_MS + 16 * SECOND,
  )
  expect(dueMs({ startedAtMs: START_MS, attempt: SCHEDULE_MS.length + 1, lastEndedAtMs: START_MS })).toBeNull()
})

test.each([
  ['absent', undefined, 0],
  ['seconds', '7', 7 * SECOND],
  ['an HTTP date', new Date(START_MS + 9 * SECOND).toUTCString(), 9 * SECOND],
  ['a date in the past', new Date(START_MS - HOUR).toUTCString(), 0],
  ['longer than a pause can wait', '3600', RETRY_AFTER_MAX_MS],
  ['nonsense', 'soon', 0],
  ['negative', '-5', 0],
])('Retry-After that is %s', (_, header, wantedMs) => {
  expect(retryAfterMs(header, START_MS)).toBe(wantedMs)
})
