import fc from 'fast-check'
import { Webhook } from 'standardwebhooks'
import { expect, test } from 'vitest'
import { wallClock } from '../lib/clock.ts'
import { SECRET } from './fixtures.ts'
import { keyOf, sign, TOLERANCE_MS, verify } from './sign.ts'

const OTHER_SECRET = `whsec_${Buffer.alloc(32, 7).toString('base64')}`
const key = keyOf(SECRET)
const otherKey = keyOf(OTHER_SECRET)
const nowMs = 1_614_265_330_000

test("the specification's example gives the specification's signature", () => {
  const headers = sign({ id: 'msg_p5jXN8AQM9LWM0D4loKWxJek', atMs: nowMs, body: '{"test": 2432232314}', keys: [key] })
  expect(headers['webhook-signature']).toBe('v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=')
  expect(headers['webhook-timestamp']).toBe('1614265330')
})

test('whatever is signed here the standardwebhooks package verifies, and the other way round', () => {
  const oracle = new Webhook(SECRET)
  fc.assert(
    fc.property(fc.uuid(), fc.jsonValue(), (id, value) => {
      const atMs = wallClock.nowMs()
      const body = JSON.stringify({ value })
      const headers = sign({ id, atMs, body, keys: [otherKey, key] })
      expect(oracle.verify(body, headers)).toEqual(JSON.parse(body))
      const theirs = { ...headers, 'webhook-signature': oracle.sign(id, new Date(atMs), body) }
      expect(verify({ headers: theirs, body, keys: [key], nowMs: atMs })).toEqual({ ok: true })
    }),
    { numRuns: 200 },
  )
})

test('while a secret is rotated either key verifies, and a foreign one never does', () => {
  const body = '{}'
  const headers = sign({ id: 'i', atMs: nowMs, body, keys: [otherKey, key] })
  expect(headers['webhook-signature'].split(' ')).toHaveLength(2)
  for (const keys of [[key], [otherKey]]) expect(verify({ headers, body, keys, nowMs })).toEqual({ ok: true })
  const foreign = keyOf(`whsec_${Buffer.alloc(24, 1).toString('base64')}`)
  expect(verify({ headers, body, keys: [foreign], nowMs })).toEqual({ ok: false, reason: 'no_matching_signature' })
})

const signed = sign({ id: 'i', atMs: nowMs, body: '{"a":1}', keys: [key] })
test.each([
  ['a changed body', { body: '{"a":2}' }, 'no_matching_signature'],
  ['a changed id', { headers: { ...signed, 'webhook-id': 'j' } }, 'no_matching_signature'],
  ['a changed time', { headers: { ...signed, 'webhook-timestamp': '1614265331' } }, 'no_matching_signature'],
  ['a cut signature', { headers: { ...signed, 'webhook-signature': 'v1,g0' } }, 'no_matching_signature'],
  [
    'an unknown version',
    { headers: { ...signed, 'webhook-signature': signed['webhook-signature'].replace('v1,', 'v2,') } },
    'no_matching_signature',
  ],
  ['no signature', { headers: { ...signed, 'webhook-signature': undefined } }, 'missing_header'],
  ['two ids', { headers: { ...signed, 'webhook-id': ['i', 'i'] } }, 'missing_header'],
  ['a time that is no number', { headers: { ...signed, 'webhook-timestamp': '16e8' } }, 'bad_timestamp'],
  ['a time too long ago', { nowMs: nowMs + TOLERANCE_MS + 1 }, 'too_old'],
  ['a time too far ahead', { nowMs: nowMs - TOLERANCE_MS - 1 }, 'too_new'],
])('%s is refused with its reason', (_, change, reason) => {
  expect(verify({ headers: signed, body: '{"a":1}', keys: [key], nowMs, ...change })).toEqual({ ok: false, reason })
})

test('five minutes either way are within the tolerance', () => {
  for (const offMs of [TOLERANCE_MS, -TOLERANCE_MS])
    expect(verify({ headers: signed, body: '{"a":1}', keys: [key], nowMs: nowMs + offMs })).toEqual({ ok: true })
})

test.each([
  ['no prefix', SECRET.slice(6)],
  ['no base64', 'whsec_%%%%'],
  ['too short', `whsec_${Buffer.alloc(23).toString('base64')}`],
  ['too long', `whsec_${Buffer.alloc(65).toString('base64')}`],
  ['empty', ''],
])('a secret with %s is refused without being repeated', (_, secret) => {
  expect(() => keyOf(secret)).toThrow(/24 to 64 random bytes/)
  if (secret.length > 8) expect(() => keyOf(secret)).not.toThrow(new RegExp(secret.slice(6, 20)))
})
