import { type Span, trace } from '@opentelemetry/api'
import { OTLPTraceExporter } from '@opentelemetry/exporter-trace-otlp-proto'
import { NodeSDK } from '@opentelemetry/sdk-node'

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
export function recordWork(
  name: string,
  startMs: number,
  endMs: number,
  attributes: Readonly<Record<string, string | number>>,
): void {
  const span: Span = tracer.startSpan(name, { startTime: startMs, attributes })
  span.end(endMs)
}
