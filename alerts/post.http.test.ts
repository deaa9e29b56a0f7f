import http, { type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterEach, expect, test, vi } from 'vitest'
import { manualClock, wallClock } from '../lib/clock.ts'
import { silentLog } from '../lib/log.ts'
import { createAlerter } from './alerter.ts'
import {
  aFinding,
  aTarget,
  defaultSafety,
  drainMicrotasks,
  quietActivity,
  SECOND,
  SECRET,
  START_MS,
} from './fixtures.ts'
import { memoryJournal } from './journal.ts'
import { createPost, type PostRequest, type ResolveHost } from './post.http.ts'
import { keyOf, verify } from './sign.ts'

/** A real receiver on loopback; it answers by its script, the last entry stays. */
type Reply = (request: IncomingMessage, response: ServerResponse) => void
const servers: http.Server[] = []

async function receiver(...replies: Reply[]) {
  const requests: { headers: IncomingMessage['headers']; body: string }[] = []
  const server = http.createServer(async (request, response) => {
    let body = ''
    for await (const chunk of request) body += chunk
    requests.push({ headers: request.headers, body })
    const reply = replies.length > 1 ? replies.shift() : replies[0]
    reply?.(request, response)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  servers.push(server)
  return { port: (server.address() as AddressInfo).port, requests }
}

afterEach(() => {
  for (const server of servers.splice(0)) {
    server.closeAllConnections()
    server.close()
  }
})

const status =
  (code: number, headers: Record<string, string> = {}): Reply =>
  (_, response) => {
    response.writeHead(code, headers).end('{"ok":true}')
  }

const requestTo = (port: number, change: Partial<PostRequest> = {}): PostRequest => ({
  url: `http://127.0.0.1:${port}/hooks`,
  headers: { 'content-type': 'application/json', 'webhook-id': 'i' },
  body: '{"a":"ü"}',
  allowPrivate: true,
  timeoutMs: 5 * SECOND,
  signal: new AbortController().signal,
  ...change,
})
const post = createPost({ clock: wallClock })

test.each([
  [200, 'delivered'],
  [202, 'delivered'],
  [204, 'delivered'],
  [301, 'redirect_refused'],
  [308, 'redirect_refused'],
  [400, 'client_error'],
  [404, 'client_error'],
  [410, 'gone'],
  [429, 'client_error'],
  [500, 'server_error'],
  [503, 'server_error'],
] as const)('an answer %i is %s', async (code, outcome) => {
  const { port } = await receiver(status(code))
  expect(await post(requestTo(port))).toMatchObject({ outcome, status: code })
})

test('headers and body arrive as they were signed', async () => {
  const { port, requests } = await receiver(status(200))
  await post(requestTo(port))
  expect(requests).toEqual([
    { body: '{"a":"ü"}', headers: expect.objectContaining({ 'webhook-id': 'i', 'content-length': '10' }) },
  ])
})

test('a redirect is refused and never followed', async () => {
  const elsewhere = await receiver(status(200))
  const { port } = await receiver(status(302, { location: `http://127.0.0.1:${elsewhere.port}/` }))
  expect(await post(requestTo(port))).toMatchObject({ outcome: 'redirect_refused', status: 302 })
  expect(elsewhere.requests).toHaveLength(0)
})

test('Retry-After is read from the answer', async () => {
  const { port } = await receiver(status(503, { 'retry-after': '7' }))
  expect(await post(requestTo(port))).toMatchObject({ outcome: 'server_error', retryAfterMs: 7 * SECOND })
})

test('a receiver that never answers times out, by the clock it was given', async () => {
  const { port, requests } = await receiver(() => {})
  const clock = manualClock(START_MS)
  const result = createPost({ clock })(requestTo(port, { timeoutMs: 15 * SECOND }))
  await vi.waitUntil(() => requests.length === 1)
  await clock.advance(14 * SECOND)
  expect(await Promise.race([result, drainMicrotasks().then(() => 'open')])).toBe('open')
  await clock.advance(SECOND)
  expect(await result).toEqual({ outcome: 'timeout', status: 0, retryAfterMs: 0, elapsedMs: 15 * SECOND })
})

test('nobody listening is a failed connection', async () => {
  const { port } = await receiver(status(200))
  for (const server of servers.splice(0)) server.close()
  expect(await post(requestTo(port))).toMatchObject({ outcome: 'connection_failed', status: 0 })
})

test('a connection cut before the answer is a failed connection', async () => {
  const { port } = await receiver((request) => request.socket.destroy())
  expect(await post(requestTo(port))).toMatchObject({ outcome: 'connection_failed' })
})

test('an answer without end is cut off, its status counts', async () => {
  let closed = false
  const { port } = await receiver((_, response) => {
    response.on('close', () => {
      closed = true
    })
    response.writeHead(200)
    const pour = () => {
      while (!closed && response.write('x'.repeat(65536)));
    }
    response.on('drain', pour)
    pour()
  })
  expect(await post(requestTo(port))).toMatchObject({ outcome: 'delivered', status: 200 })
  await vi.waitUntil(() => closed)
})

test('our own shutdown ends an attempt without a verdict', async () => {
  const { port, requests } = await receiver(() => {})
  const stopping = new AbortController()
  const result = post(requestTo(port, { signal: stopping.signal }))
  await vi.waitUntil(() => requests.length === 1)
  stopping.abort()
  expect(await result).toMatchObject({ outcome: 'aborted' })
})

test.each(['127.0.0.1', '[::1]', '[::ffff:127.0.0.1]', '2130706433', '0x7f.1', 'localhost', '0.0.0.0'])(
  'the inner address %s is denied before anything is sent',
  async (host) => {
    const { port, requests } = await receiver(status(200))
    const request = requestTo(port, { url: `http://${host}:${port}/`, allowPrivate: false })
    expect(await post(request)).toMatchObject({ outcome: 'address_denied', status: 0 })
    expect(requests).toHaveLength(0)
  },
)

test.each<[string, string[]]>([
  ['only an inner address', ['127.0.0.1']],
  ['an inner address among public ones', ['93.184.216.34', '127.0.0.1']],
])('a public name that resolves to %s is denied', async (_, addresses) => {
  const { port, requests } = await receiver(status(200))
  const resolveHost: ResolveHost = (_host, answer) =>
    answer(
      null,
      addresses.map((address) => ({ address, family: 4 })),
    )
  const guarded = createPost({ clock: wallClock, resolveHost })
  expect(await guarded(requestTo(port, { url: `http://hooks.example:${port}/`, allowPrivate: false }))).toMatchObject({
    outcome: 'address_denied',
  })
  expect(requests).toHaveLength(0)
})

test('the connection goes to the address that was checked: the name is resolved once', async () => {
  const { port, requests } = await receiver(status(200))
  let lookups = 0
  const resolveHost: ResolveHost = (_, answer) => {
    lookups += 1
    answer(null, [{ address: '127.0.0.1', family: 4 }])
  }
  const pinned = createPost({ clock: wallClock, resolveHost })
  expect(await pinned(requestTo(port, { url: `http://hooks.example:${port}/` }))).toMatchObject({
    outcome: 'delivered',
  })
  expect([lookups, requests.length, requests[0]?.headers.host]).toEqual([1, 1, `hooks.example:${port}`])
})

test('a name that does not resolve is a failed connection', async () => {
  const resolveHost: ResolveHost = (_, answer) => answer(new Error('ENOTFOUND'), [])
  const request = requestTo(1, { url: 'http://hooks.example/' })
  expect(await createPost({ clock: wallClock, resolveHost })(request)).toMatchObject({ outcome: 'connection_failed' })
})

test('the whole delivery over a real socket: 503, 503, 200, one webhook-id, three valid signatures', async () => {
  const { port, requests } = await receiver(status(503), status(503), status(200))
  const clock = manualClock(START_MS)
  const alerter = createAlerter({
    targets: [aTarget({ url: `http://127.0.0.1:${port}/`, allowPrivate: true })],
    safety: defaultSafety,
    journal: memoryJournal(),
    post: createPost({ clock: wallClock }),
    lastContactOf: () => quietActivity(clock.nowMs()).lastContactStartedAtMs,
    activityOf: async () => quietActivity(clock.nowMs()),
    clock,
    log: silentLog,
    signedAtMs: wallClock.nowMs,
  })
  await alerter.handle(aFinding())
  await vi.waitUntil(
    async () => {
      await clock.advance(100)
      return alerter.incidents()[0]?.state === 'paused'
    },
    { interval: 2 },
  )
  expect(requests).toHaveLength(3)
  expect(new Set(requests.map(({ headers }) => headers['webhook-id'])).size).toBe(1)
  for (const { headers, body } of requests)
    expect(verify({ headers, body, keys: [keyOf(SECRET)], nowMs: wallClock.nowMs() })).toEqual({ ok: true })
  await alerter.close()
})
