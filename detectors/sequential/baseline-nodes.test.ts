import { expect, test } from 'vitest'
import { baselineNodes, unknownBaselineLogRatio } from './baseline-nodes.ts'
import { designTest } from './design.ts'
import { DEFAULT_EFFECTS } from './effects.ts'
import { addHits, addTrials, createStream, logE } from './known-rate.ts'

test('vector: 100 hits of history, 30 hits where 12 were owed, r = 2', () => {
  expect(unknownBaselineLogRatio(100, 30, 12, 2)).toBeCloseTo(7.567914915831, 9)
})

test('nodes are the posterior: weights sum to 1, mean 1 + 1/(2K), steps of at most 4 %', () => {
  for (const hits of [20, 100, 500, 5000]) {
    const { multipliers, weights } = baselineNodes(hits)
    expect(weights.reduce((a, b) => a + b)).toBeCloseTo(1, 12)
    expect(multipliers.reduce((sum, g, i) => sum + g * weights[i]!, 0)).toBeCloseTo(1, 2)
    const widest = Math.max(...multipliers.slice(1).map((g, i) => Math.log(g / multipliers[i]!)))
    expect(widest).toBeLessThanOrEqual(0.04 + 1e-9)
    expect(multipliers.length).toBeGreaterThanOrEqual(5)
  }
})

test('an average over nodes agrees with the closed form of one ratio from launch', () => {
  const effects = { ...DEFAULT_EFFECTS, ratios: [2], weights: [1], launchWeight: 1 }
  const design = designTest({ baseline: 0.04, nodes: baselineNodes(100), effects })
  const state = createStream(design)
  for (let i = 0; i < 3; i++) {
    addTrials(design, state, i * 60_000, 100)
    addHits(design, state, i * 60_000, 10)
  }
  expect(logE(design, state)).toBeCloseTo(unknownBaselineLogRatio(100, 30, 12, 2), 1)
})

test('uncertainty costs evidence: the same hits count for less than against a known baseline', () => {
  const feed = (design: ReturnType<typeof designTest>) => {
    const state = createStream(design)
    addTrials(design, state, 0, 300)
    addHits(design, state, 0, 30)
    return logE(design, state)
  }
  const known = feed(designTest({ baseline: 0.04 }))
  const after500 = feed(designTest({ baseline: 0.04, nodes: baselineNodes(500) }))
  const after20 = feed(designTest({ baseline: 0.04, nodes: baselineNodes(20) }))
  expect(known).toBeGreaterThan(after500)
  expect(after500).toBeGreaterThan(after20)
})

test('evidence of a total outage stays finite with nodes', () => {
  const design = designTest({ baseline: 0.02, nodes: baselineNodes(20) })
  const state = createStream(design)
  addTrials(design, state, 0, 20_000)
  addHits(design, state, 0, 20_000)
  expect(logE(design, state)).toBeGreaterThan(1000)
  expect(Number.isFinite(logE(design, state))).toBe(true)
})
