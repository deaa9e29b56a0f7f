import { expect, test } from 'vitest'
import { z } from 'zod'
import { HOUR, MINUTE, SECRET } from './fixtures.ts'
import { resolveTargets, type SecretRef, safetyConfig, safetyOf, targetConfig, targetsConfig } from './targets.ts'

const config = (change: object = {}) => [
  { name: 'platform', url: 'https://platform.example/hooks', secret: { env: 'HOOK_SECRET' }, ...change },
]
const readSecret = (ref: SecretRef) => {
  const values: Record<string, string> = {
    HOOK_SECRET: SECRET,
    NEXT_SECRET: SECRET,
    HOOK_URL: 'https://chat.example/T0/B0/x',
    BAD: 'hunter2',
  }
  const value = values['env' in ref ? ref.env : ref.file]
  if (value === undefined) throw new Error('is not set')
  return value
}
const resolve = (change: object = {}) => resolveTargets(targetsConfig.parse(config(change)), readSecret)

test('a target that enforces gets orders, one that notifies gets everything', async () => {
  expect(await resolve({ enforces: true })).toMatchObject([
    { on: ['pause', 'rollback', 'resume'], enforces: true, escalation: false, allowPrivate: false },
  ])
  expect(await resolve()).toMatchObject([{ on: ['pause', 'rollback', 'resume', 'notify'], enforces: false }])
  expect(await resolve({ on: ['notify'] })).toMatchObject([{ on: ['notify'] }])
})

test('two references give two keys while a secret is rotated', async () => {
  const [target] = await resolve({ secret: [{ env: 'NEXT_SECRET' }, { env: 'HOOK_SECRET' }] })
  expect(target?.keys).toHaveLength(2)
})

test('an address that is a secret comes from a reference', async () => {
  expect(await resolve({ url: undefined, urlFrom: { env: 'HOOK_URL' } })).toMatchObject([
    { url: 'https://chat.example/T0/B0/x' },
  ])
})

test.each([
  [
    'an unset variable',
    { secret: { env: 'NOPE' } },
    "target 'platform', secret from environment variable NOPE: is not set",
  ],
  [
    'a malformed secret',
    { secret: { env: 'BAD' } },
    /target 'platform', secret from environment variable BAD: a webhook secret is/,
  ],
  [
    'a malformed address',
    { url: undefined, urlFrom: { file: 'BAD' } },
    /target 'platform', urlFrom from file BAD: must be an absolute/,
  ],
])('%s is named by target, field and place, its value never', async (_, change, message) => {
  const error = await resolve(change).catch((caught: Error) => caught)
  expect(error).toBeInstanceOf(Error)
  expect((error as Error).message).toMatch(message)
  expect((error as Error).message).not.toContain('hunter2')
})

test.each([
  ['neither url nor urlFrom', { url: undefined }, 'exactly one of url and urlFrom'],
  ['both url and urlFrom', { urlFrom: { env: 'HOOK_URL' } }, 'exactly one of url and urlFrom'],
  ['another scheme', { url: 'ftp://platform.example' }, 'http:// or https://'],
  ['no URL', { url: 'platform' }, 'absolute http(s) URL'],
  ['a password in the URL', { url: 'https://a:hunter2@platform.example' }, 'must not hold a user name or password'],
  ['a secret in the file', { secret: SECRET }, 'secret'],
  ['three secrets', { secret: [{ env: 'A' }, { env: 'B' }, { env: 'C' }] }, 'secret'],
  ['a name for a metric label too odd', { name: 'Our Platform!' }, 'lower-case'],
  ['a key that does not exist', { enforce: true }, 'enforce'],
  ['nothing to receive', { on: [] }, 'on'],
])('%s is refused with the field and the fix', (_, change, message) => {
  const result = targetsConfig.safeParse(config(change))
  const text = result.success ? '' : z.prettifyError(result.error)
  expect(text).toContain(message)
  expect(text).not.toContain('hunter2')
})

test('a name used twice is refused', () => {
  const result = targetsConfig.safeParse([...config(), ...config()])
  expect(result.success ? '' : z.prettifyError(result.error)).toContain("the name 'platform' is used twice")
})

test('the brakes have the documented defaults', () => {
  expect(safetyOf(safetyConfig.parse(undefined))).toEqual({
    observeOnly: false,
    actWithinMs: 24 * HOUR,
    maxPauses: 2,
    maxPausesWindowMs: 10 * MINUTE,
    stopWithinMs: 5 * MINUTE,
    maxEscalations: 3,
    silences: [],
  })
})

test('a silence is read in any offset, and must end after it begins', () => {
  const silence = { agent: 'a', from: '2027-01-31T22:00:00+01:00', until: '2027-01-31T23:00:00Z', why: 'release night' }
  expect(safetyOf(safetyConfig.parse({ silences: [silence] })).silences).toEqual([
    { agent: 'a', fromMs: Date.parse('2027-01-31T21:00:00Z'), untilMs: Date.parse('2027-01-31T23:00:00Z') },
  ])
  expect(safetyConfig.safeParse({ silences: [{ ...silence, until: silence.from }] }).success).toBe(false)
})

test('every key is described for the reference and for editors', () => {
  for (const schema of [targetConfig, safetyConfig]) {
    const { properties } = z.toJSONSchema(schema, { io: 'input' })
    for (const [name, property] of Object.entries(properties ?? {}))
      expect([name, (property as { description?: string }).description]).toEqual([name, expect.any(String)])
  }
})

test('each kind says which keys it needs and which mean nothing to it', () => {
  const faultsOf = (change: object) => {
    const parsed = targetConfig.safeParse({ name: 'x', ...change })
    return parsed.success ? [] : parsed.error.issues.map((issue) => issue.path.join('.'))
  }
  const [ref, url] = [{ env: 'A' }, 'https://x.example/']
  expect(faultsOf({ kind: 'pagerduty', token: ref })).toEqual([])
  expect(faultsOf({ kind: 'pagerduty' })).toEqual(['token'])
  expect(faultsOf({ kind: 'pagerduty', token: ref, secret: ref, enforces: true })).toEqual(['secret', 'enforces'])
  expect(faultsOf({ kind: 'slack', urlFrom: ref })).toEqual([])
  expect(faultsOf({ kind: 'slack', url, secret: ref, token: ref })).toEqual(['secret', 'token'])
  expect(faultsOf({ kind: 'slack' })).toEqual(['url'])
  expect(faultsOf({ kind: 'alertmanager', url, token: ref, secret: ref })).toEqual([])
  expect(faultsOf({ url })).toEqual(['secret'])
  expect(faultsOf({ url, secret: ref, token: ref })).toEqual(['token'])
})

test('a routing key of the wrong length is named by its length, never by its value', async () => {
  const config = targetsConfig.parse([{ name: 'pager', kind: 'pagerduty', token: { env: 'BAD' } }])
  const error = await resolveTargets(config, readSecret).catch((caught: Error) => caught)
  expect((error as Error).message).toMatch(
    /target 'pager', token from environment variable BAD: .* this has 7 characters/,
  )
  expect((error as Error).message).not.toContain('hunter2')
})
