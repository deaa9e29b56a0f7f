import { expect, test } from 'vitest'
import { addValues, createMeasure, designMeasure, measureLogE } from './measure.ts'

const MINUTE = 60_000

/** Repeatable uniforms on (0, 1). */
function uniforms(seed: number): () => number {
  let x = seed
  return () => {
    x = (x * 48_271) % 2_147_483_647
    return x / 2_147_483_647
  }
}

// latency is exponential with mean 100: quantiles −100 ln(1 − q)
const limits = [0.5, 0.9, 0.99].map((q) => -100 * Math.log(1 - q))
const design = designMeasure(limits)

function run(seed: number, valueAt: (u: () => number) => number, minutes: number): number {
  const u = uniforms(seed)
  const states = createMeasure(design)
  for (let minute = 0; minute < minutes; minute++) {
    const values = Array.from({ length: 20 }, () => valueAt(u))
    addValues(design, states, minute * MINUTE, minute * MINUTE, values)
    if (measureLogE(design, states) >= Math.log(100)) return minute
  }
  return Number.POSITIVE_INFINITY
}

test('unchanged latency does not pause', () => {
  for (let seed = 1; seed <= 10; seed++) {
    expect(run(seed, (u) => -100 * Math.log(u()), 200)).toBe(Number.POSITIVE_INFINITY)
  }
})

test('everything half as slow again is found, and so is a tail of 3 % ten times as slow', () => {
  expect(run(5, (u) => -150 * Math.log(u()), 400)).toBeLessThan(60)
  expect(run(6, (u) => (u() < 0.03 ? 1000 : 100) * -Math.log(u()), 400)).toBeLessThan(100)
})

test('limits out of order are refused', () => {
  expect(() => designMeasure([3, 2, 1])).toThrow('q50')
})
