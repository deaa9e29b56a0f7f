import { Agent, request } from 'node:http'
import type { Clock } from '../lib/clock.ts'
import type { LoadTemplate } from './load.ts'
import type { Receiver } from './telemetry.http.ts'

export type Load = Readonly<{
  receiver: Receiver
  template: LoadTemplate
  clock: Clock
  /** Wanted rate; Infinity: the next request of a connection follows its last answer. */
  spansPerSecond: number
  /** Requests sent in all. */
  requests: number
  /** Keep-alive connections, each with one request under way. */
  connections: number
  /** Number of the first request, so that two runs into one store share no span. Default 0. */
  firstRequest?: number
  /** Event time of a request's contacts; wall clock when absent. */
  eventMsOf?: (requestNumber: number) => number
  signal?: AbortSignal
  onAnswer?: (status: number, requestNumber: number) => void
}>

/** Latencies in ms from the moment a request was due (open loop: queueing counts) to its whole answer. */
export type LoadReport = Readonly<{
  acknowledgedSpans: number
  acknowledgedRequests: number
  /** Answers other than 200, by status; 0: no answer. */
  refused: Readonly<Record<string, number>>
  elapsedMs: number
  spansPerSecond: number
  latencyMs: Readonly<{ p50: number; p90: number; p99: number; max: number }>
}>

/** Sends OTLP requests at an even rate over a few connections and reports what was acknowledged. Refused requests are not repeated. */
export async function sendLoad(load: Load): Promise<LoadReport> {
  const { receiver, template, clock, spansPerSecond, requests, connections, signal } = load
  const firstRequest = load.firstRequest ?? 0
  const agent = new Agent({ keepAlive: true, maxSockets: connections })
  const intervalMs = spansPerSecond === Infinity ? 0 : (1000 * template.spans) / spansPerSecond
  const latencies: number[] = []
  const refused: Record<string, number> = {}
  const startMs = clock.nowMs()
  let taken = 0
  const connection = async () => {
    while (taken < requests && !signal?.aborted) {
      const turn = taken++
      const dueMs = intervalMs === 0 ? clock.nowMs() : startMs + turn * intervalMs
      const waitMs = dueMs - clock.nowMs()
      if (waitMs > 0) await clock.sleep(waitMs, signal)
      const requestNumber = firstRequest + turn
      const atMs = load.eventMsOf?.(requestNumber) ?? clock.nowMs()
      const status = await post(receiver, agent, template.stamp(requestNumber, atMs))
      if (status === 200) latencies.push(clock.nowMs() - dueMs)
      else refused[status] = (refused[status] ?? 0) + 1
      load.onAnswer?.(status, requestNumber)
    }
  }
  await Promise.all(Array.from({ length: connections }, connection))
  agent.destroy()
  const elapsedMs = Math.max(1, clock.nowMs() - startMs)
  const acknowledgedSpans = latencies.length * template.spans
  return {
    acknowledgedSpans,
    acknowledgedRequests: latencies.length,
    refused,
    elapsedMs,
    spansPerSecond: (1000 * acknowledgedSpans) / elapsedMs,
    latencyMs: quantilesOf(latencies),
  }
}

/** Status of the answer, once it was read to its end; 0 when there was none. */
function post({ endpoint, token }: Receiver, agent: Agent, body: Uint8Array): Promise<number> {
  const headers = {
    'content-type': 'application/x-protobuf',
    'content-length': body.length,
    ...(token && { authorization: `Bearer ${token}` }),
  }
  return new Promise((resolve) => {
    const sent = request(new URL('/v1/traces', endpoint), { method: 'POST', agent, headers }, (response) => {
      response.on('error', () => resolve(0))
      response.on('end', () => resolve(response.statusCode ?? 0))
      response.resume()
    })
    sent.on('error', () => resolve(0))
    sent.end(body)
  })
}

/** Nearest-rank quantiles; NaN when nothing was acknowledged. */
function quantilesOf(values: readonly number[]): LoadReport['latencyMs'] {
  const sorted = values.toSorted((a, b) => a - b)
  const at = (share: number) => sorted[Math.max(0, Math.ceil(share * sorted.length) - 1)] ?? Number.NaN
  return { p50: at(0.5), p90: at(0.9), p99: at(0.99), max: at(1) }
}
