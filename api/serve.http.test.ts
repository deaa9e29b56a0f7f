import { gzipSync } from 'node:zlib'
import { afterEach, describe, expect, test } from 'vitest'
import { z } from 'zod'
import { aBadDay } from '../dashboards/fixtures.ts'
import { type Clock, manualClock, wallClock } from '../lib/clock.ts'
import { AndonError } from '../lib/errors.ts'
import type { Log } from '../lib/log.ts'
import { mounted, startApi } from './fixtures.ts'
import { type Problem, problemSchema } from './problems.ts'
import { type Route, route } from './route.ts'
import { routesOf } from './routes.ts'
import { type Rates, type Role, tokenOf } from './tokens.ts'

const running: { close: () => Promise<void> }[] = []
afterEach(async () => {
  for (const server of running.splice(0)) await server.close()
})

const START_MS = Date.UTC(2027, 0, 4, 10, 0, 0)
const aToken = (role: Role, expires?: string) =>
  tokenOf({ name: `the-${role}`, role, secret: `secret-of-${role}-0123456789`, expires })
const as = (role: Role) => ({ authorization: `Bearer secret-of-${role}-0123456789` })

/** A route that remembers what it was given, beside the real ones. */
function aWrite(done: unknown[]): Route {
  return route({
    id: 'pressButton',
    method: 'POST',
    path: '/api/v1/buttons/{button}/press',
    role: 'operate',
    tag: 'Test',
    summary: 'Press',
    params: z.strictObject({ button: z.enum(['red', 'green']) }),
    body: z.strictObject({ reason: z.string().min(1).describe('Why.'), times: z.int().min(1).max(3).default(1) }),
    answer: z.object({ pressed: z.number() }),
    handle: ({ params, body, actor }) => {
      if (body.reason === 'explode') throw new Error('a raw identity: +999 550 00017')
      if (body.reason === 'illegal') throw new AndonError('conflict', 'it is pressed already')
      done.push({ ...params, ...body, ...actor })
      return { pressed: done.length }
    },
  })
}

async function start(options: { roles?: Role[]; rates?: Partial<Rates>; clock?: Clock; log?: Log } = {}) {
  const done: unknown[] = []
  const overview = async () => aBadDay()
  const { api } = mounted({
    ...options,
    tokens: [...(options.roles ?? []).map((role) => aToken(role)), aToken('admin', '2026-01-01T00:00:00Z')].slice(
      0,
      options.roles ? undefined : 0,
    ),
    overview,
    routes: [...routesOf({ overview, incidents: () => aBadDay().incidents, clock: wallClock }), aWrite(done)],
  })
  const server = await startApi(api)
  running.push(server)
  const { url } = server
  const ask = async (path: string, init: RequestInit = {}) => {
    const response = await fetch(url + path, init)
    const text = await response.text()
    const body = text === '' ? null : (JSON.parse(text) as unknown)
    return { status: response.status, headers: response.headers, body: body as Problem & Record<string, unknown> }
  }
  const press = (body: unknown, headers: Record<string, string> = {}, button = 'red') =>
    ask(`/api/v1/buttons/${button}/press`, {
      method: 'POST',
      body: typeof body === 'string' ? body : JSON.stringify(body),
      headers: { 'content-type': 'application/json', 'andon-actor': 'Ana Silva', ...as('operate'), ...headers },
    })
  return { url, ask, press, done }
}

const EVERY: Role[] = ['ingest', 'read', 'operate']

describe('reading', () => {
  test('incidents come newest first, by release and state, page by page', async () => {
    const { ask } = await start()
    const all = (await ask('/api/v1/incidents')).body.incidents as { incidentId: string; state: string }[]
    expect(all.map(({ incidentId }) => incidentId)).toEqual(aBadDay().incidents.map(({ incidentId }) => incidentId))
    const first = (await ask('/api/v1/incidents?limit=1')).body
    expect(first.next).toBe(all[0]!.incidentId)
    const second = (await ask(`/api/v1/incidents?limit=1&before=${first.next}`)).body.incidents as typeof all
    expect(second[0]!.incidentId).toBe(all[1]!.incidentId)
    const { state } = all[0]!
    const some = (await ask(`/api/v1/incidents?state=${state}`)).body.incidents as typeof all
    expect(some.every((incident) => incident.state === state)).toBe(true)
    expect((await ask(`/api/v1/incidents/${all[0]!.incidentId}`)).body).toEqual(all[0])
    expect(await ask('/api/v1/incidents/none')).toMatchObject({ status: 404, body: { code: 'not_found' } })
  })

  test('what has not changed is 304', async () => {
    const { ask } = await start()
    const { headers } = await ask('/api/v1/releases')
    expect(headers.get('cache-control')).toBe('private, no-cache')
    const again = await ask('/api/v1/releases', { headers: { 'if-none-match': headers.get('etag')! } })
    expect(again).toMatchObject({ status: 304, body: null })
  })

  test.each([
    ['/api/v1/incidents?limit=0', 400, 'query.limit', 'a whole number from 1 to 1000'],
    ['/api/v1/incidents?stat=paused', 400, 'query.stat', 'did you mean state?'],
    ['/api/v1/incidents?state=asleep', 400, 'query.state', 'one of observed'],
    ['/api/v1/incidents?limit=1&limit=2', 400, 'query.limit', 'twice'],
    ['/api/v1/incidents/%ff', 400, '', 'percent-encoded'],
    ['/api/v1/incident', 404, '', 'openapi.json'],
  ])('%s is %i and says what is allowed', async (path, status, at, word) => {
    const { ask } = await start()
    const { body, headers, ...answer } = await ask(path)
    expect(answer.status).toBe(status)
    expect(headers.get('content-type')).toBe('application/problem+json; charset=utf-8')
    expect(problemSchema.parse(body)).toEqual(body)
    expect(body.detail).toContain(word)
    if (at !== '') expect(body.mistakes![0]!.at).toBe(at)
  })
})

