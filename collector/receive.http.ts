import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { type Budget, createBudget, readBody } from '../lib/body.http.ts'
import type { Clock } from '../lib/clock.ts'
import { bearerOf, close, digestOf, isLoopback, isSecret, listen, pathOf, send } from '../lib/door.http.ts'
import { AndonError } from '../lib/errors.ts'
import type { Log } from '../lib/log.ts'
import type { Batch, Signal } from './decode.ts'
import { decodeRequest, JSON_TYPE, MAX_ITEMS, mediaTypeOf, PROTOBUF } from './decode.ts'
import type { Namer } from './name-span.ts'
import { encodeResponse, encodeStatus, STATUS } from './otlp/response.ts'
import { readCloudEvents } from './outcomes.ts'
import { countFuture, fillTimes } from './times.ts'

/** All sizes in bytes, all times in milliseconds. */
export type ReceiverLimits = Readonly<{
  /** Largest body as it comes over the wire when compressed. Default 16 MiB. */
  compressedBytes: number
  /** Largest body after decompression, or uncompressed. Default 64 MiB. */
  decompressedBytes: number
  /** All bytes of all requests in flight. Default 128 MiB. */
  inFlightBytes: number
  /** Most spans, records or points of one request. Default 200,000. */
  itemsPerRequest: number
  /** How long a client may take for its headers, and for the whole request. Defaults 10 s and 60 s. */
  headersTimeoutMs: number
  requestTimeoutMs: number
  /** Most connections at once. Default 1,024. */
  connections: number
}>

const MIB = 1 << 20

const DEFAULT_LIMITS: ReceiverLimits = {
  compressedBytes: 16 * MIB,
  decompressedBytes: 64 * MIB,
  inFlightBytes: 128 * MIB,
  itemsPerRequest: MAX_ITEMS,
  headersTimeoutMs: 10_000,
  requestTimeoutMs: 60_000,
  connections: 1024,
}

export type ReceiverOptions = Readonly<{
  listen: Readonly<{ host: string; port: number }>
  /** Bearer token that every request must carry; may be left out on loopback only. */
  token?: string | undefined
  /** Why another bearer token may not send, or null when it may; absent: none may. */
  refuses?: ((bearer: string | undefined) => string | null) | undefined
  /**
   * Takes a batch; resolves only when it is durable. May throw AndonError 'overloaded' (answered 429), 'unavailable' or anything retryable (503).
   */
  accept: (batch: Batch, raw: RawRequest) => Promise<void>
  namer: Namer
  clock: Clock
  log: Log
  /** Counts for metrics: rejected items and requests by reason, `future_time` for events ahead of the clock. */
  count: (reason: string, n: number) => void
  limits?: Partial<ReceiverLimits>
}>

/** A request as it came, decompressed: what a collector passes on. */
export type RawRequest = Readonly<{ signal: Signal | 'outcomes'; body: Buffer }>

export type Receiver = Readonly<{ url: string; close: () => Promise<void> }>

/**
 * Listens for OTLP/HTTP (POST /v1/traces, /v1/logs, /v1/metrics) and for outcomes as CloudEvents (POST /v1/outcomes).
 * 200 means that `accept` has resolved: nothing acknowledged is lost.
 * @throws AndonError 'config' when it would listen beyond loopback without a token; 'listen' when the port cannot be had
 */
export async function startReceiver(options: ReceiverOptions): Promise<Receiver> {
  const { host } = options.listen
  if (options.token === '') throw new AndonError('config', 'the bearer token is empty; leave it out or give one')
  if (options.token === undefined && options.refuses === undefined && !isLoopback(host)) {
    throw new AndonError('config', `listening on ${host} needs a bearer token; set one, or listen on 127.0.0.1`)
  }
  const limits = { ...DEFAULT_LIMITS, ...options.limits }
  const edge: Edge = {
    ...options,
    limits,
    budget: createBudget(limits.inFlightBytes),
    whyNot: tokenCheck(options),
    isClosing: () => !server.listening,
  }
  const server = createServer(
    {
      headersTimeout: limits.headersTimeoutMs,
      requestTimeout: limits.requestTimeoutMs,
      connectionsCheckingInterval: Math.max(100, Math.min(5_000, limits.headersTimeoutMs >> 1)),
      keepAliveTimeout: 65_000, // longer than the idle time of common load balancers, so that they close first
      maxHeaderSize: 16 << 10,
    },
    (request, response) => void serve(edge, request, response),
  )
  server.maxConnections = limits.connections
  return { url: await listen(server, options.listen, 'the receiver'), close: () => close(server) }
}

