import { OFREPProvider } from '@openfeature/ofrep-provider'
import { ErrorCode, type EvaluationContext, OpenFeature } from '@openfeature/server-sdk'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { aFinding, anEmptyDay, anIncident } from '../dashboards/fixtures.ts'
import type { Incident } from '../facts/incident.ts'
import { type Clock, manualClock } from '../lib/clock.ts'
import { mounted, startApi } from './fixtures.ts'
import { holderOf } from './stop-switch.ts'
import { tokenOf } from './tokens.ts'

const R43 = { environment: 'production', agent: 'order-status', release: 'r43' }
const held = (change: Partial<Incident> = {}): Incident => ({
  ...anIncident(aFinding({ release: R43 })),
  incidentId: 'incident-1',
  release: R43,
  state: 'paused',
  scope: [],
  ordered: 'pause',
  orderedMs: 1_000,
  ...change,
})

const running: { close: () => Promise<void> }[] = []
afterEach(async () => {
  await OpenFeature.clearProviders()
  for (const server of running.splice(0)) await server.close()
})

let incidents: Incident[]
let clock: Clock & { advance: (ms: number) => Promise<void> }
beforeEach(() => {
  incidents = []
  clock = manualClock(0)
})

async function start(token?: string) {
  const tokens = token ? [tokenOf({ name: 'agents', role: 'read', secret: token })] : []
  const { api } = mounted({ overview: async () => anEmptyDay(), incidents: () => incidents, tokens, clock })
  const server = await startApi(api)
  running.push(server)
  return server
}

/** What the real SDK resolves; `whenUnknown` is the default in the code. */
async function asked(
  url: string,
  context: EvaluationContext,
  options: { flag?: string; whenUnknown?: boolean; token?: string } = {},
) {
  const { flag = 'andon.serving', whenUnknown = true, token } = options
  const headers: [string, string][] = token ? [['authorization', `Bearer ${token}`]] : []
  await OpenFeature.setProviderAndWait(new OFREPProvider({ baseUrl: url, headers }))
  return OpenFeature.getClient().getBooleanDetails(flag, whenUnknown, context)
}

describe('the stop switch through the real OpenFeature SDK', () => {
  test('a release against which no order stands serves, one that Andon has never seen too', async () => {
    const { url } = await start()
    expect(await asked(url, R43)).toMatchObject({ value: true, variant: 'serving', reason: 'STATIC' })
  })

  test('a pause stops it with the next question, and a resume lets it go on', async () => {
    const { url } = await start()
    incidents = [held({ state: 'pausing' })]
    expect(await asked(url, { ...R43, targetingKey: '+999 550 00017' }, { whenUnknown: true })).toMatchObject({
      value: false,
      variant: 'stopped',
      reason: 'TARGETING_MATCH',
      flagMetadata: { incidentId: 'incident-1', state: 'pausing', sinceMs: 1_000 },
    })
    incidents = [held({ state: 'resumed' })]
    await clock.advance(50)
    expect((await asked(url, R43, { whenUnknown: false })).value).toBe(true)
  })

  test('the key may name the agent', async () => {
    const { url } = await start()
    incidents = [held()]
    expect((await asked(url, { release: 'r43' }, { flag: 'andon.serving.order-status' })).value).toBe(false)
    expect((await asked(url, { release: 'r43' }, { flag: 'andon.serving.billing' })).value).toBe(true)
  })

  test('what cannot be answered is an error with its reason, and the default in the code holds', async () => {
    const { url } = await start()
    incidents = [held()]
    const withoutRelease = await asked(url, { agent: 'order-status' }, { whenUnknown: false })
    expect(withoutRelease).toMatchObject({ value: false, errorCode: ErrorCode.INVALID_CONTEXT })
    expect(withoutRelease.errorMessage).toContain('must name the release')
    expect(await asked(url, R43, { flag: 'dark-mode' })).toMatchObject({
      value: true,
      errorCode: ErrorCode.FLAG_NOT_FOUND,
    })
    expect(await asked(url, { ...R43, channel: 7 as never })).toMatchObject({
      value: true,
      errorCode: ErrorCode.INVALID_CONTEXT,
    })
  })

  test('with the monitor away the default in the code holds, whichever it is', async () => {
    const { url, close } = await start()
    incidents = [held()]
    await close()
    expect(await asked(url, R43, { whenUnknown: true })).toMatchObject({ value: true, reason: 'ERROR' })
    expect(await asked(url, R43, { whenUnknown: false })).toMatchObject({ value: false, reason: 'ERROR' })
  })

  test('behind a token only those with one are told', async () => {
    const { url } = await start('a-token-for-agents')
    incidents = [held()]
    expect(await asked(url, R43, { whenUnknown: true })).toMatchObject({ value: true, reason: 'ERROR' })
    expect((await asked(url, R43, { token: 'a-token-for-agents' })).value).toBe(false)
  })
})

