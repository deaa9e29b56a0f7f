import { createHash } from 'node:crypto'
import type { IncomingMessage } from 'node:http'
import { z } from 'zod'
import { type Budget, createBudget, readBody } from '../lib/body.http.ts'
import type { Clock } from '../lib/clock.ts'
import { type Answer, isCurrent, pathOf } from '../lib/door.http.ts'
import { AndonError } from '../lib/errors.ts'
import type { Log } from '../lib/log.ts'
import type { Access, Caller } from './access.http.ts'
import { createMatcher, type Match, queryOf } from './match.ts'
import { type Problem, parsed, problemOf } from './problems.ts'
import { createLimiter, type Limiter } from './rates.ts'
import { createReplays, type Replays } from './replays.ts'
import { type Actor, inputSchemaOf, isTextAnswer, isWrite, type Route } from './route.ts'
import { includes, type Rates, type Role } from './tokens.ts'

export type ApiOptions = Readonly<{
  routes: readonly Route[]
  access: Access
  rates: Rates
  clock: Clock
  log: Log
  /** After each answer, for metrics; `route` is its id, '' when there is none. */
  observe?: (route: string, status: number, elapsedMs: number) => void
}>

export type Api = Readonly<{
  /** Answers one request, whatever happens in it; null when its path is none of the API's. */
  answer: (request: IncomingMessage) => Promise<Answer | null>
}>

/** Largest body, before and after decompression, and all bodies in flight; bytes. */
const BODY = { compressedBytes: 1 << 20, decompressedBytes: 1 << 20 }
const IN_FLIGHT_BYTES = 16 << 20

type Prepared = Route & Readonly<{ parse: (part: 'params' | 'query' | 'body', value: unknown) => never }>
type Edge = ApiOptions & Readonly<{ budget: Budget; limiter: Limiter; replays: Replays<Answer> }>

/** The HTTP API: routes in, answers out. Who mounts it serves it (dashboards/serve.http.ts). */
export function createApi(options: ApiOptions): Api {
  const edge = {
    ...options,
    budget: createBudget(IN_FLIGHT_BYTES),
    limiter: createLimiter(),
    replays: createReplays<Answer>(),
  }
  const prefixes = ['/api/v1/', ...new Set(options.routes.map(({ path }) => `/${path.split('/')[1]}/`))]
  const match = createMatcher(options.routes.map(prepared))
  return {
    answer: async (request) => {
      const path = pathOf(request)
      if (!prefixes.some((prefix) => path.startsWith(prefix))) return null
      const startedMs = edge.clock.nowMs()
      const seen: Seen = { route: null }
      const answer = await answered(edge, request, match, seen)
      edge.observe?.(seen.route?.id ?? '', answer.status, edge.clock.nowMs() - startedMs)
      return answer
    },
  }
}

/** The JSON Schemas behind the messages of mistakes are made once. */
function prepared(route: Route): Prepared {
  const schemas = {
    params: route.params ?? z.strictObject({}),
    query: route.query ?? z.strictObject({}),
    body: route.body,
  }
  const json = Object.fromEntries(
    Object.entries(schemas).map(([part, schema]) => [part, schema && inputSchemaOf(schema)]),
  )
  const parse = (part: keyof typeof schemas, value: unknown) =>
    schemas[part] && parsed(part, schemas[part], json[part]!, value)
  return { ...route, parse: parse as Prepared['parse'] }
}

/** Which route a request turned out to be for. */
type Seen = { route: Route | null }
type Matcher = (method: string, path: string) => Match<Prepared>

async function answered(edge: Edge, request: IncomingMessage, match: Matcher, seen: Seen): Promise<Answer> {
  let held = 0
  try {
    const wrongHost = edge.access.wrongHost(request)
    if (wrongHost !== null) throw new AndonError('misdirected', wrongHost)
    const caller = knownCaller(edge, request)
    const found = match(request.method ?? '', pathOf(request))
    if (found.kind === 'nothing')
      throw new AndonError('not_found', 'nothing is at this address; /api/v1/openapi.json lists what there is')
    if (found.kind === 'wrong_method') return wrongMethod(request.method ?? '', found.allow)
    const { route } = found
    seen.route = route
    admit(edge, request, caller, route)
    const bytes = await bodyOf(edge, request, route, (n) => {
      held += n
    })
    return await carriedOut(edge, { request, caller, route, params: found.params, bytes })
  } catch (error) {
    return refusal(edge, request, error, seen.route)
  } finally {
    edge.budget.give(held)
  }
}