describe('who may do what', () => {
  test('reading is open on loopback until a token could read; writing never is', async () => {
    const { ask, press } = await start()
    expect((await ask('/api/v1/overview')).status).toBe(200)
    expect(await press({ reason: 'x' }, { authorization: '' })).toMatchObject({
      status: 401,
      body: { code: 'unauthenticated' },
    })
    const closed = await start({ roles: EVERY })
    expect((await closed.ask('/api/v1/overview')).status).toBe(401)
    expect((await closed.ask('/api/v1/overview', { headers: as('read') })).status).toBe(200)
    const ingestOnly = await start({ roles: ['ingest'] })
    expect((await ingestOnly.ask('/api/v1/overview')).status).toBe(401) // the expired admin token could read once: it stays closed
  })

  test('each role opens what it includes, and says what it lacks', async () => {
    const { ask, press, done } = await start({ roles: EVERY })
    expect((await ask('/api/v1/overview', { headers: as('operate') })).status).toBe(200)
    expect(await ask('/api/v1/overview', { headers: as('ingest') })).toMatchObject({ status: 403 })
    const { status, body } = await press({ reason: 'x' }, as('read'))
    expect([status, body.code]).toEqual([403, 'forbidden'])
    expect(body.detail).toBe("this needs the role operate; the token 'the-read' has the role read")
    expect(done).toEqual([])
  })

  test('an expired token is 401 and says since when', async () => {
    const { ask } = await start({ roles: [] })
    const { status, body } = await ask('/api/v1/overview', { headers: as('admin') })
    expect([status, body.code]).toEqual([401, 'token_expired'])
    expect(body.detail).toContain('2026-01-01T00:00:00.000Z')
    expect(JSON.stringify(body)).not.toContain('secret-of')
  })

  test('a foreign page can neither write nor reach the API under its own name', async () => {
    const { press, done } = await start({ roles: EVERY })
    expect(await press({ reason: 'x' }, { origin: 'https://evil.example' })).toMatchObject({
      status: 403,
      body: { code: 'foreign_origin' },
    })
    expect((await press({ reason: 'x' }, { 'sec-fetch-site': 'cross-site' })).status).toBe(403)
    expect(done).toEqual([])
  })

  test('guessing tokens is slowed down by address, and those with a token are not', async () => {
    const clock = manualClock(START_MS)
    const { ask } = await start({ roles: EVERY, clock, rates: { refusalsPerSecond: 2 } })
    const guess = () => ask('/api/v1/overview', { headers: { authorization: 'Bearer guess' } })
    const statuses = []
    for (let n = 0; n < 6; n += 1) statuses.push((await guess()).status)
    expect(statuses).toEqual([401, 401, 401, 401, 429, 429])
    expect((await guess()).headers.get('retry-after')).toBe('1')
    expect((await ask('/api/v1/overview', { headers: as('read') })).status).toBe(200)
    await clock.advance(500)
    expect((await guess()).status).toBe(401)
  })
})

