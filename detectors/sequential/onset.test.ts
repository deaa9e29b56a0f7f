import { expect, test } from 'vitest'
import { REPEAT_CONTACT_72H } from './age-profile.ts'
import { designTest } from './design.ts'
import { addHits, addTrials, advance, createStream, logE } from './known-rate.ts'
import { onset, onsetTwoSample, summary } from './onset.ts'
import { armInformation, bernoulliInformation, detectionAtLaunch } from './power.ts'
import { addAtRisk, addStratumHits, advanceTwoSample, createTwoSample, designTwoSample } from './two-sample.ts'

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

test.each([
  ['an immediate signal', designTest({ baseline: 0.02 })],
  ['a quantity of hits with rhythm', designTest({ baseline: 0.02, dispersion: 2 })],
] as const)('the information since the onset of %s is that by which the floor of a test is counted', (_, design) => {
  const state = createStream(design)
  for (let minute = 0; minute < 100; minute++) {
    addTrials(design, state, minute * MINUTE, 20)
    addHits(design, state, minute * MINUTE, 1)
  }
  const { informationSince, ratio, launchProbability } = onset(design, state)!
  expect(launchProbability).toBeGreaterThan(0.5)
  const line = Math.log(100)
  const { floorTrials } = detectionAtLaunch({ ...design, dispersion: 1 }, ratio, line)
  expect((line / informationSince) * 2000).toBeCloseTo(floorTrials * design.dispersion, 6)
})

test('two arms of the same size teach, per hit of either, what the floor of their comparison counts; one arm alone teaches nothing', () => {
  const design = designTwoSample({ stratumMs: MINUTE, windowMs: HOUR })
  const informationOf = (stable: number) => {
    const state = createTwoSample(design)
    for (let minute = 0; minute < 60; minute++) {
      addAtRisk(design, state, 'candidate', minute * MINUTE, 20)
      addAtRisk(design, state, 'stable', minute * MINUTE, stable)
      addStratumHits(design, state, minute * MINUTE, { candidate: 2, stable: stable > 0 ? 1 : 0 })
      advanceTwoSample(design, state, (minute + 1) * MINUTE)
    }
    const { informationSince, ratio } = onsetTwoSample(design, state)!
    return { perHit: informationSince / 180, ratio }
  }
  const { perHit, ratio } = informationOf(20)
  expect(perHit).toBeCloseTo(armInformation(0.5, ratio), 6)
  expect(informationOf(0).perHit).toBe(0)
})

test('a harm beyond the grid of ratios teaches what it is, not what the grid can say', () => {
  const design = designTest({ baseline: 0.01 })
  const state = createStream(design)
  for (let minute = 0; minute < 20; minute++) {
    addTrials(design, state, minute * MINUTE, 10)
    addHits(design, state, minute * MINUTE, 5)
  }
  const found = onset(design, state)!
  expect(found.ratio).toBe(10)
  expect(found.informationSince / 200).toBeCloseTo(bernoulliInformation(0.5, 0.01), 9)
})