const addressOf = (request: IncomingMessage): string => request.socket.remoteAddress ?? ''

/** Whoever guesses tokens is slowed down by address. */
function knownCaller(edge: Edge, request: IncomingMessage): Caller {
  try {
    return edge.access.callerOf(request)
  } catch (error) {
    slowDown(edge, `refused ${addressOf(request)}`, edge.rates.refusalsPerSecond)
    throw error
  }
}

class TooMany extends AndonError {
  readonly retryAfterSeconds: number
  constructor(waitMs: number, perSecond: number) {
    super('rate_limited', `more than ${perSecond} a second; wait as long as Retry-After says`, { retryable: true })
    this.retryAfterSeconds = Math.max(1, Math.ceil(waitMs / 1000))
  }
}

function slowDown(edge: Edge, key: string, perSecond: number): void {
  const waitMs = edge.limiter.waitMs(key, perSecond, edge.clock.nowMs())
  if (waitMs > 0) throw new TooMany(waitMs, perSecond)
}

/** Everything that can refuse a request before its body is read. */
function admit(edge: Edge, request: IncomingMessage, caller: Caller, route: Route): void {
  const rate = route.rate ?? (isWrite(route) ? 'writes' : 'reads')
  const key = caller.token === '' ? `address ${addressOf(request)}` : `token ${caller.token}`
  slowDown(edge, `${rate} of ${key}`, edge.rates[`${rate}PerSecond`])
  if (!includes(caller.role, route.role)) throw tooFar(caller, route.role)
  if (route.method === 'GET') return
  const wrongOrigin = edge.access.wrongOrigin(request)
  if (wrongOrigin !== null) throw new AndonError('foreign_origin', wrongOrigin)
}

function tooFar({ token, role }: Caller, needed: Role): AndonError {
  if (token === '')
    return new AndonError(
      'unauthenticated',
      `this needs a token with the role ${needed}: one of api.tokens, or the key that the monitor keeps beside its store (docs/api.md)`,
    )
  return new AndonError('forbidden', `this needs the role ${needed}; the token '${token}' has the role ${role}`)
}

/** The body as it came; null where there is none. */
async function bodyOf(
  edge: Edge,
  request: IncomingMessage,
  route: Route,
  hold: (bytes: number) => void,
): Promise<Buffer | null> {
  const { headers } = request
  const hasBody = headers['transfer-encoding'] !== undefined || Number(headers['content-length'] ?? 0) > 0
  if (route.method === 'GET' || !hasBody) return null
  const type = (headers['content-type'] ?? '').split(';', 1)[0]!.trim().toLowerCase()
  if (type !== 'application/json')
    throw new AndonError(
      'unsupported_media_type',
      'send the body as JSON, with the header Content-Type: application/json',
    )
  const encoding = (headers['content-encoding'] ?? 'identity').trim().toLowerCase()
  if (encoding !== 'identity' && encoding !== 'gzip')
    throw new AndonError('unsupported_media_type', 'this content encoding is not known; send gzip or none')
  return readBody(request, { gzip: encoding === 'gzip', limits: BODY, budget: edge.budget, hold })
}

type Admitted = Readonly<{
  request: IncomingMessage
  caller: Caller
  route: Prepared
  params: Readonly<Record<string, string>>
  bytes: Buffer | null
}>

async function carriedOut(edge: Edge, admitted: Admitted): Promise<Answer> {
  const { request, caller, route, bytes } = admitted
  const params = route.parse('params', admitted.params)
  const query = route.parse('query', queryOf(request.url ?? ''))
  const { by, content } = withoutBy(jsonOf(bytes), isWrite(route))
  const body = route.parse('body', content)
  const actor: Actor = { person: personOf(request, by, isWrite(route)), token: caller.token }
  const act = async () =>
    rendered(route, request, await route.handle({ params, query, body, actor, role: caller.role } as never))
  const key = request.headers['idempotency-key']
  if (!isWrite(route) || key === undefined) return act()
  return onceOnly(edge, { ...admitted, actor, key: String(key), act })
}

