import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { Delta } from './evidence.ts'
import { SIGNAL_LIBRARY } from './signals/library.ts'
import { binOf, leastValueOf } from './signals/value-bins.ts'
import { judgedTriggers, triggersSchema } from './triggers.ts'
import { beyondUsual, beyondWords, readBy, USUAL_POINTS } from './usual.ts'

describe('what was usual', () => {
  test('at most 1 − point of the values lie beyond it, and with one bin less more would', () => {
    const histogram = fc.array(fc.tuple(fc.integer({ min: -20, max: 60 }), fc.integer({ min: 1, max: 500 })), {
      minLength: 1,
      maxLength: 40,
    })
    fc.assert(
      fc.property(histogram, fc.constantFrom(...USUAL_POINTS), (pairs, point) => {
        const counts = new Map(pairs)
        const total = [...counts.values()].reduce((a, b) => a + b)
        const above = (bin: number) => [...counts].reduce((sum, [at, n]) => sum + (at >= bin ? n : 0), 0)
        const bin = beyondUsual(counts, point)
        if (bin === null) {
          expect(total * (1 - point)).toBeLessThan(10)
          return
        }
        expect(above(bin)).toBeLessThanOrEqual((1 - point) * total + 1e-6)
        expect(above(bin - 1)).toBeGreaterThan((1 - point) * total - 1e-6)
      }),
    )
  })

  test('the median takes 20 values, the 99 % point 1,000', () => {
    const of = (n: number) => new Map([[8, n]])
    expect(USUAL_POINTS.map((point) => beyondUsual(of(20), point))).toEqual([9, null, null])
    expect(beyondUsual(of(999), 0.99)).toBeNull()
    expect(beyondUsual(of(1001), 0.99)).toBe(9)
    expect(beyondUsual(new Map(), 0.5)).toBeNull()
  })

  test('a bin is said by its smallest value', () => {
    expect(leastValueOf(48)).toBe(64)
    expect(leastValueOf(-160)).toBe(Number.NEGATIVE_INFINITY)
    expect([binOf('bin_-3'), binOf('bin_48'), binOf('hits')]).toEqual([-3, 48, null])
    expect(beyondWords('durationSeconds', 80)).toBe('durationSeconds of 1,020 or more')
  })
})

describe('counts of a quantity', () => {
  const row = (measure: Delta['measure'], n = 1): Delta => ({
    signal: 'handling_time',
    measure,
    environment: 'production',
    agent: 'a',
    release: 'r',
    channel: '',
    queue: '',
    minuteMs: 0,
    n,
  })
  const hits = (deltas: readonly Delta[], fromBin: number) =>
    readBy(fromBin, deltas).reduce((sum, { measure, n }) => sum + (measure === 'capped_hits' ? n : 0), 0)

  test('contacts in the bin and above are hits; one that grows becomes one when it passes the bin, once', () => {
    expect(hits([row('trials', 3), row('bin_5'), row('bin_8'), row('bin_9')], 8)).toBe(2)
    expect(hits([row('bin_5', -1), row('bin_9')], 8)).toBe(1)
    expect(hits([row('bin_9', -1), row('bin_12')], 8)).toBe(0)
    expect(readBy(8, [row('trials', 3), row('bin_5')])).toEqual([row('trials', 3)])
  })

  test('a signal with hits of its own is read as it is', () => {
    const deltas = [row('trials'), row('hits')]
    expect(readBy(null, deltas)).toBe(deltas)
  })
})

describe('a trigger on a quantity without a limit', () => {
  const judged = (triggers: readonly object[]) => judgedTriggers(triggersSchema.parse(triggers), SIGNAL_LIBRARY, 0.01)
  const slow = { name: 'slow', signal: 'handling_time' }
  const PAUSING = { action: 'pause', trafficGoesTo: 'people' }

  test('is three that share its weight, and each is a test of its own', () => {
    const triggers = judged([
      { ...slow, ...PAUSING, weight: 0.6 },
      { name: 'failed', signal: 'failed_updates', ...PAUSING },
    ])
    expect(
      triggers.map(({ name, title, baseline, weight }) => [name, title, baseline.toFixed(2), weight.toFixed(2)]),
    ).toEqual([
      ['slow-p50', 'Handling time beyond the usual median', '0.50', '0.20'],
      ['slow-p90', 'Handling time beyond the usual 90 % point', '0.10', '0.20'],
      ['slow-p99', 'Handling time beyond the usual 99 % point', '0.01', '0.20'],
      ['failed', 'Failed updates', '0.02', '0.40'],
    ])
    expect(new Set(triggers.map(({ hash }) => hash)).size).toBe(4)
  })

  test.each([
    [[{ ...slow, baseline: 0.1 }], 'triggers[0].baseline: gives a rate'],
    [[{ ...slow, baseline: 'written' }], 'has no limit and is compared with what was usual'],
    [[{ ...slow, baseline: { mode: 'previous', rate: 0.1 } }], 'leave it out, or give the signal a limit (above)'],
    [[{ ...slow, ceiling: { rate: 0.5, minTrials: 10 } }], 'triggers[0].ceiling: gives a rate'],
    [[slow, { name: 'slow-p90', signal: 'failed_updates' }], "'slow-p90' is the name of a part of another trigger"],
  ])('%j is refused: %s', (triggers, problem) => {
    expect(() => judged(triggers)).toThrow(problem)
  })
})
