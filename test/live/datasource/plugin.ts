import { spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import { type ClientHttp2Session, connect } from 'node:http2'
import { createConnection } from 'node:net'
import { createInterface } from 'node:readline'
import protobuf from 'protobufjs'

/** Where Grafana on Linux keeps the data source, and what its server is called. */
const INSTALLED = `/var/lib/grafana/plugins/grafana-clickhouse-datasource/gpx_clickhouse_linux_${process.arch === 'x64' ? 'amd64' : process.arch}`

/** The server half of the ClickHouse data source that DATASOURCE names, or the one that Grafana installed; null, said loudly, where there is none. */
export function findPlugin(): string | null {
  const binary = process.env.DATASOURCE ?? INSTALLED
  if (existsSync(binary)) return binary
  console.warn(
    'SKIPPED: no ClickHouse data source: the boards are NOT asked through it here. Name its server, out of the released plugin: DATASOURCE=path/to/gpx_clickhouse_linux_amd64 npx vitest run test/live/datasource',
  )
  return null
}

/** The messages of Grafana's plugin protocol (pluginv2) that are needed, with its field numbers. */
const PROTO = `
syntax = "proto3";
message User { string login = 1; string name = 2; string email = 3; string role = 4; }
message Source { int64 id = 1; string name = 2; bytes jsonData = 8; map<string, string> decryptedSecureJsonData = 9; int64 lastUpdatedMS = 10; string uid = 11; }
message Context { int64 orgId = 1; string pluginId = 2; User user = 3; Source dataSourceInstanceSettings = 5; }
message TimeRange { int64 fromEpochMS = 1; int64 toEpochMS = 2; }
message Query { string refId = 1; int64 maxDataPoints = 2; int64 intervalMS = 3; TimeRange timeRange = 4; bytes json = 5; string queryType = 6; }
enum Format { ARROW = 0; JSON = 1; }
message QueryDataRequest { Context pluginContext = 1; map<string, string> headers = 2; repeated Query queries = 3; Format format = 4; }
message QueryDataResponse { map<string, Answer> responses = 1; }
message Answer { repeated bytes frames = 1; string error = 2; int32 status = 4; string errorSource = 5; Format format = 6; }
message CheckHealthRequest { Context pluginContext = 1; map<string, string> headers = 2; }
message CheckHealthResponse { int32 status = 1; string message = 2; bytes jsonDetails = 3; }
`
const MESSAGES = protobuf.parse(PROTO).root
const JSON_FORMAT = 1
const HEALTH = { 0: 'unknown', 1: 'ok', 2: 'error' } as const

/** A data source as Grafana's provisioning makes it. */
export type Source = Readonly<{
  /** The plugin keeps one instance, with its connections, per id. */
  id: number
  uid: string
  name: string
  type: string
  jsonData: Readonly<Record<string, unknown>>
  secureJsonData: Readonly<Record<string, string>>
}>

/** A query as Grafana's server hands it on: the model of the panel, and over what it is asked. */
export type Asked = Readonly<{
  model: Readonly<Record<string, unknown>>
  range: Readonly<{ fromMs: number; toMs: number; intervalMs: number }>
  mostPoints: number
}>

/** A frame as Grafana's browser gets it. Times in ms since 1970. */
export type JsonFrame = Readonly<{
  schema: Readonly<{
    meta?: Readonly<{
      executedQueryString?: string
      preferredVisualisationType?: string
      notices?: readonly Readonly<{ severity: string; text: string }>[]
    }>
    fields: readonly Readonly<{ name: string; type: string; labels?: Readonly<Record<string, string>> }>[]
  }>
  data: Readonly<{
    values: readonly (readonly unknown[])[]
    /** Where a field holds what JSON has no number for. */
    entities?: readonly (object | null)[]
  }>
}>
export type Answer = Readonly<{ frames: readonly JsonFrame[]; error: string }>

export type Plugin = Readonly<{
  checkHealth: (source: Source) => Promise<{ status: 'unknown' | 'ok' | 'error'; message: string }>
  ask: (source: Source, asked: Asked) => Promise<Answer>
  end: () => Promise<void>
}>

/** Starts the data source's server as Grafana does, and resolves when it listens on its socket. */
export async function startPlugin(binary: string): Promise<Plugin> {
  const child = spawn(binary, [], {
    env: { grafana_plugin_type: 'datasource', PLUGIN_PROTOCOL_VERSIONS: '2', TZ: 'UTC' },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  const ended = new Promise<void>((resolve) => child.once('exit', () => resolve()))
  process.once('exit', () => child.kill('SIGKILL'))
  let log = ''
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    log = (log + text).slice(-3_000)
  })
  // 1|2|unix|path of the socket|grpc|
  const [line] = await Promise.race([
    createInterface(child.stdout)
      [Symbol.asyncIterator]()
      .next()
      .then(({ value }) => [value as string | undefined]),
    ended.then(() => [undefined]),
  ])
  const [, protocol, network, address] = line?.split('|') ?? []
  if (protocol !== '2' || network !== 'unix' || !address) {
    child.kill('SIGKILL')
    throw new Error(`${binary} does not speak as a plugin of Grafana: ${line ?? log}`)
  }
  const session = connect('http://localhost', { createConnection: () => createConnection(address) })
  const call = callOf(session)
  return {
    checkHealth: async (source) => {
      const request = { pluginContext: contextOf(source) }
      const { status, message } = (await call('Diagnostics', 'CheckHealth', request)) as {
        status: keyof typeof HEALTH
        message: string
      }
      return { status: HEALTH[status], message }
    },
    ask: async (source, asked) => {
      const request = {
        pluginContext: contextOf(source),
        headers: { 'http_X-Dashboard-Uid': 'andon-live', 'http_X-Panel-Id': '1' },
        queries: [queryOf(source, asked)],
        format: JSON_FORMAT,
      }
      const { responses } = (await call('Data', 'QueryData', request)) as {
        responses: Record<string, { frames: readonly Uint8Array[]; error: string }>
      }
      const { frames, error } = responses[String(asked.model.refId)]!
      return { frames: frames.map((bytes) => JSON.parse(Buffer.from(bytes).toString()) as JsonFrame), error }
    },
    end: async () => {
      session.destroy()
      child.kill('SIGTERM')
      await ended
    },
  }
}

const bytesOf = (value: unknown): Uint8Array => Buffer.from(JSON.stringify(value))

const contextOf = ({ id, uid, name, type, jsonData, secureJsonData }: Source) => ({
  orgId: 1,
  pluginId: type,
  user: { login: 'viewer', name: 'Viewer', email: 'viewer@localhost', role: 'Viewer' },
  dataSourceInstanceSettings: {
    id,
    uid,
    name,
    jsonData: bytesOf(jsonData),
    decryptedSecureJsonData: secureJsonData,
    lastUpdatedMS: 1,
  },
})

const queryOf = ({ uid, type }: Source, { model, range, mostPoints }: Asked) => ({
  refId: model.refId,
  queryType: model.queryType,
  maxDataPoints: mostPoints,
  intervalMS: range.intervalMs,
  timeRange: { fromEpochMS: range.fromMs, toEpochMS: range.toMs },
  json: bytesOf({ ...model, datasource: { type, uid }, maxDataPoints: mostPoints, intervalMs: range.intervalMs }),
})

/** Unary calls of gRPC over one connection. */
const callOf =
  (session: ClientHttp2Session) =>
  (service: string, method: string, request: object): Promise<unknown> =>
    new Promise((resolve, reject) => {
      const [Request, Response] = ['Request', 'Response'].map((kind) => MESSAGES.lookupType(`${method}${kind}`)) as [
        protobuf.Type,
        protobuf.Type,
      ]
      const stream = session.request({
        ':method': 'POST',
        ':path': `/pluginv2.${service}/${method}`,
        'content-type': 'application/grpc',
        te: 'trailers',
      })
      const parts: Buffer[] = []
      let status: Readonly<Record<string, unknown>> = {}
      const note = (headers: object) => {
        status = { ...status, ...headers }
      }
      stream.on('response', note).on('trailers', note).on('error', reject)
      stream.on('data', (part: Buffer) => parts.push(part))
      stream.on('end', () => {
        const { 'grpc-status': code, 'grpc-message': message } = status
        if (code !== '0')
          return reject(new Error(`${method} failed with ${code}: ${decodeURIComponent(String(message))}`))
        const answer = Response.decode(Buffer.concat(parts).subarray(PREFIX_BYTES))
        resolve(Response.toObject(answer, { defaults: true, longs: Number }))
      })
      stream.end(framed(Request.encode(Request.fromObject(request)).finish()))
    })

/** A message of gRPC: whether it is compressed (not), its length, its bytes. */
const PREFIX_BYTES = 5
function framed(message: Uint8Array): Buffer {
  const prefix = Buffer.alloc(PREFIX_BYTES)
  prefix.writeUInt32BE(message.length, 1)
  return Buffer.concat([prefix, message])
}
