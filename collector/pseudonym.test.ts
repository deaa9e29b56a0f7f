import { createHmac } from 'node:crypto'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { createPseudonymizer, normalizeKey, normalizeLabel } from './pseudonym.ts'

const SECRET = 'sixteen bytes or more'
const pseudonymizer = createPseudonymizer({ secret: SECRET, keyVersion: 1 })

describe('keys', () => {
  test.each([
    ['  Ann   Example ', 'ann example'],
    ['ａｎｎ＠example.org', 'ann@example.org'],
    ['STRASSE', 'strasse'],
    ['Straße', 'strasse'],
    ['STRAẞE', 'strasse'],
    ['ann\u00a0\texample', 'ann example'],
    ['Ⅷ', 'viii'],
    ['', ''],
    [' \n ', ''],
  ])('"%s" becomes "%s"', (given, expected) => expect(normalizeKey(given)).toBe(expected))

  test('normalising twice changes nothing, neither for keys nor for labels', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), (text) => {
        expect(normalizeKey(normalizeKey(text))).toBe(normalizeKey(text))
        expect(normalizeLabel(normalizeLabel(text))).toBe(normalizeLabel(text))
      }),
      { numRuns: 2000 },
    )
  })

  test('labels keep their case', () => expect(normalizeLabel('  Group\u00a0 70 ')).toBe('Group 70'))
})

describe('pseudonyms', () => {
  test('are HMAC-SHA256 over purpose, key version and key, cut to 32 hex digits', () => {
    const expected = createHmac('sha256', SECRET).update('customer\u001f1\u001fann').digest('hex').slice(0, 32)
    expect(pseudonymizer.customer(' ANN')).toBe(expected)
  })

  test('differ by purpose, key version and secret', () => {
    const again = createPseudonymizer({ secret: SECRET, keyVersion: 2 })
    const foreign = createPseudonymizer({ secret: `${SECRET}!`, keyVersion: 1 })
    const all = [pseudonymizer, again, foreign].flatMap((one) => [
      one.customer('x'),
      one.record('', ['x']),
      one.arguments('x'),
    ])
    expect(new Set(all).size).toBe(all.length)
  })

  test('empty stays empty: an identity of spaces, a record with a missing part', () => {
    expect([pseudonymizer.customer(''), pseudonymizer.customer('  '), pseudonymizer.arguments('')]).toEqual([
      '',
      '',
      '',
    ])
    expect([pseudonymizer.record('order', []), pseudonymizer.record('order', ['1', ' '])]).toEqual(['', ''])
  })

  test('parts of a key do not run together', () => {
    expect(pseudonymizer.record('order', ['ab', 'c'])).not.toBe(pseudonymizer.record('order', ['a', 'bc']))
  })

  test('are the same from a cache of any size, however often it overflows', () => {
    const small = createPseudonymizer({ secret: SECRET, keyVersion: 1, cacheSize: 4 })
    for (let round = 0; round < 3; round++) {
      for (let i = 0; i < 50; i++) expect(small.customer(`c${i % 7}`)).toBe(pseudonymizer.customer(`c${i % 7}`))
    }
  })

  test('need a secret worth the name', () => {
    expect(() => createPseudonymizer({ secret: 'short', keyVersion: 1 })).toThrow(/at least 16 bytes, found 5/)
  })
})

test('the pseudonym of a customer is the HMAC-SHA256 that any other program computes', () => {
  for (const secret of ['a secret of some length', 'x'.repeat(64), 'y'.repeat(200)]) {
    const { customer } = createPseudonymizer({ secret, keyVersion: 3 })
    const expected = createHmac('sha256', secret).update(`customer\u001f3\u001fjané`).digest('hex').slice(0, 32)
    expect(customer('  JANÉ ')).toBe(expected)
  }
})

describe('conversation ids', () => {
  const ids = (conversations?: 'auto' | 'plain' | 'pseudonym') =>
    createPseudonymizer({ secret: SECRET, keyVersion: 1, ...(conversations && { conversations }) }).conversation

  test.each([
    '4917612345678',
    '+49 176 1234-5678',
    'whatsapp:+4917612345678',
    'tel:(176) 1234 5678',
    'ann@example.org',
  ])('%s is somebody, so only a pseudonym is kept', (id) => {
    expect(ids()(id)).toMatch(/^p-[0-9a-f]{32}$/)
    expect(ids()(id)).toBe(ids()(id))
    expect(ids('plain')(id)).toBe(id)
  })

  test.each(['wa-8d1f', '123456789', '0af7651916cd43dd8448eb211c80319c', '7c9e6679-7425-40de-944b-e07fc1f90ae7', ''])(
    '%s is nobody and stays as it is, unless all are to be hidden',
    (id) => {
      expect(ids()(id)).toBe(id)
      expect(ids('pseudonym')(id)).toMatch(id === '' ? /^$/ : /^p-[0-9a-f]{32}$/)
    },
  )
})
