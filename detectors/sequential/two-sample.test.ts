import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { DEFAULT_EFFECTS } from './effects.ts'
import { stratumLogRatio } from './stratum.ts'
import {
  addAtRisk,
  addStratumHits,
  advanceTwoSample,
  createTwoSample,
  designTwoSample,
  type TwoSampleState,
  twoSampleLogE,
} from './two-sample.ts'

const MINUTE = 60_000
const design = designTwoSample({ stratumMs: MINUTE, windowMs: 6 * 60 * MINUTE })

describe('one stratum', () => {
  test('vector: 100 against 900 contacts, 3 hits, 2 of them the candidate’s, ψ = 2', () => {
    const stratum = { candidateAtRisk: 100, stableAtRisk: 900, candidateHits: 2, stableHits: 1 }
    expect(stratumLogRatio(stratum, 2)).toBeCloseTo(1.100587102, 9)
  })

  test('is a fair bet given the number of hits, whatever the sizes', () => {
    const sizes = fc.record({
      candidate: fc.integer({ min: 1, max: 30 }),
      stable: fc.integer({ min: 1, max: 30 }),
      hits: fc.integer({ min: 1, max: 12 }),
      odds: fc.constantFrom(...DEFAULT_EFFECTS.ratios),
    })
    const choose = (n: number, k: number) => {
      let ways = k < 0 || k > n ? 0 : 1
      for (let i = 0; i < k && ways > 0; i++) ways = (ways * (n - i)) / (i + 1)
      return ways
    }
    fc.assert(
      fc.property(sizes, ({ candidate, stable, hits, odds }) => {
        fc.pre(hits <= candidate + stable)
        let mean = 0
        for (let k = 0; k <= hits; k++) {
          const chance = (choose(candidate, k) * choose(stable, hits - k)) / choose(candidate + stable, hits)
          if (chance === 0) continue
          const stratum = { candidateAtRisk: candidate, stableAtRisk: stable, candidateHits: k, stableHits: hits - k }
          mean += chance * Math.exp(stratumLogRatio(stratum, odds))
        }
        expect(mean).toBeCloseTo(1, 9)
      }),
    )
  })

  test('that holds one arm only says nothing', () => {
    const alone = { candidateAtRisk: 5, stableAtRisk: 0, candidateHits: 2, stableHits: 0 }
    expect(stratumLogRatio(alone, 3)).toBeCloseTo(0, 12)
    expect(stratumLogRatio({ ...alone, candidateHits: 1 }, 3)).toBeCloseTo(0, 12)
  })
})

describe('the two-sample stream', () => {
  test('vector: six hits C C S C C C at a candidate part of one tenth', () => {
    const state = createTwoSample(design)
    for (const [i, arm] of (['C', 'C', 'S', 'C', 'C', 'C'] as const).entries()) {
      addAtRisk(design, state, 'candidate', i * MINUTE, 100)
      addAtRisk(design, state, 'stable', i * MINUTE, 900)
      addStratumHits(design, state, i * MINUTE, { candidate: arm === 'C' ? 1 : 0, stable: arm === 'S' ? 1 : 0 })
      advanceTwoSample(design, state, (i + 1) * MINUTE)
    }
    expect(twoSampleLogE(design, state)).toBeCloseTo(4.801499535989, 9)
  })

  test('hits wait until their stratum has ended, then are compared with all of its contacts at once', () => {
    const wide = designTwoSample({ stratumMs: 10 * MINUTE, windowMs: 60 * MINUTE })
    const state = createTwoSample(wide)
    for (let minute = 0; minute < 10; minute++) {
      advanceTwoSample(wide, state, minute * MINUTE)
      addAtRisk(wide, state, 'candidate', minute * MINUTE, 10)
      addAtRisk(wide, state, 'stable', minute * MINUTE, 90)
      if (minute < 3)
        addStratumHits(wide, state, minute * MINUTE, { candidate: minute < 2 ? 1 : 0, stable: minute < 2 ? 0 : 1 })
      expect(twoSampleLogE(wide, state)).toBeCloseTo(0, 12)
    }
    advanceTwoSample(wide, state, 10 * MINUTE)
    expect(state.logRatios[2]).toBeCloseTo(1.100587102, 9)
    expect(state.hits).toBe(2)
  })

  const batches = fc.array(
    fc.record({
      gap: fc.integer({ min: 0, max: 40 }),
      late: fc.integer({ min: 0, max: 30 }),
      candidate: fc.integer({ min: 0, max: 20 }),
      stable: fc.integer({ min: 0, max: 20 }),
      hitsCandidate: fc.integer({ min: 0, max: 4 }),
      hitsStable: fc.integer({ min: 0, max: 4 }),
    }),
    { minLength: 1, maxLength: 150 },
  )
  type Batches = typeof batches extends fc.Arbitrary<infer T> ? T : never
  const play = (input: Batches, between: (state: TwoSampleState) => TwoSampleState) => {
    let state = createTwoSample(design)
    let nowMs = 0
    for (const b of input) {
      state = between(state)
      nowMs += b.gap * MINUTE
      advanceTwoSample(design, state, nowMs)
      const cohortMs = nowMs - b.late * MINUTE
      addAtRisk(design, state, 'candidate', cohortMs, b.candidate)
      addAtRisk(design, state, 'stable', cohortMs, b.stable)
      addStratumHits(design, state, cohortMs, { candidate: b.hitsCandidate, stable: b.hitsStable })
    }
    return state
  }

  test('is bit-identical after store and restore between any two steps, and stays bounded', () => {
    fc.assert(
      fc.property(batches, (input) => {
        const through = play(input, (state) => state)
        const stored = play(input, (state) => JSON.parse(JSON.stringify(state)) as TwoSampleState)
        expect(JSON.stringify(stored)).toBe(JSON.stringify(through))
        expect(twoSampleLogE(design, stored)).toBe(twoSampleLogE(design, through))
        expect(through.cells.live.length).toBeLessThanOrEqual(75)
        expect(through.cohorts.length).toBeLessThanOrEqual(362)
      }),
      { numRuns: 40 },
    )
  })

  test('a hit of a contact that was never added, or that left the window, changes nothing', () => {
    const state = createTwoSample(design)
    addAtRisk(design, state, 'candidate', 0, 1)
    advanceTwoSample(design, state, 7 * 60 * MINUTE)
    addStratumHits(design, state, 0, { candidate: 1, stable: 0 })
    addStratumHits(design, state, 7 * 60 * MINUTE, { candidate: 1, stable: 0 })
    expect(twoSampleLogE(design, state)).toBeCloseTo(0, 12)
  })
})
