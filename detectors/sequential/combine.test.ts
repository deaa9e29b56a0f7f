import { expect, test } from 'vitest'
import { leafWeight, logThreshold, releaseLogE, signalLogE } from './combine.ts'

test('no evidence anywhere is worth exactly 1, however many leaves there are', () => {
  for (const leaves of [0, 1, 7, 300]) {
    const signal = { weight: 0.25, pooledLogE: 0, leafLogEs: new Array(leaves).fill(0) }
    expect(releaseLogE([signal, signal])).toBeCloseTo(0, 12)
  }
})

test('pooled and leaves each carry half, leaf j carries 1/(j(j+1)), unseen leaves stay at 1', () => {
  const pooled = 8
  const leaves = [3, 5]
  const byHand = 0.5 * pooled + 0.5 * (3 * (1 / 2) + 5 * (1 / 6) + 1 / 3)
  const signal = { pooledLogE: Math.log(pooled), leafLogEs: leaves.map(Math.log) }
  expect(Math.exp(signalLogE(signal))).toBeCloseTo(byHand, 12)
  expect(Math.exp(releaseLogE([{ weight: 0.25, ...signal }]))).toBeCloseTo(0.25 * byHand + 0.75, 12)
})

test('leaf weights sum to 1 over all leaves that may ever come', () => {
  const sum = Array.from({ length: 1000 }, (_, i) => leafWeight(i + 1)).reduce((a, b) => a + b)
  expect(sum + 1 / 1001).toBeCloseTo(1, 12)
})

test('one leaf alone can pause, at any size of evidence, without overflow', () => {
  const release = releaseLogE([{ weight: 0.25, pooledLogE: -2, leafLogEs: [0, 5000] }])
  expect(release).toBeCloseTo(5000 + Math.log(0.25 * 0.5 * (1 / 6)), 9)
})

test('a leaf that appears later changes nothing until it brings evidence', () => {
  const before = signalLogE({ pooledLogE: 1, leafLogEs: [2] })
  expect(signalLogE({ pooledLogE: 1, leafLogEs: [2, 0] })).toBeCloseTo(before, 12)
})

test('weights above 1 in all are refused', () => {
  const signal = { weight: 0.6, pooledLogE: 0, leafLogEs: [] }
  expect(() => releaseLogE([signal, signal])).toThrow('weights')
})

test('every overridden pause halves alpha', () => {
  expect(Math.exp(logThreshold(0.01))).toBeCloseTo(100, 9)
  expect(Math.exp(logThreshold(0.01, 2))).toBeCloseTo(400, 9)
})
