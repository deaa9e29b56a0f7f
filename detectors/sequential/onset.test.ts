import { expect, test } from 'vitest'
import { REPEAT_CONTACT_72H } from './age-profile.ts'
import { designTest } from './design.ts'
import { addHits, addTrials, advance, createStream, logE } from './known-rate.ts'
import { onset, summary } from './onset.ts'

const MINUTE = 60_000
const HOUR = 60 * MINUTE

test('without a trial there is no onset', () => {
  expect(onset(designTest({ baseline: 0.02 }), createStream(designTest({ baseline: 0.02 })))).toBeNull()
})

test('a release that is bad from the first contact is dated to its launch', () => {
  const design = designTest({ baseline: 0.02 })
  const state = createStream(design)
  for (let minute = 100; minute < 160; minute++) {
    addTrials(design, state, minute * MINUTE, 20)
    if (minute % 2 === 0) addHits(design, state, minute * MINUTE, 3)
  }
  const found = onset(design, state)!
  expect(found.launchProbability).toBeGreaterThan(0.95)
  expect(found.medianMs).toBe(100 * MINUTE)
  expect(found.sinceMs).toBe(100 * MINUTE)
  expect(found.hitsSince).toBe(90)
  expect([3, 5]).toContain(found.ratio)
  expect(found.ratioInterval.low).toBeLessThan(90 / 24)
  expect(found.ratioInterval.high).toBeGreaterThan(90 / 24)
})

test('a fault in mid-life is dated to the hour, long after most cells have closed', () => {
  const design = designTest({ baseline: 0.02 })
  const state = createStream(design)
  const faultMinute = 12_000
  for (let minute = 0; minute < faultMinute + 120; minute++) {
    addTrials(design, state, minute * MINUTE, 10)
    const every = minute < faultMinute ? 5 : 1 // one hit in five minutes is the healthy share
    if (minute % every === 0) addHits(design, state, minute * MINUTE, 1)
  }
  expect(logE(design, state)).toBeGreaterThan(Math.log(100))
  const found = onset(design, state)!
  expect(found.launchProbability).toBeLessThan(1e-6)
  expect(Math.abs(found.medianMs - faultMinute * MINUTE)).toBeLessThan(HOUR)
  expect(found.lowMs).toBeLessThanOrEqual(faultMinute * MINUTE)
  expect(found.highMs).toBeGreaterThanOrEqual(faultMinute * MINUTE)
  expect(found.ratio).toBe(5)
})

test('the onset of a delayed signal is the start of the first badly served contacts, not of the first hit', () => {
  const design = designTest({ baseline: 0.12, ageProfile: REPEAT_CONTACT_72H })
  const state = createStream(design)
  const faultHour = 200
  // every cohort hour: 60 contacts; healthy ones repeat 7 of 60 at age 20 h, faulty ones 18 of 60
  for (let hour = 0; hour < faultHour + 60; hour++) {
    advance(design, state, hour * HOUR)
    addTrials(design, state, hour * HOUR, 60)
    if (hour >= 20) addHits(design, state, (hour - 20) * HOUR, hour - 20 < faultHour ? 7 : 18)
  }
  const found = onset(design, state)!
  expect(Math.abs(found.medianMs - faultHour * HOUR)).toBeLessThan(3 * HOUR)
  expect(summary(design, state).atRisk).toBe(state.risk!.open.reduce((a, b) => a + b))
})
