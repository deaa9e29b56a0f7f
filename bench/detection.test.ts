import { expect, test } from 'vitest'
import { quick } from './detection.ts'

test('the guarantees hold within three standard errors of a seeded simulation, and a test that forgets is caught', () => {
  const promises = quick()
  expect(promises.filter(({ holds }) => !holds).map(({ text }) => text)).toEqual([])
  expect(promises.length).toBeGreaterThanOrEqual(10)
  expect(promises.some(({ text }) => text.startsWith('the broken variant is caught'))).toBe(true)
}, 180_000)
