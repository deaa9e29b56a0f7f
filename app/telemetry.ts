import { type Span, trace } from '@opentelemetry/api'
import { OTLPTraceExporter } from '@opentelemetry/exporter-trace-otlp-proto'
import { NodeSDK } from '@opentelemetry/sdk-node'
import { wallClock } from '../lib/clock.ts'
import { AndonError } from '../lib/errors.ts'

type Attributes = Readonly<Record<string, string | number>>

const tracer = trace.getTracer('andon')

/** Sends traces of the monitor itself to `endpoint` (OTLP/HTTP, without /v1/traces); returns what stops it. */
export function traceMonitor(endpoint: string): () => Promise<void> {
  const sdk = new NodeSDK({
    serviceName: 'andon',
    traceExporter: new OTLPTraceExporter({ url: `${endpoint.replace(/\/$/, '')}/v1/traces` }),
  })
  sdk.start()
  return () => sdk.shutdown()
}

/** Records one finished piece of the monitor's work as a span; does nothing when nobody listens. */
export function recordWork(name: string, startMs: number, endMs: number, attributes: Attributes): void {
  const span: Span = tracer.startSpan(name, { startTime: startMs, attributes })
  span.end(endMs)
}

/** The same function, each call of it recorded as a span with what it was given and gave back; a failed call carries `error.type`. */
export function recorded<Given, Gives>(
  name: string,
  work: (given: Given) => Promise<Gives>,
  attributesOf: (given: Given, result: Gives | null) => Attributes,
): (given: Given) => Promise<Gives> {
  return async (given) => {
    const startMs = wallClock.nowMs()
    try {
      const result = await work(given)
      recordWork(name, startMs, wallClock.nowMs(), attributesOf(given, result))
      return result
    } catch (error) {
      const type = error instanceof AndonError ? error.code : (error as Error).name
      recordWork(name, startMs, wallClock.nowMs(), { ...attributesOf(given, null), 'error.type': type })
      throw error
    }
  }
}
