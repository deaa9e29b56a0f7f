import { createHmac, timingSafeEqual } from 'node:crypto'
import {
  createServer,
  type IncomingHttpHeaders,
  type IncomingMessage,
  type Server,
  type ServerResponse,
} from 'node:http'
import type { AddressInfo } from 'node:net'
import type { Release } from '../facts/slice.ts'
import type { Clock } from '../lib/clock.ts'
import { AndonError } from '../lib/errors.ts'
import type { Routing } from './routing.ts'

/** A pause that the platform enforces. */
export type AcceptedPause = Release &
  Readonly<{
    webhookId: string
    incidentId: string
    type: string
    instead: 'previous_release' | 'people'
    /** Wall clock, and the contact centre's event time, when the routing changed. */
    acceptedAtMs: number
    acceptedAtEventMs: number
  }>

/** What it refused and why; nothing of the body is kept. */
export type Refusal = Readonly<{ atMs: number; status: number; reason: string }>

export type Platform = Readonly<{
  url: string
  accepted: () => readonly AcceptedPause[]
  refused: () => readonly Refusal[]
  close: () => Promise<void>
}>

type PlatformOptions = Readonly<{
  routing: Routing
  /** `whsec_…` secrets that count; two while they are being rotated. */
  secrets: readonly string[]
  clock: Clock
  /** The contact centre's time, to note when a pause took effect. */
  eventNowMs: () => number
  environment: string
  /** 0: any free port. */
  port?: number
  /** Default 127.0.0.1. */
  host?: string
  onAccepted?: (pause: AcceptedPause) => void
}>

const TOLERANCE_S = 5 * 60
const BODY_LIMIT_BYTES = 1 << 20
const PATH = '/andon/pause'

/**
 * A small agent platform: it receives the pause, checks who sent it, and obeys: 200 only once no new contact goes to the release.
 * 401 bad signature or time, 400 unreadable, 404 another path, 413 too long, 422 an order it cannot carry out.
 * The same webhook again is answered alike and changes nothing.
 */
export async function startPlatform(options: PlatformOptions): Promise<Platform> {
  const accepted: AcceptedPause[] = []
  const refused: Refusal[] = []
  const server = createServer(async (request, response) => {
    const answer = await obey(options, accepted, request)
    if ('refused' in answer)
      refused.push({ atMs: options.clock.nowMs(), status: answer.status, reason: answer.refused })
    else if (answer.pause) {
      accepted.push(answer.pause)
      options.onAccepted?.(answer.pause)
    }
    respond(response, answer)
  })
  const { host = '127.0.0.1' } = options
  await listen(server, host, options.port ?? 0)
  const { port } = server.address() as AddressInfo
  return {
    url: `http://${host}:${port}${PATH}`,
    accepted: () => [...accepted],
    refused: () => [...refused],
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve())
        server.closeAllConnections()
      }),
  }
}

type Answer = Readonly<{ status: number; refused: string }> | Readonly<{ status: 200; pause: AcceptedPause | null }>

const refuse = (status: number, reason: string): Answer => ({ status, refused: reason })

async function obey(
  options: PlatformOptions,
  accepted: readonly AcceptedPause[],
  request: IncomingMessage,
): Promise<Answer> {
  const { routing, secrets, clock, eventNowMs, environment } = options
  if (request.method !== 'POST' || request.url !== PATH) return refuse(404, `pauses are posted to ${PATH}`)
  const body = await bodyOf(request).catch(() => undefined)
  if (body === undefined) return refuse(400, 'the request ended before its body')
  if (body === null) return refuse(413, `a pause is shorter than ${BODY_LIMIT_BYTES} bytes`)
  const nowMs = clock.nowMs()
  if (!verifies(request.headers, body, secrets, nowMs)) return refuse(401, 'the signature or its time is not valid')
  const order = orderIn(body)
  if (order === null)
    return refuse(400, 'the body is no pause: it needs type and data with environment, agent and release')
  if (!/(^|\.)(pause|rollback)$/.test(order.type))
    return refuse(422, `this platform pauses, it cannot do ${order.type}`)
  if (order.environment !== environment)
    return refuse(422, `this platform runs ${environment}, not ${order.environment}`)
  const outcome = routing.pause(order.agent, order.release, order.instead)
  if (outcome === 'unknown_release') return refuse(422, `${order.agent} ${order.release} does not run here`)
  const webhookId = String(request.headers['webhook-id'])
  if (outcome === 'already_paused' && accepted.some((pause) => pause.webhookId === webhookId))
    return { status: 200, pause: null }
  return { status: 200, pause: { ...order, webhookId, acceptedAtMs: nowMs, acceptedAtEventMs: eventNowMs() } }
}

