import { readFileSync } from 'node:fs'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { Access } from '../api/access.http.ts'
import type { Api } from '../api/serve.http.ts'
import type { Overview } from '../facts/overview.ts'
import type { Clock } from '../lib/clock.ts'
import { type Answer, close, isCurrent, listen, pathOf, send } from '../lib/door.http.ts'
import { AndonError } from '../lib/errors.ts'
import type { Log } from '../lib/log.ts'
import { type File, fileOf, openDocuments } from './documents.ts'
import { createLook, createStream, type Stream } from './stream.http.ts'

/** The truth about the monitor itself; `detail` is one sentence per check. */
export type Health = Readonly<{
  ready: boolean
  live: boolean
  checks: Readonly<Record<string, Readonly<{ ok: boolean; detail: string }>>>
}>

export type PageOptions = Readonly<{
  /** Port 0: any free one. */
  listen: Readonly<{ host: string; port: number }>
  /** Who may come in; everything but the probes asks it. */
  access: Access
  /** Answers its own paths; the page has the rest. */
  api: Api
  overview: () => Promise<Overview>
  metrics: () => Promise<{ contentType: string; body: string }>
  health: () => Promise<Health>
  /** Where agents send OTLP, shown while there is nothing else to show. Default: port 4318 of the page's own host. */
  collectorUrl?: string | undefined
  /** Address or path of the runbook for a paused release, shown with every incident. */
  runbook?: string | undefined
  /** Open pages at once; one more is told to poll. Default 64. */
  maxListeners?: number
  clock: Clock
  log: Log
}>

export type Page = Readonly<{ url: string; close: () => Promise<void> }>

const MAX_LISTENERS = 64
const MAX_CONNECTIONS = 256

/**
 * Serves the local page, metrics and probes, and mounts the API. What is not the API's only reads.
 *
 * GET /                        the page; behind a token, `/?token=…` once swaps it for a cookie
 * GET /incidents/ID            the page at one incident: what webhooks link to
 * GET /api/v1/stream           facts/overview.ts as server-sent events (stream.http.ts)
 *     /api/v1/…, /ofrep/…      the API (api/)
 * GET /docs/…, /playbooks/…    the documents, runbooks above all; open without a token, as alerts link them and they hold no data
 * GET /metrics                 Prometheus text
 * GET /healthz, /readyz        200 or 503; open to probes without a token, which then see no details
 *
 * @throws AndonError 'listen' when the port cannot be had
 */
export async function startPage(options: PageOptions): Promise<Page> {
  const look = createLook(options.overview, options.clock)
  const maxListeners = options.maxListeners ?? MAX_LISTENERS
  const stream = createStream({ look, maxListeners, clock: options.clock, log: options.log })
  const files = readFiles(options.collectorUrl ?? '', options.runbook ?? '')
  const edge: Edge = { ...options, stream, files, documents: openDocuments() }
  const server = createServer(
    { headersTimeout: 10_000, requestTimeout: 30_000, keepAliveTimeout: 65_000, maxHeaderSize: 16 << 10 },
    (request, response) => void serve(edge, request, response),
  )
  server.maxConnections = MAX_CONNECTIONS
  return {
    url: await listen(server, options.listen, 'the page'),
    close: () => {
      stream.close()
      return close(server)
    },
  }
}

type Edge = PageOptions &
  Readonly<{ stream: Stream; files: ReadonlyMap<string, File>; documents: (path: string) => File | null }>

const TEXT = 'text/plain; charset=utf-8'
const JSON_TYPE = 'application/json; charset=utf-8'

/** No inline script or style, nothing from other hosts, and no framing: names from telemetry stay text whatever they hold. */
const SECURITY: Readonly<Record<string, string>> = {
  'content-security-policy':
    "default-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; object-src 'none'",
  'x-content-type-options': 'nosniff',
  'referrer-policy': 'no-referrer',
  'cross-origin-opener-policy': 'same-origin',
  'cross-origin-resource-policy': 'same-origin',
}

/** Everything that is served from disk, by address: a path that is not here reaches no file. */
const FILES: Readonly<Record<string, readonly [file: string, type: string]>> = {
  '/': ['index.html', 'text/html; charset=utf-8'],
  '/page.css': ['page.css', 'text/css; charset=utf-8'],
  '/documents.css': ['documents.css', 'text/css; charset=utf-8'],
  '/icon.svg': ['icon.svg', 'image/svg+xml'],
  ...Object.fromEntries(
    ['page', 'acting', 'decisions', 'draw', 'element', 'format', 'incidents', 'releases', 'words'].map((name) => [
      `/${name}.js`,
      [`${name}.js`, 'text/javascript; charset=utf-8'] as const,
    ]),
  ),
}

/** What documents look like, open as they are. */
const LOOKS: ReadonlySet<string> = new Set(['/page.css', '/documents.css', '/icon.svg'])