describe('in bulk', () => {
  const bulk = (url: string, context: object, headers: Record<string, string> = {}) =>
    fetch(`${url}/ofrep/v1/evaluate/flags`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', ...headers },
      body: JSON.stringify({ context }),
    })

  test('both flags of the agent come with an ETag, and 304 until something changes', async () => {
    const { url } = await start()
    const first = await bulk(url, R43)
    const etag = first.headers.get('etag')!
    const { flags } = (await first.json()) as { flags: { key: string; value: boolean }[] }
    expect(flags.map(({ key, value }) => [key, value])).toEqual([
      ['andon.serving', true],
      ['andon.serving.order-status', true],
    ])
    expect((await bulk(url, R43, { 'if-none-match': etag })).status).toBe(304)
    incidents = [held()]
    await clock.advance(50)
    const changed = await bulk(url, R43, { 'if-none-match': etag })
    expect([changed.status, changed.headers.get('etag') === etag]).toEqual([200, false])
  })

  test('a context that names nobody is 400 in the words of the protocol and as a problem', async () => {
    const { url } = await start()
    const answer = await bulk(url, { targetingKey: 'x' })
    expect(answer.status).toBe(400)
    expect(await answer.json()).toMatchObject({ errorCode: 'INVALID_CONTEXT', code: 'bad_request', status: 400 })
  })
})

describe('what a standing order covers', () => {
  const whatsapp = { channel: 'whatsapp', queue: '' }
  const orders = { channel: 'whatsapp', queue: 'orders' }
  test.each([
    ['the whole release', [], {}, true],
    ['the whole release, one queue asked', [], orders, true],
    ['one channel, that channel asked', [whatsapp], { channel: 'whatsapp' }, true],
    ['one channel, a queue in it asked', [whatsapp], orders, true],
    ['one channel, another asked', [whatsapp], { channel: 'voice' }, false],
    ['one channel, all asked', [whatsapp], {}, true],
    ['one queue, its channel asked', [orders], { channel: 'whatsapp' }, true],
    ['one queue, another asked', [orders], { channel: 'whatsapp', queue: 'returns' }, false],
    ['two parts, the second asked', [{ channel: 'voice', queue: '' }, orders], orders, true],
  ])('%s', (_, scope, asked, isHeld) => {
    const { agent, release } = R43
    expect(holderOf([held({ scope })], { agent, release, ...asked }) !== null).toBe(isHeld)
  })

  test.each([
    ['another release', { release: 'r42' }, false],
    ['another agent', { agent: 'billing' }, false],
    ['another environment', { environment: 'staging' }, false],
    ['no environment, which asks for all', { environment: undefined }, true],
    ['the environment of those that name none', { environment: '' }, false],
  ])('asked about %s', (_, change, isHeld) => {
    expect(holderOf([held()], { ...R43, ...change }) !== null).toBe(isHeld)
  })

  const closed = { by: 'Ada', reason: 'r43 was bad', atMs: 2_000, verdict: 'confirmed' } as const
  const later = { by: 'Ada', reason: 'fixed', atMs: 3_000, how: 'resumed', acceptedMs: null } as const

  test('a release that was rolled back or retired stays away when its incident is closed, until somebody resumes all of that', () => {
    const away = held({ state: 'closed', closed, scope: [whatsapp] })
    const second = (change: Partial<Incident>) =>
      held({ incidentId: 'second', state: 'resumed', resumed: later, ...change })
    expect(holderOf([away], R43)).toBe(away)
    expect(holderOf([away], { ...R43, channel: 'voice' })).toBeNull()
    expect(holderOf([{ ...away, resumed: later }], R43)).toBeNull()
    expect(holderOf([away, second({ scope: [] })], R43)).toBeNull()
    expect(holderOf([away, second({ scope: [whatsapp] })], R43)).toBeNull()
    expect(holderOf([away, second({ scope: [orders] })], R43)).toBe(away)
    expect(holderOf([away, second({ resumed: { ...later, atMs: 1_000 } })], R43)).toBe(away)
    expect(holderOf([away, second({ release: { ...R43, environment: 'staging' } })], R43)).toBe(away)
  })

  test.each(['observed', 'resumed', 'closed'] as const)('nothing when it is %s', (state) => {
    expect(holderOf([held({ state })], R43)).toBeNull()
  })
})
