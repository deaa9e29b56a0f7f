import { describe, expect, test } from 'vitest'
import { REPEAT_CONTACT_72H } from './age-profile.ts'
import { designTest } from './design.ts'
import { addHits, addTrials, createStream, logE } from './known-rate.ts'
import { bernoulliInformation, detectionAtLaunch, poissonInformation } from './power.ts'

const LOG_100 = Math.log(100)

test('the floor is log(1/α)/KL: 2079, 581 and 172 contacts for 2 % going to 3, 4 and 6 %', () => {
  const design = designTest({ baseline: 0.02 })
  const floors = [1.5, 2, 3].map((r) => Math.round(detectionAtLaunch(design, r, LOG_100).floorTrials))
  expect(floors).toEqual([2079, 581, 172])
})

test('information is nothing without a difference, and Poisson bounds Bernoulli for rare hits', () => {
  expect(poissonInformation(1)).toBe(0)
  expect(bernoulliInformation(0.02, 0.02)).toBeCloseTo(0, 15)
  expect(bernoulliInformation(0.0002, 0.0001) / (0.0001 * poissonInformation(2))).toBeCloseTo(1, 3)
})

describe('planned median and 90 % point', () => {
  test('agree with 600 simulated launches at ratio 2', () => {
    const design = designTest({ baseline: 0.02 })
    let seed = 7
    const uniform = () => {
      seed = (seed * 48_271) % 2_147_483_647
      return seed / 2_147_483_647
    }
    const delays: number[] = []
    for (let life = 0; life < 600; life++) {
      const state = createStream(design)
      for (let n = 1; ; n++) {
        addTrials(design, state, n * 60_000, 1)
        if (uniform() >= 0.04) continue
        addHits(design, state, n * 60_000, 1)
        if (logE(design, state) < LOG_100) continue
        delays.push(n)
        break
      }
    }
    delays.sort((a, b) => a - b)
    const planned = detectionAtLaunch(design, 2, LOG_100)
    expect(delays[300]! / planned.medianTrials).toBeGreaterThan(0.85)
    expect(delays[300]! / planned.medianTrials).toBeLessThan(1.1)
    expect(delays[540]! / planned.p90Trials).toBeGreaterThan(0.82)
    expect(delays[540]! / planned.p90Trials).toBeLessThan(1.12)
  })

  test('a rise below the break-even of the smallest ratio is out of reach, and says so', () => {
    expect(detectionAtLaunch(designTest({ baseline: 0.02 }), 1.05, LOG_100).p90Trials).toBe(Number.POSITIVE_INFINITY)
  })

  test('a tolerance asks for more trials', () => {
    const strict = detectionAtLaunch(designTest({ baseline: 0.12, ageProfile: REPEAT_CONTACT_72H }), 2, LOG_100)
    const tolerance = designTest({ baseline: 0.12, ageProfile: REPEAT_CONTACT_72H, tolerance: 0.2 })
    expect(strict.medianTrials).toBeLessThan(detectionAtLaunch(tolerance, 1.7, LOG_100).medianTrials)
  })
})