async function onceOnly(
  edge: Edge,
  write: Admitted & Readonly<{ actor: Actor; key: string; act: () => Promise<Answer> }>,
): Promise<Answer> {
  const { request, route, bytes, actor, key, act } = write
  if (!/^[\x21-\x7e]{1,200}$/.test(key))
    throw new AndonError('bad_request', 'an Idempotency-Key has 1 to 200 printable characters without spaces')
  const parts = [request.method, request.url, actor.person, bytes ?? '']
  const fingerprint = parts
    .reduce((hash, part) => hash.update(part ?? '').update('\u001f'), createHash('sha256'))
    .digest('hex')
  const { answer, isReplay } = await edge.replays.once(
    `${actor.token} ${key}`,
    fingerprint,
    edge.clock.nowMs(),
    () => act().catch((error: unknown) => refusal(edge, request, error, route)),
    ({ status }) => status < 500 && status !== 429,
  )
  return isReplay ? { ...answer, headers: { ...answer.headers, 'idempotency-replayed': 'true' } } : answer
}

function jsonOf(bytes: Buffer | null): unknown {
  if (bytes === null) return undefined
  try {
    return JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes))
  } catch {
    throw new AndonError('undecodable', 'the body is not JSON in UTF-8')
  }
}

/** Every write may name its person in the body, whatever else it holds. */
function withoutBy(content: unknown, isTaken: boolean): { by: unknown; content: unknown } {
  if (!isTaken || typeof content !== 'object' || content === null || Array.isArray(content))
    return { by: undefined, content }
  const { by, ...rest } = content as Record<string, unknown>
  return { by, content: rest }
}

/** The person in the header Andon-Actor (UTF-8), else in the body's `by`. Throws AndonError 'actor_missing' on writes. */
function personOf(request: IncomingMessage, by: unknown, isNeeded: boolean): string {
  if (!isNeeded) return ''
  const header = request.headers['andon-actor']
  const given = header ? Buffer.from(String(header), 'latin1').toString('utf8') : by
  const person = typeof given === 'string' ? given.normalize('NFC').trim() : ''
  if (person === '')
    throw new AndonError(
      'actor_missing',
      'say who does this: the header Andon-Actor, or "by" in the body, with a person\'s name',
    )
  if (person.length > 100 || /\p{C}/u.test(person))
    throw new AndonError('bad_request', 'the name of a person has at most 100 characters and no control characters')
  return person
}

const JSON_TYPE = 'application/json; charset=utf-8'
const NO_STORE = { 'cache-control': 'no-store' }

function rendered(route: Route, request: IncomingMessage, given: unknown): Answer {
  const isText = isTextAnswer(given)
  const body = isText ? given.text : JSON.stringify(given)
  const headers = {
    'content-type': isText ? given.contentType : JSON_TYPE,
    ...(isText && given.fileName && { 'content-disposition': `attachment; filename="${given.fileName}"` }),
  }
  if (isWrite(route)) return { status: route.status ?? 200, headers: { ...headers, ...NO_STORE }, body }
  const version = route.versionOf ? JSON.stringify(route.versionOf(given as never)) : body
  const etag = `W/"${createHash('sha256').update(version).digest('base64url').slice(0, 22)}"`
  const caching = { etag, 'cache-control': 'private, no-cache' }
  if (isCurrent(request, etag)) return { status: 304, headers: caching }
  return { status: route.status ?? 200, headers: { ...headers, ...caching }, body }
}

function wrongMethod(method: string, allow: readonly string[]): Answer {
  const error = new AndonError(
    'method_not_allowed',
    `this address takes ${allow.join(', ')}, not ${method.slice(0, 20)}`,
  )
  const answer = problemAnswer(problemOf(error), error)
  return { ...answer, headers: { ...answer.headers, allow: allow.join(', ') } }
}

function refusal(edge: Edge, request: IncomingMessage, error: unknown, route: Route | null): Answer {
  const problem = problemOf(error)
  if (problem.status >= 500)
    edge.log.error({ err: error, route: route?.id }, 'a request of the API could not be answered')
  return problemAnswer(route?.asProblem?.(problem, pathOf(request)) ?? problem, error)
}

function problemAnswer(problem: Problem, error: unknown): Answer {
  const { status } = problem
  return {
    status,
    headers: {
      'content-type': 'application/problem+json; charset=utf-8',
      ...NO_STORE,
      ...(status === 401 && { 'www-authenticate': 'Bearer' }),
      ...(status === 415 && { accept: 'application/json', 'accept-encoding': 'gzip' }),
      ...((status === 429 || status === 503) && {
        'retry-after': String(error instanceof TooMany ? error.retryAfterSeconds : 5),
      }),
    },
    body: `${JSON.stringify(problem)}\n`,
  }
}