describe('writing', () => {
  test('the handler gets what the schemas made of it, the person and the token', async () => {
    const { press, done } = await start({ roles: EVERY })
    expect(await press({ reason: 'why' }, { 'andon-actor': Buffer.from('Zoë Ünal').toString('latin1') })).toMatchObject(
      { status: 200, body: { pressed: 1 } },
    )
    await press({ reason: 'why', by: 'Li Wei', times: 2 }, { 'andon-actor': '' })
    expect(done).toEqual([
      { button: 'red', reason: 'why', times: 1, person: 'Zoë Ünal', token: 'the-operate' },
      { button: 'red', reason: 'why', times: 2, person: 'Li Wei', token: 'the-operate' },
    ])
  })

  test('nobody writes without a name', async () => {
    const { press, done } = await start({ roles: EVERY })
    expect(await press({ reason: 'x' }, { 'andon-actor': ' ' })).toMatchObject({
      status: 400,
      body: { code: 'actor_missing' },
    })
    expect((await press({ reason: 'x', by: 'a\u0000b' }, { 'andon-actor': '' })).status).toBe(400)
    expect(done).toEqual([])
  })

  test('the same request under one key is done once and answered the same; another body is refused', async () => {
    const { press, done } = await start({ roles: EVERY })
    const key = { 'idempotency-key': 'k-1' }
    const [first, second] = await Promise.all([press({ reason: 'a' }, key), press({ reason: 'a' }, key)])
    expect([first!.body, second!.body]).toEqual([{ pressed: 1 }, { pressed: 1 }])
    expect([first, second].map((answer) => answer!.headers.get('idempotency-replayed')).sort()).toEqual(
      ['true', null].sort(),
    )
    expect(await press({ reason: 'b' }, key)).toMatchObject({ status: 422, body: { code: 'replayed_with_other_body' } })
    expect((await press({ reason: 'a' }, key, 'green')).status).toBe(422)
    expect(done).toHaveLength(1)
  })

  test('a refusal is an answer too and is repeated; a mistake of the monitor may be tried again', async () => {
    const { press, done } = await start({ roles: EVERY })
    const conflict = await press({ reason: 'illegal' }, { 'idempotency-key': 'k' })
    expect(conflict).toMatchObject({ status: 409, body: { code: 'conflict', detail: 'it is pressed already' } })
    expect((await press({ reason: 'illegal' }, { 'idempotency-key': 'k' })).headers.get('idempotency-replayed')).toBe(
      'true',
    )
    expect((await press({ reason: 'explode' }, { 'idempotency-key': 'e' })).status).toBe(500)
    expect(
      (await press({ reason: 'explode' }, { 'idempotency-key': 'e' })).headers.get('idempotency-replayed'),
    ).toBeNull()
    expect(done).toEqual([])
  })

  test('what nobody foresaw is 500 without its words', async () => {
    const { press } = await start({ roles: EVERY })
    const { status, body } = await press({ reason: 'explode' })
    expect(status).toBe(500)
    expect(JSON.stringify(body)).not.toMatch(/550|identity|serve\.http/)
  })

  test.each([
    ['no JSON', '{', {}, 400, 'undecodable'],
    ['no UTF-8', '"\\ud800', {}, 400, 'undecodable'],
    [
      'another type',
      'reason=x',
      { 'content-type': 'application/x-www-form-urlencoded' },
      415,
      'unsupported_media_type',
    ],
    ['an unknown encoding', '{}', { 'content-encoding': 'br' }, 415, 'unsupported_media_type'],
    ['a missing field', '{}', {}, 422, 'invalid'],
    ['an unknown field', '{"reason":"x","tims":2}', {}, 422, 'invalid'],
    ['too much', JSON.stringify({ reason: 'x'.repeat(1 << 20) }), {}, 413, 'too_large'],
  ] as const)('%s is refused', async (_, body, headers, status, code) => {
    const { press, done } = await start({ roles: EVERY })
    const answer = await press(body, headers)
    expect([answer.status, answer.body.code]).toEqual([status, code])
    expect(done).toEqual([])
  })

  test('a field is named, with what is allowed there', async () => {
    const { press } = await start({ roles: EVERY })
    const { body } = await press({ tims: 2 })
    expect(body.mistakes).toEqual([
      { at: 'body.reason', problem: 'is missing; give a text that is not empty: Why' },
      { at: 'body.tims', problem: 'is no known key here; did you mean times?; known: reason, times' },
    ])
  })

  test('gzip is taken, and bombs are not', async () => {
    const { url, done } = await start({ roles: EVERY })
    const post = (body: Buffer) =>
      fetch(`${url}/api/v1/buttons/red/press`, {
        method: 'POST',
        body: new Uint8Array(body),
        headers: {
          'content-type': 'application/json',
          'content-encoding': 'gzip',
          'andon-actor': 'A',
          ...as('operate'),
        },
      })
    expect((await post(gzipSync('{"reason":"x"}'))).status).toBe(200)
    expect((await post(gzipSync(Buffer.alloc(64 << 20)))).status).toBe(413)
    expect(done).toHaveLength(1)
  })

  test('the wrong method is 405 with the right ones, HEAD is GET without a body', async () => {
    const { url } = await start({ roles: EVERY })
    const put = await fetch(`${url}/api/v1/overview`, { method: 'PUT', headers: as('admin') })
    expect([put.status, put.headers.get('allow')]).toEqual([401, null]) // the admin token has expired
    const wrong = await fetch(`${url}/api/v1/buttons/red/press`, { headers: as('read') })
    expect([wrong.status, wrong.headers.get('allow')]).toEqual([405, 'POST'])
    const head = await fetch(`${url}/api/v1/overview`, { method: 'HEAD', headers: as('read') })
    expect([head.status, await head.text()]).toEqual([200, ''])
  })
})
