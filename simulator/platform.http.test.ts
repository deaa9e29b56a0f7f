import { randomBytes } from 'node:crypto'
import { Webhook } from 'standardwebhooks'
import { afterEach, expect, test } from 'vitest'
import { type Clock, wallClock } from '../lib/clock.ts'
import { startPlatform } from './platform.http.ts'
import { createRouting } from './routing.ts'

const newSecret = () => `whsec_${randomBytes(32).toString('base64')}`
const SECRET = newSecret()
const RELEASE = { environment: 'production', agent: 'crm-hygiene', release: '4.2.1' }
const ORDER = {
  type: 'andon.release.pause',
  data: { incidentId: 'i-1', release: RELEASE, trafficGoesTo: 'previous release' },
}

const closing: (() => Promise<void>)[] = []
afterEach(async () => {
  for (const close of closing.splice(0)) await close()
})

async function start(options: { secrets?: string[]; clock?: Clock } = {}) {
  const routing = createRouting()
  routing.launch({ agent: 'crm-hygiene', release: '4.2.0', share: 1 })
  routing.launch({ agent: 'crm-hygiene', release: '4.2.1', share: 1 })
  const settings = {
    routing,
    secrets: [SECRET],
    clock: wallClock,
    eventNowMs: () => 42,
    environment: 'production',
    ...options,
  }
  const platform = await startPlatform(settings)
  closing.push(platform.close)
  return { routing, platform, serving: () => routing.serve('crm-hygiene', 0) }
}

/** Signs as the reference implementation does and posts. */
async function post(
  url: string,
  order: unknown,
  options: { id?: string; at?: Date; secret?: string; tamper?: (body: string) => string } = {},
) {
  const { id = 'msg_1', at = new Date(wallClock.nowMs()), secret = SECRET, tamper = (body: string) => body } = options
  const body = typeof order === 'string' ? order : JSON.stringify(order)
  const headers = {
    'content-type': 'application/json',
    'webhook-id': id,
    'webhook-timestamp': String(Math.floor(at.getTime() / 1000)),
    'webhook-signature': new Webhook(secret).sign(id, at, body),
  }
  return fetch(url, { method: 'POST', headers, body: tamper(body) })
}

test('a signed pause is obeyed before it is answered: the release before takes the traffic', async () => {
  const { platform, serving } = await start()
  expect(serving()).toBe('4.2.1')
  const answer = await post(platform.url, ORDER)
  expect([answer.status, await answer.json()]).toEqual([200, { enforced: true }])
  expect(serving()).toBe('4.2.0')
  expect(platform.accepted()).toEqual([
    {
      ...RELEASE,
      type: 'andon.release.pause',
      incidentId: 'i-1',
      webhookId: 'msg_1',
      instead: 'previous_release',
      acceptedAtMs: expect.any(Number),
      acceptedAtEventMs: 42,
    },
  ])
})

test('where the trigger says so, people take the traffic', async () => {
  const { platform, serving } = await start()
  await post(platform.url, { ...ORDER, data: { ...ORDER.data, trafficGoesTo: 'Human queue' } })
  expect(serving()).toBeNull()
})

test('the same webhook again is answered alike and counted once; another webhook for the same release is kept too', async () => {
  const { platform } = await start()
  for (const id of ['msg_1', 'msg_1', 'msg_2']) expect((await post(platform.url, ORDER, { id })).status).toBe(200)
  expect(platform.accepted().map((pause) => pause.webhookId)).toEqual(['msg_1', 'msg_2'])
})

test.each<[string, Parameters<typeof post>[2]]>([
  ['signed with another secret', { secret: newSecret() }],
  ['changed on its way', { tamper: (body) => body.replace('4.2.1', '4.2.0') }],
  ['six minutes old', { at: new Date(wallClock.nowMs() - 360_000) }],
  ['six minutes ahead', { at: new Date(wallClock.nowMs() + 360_000) }],
])('a pause that is %s is refused with 401 and changes nothing', async (_name, options) => {
  const { platform, serving } = await start()
  expect((await post(platform.url, ORDER, options)).status).toBe(401)
  expect(serving()).toBe('4.2.1')
  expect(platform.accepted()).toEqual([])
  expect(platform.refused().map((refusal) => refusal.status)).toEqual([401])
})

test('a pause without signature headers, or with a signature of another kind, is refused with 401', async () => {
  const { platform } = await start()
  expect((await fetch(platform.url, { method: 'POST', body: JSON.stringify(ORDER) })).status).toBe(401)
  const headers = {
    'webhook-id': 'm',
    'webhook-timestamp': String(Math.floor(wallClock.nowMs() / 1000)),
    'webhook-signature': 'v1a,AAAA v1, x',
  }
  expect((await fetch(platform.url, { method: 'POST', headers, body: JSON.stringify(ORDER) })).status).toBe(401)
})

test('while secrets are rotated both count, afterwards only the new one', async () => {
  const next = newSecret()
  const both = await start({ secrets: [next, SECRET] })
  expect((await post(both.platform.url, ORDER, { secret: SECRET })).status).toBe(200)
  expect((await post(both.platform.url, ORDER, { secret: next, id: 'msg_2' })).status).toBe(200)
  const after = await start({ secrets: [next] })
  expect((await post(after.platform.url, ORDER, { secret: SECRET })).status).toBe(401)
})

test.each<[number, string, unknown]>([
  [400, 'is no JSON', 'pause, please'],
  [400, 'names no release', { type: 'andon.release.pause', data: { agent: 'crm-hygiene' } }],
  [422, 'is only a notice', { ...ORDER, type: 'andon.release.notify' }],
  [
    422,
    'names a release that does not run',
    { ...ORDER, data: { ...ORDER.data, release: { ...RELEASE, release: '9' } } },
  ],
  [
    422,
    'is for another environment',
    { ...ORDER, data: { ...ORDER.data, release: { ...RELEASE, environment: 'staging' } } },
  ],
])('an order is answered %i when it %s: 200 would claim that it is enforced', async (status, _name, order) => {
  const { platform, serving } = await start()
  expect((await post(platform.url, order)).status).toBe(status)
  expect(serving()).toBe('4.2.1')
  expect(platform.refused()).toHaveLength(1)
})

test('other paths are not found, a body without end is cut off', async () => {
  const { platform } = await start()
  expect((await post(`${new URL('/', platform.url)}`, ORDER)).status).toBe(404)
  expect((await fetch(platform.url)).status).toBe(404)
  expect((await post(platform.url, 'x'.repeat(2 << 20))).status).toBe(413)
})

test('a port that is taken is named', async () => {
  const { platform } = await start()
  const port = Number(new URL(platform.url).port)
  const again = startPlatform({
    routing: createRouting(),
    secrets: [],
    clock: wallClock,
    eventNowMs: () => 0,
    environment: '',
    port,
  })
  await expect(again).rejects.toMatchObject({ code: 'cannot_listen', message: expect.stringContaining(String(port)) })
})