/** Reads the page once, so that a request never touches the disk. */
function readFiles(collectorUrl: string, runbook: string): ReadonlyMap<string, File> {
  const attribute = (text: string) => text.replace(/[&"<>]/g, (character) => `&#${character.charCodeAt(0)};`)
  return new Map(
    Object.entries(FILES).map(([path, [file, type]]) => {
      let body = readFileSync(new URL(`./page/${file}`, import.meta.url))
      if (path === '/') {
        const text = body.toString('utf8').replace('%COLLECTOR_URL%', () => attribute(collectorUrl))
        body = Buffer.from(text.replace('%RUNBOOK%', () => attribute(runbook)))
      }
      return [path, fileOf(type, body)]
    }),
  )
}

/** Answers one request, whatever happens in it. */
async function serve(edge: Edge, request: IncomingMessage, response: ServerResponse): Promise<void> {
  response.on('error', () => {}) // the client is gone
  let answer: Answer | null
  try {
    answer = await answerTo(edge, request, response)
  } catch (error) {
    const isKnown = error instanceof AndonError && error.retryable
    edge.log.error({ err: error, path: pathOf(request) }, 'a request of the page could not be answered')
    answer = plain(
      503,
      isKnown ? error.message : 'the monitor cannot answer this at the moment; its log says why',
      RETRY,
    )
  }
  if (answer === null) return
  const headers = { 'cache-control': 'no-cache', ...SECURITY, ...answer.headers }
  await send(request, response, { ...answer, headers }, { clock: edge.clock })
}

const RETRY = { 'retry-after': '5' }
const INCIDENT = /^\/incidents\/([\w-]{1,100})$/

/** Null when the stream has taken the response over. */
async function answerTo(edge: Edge, request: IncomingMessage, response: ServerResponse): Promise<Answer | null> {
  const wrongHost = edge.access.wrongHost(request)
  if (wrongHost !== null) return plain(421, wrongHost)
  const path = pathOf(request)
  if (path !== '/api/v1/stream') {
    const answer = await edge.api.answer(request)
    if (answer !== null) return answer
  }
  const isHead = request.method === 'HEAD'
  if (request.method !== 'GET' && !isHead)
    return plain(405, `this page only reads; ${request.method} is not possible here`, { allow: 'GET, HEAD' })
  if (path === '/healthz' || path === '/readyz') return probed(edge, path, edge.access.isAllowed(request))
  const document = edge.documents(path) ?? (LOOKS.has(path) ? edge.files.get(path) : undefined)
  if (document) return sent(request, document)
  if (!edge.access.isAllowed(request)) return unlocked(edge, request)
  const file = edge.files.get(path)
  if (file) return sent(request, file)
  const incidentId = INCIDENT.exec(path)?.[1]
  if (incidentId !== undefined) return { status: 303, headers: { location: `/#incident-${incidentId}` }, body: '' }
  if (path === '/api/v1/stream') return streamed(edge, response, isHead)
  if (path === '/metrics') {
    const { contentType, body } = await edge.metrics()
    return { status: 200, headers: { 'content-type': contentType, ...NO_STORE }, body }
  }
  return plain(404, `nothing is at ${JSON.stringify(path.slice(0, 100))}; there is ${PATHS}`)
}

const NO_STORE = { 'cache-control': 'no-store' }
const PATHS = '/, /docs/, /api/v1/overview, /api/v1/stream, /metrics, /healthz and /readyz'

const plain = (status: number, message: string, headers: Readonly<Record<string, string>> = {}): Answer => ({
  status,
  body: `${message}\n`,
  headers: { 'content-type': TEXT, ...NO_STORE, ...headers },
})

const sent = (request: IncomingMessage, { type, body, etag }: File): Answer =>
  isCurrent(request, etag)
    ? { status: 304, headers: { etag } }
    : { status: 200, body, headers: { 'content-type': type, etag } }

function streamed(edge: Edge, response: ServerResponse, isHead: boolean): Answer | null {
  if (isHead) return { status: 200, headers: { 'content-type': 'text/event-stream', ...NO_STORE }, body: '' }
  if (edge.stream.join(response, { ...SECURITY, ...NO_STORE })) return null
  return plain(503, 'too many pages are open; read /api/v1/overview instead, or try later', RETRY)
}

/** What a reader without the token gets: a way in. */
function unlocked(edge: Edge, request: IncomingMessage): Answer {
  const path = pathOf(request)
  const isPage = path === '/' || INCIDENT.test(path)
  const token = isPage ? new URLSearchParams((request.url ?? '').slice(path.length)).get('token') : null
  const cookie = token === null ? null : edge.access.cookieFor(token, request)
  if (cookie !== null) return { status: 303, headers: { location: path, 'set-cookie': cookie, ...NO_STORE }, body: '' }
  const hint = isPage
    ? `open ${path}?token=<token> once in this browser`
    : 'send the header Authorization: Bearer <token>'
  return plain(401, `${token === null ? 'this needs the token' : 'this is not the token'}; ${hint}`, {
    'www-authenticate': 'Bearer',
  })
}

/** A probe that fails to learn the truth says so: unknown is not healthy. */
async function probed(edge: Edge, path: '/healthz' | '/readyz', isAllowed: boolean): Promise<Answer> {
  const health = await edge.health().catch((error: unknown): Health => {
    edge.log.error({ err: error }, 'the health of the monitor could not be read')
    return { ready: false, live: false, checks: { health: { ok: false, detail: 'could not be read; see the log' } } }
  })
  const word = path === '/healthz' ? 'live' : 'ready'
  const isLiveOnly = path === '/healthz' || !isAllowed
  const answer = isLiveOnly ? { [word]: health[word] } : health
  return {
    status: health[word] ? 200 : 503,
    headers: { 'content-type': JSON_TYPE, ...NO_STORE },
    body: `${JSON.stringify(answer)}\n`,
  }
}