type Edge = Omit<ReceiverOptions, 'limits'> &
  Readonly<{
    limits: ReceiverLimits
    budget: Budget
    /** Why a request may not send, or null. */
    whyNot: (request: IncomingMessage) => string | null
    isClosing: () => boolean
  }>

type Answer = Readonly<{ status: number; type: string; body: Buffer; headers?: Readonly<Record<string, string>> }>

const SIGNALS: Readonly<Record<string, Signal>> = {
  '/v1/traces': 'traces',
  '/v1/logs': 'logs',
  '/v1/metrics': 'metrics',
}
const OUTCOMES_PATH = '/v1/outcomes'
const CLOUDEVENT_TYPES = ['application/cloudevents+json', 'application/cloudevents-batch+json', JSON_TYPE]
const TEXT = 'text/plain; charset=utf-8'
const HELP = `Andon receives telemetry here.

POST /v1/traces, /v1/logs, /v1/metrics   OTLP/HTTP, ${PROTOBUF} or ${JSON_TYPE}, gzip or not
POST /v1/outcomes                        complaints, corrections, reviews … as CloudEvents JSON, one or a batch

Point an OpenTelemetry exporter here with OTEL_EXPORTER_OTLP_ENDPOINT and OTEL_EXPORTER_OTLP_PROTOCOL=http/protobuf.
`

/** Answers one request, whatever happens in it. */
async function serve(edge: Edge, request: IncomingMessage, response: ServerResponse): Promise<void> {
  let held = 0
  const hold = (bytes: number) => {
    held += bytes
  }
  let answer: Answer
  try {
    answer = (await routed(edge, request)) ?? (await received(edge, request, hold))
  } catch (error) {
    answer = answerTo(edge, request, error)
  } finally {
    edge.budget.give(held)
  }
  const headers = { 'content-type': answer.type, ...answer.headers }
  await send(request, response, { ...answer, headers }, { clock: edge.clock, close: edge.isClosing() })
}

/** Everything that can be answered without reading the body. */
async function routed(edge: Edge, request: IncomingMessage): Promise<Answer | undefined> {
  const path = pathOf(request)
  const isKnown = Object.hasOwn(SIGNALS, path) || path === OUTCOMES_PATH
  const isRead = request.method === 'GET' || request.method === 'HEAD'
  if (path === '/' && isRead) return { status: 200, type: TEXT, body: Buffer.from(HELP) }
  if (!isKnown)
    return refusal(edge, request, 404, STATUS.notFound, `nothing is at ${path.slice(0, 100)}; post to ${PATHS}`)
  if (request.method !== 'POST') {
    const answer = refusal(edge, request, 405, STATUS.unimplemented, `${path} takes POST, not ${request.method}`)
    return { ...answer, headers: { allow: 'POST' } }
  }
  const whyNot = edge.whyNot(request)
  if (whyNot !== null) {
    const answer = refusal(edge, request, 401, STATUS.unauthenticated, whyNot)
    return { ...answer, headers: { 'www-authenticate': 'Bearer' } }
  }
  const type = mediaTypeOf(request.headers['content-type'] ?? '')
  const allowed = path === OUTCOMES_PATH ? CLOUDEVENT_TYPES : [PROTOBUF, JSON_TYPE]
  if (!allowed.includes(type)) {
    const found = type === '' ? 'no content type' : `content type ${type.slice(0, 100)}`
    return refusal(edge, request, 415, STATUS.invalidArgument, `found ${found}; send ${allowed.join(' or ')}`)
  }
  const encoding = encodingOf(request)
  if (encoding !== 'identity' && encoding !== 'gzip') {
    const message = `content encoding ${encoding.slice(0, 100)} is not known; send gzip or none`
    return { ...refusal(edge, request, 415, STATUS.invalidArgument, message), headers: { 'accept-encoding': 'gzip' } }
  }
  return undefined
}

const PATHS = [...Object.keys(SIGNALS), OUTCOMES_PATH].join(', ')

const encodingOf = (request: IncomingMessage): string =>
  (request.headers['content-encoding'] ?? 'identity').trim().toLowerCase() || 'identity'

function refusal(edge: Edge, request: IncomingMessage, status: number, code: number, message: string): Answer {
  edge.count(`http_${status}`, 1)
  return statusAnswer(request, status, code, message)
}

