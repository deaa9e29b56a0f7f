import { expect, test } from 'vitest'
import { ageCompensator, COMPLAINT_7D, REPEAT_CONTACT_72H, shareBefore } from './age-profile.ts'
import { designTest } from './design.ts'

const HOUR = 3_600_000

test('vector: hits owed at age 0.5, 10, 30 and 80 h for a repeat share of 12 %', () => {
  const owed = [0.5, 10, 30, 80].map((h) => ageCompensator(REPEAT_CONTACT_72H, 0.12, h * HOUR))
  const expected = [0.00639166858, 0.0511333486, 0.0894833601, 0.127833372]
  for (const [i, value] of owed.entries()) expect(value).toBeCloseTo(expected[i]!, 9)
})

test('a contact that stays at risk over the whole window ends in a hit with the baseline share', () => {
  for (const profile of [REPEAT_CONTACT_72H, COMPLAINT_7D]) {
    expect(1 - Math.exp(-ageCompensator(profile, 0.07, 999 * HOUR))).toBeCloseTo(0.07, 12)
  }
})

test('no share lies before age 0, all of it before the window ends', () => {
  expect(shareBefore(COMPLAINT_7D, -5)).toBe(0)
  expect(shareBefore(COMPLAINT_7D, 15 * HOUR)).toBeCloseTo(0.25 + 0.3 / 2, 12)
  expect(shareBefore(COMPLAINT_7D, 168 * HOUR)).toBeCloseTo(1, 12)
})

test.each([
  [{ edgesMs: [0, HOUR], shares: [0.9] }, 'sum to 1'],
  [{ edgesMs: [1, HOUR], shares: [1] }, 'start at 0'],
  [{ edgesMs: [0, HOUR, HOUR], shares: [0.5, 0.5] }, 'rise'],
  [{ edgesMs: [0], shares: [] }, 'edge'],
])('a profile that is no distribution is refused: %o', (ageProfile, message) => {
  expect(() => designTest({ baseline: 0.1, ageProfile })).toThrow(message)
})
