import { describe, expect, test } from 'vitest'
import { gammaP, gammaQuantile, lgamma, logChoose } from './gamma.ts'

describe('special functions against published values', () => {
  // Abramowitz and Stegun, tables 6.1 and 6.4; closed forms where they exist
  test('lgamma', () => {
    expect(lgamma(0.5)).toBeCloseTo(Math.log(Math.PI) / 2, 13)
    expect(lgamma(1)).toBeCloseTo(0, 13)
    expect(lgamma(1.5)).toBeCloseTo(-0.1207822376352452, 13)
    expect(lgamma(11)).toBeCloseTo(Math.log(3_628_800), 11)
    expect(lgamma(101)).toBeCloseTo(363.73937555556347, 9)
    expect(lgamma(0.1)).toBeCloseTo(2.252712651734206, 12)
  })

  test('gammaP equals 1 − e^{−x} at a = 1, erf at a = ½, and Poisson sums at integers', () => {
    for (const x of [0.01, 0.5, 1, 3, 20]) expect(gammaP(1, x)).toBeCloseTo(1 - Math.exp(-x), 13)
    expect(gammaP(0.5, 1)).toBeCloseTo(0.8427007929497149, 13)
    expect(gammaP(0.5, 4)).toBeCloseTo(0.9953222650189527, 13)
    for (const [a, x] of [
      [3, 2],
      [10, 14],
      [60, 45],
    ] as const) {
      let below = 0
      for (let k = 0; k < a; k++) below += Math.exp(k * Math.log(x) - x - lgamma(k + 1))
      expect(gammaP(a, x)).toBeCloseTo(1 - below, 11)
    }
    expect(gammaP(2, Number.POSITIVE_INFINITY)).toBe(1)
  })

  test('gammaQuantile gives half the published chi-square quantiles', () => {
    // chi-square tables: 5 degrees 95 % 11.0704976935, 10 degrees 5 % 3.9402991361, 1 degree 99 % 6.6348966010
    expect(2 * gammaQuantile(0.95, 2.5)).toBeCloseTo(11.0704976935, 8)
    expect(2 * gammaQuantile(0.05, 5)).toBeCloseTo(3.9402991361, 8)
    expect(2 * gammaQuantile(0.99, 0.5)).toBeCloseTo(6.634896601, 8)
  })

  test('logChoose counts subsets', () => {
    expect(Math.exp(logChoose(52, 5))).toBeCloseTo(2_598_960, 2)
  })
})
