import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { Agent, request as httpRequest } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { wallClock } from '../../lib/clock.ts'
import { seededRandom } from '../../lib/random.ts'
import { openStore, rowsOf } from '../../store/store.clickhouse.ts'
import { traceRequest } from '../fixtures/otlp.ts'
import { type Document, type FuzzRequest, fuzzRequest, type Material } from './fuzz-requests.ts'
import { startServing } from './serving.ts'

export type Fault = Readonly<{ seed: number; n: number; request: string; fault: string }>
export type FuzzResult = Readonly<{
  requests: number
  /** Answers by operation and status. */
  answers: Readonly<Record<string, Readonly<Record<number, number>>>>
  faults: readonly Fault[]
}>

const SECRETS = {
  FUZZ_ADMIN: 'fuzz-secret-of-the-admin-7f3a',
  FUZZ_OPERATE: 'fuzz-secret-of-the-operator-1b9c',
  FUZZ_READ: 'fuzz-secret-of-the-reader-c41d',
  FUZZ_INGEST: 'fuzz-secret-of-the-exporter-9e02',
  FUZZ_OLD: 'fuzz-secret-of-last-year-5d77',
}
/** Customers of the telemetry and of the requests; no answer and no log line may hold one. */
const IDENTITIES = ['+999 550 00017', '%2B99955000017', 'ana.silva@customers.example', 'customer-4711-born-1961']
/** What answers and logs must not hold whatever was sent. */
const NEVER = [...Object.values(SECRETS), ...IDENTITIES, 'fuzz-secret', '550 00017', '55000017', 'ana.silva@']
const OURS = [/\bat .*\.ts:\d+/, /node_modules/, /\/store\/(?:data|metadata)/, /DB::Exception/]

/**
 * Fuzzes a monitor that runs as users run it (`andon serve`, a token for each role, telemetry of customers in its store) until `enough` says so.
 * A fault is a 500, a secret or an identity in an answer, the log, the metrics or the store, an answer that says where in the code it was made, or no answer.
 */
export async function fuzz(seed: number, enough: (requests: number) => boolean): Promise<FuzzResult> {
  const folder = mkdtempSync(join(tmpdir(), 'andon-fuzz-'))
  const config = join(folder, 'andon.yaml')
  writeFileSync(config, JSON.stringify(configOf(join(folder, 'data/store'))))
  const serving = await startServing(config, SECRETS)
  const key = readFileSync(join(folder, 'data/api.key'), 'utf8').trim()
  try {
    await seedTelemetry(serving.receive)
    const result = await run(seed, enough, serving, key)
    serving.process.kill('SIGTERM')
    await serving.ended
    const held = await heldInStore(join(folder, 'data/store'), [...NEVER, key])
    return {
      ...result,
      faults: [...result.faults, ...held.map((fault) => ({ seed, n: -1, request: 'the store', fault }))],
    }
  } finally {
    serving.process.kill('SIGTERM')
    await serving.ended
    rmSync(folder, { recursive: true, force: true })
  }
}

const configOf = (path: string) => ({
  receive: { port: 0 },
  page: { port: 0 },
  store: { path },
  log: { level: 'debug' },
  api: {
    tokens: Object.keys(SECRETS).map((env) => ({
      name: env.toLowerCase(),
      role: { FUZZ_OPERATE: 'operate', FUZZ_READ: 'read', FUZZ_INGEST: 'ingest' }[env] ?? 'admin',
      secret: { env },
      ...(env === 'FUZZ_OLD' && { expires: '2026-01-01T00:00:00Z' }),
    })),
    rates: { readsPerSecond: 1e6, writesPerSecond: 1e6, evaluationsPerSecond: 1e6, refusalsPerSecond: 1e6 },
  },
})

const RELEASES = ['r1', 'r2', 'r3']

const WORDS = ['orders', 'billing', ...RELEASES, 'production', 'whatsapp', 'delivery', 'andon.serving', 'why not']
const NAMED = {
  environment: ['production', 'production', ''],
  agent: ['orders', 'billing'],
  release: RELEASES,
  channel: ['whatsapp', 'whatsapp', ''],
  queue: ['delivery', ''],
  key: ['andon.serving', 'andon.serving.orders', 'dark-mode'],
  reason: ['the duplicates are corrected'],
}

async function seedTelemetry(receive: string): Promise<void> {
  const nowMs = wallClock.nowMs()
  const contacts = Array.from({ length: 60 }, (_, n) => ({
    conversation: `conversation-${n}`,
    agent: n % 2 ? 'orders' : 'billing',
    release: RELEASES[n % 3]!,
    environment: 'production',
    startedAtMs: nowMs - 60_000 + n * 100,
    customer: IDENTITIES[n % 2 === 0 ? 0 : 2]!,
    intent: 'parcel',
    channel: 'whatsapp',
    queue: 'delivery',
    writes: ['ok', 'failed'] as const,
    creates: IDENTITIES[3]!,
  }))
  const answer = await fetch(`${receive}/v1/traces`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', authorization: `Bearer ${SECRETS.FUZZ_INGEST}` },
    body: JSON.stringify(traceRequest(contacts)),
  })
  if (!answer.ok) throw new Error(`the telemetry was not taken: ${answer.status} ${await answer.text()}`)
}

