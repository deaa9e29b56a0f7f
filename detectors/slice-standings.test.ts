import fc from 'fast-check'
import { expect, test } from 'vitest'
import { releaseLogE } from './sequential/combine.ts'
import { logAdd } from './sequential/log-domain.ts'
import { sliceStandings } from './slice-standings.ts'

const leaf = (channel: string, logE: number, queue = 'q') => ({ channel, queue, logE })

test('a slice is the sum of its terms over the triggers, and names the signal that contributes most', () => {
  const standings = sliceStandings([
    { signal: 'failed_updates', weight: 0.5, leaves: [leaf('chat', 0), leaf('voice', 3)] },
    { signal: 'complaints', weight: 0.5, leaves: [leaf('voice', 4)] },
  ])
  expect(standings).toEqual([
    { channel: 'chat', queue: 'q', signal: 'failed_updates', logE: expect.closeTo(Math.log(0.5 * 0.5 * 0.5), 12) },
    {
      channel: 'voice',
      queue: 'q',
      signal: 'complaints',
      logE: expect.closeTo(Math.log((0.5 * 0.5 * Math.exp(3)) / 6 + (0.5 * 0.5 * Math.exp(4)) / 2), 12),
    },
  ])
})

test('slices, pooled streams and what has not come yet are together the evidence of the release', () => {
  const logE = fc.double({ min: -20, max: 20, noNaN: true })
  const trigger = fc.record({ pooledLogE: logE, leafLogEs: fc.array(logE, { maxLength: 24 }) })
  fc.assert(
    fc.property(fc.array(trigger, { minLength: 1, maxLength: 4 }), (triggers) => {
      const weight = 0.9 / triggers.length
      const slices = sliceStandings(
        triggers.map(({ leafLogEs }, index) => ({
          signal: `s${index}`,
          weight,
          leaves: leafLogEs.map((value, at) => leaf(String((at * 7 + index) % 24), value)),
        })),
      )
      const others = triggers.reduce(
        (sum, { pooledLogE, leafLogEs }) =>
          logAdd(sum, Math.log(weight / 2) + logAdd(pooledLogE, -Math.log(leafLogEs.length + 1))),
        Math.log(0.1),
      )
      const whole = slices.reduce((sum, slice) => logAdd(sum, slice.logE), others)
      expect(whole).toBeCloseTo(releaseLogE(triggers.map((one) => ({ ...one, weight }))), 9)
    }),
  )
})

test('a trigger without slices has none', () => {
  expect(sliceStandings([{ signal: 'complaints', weight: 1, leaves: [] }])).toEqual([])
})
