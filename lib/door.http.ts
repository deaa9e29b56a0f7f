import { createHash, timingSafeEqual } from 'node:crypto'
import type { IncomingMessage, Server, ServerResponse } from 'node:http'
import { isIP } from 'node:net'
import type { Clock } from './clock.ts'
import { AndonError } from './errors.ts'

/** What the doors of the monitor (receiver, page, API) have in common: who listens where, and who may come in. */

/** Whether a listening address can be reached from this machine only. */
export const isLoopback = (host: string): boolean =>
  host === 'localhost' || host === '::1' || (isIP(host) === 4 && host.startsWith('127.'))

/** The address without its query; the query may hold a token and is never logged. */
export const pathOf = (request: IncomingMessage): string => (request.url ?? '/').split('?', 1)[0]!

/** The token of the Authorization header. */
export const bearerOf = (request: IncomingMessage): string | undefined =>
  /^Bearer +(\S+) *$/i.exec(request.headers.authorization ?? '')?.[1]

/** Digests are what is kept and compared, so that neither content nor length of a secret shows in the time it takes. */
export const digestOf = (text: string): Buffer => createHash('sha256').update(text).digest()

/** Compares a text with the digest of a secret in constant time. */
export const isSecret = (given: string | undefined, digest: Buffer): boolean =>
  given !== undefined && timingSafeEqual(digestOf(given), digest)

/**
 * Why the Host header is not ours, or null. Stops DNS rebinding: a foreign page that resolves its own name to loopback.
 * Beyond loopback every name may be ours, and a token is required instead.
 */
export function wrongHostOf(request: IncomingMessage, listensOn: string): string | null {
  if (!isLoopback(listensOn)) return null
  const header = request.headers.host ?? ''
  const name = header.replace(/:\d{1,5}$/, '').toLowerCase()
  if (isLoopback(name) || name === '[::1]' || name === listensOn) return null
  return `this answers to localhost and 127.0.0.1, not to the host name ${JSON.stringify(header.slice(0, 100))}`
}

/** Why a browser's request comes from a foreign page, or null. Programs send neither of the two headers. */
export function wrongOriginOf(request: IncomingMessage): string | null {
  const { origin, host, 'sec-fetch-site': site } = request.headers
  const foreign = 'this takes no requests from pages of other origins'
  if (site !== undefined && site !== 'same-origin' && site !== 'none') return foreign
  if (origin === undefined) return null
  return URL.canParse(origin) && new URL(origin).host === host ? null : foreign
}

/** Listens, and resolves to the address under which it is reached. Throws AndonError 'listen'; `who` is the subject of its message. */
export async function listen(
  server: Server,
  at: Readonly<{ host: string; port: number }>,
  who: string,
): Promise<string> {
  const { host, port } = at
  await new Promise<void>((resolve, reject) => {
    server.once('error', (cause: NodeJS.ErrnoException) => {
      const hint = cause.code === 'EADDRINUSE' ? 'another program listens there; choose another port' : cause.message
      reject(new AndonError('listen', `${who} cannot listen on ${host}:${port}: ${hint}`, { cause }))
    })
    server.listen(port, host, () => resolve())
  })
  const address = server.address()
  const actualPort = typeof address === 'object' && address !== null ? address.port : port
  return `http://${isIP(host) === 6 ? `[${host}]` : host}:${actualPort}`
}

/** Takes no new requests, and resolves when those in flight are answered. */
export function close(server: Server): Promise<void> {
  return new Promise((resolve) => {
    server.close(() => resolve())
    server.closeIdleConnections()
  })
}

/** An answer before it is written; without a body for 304 and the like. */
export type Answer = Readonly<{ status: number; headers: Readonly<Record<string, string>>; body?: string | Buffer }>

/** Writes an answer. A client that still sends is heard to its end first, within bounds, and then the connection is closed. */
export async function send(
  request: IncomingMessage,
  response: ServerResponse,
  answer: Answer,
  edges: Readonly<{ clock: Clock; close?: boolean }>,
): Promise<void> {
  if (response.destroyed) return
  response.on('error', () => {}) // the client is gone: it will send again
  const unread = !request.complete
  const body = answer.body === undefined ? null : Buffer.from(answer.body)
  response.writeHead(answer.status, {
    ...answer.headers,
    ...(body && { 'content-length': String(body.length) }),
    ...((unread || edges.close) && { connection: 'close' }),
  })
  const told = request.method === 'HEAD' || body === null ? undefined : body
  if (!unread) {
    response.end(told)
    return
  }
  if (told) response.write(told)
  else response.flushHeaders()
  await discardBody(edges.clock, request)
  response.end()
}

/** Weak comparison, as RFC 9110 section 13.1.2 asks for If-None-Match. */
export function isCurrent(request: IncomingMessage, etag: string): boolean {
  const given = request.headers['if-none-match']
  if (given === undefined) return false
  const opaque = (tag: string) => tag.trim().replace(/^W\//, '')
  return given.trim() === '*' || given.split(',').some((tag) => opaque(tag) === opaque(etag))
}

/** How much of an unread body is thrown away, and for how long, so that the client gets to read its answer. */
const LINGER_BYTES = 32 << 20
const LINGER_MS = 2_000

/** Throws away what a client still sends: it would see a reset connection instead of its answer if we closed at once. */
async function discardBody(clock: Clock, request: IncomingMessage): Promise<void> {
  const enough = new AbortController()
  let bytes = 0
  const stop = () => enough.abort()
  request.on('end', stop).on('close', stop).on('error', stop)
  request.on('data', (chunk: Buffer) => {
    bytes += chunk.length
    if (bytes > LINGER_BYTES) stop()
  })
  request.resume()
  await clock.sleep(LINGER_MS, enough.signal)
}
