import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { startMonitor } from '../../app/serve.ts'
import { messageType } from '../../collector/otlp/proto.fixtures.ts'
import { type Config, configSchema, countedSignals } from '../../config.ts'
import { SIGNAL_LIBRARY } from '../../detectors/signals/library.ts'
import { wallClock } from '../../lib/clock.ts'
import { type Log, silentLog } from '../../lib/log.ts'
import { seededRandom } from '../../lib/random.ts'
import { recount } from '../../recount/recount.clickhouse.ts'
import { connectStore, rowsOf } from '../../store/store.clickhouse.ts'
import { postTraces } from '../fixtures/otlp.ts'
import type { Fault } from './fuzz.ts'
import { type HostileRequest, hostileRequests } from './hostile-telemetry.ts'

export type TelemetryFuzzResult = Readonly<{
  requests: number
  /** Answers by path and status. */
  answers: Readonly<Record<string, Readonly<Record<number, number>>>>
  faults: readonly Fault[]
}>

/** Requests between two healthy contacts. */
const ROUND = 20
const AT_ONCE = 5
/** A healthy contact that is not counted after this long never will be. */
const COUNTED_WITHIN_MS = 60_000

/**
 * Sends hostile but decodable telemetry through the receiver of a monitor until `enough` says so, and after each round one healthy contact.
 * A fault is a 5xx, a healthy contact that is not counted, an error in the log, a detector or pipeline that does not move on, something
 * acknowledged that is not stored, or a total on which `andon recount` disagrees at the end.
 */
export async function fuzzTelemetry(seed: number, enough: (requests: number) => boolean): Promise<TelemetryFuzzResult> {
  const folder = mkdtempSync(join(tmpdir(), 'andon-hostile-'))
  const config = configOf(join(folder, 'store'))
  const errors: string[] = []
  const running = await startMonitor({ config, env: {}, log: collecting(errors), clockMode: 'wall' })
  const faults: Fault[] = []
  const answers: Record<string, Record<number, number>> = {}
  const next = hostileRequests(seededRandom('hostile', seed), wallClock.nowMs())
  let n = 0
  let acknowledged = 0
  const fault = (what: string, request: string) => faults.push({ seed, n, request, fault: what })
  try {
    for (let round = 1; !enough(n) && faults.length === 0; round++) {
      for (let group = 0; group < ROUND; group += AT_ONCE) {
        const sent = Array.from({ length: AT_ONCE }, next)
        n += sent.length
        for (const [index, { status, taken }] of (
          await Promise.all(sent.map((request) => send(running.receiverUrl, request)))
        ).entries()) {
          const request = sent[index]!
          const ofPath = answers[request.path] ?? {}
          answers[request.path] = { ...ofPath, [status]: (ofPath[status] ?? 0) + 1 }
          acknowledged += taken
          if (status !== 200 && status !== 400) fault(`answered ${status}`, textOf(request))
        }
      }
      await postTraces(running.receiverUrl, [healthy(round)])
      const counted = await countedWithin(running.monitor.store, round)
      if (!counted) fault(`healthy contact ${round} is not counted`, 'the requests of this round')
      for (const error of errors.splice(0)) fault(error, 'one of this round')
      const { checks } = await running.monitor.health()
      for (const [name, check] of Object.entries(checks))
        if (!check.ok) fault(`${name}: ${check.detail}`, 'one of this round')
      const stored = await spansIn(running.monitor.store)
      if (stored !== acknowledged + round)
        fault(`${acknowledged + round} spans acknowledged, ${stored} stored`, 'one of this round')
    }
    if (faults.length === 0) await running.monitor.settle()
  } finally {
    await running.close()
  }
  if (faults.length === 0) for (const difference of await recounted(config)) fault(difference, 'recount')
  rmSync(folder, { recursive: true, force: true })
  return { requests: n, answers, faults }
}

const configOf = (path: string): Config =>
  configSchema.parse({
    receive: { port: 0 },
    page: { port: 0 },
    store: { path },
    inherit: { holdSeconds: 1 },
    judge: { environments: ['', 'production', 'a/b'] },
    signals: [
      ...SIGNAL_LIBRARY.map(({ name }) => name),
      { name: 'spending', title: 'Spending', evaluator: 'measure', value: 'amount' },
      { name: 'large_amounts', title: 'Large amounts', evaluator: 'measure', value: 'amount', above: 1000 },
      { name: 'failures', title: 'Failures', evaluator: 'counters', trials: 'hostile.calls', hits: 'hostile.failures' },
    ],
    triggers: ['failed_updates', 'repeat_contacts', 'complaints', 'spending', 'large_amounts', 'failures'].map(
      (signal) => ({
        name: signal,
        signal,
        baseline: signal === 'spending' ? ('auto' as const) : 0.02,
        action: 'notify',
      }),
    ),
  })

const healthy = (round: number) => ({
  conversation: `healthy-${round}`,
  agent: 'healthy',
  release: 'r1',
  startedAtMs: wallClock.nowMs(),
})

type Store = Parameters<typeof rowsOf>[0]

async function countedWithin(store: Store, contacts: number): Promise<boolean> {
  const untilMs = wallClock.nowMs() + COUNTED_WITHIN_MS
  while (wallClock.nowMs() < untilMs) {
    const [row] = await rowsOf<{ n: number }>(
      store,
      "SELECT sum(n) AS n FROM rollup_minutes WHERE agent = 'healthy' AND signal = '' AND measure = 'contacts'",
    )
    if (row?.n === contacts) return true
    await wallClock.sleep(50)
  }
  return false
}

async function spansIn(store: Store): Promise<number> {
  const [row] = await rowsOf<{ n: number }>(store, "SELECT toUInt32(count()) AS n FROM spans WHERE span_id != ''")
  return row!.n
}

/** What was answered, and how many spans of the request were acknowledged. */
async function send(
  url: string,
  { path, type, body, spans }: HostileRequest,
): Promise<{ status: number; taken: number }> {
  const response = await fetch(`${url}${path}`, {
    method: 'POST',
    headers: { 'content-type': type },
    body: new Uint8Array(body),
  })
  const answer = Buffer.from(await response.arrayBuffer())
  const taken = response.status === 200 && spans > 0 ? spans - rejectedIn(type, answer) : 0
  return { status: response.status, taken }
}

function rejectedIn(type: string, answer: Buffer): number {
  const { partialSuccess } =
    type === 'application/x-protobuf'
      ? (messageType('TraceResponse').decode(answer) as { partialSuccess?: { rejectedSpans?: unknown } })
      : (JSON.parse(answer.toString()) as { partialSuccess?: { rejectedSpans?: unknown } })
  return Number(partialSuccess?.rejectedSpans ?? 0)
}

const textOf = ({ path, type, body }: HostileRequest): string =>
  `${path} ${type} ${body.toString('base64').slice(0, 4_000)}`

/** Keeps what is logged as an error. */
const collecting = (errors: string[]): Log => ({
  ...silentLog,
  error: (fields: unknown, message?: string) => void errors.push(`${message ?? ''} ${JSON.stringify(fields)}`),
})

async function recounted(config: Config): Promise<string[]> {
  const store = connectStore({ kind: 'embedded', path: config.store.path })
  try {
    const { differences } = await recount({
      store,
      signals: countedSignals(config),
      judgedEnvironments: config.judge.environments,
    })
    return differences.map((difference) => JSON.stringify(difference))
  } finally {
    await store.close()
  }
}