/** Columns of the store that hold one of these texts, and which. */
async function heldInStore(path: string, texts: readonly string[]): Promise<string[]> {
  const store = await openStore({ kind: 'embedded', path })
  try {
    const columns = await rowsOf<{ table: string; name: string }>(
      store,
      `SELECT c.table AS table, c.name AS name FROM system.columns AS c JOIN system.tables AS t ON t.database = c.database AND t.name = c.table
       WHERE c.database = currentDatabase() AND t.engine LIKE '%MergeTree' AND c.type LIKE '%String%'`,
    )
    if (columns.length < 50) throw new Error(`only ${columns.length} columns of text were found in the store`)
    const found: string[] = []
    for (const { table, name } of columns) {
      const [row] = await rowsOf<{ held: string[] }>(
        store,
        `SELECT arrayFilter(text -> arrayExists(value -> position(value, text) > 0, groupUniqArray(toString(${name}))), {texts:Array(String)}) AS held FROM ${table}`,
        { texts },
      )
      for (const text of row?.held ?? []) found.push(`${table}.${name} holds ${text}`)
    }
    return found
  } finally {
    await store.close()
  }
}

type Serving = Awaited<ReturnType<typeof startServing>>

async function run(seed: number, enough: (n: number) => boolean, serving: Serving, key: string): Promise<FuzzResult> {
  const agent = new Agent({ keepAlive: true, maxSockets: 4 })
  const opened = await asked(serving.page, agent, aRead('/api/v1/openapi.json', key))
  const ids = new Map<string, string[]>()
  const know = (name: string, id: string) => {
    const known = ids.get(name) ?? []
    if (!known.includes(id)) ids.set(name, [...known.slice(-30), id])
  }
  const material = (): Material => ({
    document: JSON.parse(opened.body) as Document,
    words: WORDS,
    named: {
      ...NAMED,
      incidentId: ids.get('incidentId') ?? [],
      before: ids.get('incidentId') ?? [],
      item: ids.get('item') ?? [],
    },
    tokens: [...Array<string>(6).fill(SECRETS.FUZZ_ADMIN), ...Object.values(SECRETS), key, 'guess'],
    identities: IDENTITIES,
  })
  const answers: Record<string, Record<number, number>> = {}
  const faults: Fault[] = []
  let sent = material()
  let requests = 0
  for (; !enough(requests) && faults.length < 20; requests += 1) {
    const random = seededRandom('fuzz', seed, requests)
    const request = fuzzRequest(random, sent)
    if (request.operation === 'streamOverview') continue // it never ends
    const answer = await asked(serving.page, agent, request).catch((error: Error) => ({
      status: 0,
      type: '',
      body: error.message,
    }))
    const counted = answers[request.operation] ?? {}
    answers[request.operation] = { ...counted, [answer.status]: (counted[answer.status] ?? 0) + 1 }
    const fault = faultOf(answer, [key])
    if (fault)
      faults.push({
        seed,
        n: requests,
        request: `${request.method} ${request.path.slice(0, 300)} ${request.body?.toString().slice(0, 300) ?? ''}`,
        fault,
      })
    for (const [, name, id] of answer.body.matchAll(/"(incidentId|drillId|item)":"([\w-]{1,100})"/g)) know(name!, id!)
    if (requests % 100 === 0) sent = material()
  }
  const metrics = await asked(serving.page, agent, aRead('/metrics', key))
  const inMetrics = [...NEVER, key].filter((text) => metrics.status !== 200 || metrics.body.includes(text))
  for (const text of inMetrics)
    faults.push({ seed, n: -1, request: '/metrics', fault: `${metrics.status}, holds ${text}` })
  agent.destroy()
  const inLog = [...NEVER, key].filter((text) => serving.log().includes(text))
  for (const text of inLog) {
    const line = serving
      .log()
      .split('\n')
      .find((candidate) => candidate.includes(text))!
    faults.push({ seed, n: -1, request: 'the log', fault: `holds ${text}: ${line.slice(0, 600)}` })
  }
  return { requests, answers, faults }
}

const aRead = (path: string, token: string): FuzzRequest => ({
  operation: '',
  method: 'GET',
  path,
  headers: { authorization: `Bearer ${token}` },
  body: null,
})

type Answer = Readonly<{ status: number; type: string; body: string }>
const ANSWERS_WITHIN_MS = 30_000

function asked(page: string, agent: Agent, { method, path, headers, body }: FuzzRequest): Promise<Answer> {
  const { hostname, port } = new URL(page)
  return new Promise((resolve, reject) => {
    const signal = AbortSignal.timeout(ANSWERS_WITHIN_MS)
    const length = body ? { 'content-length': String(body.length) } : {}
    const request = httpRequest(
      { hostname, port, agent, method, path, headers: { ...headers, ...length }, signal },
      (response) => {
        let text = ''
        response.setEncoding('utf8').on('data', (chunk: string) => {
          text += chunk
        })
        response.on('end', () =>
          resolve({ status: response.statusCode ?? 0, type: response.headers['content-type'] ?? '', body: text }),
        )
        response.on('error', reject)
      },
    )
    request.on('error', reject).end(body ?? undefined)
  })
}

/** What is wrong with an answer, or null. */
function faultOf({ status, type, body }: Answer, secrets: readonly string[]): string | null {
  if (status === 0) return `no answer: ${body}`
  if (status === 500) return `500: ${body}`
  const said = [...NEVER, ...secrets].find((text) => body.includes(text))
  if (said) return `says ${said}: ${body.slice(0, 300)}`
  const telling = OURS.find((pattern) => pattern.test(body))
  if (telling && !body.startsWith('{"openapi"')) return `tells of its making (${telling}): ${body.slice(0, 300)}`
  if (status < 400 || body === '' || type.startsWith('text/plain')) return null
  if (!type.startsWith('application/problem+json')) return `${status} is no problem but ${type}`
  return (JSON.parse(body) as { status: number }).status === status
    ? null
    : `status ${status} with another inside: ${body}`
}
