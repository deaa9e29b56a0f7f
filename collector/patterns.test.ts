import fc from 'fast-check'
import { expect, test } from 'vitest'
import { createLookup, matches } from './patterns.ts'

test.each([
  ['Error*', 'Error: x', true],
  ['Error*', 'An Error', false],
  ['*Error*', 'An Error here', true],
  ['a?c', 'abc', true],
  ['a?c', 'ac', false],
  ['*', '', true],
  ['', '', true],
  ['', 'x', false],
  ['a*b*c', 'a1b2b3c', true],
  ['a.c', 'abc', false],
  ['a\\*', 'a*', false],
])('the pattern "%s" on "%s": %s', (pattern, text, expected) => expect(matches(pattern, text)).toBe(expected))

test('matches agrees with the regular expression of the same meaning', () => {
  const letters = fc.string({ unit: fc.constantFrom('a', 'b', '*', '?'), maxLength: 8 })
  fc.assert(
    fc.property(letters, fc.string({ unit: fc.constantFrom('a', 'b'), maxLength: 10 }), (pattern, text) => {
      const expression = new RegExp(`^${pattern.replaceAll('*', '[^]*').replaceAll('?', '[^]')}$`)
      expect(matches(pattern, text)).toBe(expression.test(text))
    }),
    { numRuns: 1000 },
  )
})

test('an evil pattern on a long text stays cheap', () => {
  const start = performance.now()
  expect(matches(`${'*a'.repeat(30)}b`, 'a'.repeat(4096))).toBe(false)
  expect(performance.now() - start).toBeLessThan(1000)
})

test('an exact rule goes before a pattern, patterns in the order written, and memory stays bounded', () => {
  const lookup = createLookup({ 'a*': 1, 'ab*': 2, abc: 3 }, 2)
  for (let round = 0; round < 3; round++) {
    expect(['abc', 'abd', 'b', 'a', 'constructor'].map(lookup)).toEqual([3, 1, undefined, 1, undefined])
  }
})