/** Standard Webhooks: HMAC-SHA256 of `id.timestamp.body` with any of the secrets, compared in constant time; at most five minutes old. */
function verifies(headers: IncomingHttpHeaders, body: Buffer, secrets: readonly string[], nowMs: number): boolean {
  const { 'webhook-id': id, 'webhook-timestamp': timestamp, 'webhook-signature': signatures } = headers
  if (typeof id !== 'string' || typeof timestamp !== 'string' || typeof signatures !== 'string') return false
  if (!/^\d+$/.test(timestamp) || Math.abs(nowMs / 1000 - Number(timestamp)) > TOLERANCE_S) return false
  const wanted = secrets.map((secret) => {
    const key = Buffer.from(secret.replace(/^whsec_/, ''), 'base64')
    return createHmac('sha256', key).update(`${id}.${timestamp}.`).update(body).digest()
  })
  return signatures
    .split(' ')
    .filter((signature) => signature.startsWith('v1,'))
    .map((signature) => Buffer.from(signature.slice(3), 'base64'))
    .some((given) => wanted.some((mac) => mac.length === given.length && timingSafeEqual(mac, given)))
}

type Order = Omit<AcceptedPause, 'webhookId' | 'acceptedAtMs' | 'acceptedAtEventMs'>

/** Reads `{ type, data: { incidentId, release: { environment, agent, release }, trafficGoesTo } }`; null when it is something else. */
function orderIn(body: Buffer): Order | null {
  let message: unknown
  try {
    message = JSON.parse(body.toString())
  } catch {
    return null
  }
  const { type, data } = fieldsOf(message)
  const { incidentId, release: of, trafficGoesTo, ...flat } = fieldsOf(data)
  const { environment, agent, release } = typeof of === 'string' ? { ...flat, release: of } : fieldsOf(of)
  const texts = [type, environment, agent, release]
  if (!texts.every((text) => typeof text === 'string')) return null
  const instead = /human|people|person/i.test(String(trafficGoesTo)) ? 'people' : 'previous_release'
  const [kind, where, who, version] = texts as [string, string, string, string]
  return { type: kind, incidentId: String(incidentId ?? ''), environment: where, agent: who, release: version, instead }
}

const fieldsOf = (value: unknown): Record<string, unknown> =>
  typeof value === 'object' && value !== null ? { ...value } : {}

/** The whole body, or null when it is too long; then the rest is read and dropped, so that the sender gets its answer. */
export async function bodyOf(request: IncomingMessage): Promise<Buffer | null> {
  const chunks: Buffer[] = []
  let bytes = 0
  for await (const chunk of request) {
    bytes += chunk.length
    if (bytes <= BODY_LIMIT_BYTES) chunks.push(chunk)
  }
  return bytes <= BODY_LIMIT_BYTES ? Buffer.concat(chunks) : null
}

function respond(response: ServerResponse, answer: Answer): void {
  const body = 'refused' in answer ? { error: answer.refused } : { enforced: true }
  response.writeHead(answer.status, { 'content-type': 'application/json' }).end(JSON.stringify(body))
}

const listen = (server: Server, host: string, port: number): Promise<void> =>
  new Promise((resolve, reject) => {
    server.once('error', (cause) => {
      const message = `the platform cannot listen on ${host}:${port}: ${cause.message}; give it another port, or 0 for any`
      reject(new AndonError('cannot_listen', message, { cause }))
    })
    server.listen(port, host, resolve)
  })
