import { describe, expect, test } from 'vitest'
import {
  anytimeRatioInterval,
  anytimeShareInterval,
  mixedInterval,
  oddsRatioBelow,
  rateRatioBelow,
} from './ratio-interval.ts'

test('30 hits where 12 were owed: vector of the credible and of the anytime interval', () => {
  const below = rateRatioBelow(30, 12, { hits: 0.5, exposure: 0.25 })
  const credible = mixedInterval([{ share: 1, below }])
  expect(credible.low).toBeCloseTo(1.7974643, 7)
  expect(credible.high).toBeCloseTo(3.2747795, 7)
  const anytime = anytimeRatioInterval(30, 12, 0.05)
  expect(anytime.low).toBeCloseTo(1.2890951, 7)
  expect(anytime.high).toBeCloseTo(4.3018661, 7)
})

test('a ratio whose onset is uncertain has a wider range than either onset gives', () => {
  const early = { share: 0.5, below: rateRatioBelow(60, 40) }
  const late = { share: 0.5, below: rateRatioBelow(40, 14) }
  const both = mixedInterval([early, late])
  const [one, other] = [early, late].map((part) => mixedInterval([{ ...part, share: 1 }]))
  expect(both.low).toBeGreaterThan(one!.low)
  expect(both.low).toBeLessThan(other!.low)
  expect(both.high).toBeGreaterThan(one!.high)
  expect(both.high).toBeLessThan(other!.high)
})

test('two arms: many hits at the odds of 3 leave a narrow range around 3, one arm alone leaves any', () => {
  const { low, high } = mixedInterval([{ share: 1, below: oddsRatioBelow(7500, 10_000, 5000) }])
  expect(Math.sqrt(low * high)).toBeCloseTo(3, 2)
  expect(Math.log(high / low)).toBeCloseTo(2 * 1.6449 * Math.sqrt(1 / 7500 + 1 / 2500), 3)
  const alone = mixedInterval([{ share: 1, below: oddsRatioBelow(5, 5, 5) }])
  expect(alone).toEqual({ low: 0, high: Number.POSITIVE_INFINITY })
})

describe('anytime intervals', () => {
  test('know nothing before data, and only an upper end before the first hit', () => {
    expect(anytimeRatioInterval(0, 0, 0.05)).toEqual({ low: 0, high: Number.POSITIVE_INFINITY })
    expect(anytimeShareInterval(0, 0, 0.05)).toEqual({ low: 0, high: 1 })
    const noHit = anytimeRatioInterval(0, 10, 0.05)
    expect(noHit.low).toBe(0)
    // without hits the bound has a closed form: ρA = ln(1/α) + ln(1 + A)
    expect(noHit.high).toBeCloseTo((Math.log(20) + Math.log(11)) / 10, 9)
  })

  test('hold the observed rate, lie inside [0, 1], and narrow with data', () => {
    let width = 1
    for (const n of [10, 100, 1000, 10_000]) {
      const { low, high } = anytimeShareInterval(n / 10, n, 0.05)
      expect(low).toBeLessThan(0.1)
      expect(high).toBeGreaterThan(0.1)
      expect(high - low).toBeLessThan(width)
      width = high - low
    }
    expect(anytimeShareInterval(50, 50, 0.05).high).toBe(1)
  })

  test('cover the truth at every look at once, in more than 95 % of 400 seeded lives', () => {
    let seed = 1
    const uniform = () => {
      seed = (seed * 48_271) % 2_147_483_647
      return seed / 2_147_483_647
    }
    let missed = 0
    for (let life = 0; life < 400; life++) {
      let hits = 0
      let covered = true
      for (let n = 1; n <= 2000; n++) {
        if (uniform() < 0.05) hits++
        if (n % 20 !== 0) continue
        const { low, high } = anytimeShareInterval(hits, n, 0.05)
        covered &&= low <= 0.05 && 0.05 <= high
      }
      if (!covered) missed++
    }
    expect(missed / 400).toBeLessThan(0.05)
  })
})