/** google.rpc.Status in the encoding of the request; plain text when that encoding is none of ours. */
function statusAnswer(request: IncomingMessage, status: number, code: number, message: string): Answer {
  const type = mediaTypeOf(request.headers['content-type'] ?? '')
  if (type === PROTOBUF) return { status, type: PROTOBUF, body: encodeStatus(false, code, message) }
  if (type === JSON_TYPE || type.endsWith('+json'))
    return { status, type: JSON_TYPE, body: encodeStatus(true, code, message) }
  return { status, type: TEXT, body: Buffer.from(`${message}\n`) }
}

/** Reads, decodes and hands on one request; resolves when its facts are durable. */
async function received(edge: Edge, request: IncomingMessage, hold: (bytes: number) => void): Promise<Answer> {
  const { limits, budget, clock } = edge
  const body = await readBody(request, { gzip: encodingOf(request) === 'gzip', limits, budget, hold })
  const signal = SIGNALS[pathOf(request)]
  if (signal === undefined) return outcomesReceived(edge, body)
  const type = mediaTypeOf(request.headers['content-type'] ?? '')
  const { rejected, ...decoded } = decodeRequest(signal, type, body, edge.namer, limits.itemsPerRequest)
  for (const [reason, n] of Object.entries(rejected.byReason)) edge.count(reason, n)
  await hand(edge, fillTimes(decoded, clock.nowMs()), { signal, body })
  return { status: 200, type, body: encodeResponse(signal, type === JSON_TYPE, rejected) }
}

async function outcomesReceived(edge: Edge, body: Buffer): Promise<Answer> {
  const { outcomes, errors } = readCloudEvents(body, edge.namer, edge.limits.itemsPerRequest)
  if (errors.length > 0) edge.count('outcome', errors.length)
  await hand(edge, fillTimes({ spans: [], outcomes, points: [] }, edge.clock.nowMs()), { signal: 'outcomes', body })
  const answer = { accepted: outcomes.length, rejected: errors.length, errors: errors.slice(0, 100) }
  const status = outcomes.length === 0 && errors.length > 0 ? 400 : 200
  return { status, type: JSON_TYPE, body: Buffer.from(JSON.stringify(answer)) }
}

async function hand(edge: Edge, batch: Batch, raw: RawRequest): Promise<void> {
  countFuture(batch, edge.clock.nowMs(), edge.count)
  if (batch.spans.length + batch.outcomes.length + batch.points.length > 0) await edge.accept(batch, raw)
}

/** AndonError code → HTTP status and google.rpc code, for what reading, decoding and accepting can throw. */
const FAILURES: Readonly<Record<string, readonly [status: number, code: number]>> = {
  undecodable: [400, STATUS.invalidArgument],
  unreadable: [400, STATUS.invalidArgument],
  aborted: [400, STATUS.invalidArgument],
  too_large: [413, STATUS.invalidArgument],
  unsupported_media_type: [415, STATUS.invalidArgument],
  overloaded: [429, STATUS.resourceExhausted],
  unavailable: [503, STATUS.unavailable],
}

/** How soon a client that was turned away for load may come again. */
const RETRY_AFTER_SECONDS = { 429: '1', 503: '5' } as const

/** An error that nobody foresaw is answered 503 too: the sender keeps its data and tries again. */
function answerTo(edge: Edge, request: IncomingMessage, error: unknown): Answer {
  const known = error instanceof AndonError ? error : undefined
  const [status, code] =
    FAILURES[known?.code ?? ''] ??
    (known === undefined || known.retryable ? [503, STATUS.unavailable] : [500, STATUS.internal])
  edge.count(known?.code ?? 'internal', 1)
  const isOurFault = status >= 500
  if (isOurFault) edge.log.error({ err: error, path: pathOf(request) }, 'a request could not be accepted')
  const message = known === undefined || status === 500 ? 'Andon could not take this; see its log' : known.message
  const answer = statusAnswer(request, status, code, message)
  return status === 429 || status === 503
    ? { ...answer, headers: { 'retry-after': RETRY_AFTER_SECONDS[status] } }
    : answer
}

function tokenCheck({ token, refuses }: ReceiverOptions): Edge['whyNot'] {
  if (token === undefined && refuses === undefined) return () => null
  const digest = token === undefined ? null : digestOf(token)
  return (request) => {
    const given = bearerOf(request)
    if (digest && isSecret(given, digest)) return null
    return refuses ? refuses(given) : 'send the header Authorization: Bearer <token>'
  }
}
