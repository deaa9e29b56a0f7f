import { createServer, type IncomingMessage } from 'node:http'
import type { AddressInfo } from 'node:net'
import { gunzipSync, gzipSync } from 'node:zlib'
import { createEmbeddedConnection } from '../../../store/connection.clickhouse.ts'

/** A ClickHouse server as far as these tests need one. */
export type Front = Readonly<{
  url: string
  /** Connections are refused until `start`. */
  stop: () => Promise<void>
  start: () => Promise<void>
  close: () => Promise<void>
}>

/**
 * ClickHouse's HTTP interface over the embedded engine, so that several processes use one store and the HTTP client is the real one. It is
 * not a server: no users, no databases but one, no limits, two statements at a time. CLICKHOUSE_URL lets the tests use a real one instead.
 */
export async function startFront(path: string): Promise<Front> {
  const connection = createEmbeddedConnection(path, { memoryBytes: 1 << 30, lockWaitMs: 10_000 })
  const server = createServer(async (request, response) => {
    const url = new URL(request.url ?? '/', 'http://front')
    const zipped = request.headers['accept-encoding']?.includes('gzip') === true
    const answer = (status: number, bytes: Buffer, headers: Record<string, string> = {}) => {
      if (response.destroyed) return
      response.writeHead(status, { ...headers, ...(zipped && { 'content-encoding': 'gzip' }) })
      response.end(zipped ? gzipSync(bytes, { level: 1 }) : bytes)
    }
    if (url.pathname === '/ping') return answer(200, Buffer.from('Ok.\n'))
    try {
      const body = partsOf(request.headers['content-type'], await bodyOf(request), url.searchParams)
      answer(200, await run(connection, url, body))
    } catch (error) {
      const { message, code, type } = error as Error & { code?: string; type?: string }
      const text = type ? `Code: ${code}. DB::Exception: ${message} (${type}) (version 0)` : message
      answer(type ? 400 : 503, Buffer.from(text), { 'x-clickhouse-exception-code': code ?? '0' })
    }
  })
  server.keepAliveTimeout = 10_000
  const listen = (port: number) => new Promise<void>((resolve) => server.listen(port, '127.0.0.1', () => resolve()))
  const stop = () =>
    new Promise<void>((resolve) => {
      server.close(() => resolve())
      server.closeAllConnections()
    })
  await listen(0)
  const { port } = server.address() as AddressInfo
  return {
    url: `http://127.0.0.1:${port}`,
    stop,
    start: () => listen(port),
    close: async () => {
      if (server.listening) await stop()
      await connection.close()
    },
  }
}

/** http_max_field_value_size of a server. */
const MOST_IN_ONE_VALUE = 131_072

/** Parameters of the interface itself; all others are settings. */
const OWN = new Set([
  'query',
  'database',
  'query_id',
  'session_id',
  'default_format',
  'enable_http_compression',
  'decompress',
  'compress',
  'role',
])

async function run(connection: ReturnType<typeof createEmbeddedConnection>, url: URL, body: string): Promise<Buffer> {
  const given = url.searchParams.get('query')
  const query = given ?? body
  const settings: Record<string, string> = {}
  const params: Record<string, unknown> = {}
  for (const [name, value] of url.searchParams) {
    if (value.length > MOST_IN_ONE_VALUE) throw new Error(`HTML Form Exception: Field value too long: ${name}`)
    if (name.startsWith('param_')) params[name.slice(6)] = readBack(value, query, name.slice(6))
    else if (!OWN.has(name) && name !== 'select_sequential_consistency') settings[name] = value
  }
  if (given !== null && body !== '') {
    await connection.insert({ query, values: body, clickhouse_settings: settings as never })
    return Buffer.alloc(0)
  }
  const { stream } = await connection.query({ query, query_params: params, clickhouse_settings: settings as never })
  const chunks: Buffer[] = []
  for await (const chunk of stream) chunks.push(chunk as Buffer)
  return Buffer.concat(chunks)
}

async function bodyOf(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = []
  for await (const chunk of request) chunks.push(chunk as Buffer)
  const bytes = Buffer.concat(chunks)
  return (request.headers['content-encoding'] === 'gzip' ? gunzipSync(bytes) : bytes).toString('utf8')
}

/** Long parameters come as parts of a form; they are put where short ones come. Returns what is left: the statement or its data. */
function partsOf(type: string | undefined, body: string, params: URLSearchParams): string {
  const boundary = /^multipart\/form-data; boundary=(.+)$/.exec(type ?? '')?.[1]
  if (!boundary) return body
  let query = ''
  for (const part of body.split(`--${boundary}`)) {
    const found = /^\r\nContent-Disposition: form-data; name="([^"]+)"\r\n\r\n([\s\S]*)\r\n$/.exec(part)
    if (found?.[1] === 'query') query = found[2]!
    else if (found) params.set(found[1]!, found[2]!)
  }
  return query
}

/** The engine takes values where the interface takes text: what the client wrote is read back. Text, numbers as text, lists of lists. */
function readBack(text: string, query: string, name: string): unknown {
  const type = new RegExp(`\\{\\s*${name}\\s*:\\s*([A-Za-z]+)`).exec(query)?.[1] ?? 'String'
  return type === 'Array' ? literalAt(text, { at: 0 }) : unescaped(text)
}

type Place = { at: number }

/** The literal that begins at `place`, which moves behind it. */
function literalAt(text: string, place: Place): unknown {
  if (text[place.at] === '[') {
    const items: unknown[] = []
    place.at++
    while (text[place.at] !== ']') {
      items.push(literalAt(text, place))
      if (text[place.at] === ',') place.at++
    }
    place.at++
    return items
  }
  const quoted = text[place.at] === "'"
  const pattern = quoted ? /'((?:[^'\\]|\\.)*)'/sy : /([^,\]]+)/y
  pattern.lastIndex = place.at
  const found = pattern.exec(text)
  if (!found) throw new Error(`a parameter cannot be read at ${place.at}: ${text.slice(0, 100)}`)
  place.at = pattern.lastIndex
  return quoted ? unescaped(found[1]!) : Number(found[1])
}

const ESCAPES: Readonly<Record<string, string>> = { t: '\t', n: '\n', r: '\r', b: '\b', f: '\f', '0': '\0' }
const unescaped = (text: string): string => text.replace(/\\(.)/gs, (_, sign: string) => ESCAPES[sign] ?? sign)
