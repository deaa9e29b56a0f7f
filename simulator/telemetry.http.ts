import type { ExportResult } from '@opentelemetry/core'
import { OTLPLogExporter } from '@opentelemetry/exporter-logs-otlp-proto'
import { OTLPTraceExporter } from '@opentelemetry/exporter-trace-otlp-proto'
import { resourceFromAttributes } from '@opentelemetry/resources'
import { LoggerProvider, type ReadableLogRecord } from '@opentelemetry/sdk-logs'
import { type IdGenerator, type ReadableSpan, TracerProvider } from '@opentelemetry/sdk-trace'
import { type Andon, createAndon } from '../agent/index.ts'
import type { Release } from '../facts/slice.ts'
import type { Clock } from '../lib/clock.ts'
import { AndonError } from '../lib/errors.ts'
import type { Random } from '../lib/random.ts'

/** Where telemetry goes: the OTLP/HTTP address without path (`http://127.0.0.1:4318`), and the token if it asks for one. */
/** `outcomes`: where outcomes go that do not travel as OTLP, with the token for that door; by default the same receiver. */
export type Receiver = Readonly<{
  endpoint: string
  token?: string
  outcomes?: Readonly<{ endpoint: string; token?: string }>
}>

type Edge = Receiver & Readonly<{ clock: Clock }>

/** Telemetry of one process: what it wrote waits until `deliver` sends it. */
export type Telemetry = Readonly<{
  andon: Andon
  /** Sends everything that has ended and resolves to how many items were acknowledged. Throws AndonError 'telemetry_not_delivered'. */
  deliver: () => Promise<number>
  close: () => Promise<void>
}>

/** Spans or log records per request, as in the SDK's own batch processor. */
const BATCH_ITEMS = 512
/** Waits before a refused batch is sent again; the exporter has by then retried by the rules of OTLP for its 10 s. */
const RETRY_WAITS_MS = [500, 1000, 2000, 4000]

/**
 * The telemetry of one release: its own resource, as in a process of its own, and the real OTLP/HTTP protobuf exporter.
 * The SDK's batch processor sends by wall time and only logs what it could not send; here the caller sends, and waits.
 * @param random makes the trace and span ids, so that equal seeds give equal ids
 */
export function connectRelease(edge: Edge, { environment, agent, release }: Release, random: Random): Telemetry {
  const outbox = createOutbox<ReadableSpan>(edge, new OTLPTraceExporter(exporterOptionsOf(edge, 'v1/traces')))
  const spanProcessor = {
    onStart: () => {},
    onEnd: outbox.put,
    forceFlush: async () => void (await outbox.deliver()),
    shutdown: outbox.close,
  }
  const resource = resourceFromAttributes({
    'service.name': agent,
    'service.version': release,
    'deployment.environment.name': environment,
  })
  const tracerProvider = new TracerProvider({
    resource,
    idGenerator: seededIds(random),
    spanProcessors: [spanProcessor],
  })
  return {
    andon: createAndon({ agent, release, tracerProvider }),
    deliver: outbox.deliver,
    close: () => tracerProvider.shutdown(),
  }
}

/** The telemetry of another system, e.g. a complaint desk, that reports outcomes as OTLP log events. */
export function connectDesk(edge: Edge, environment: string, name: string): Telemetry {
  const outbox = createOutbox<ReadableLogRecord>(edge, new OTLPLogExporter(exporterOptionsOf(edge, 'v1/logs')))
  const processor = {
    onEmit: outbox.put,
    forceFlush: async () => void (await outbox.deliver()),
    shutdown: outbox.close,
  }
  const resource = resourceFromAttributes({ 'service.name': name, 'deployment.environment.name': environment })
  const loggerProvider = new LoggerProvider({ resource, processors: [processor] })
  return {
    andon: createAndon({ agent: name, loggerProvider }),
    deliver: outbox.deliver,
    close: () => loggerProvider.shutdown(),
  }
}

const exporterOptionsOf = ({ endpoint, token }: Receiver, path: string) => ({
  url: `${endpoint.replace(/\/$/, '')}/${path}`,
  headers: token ? { authorization: `Bearer ${token}` } : {},
})

type Exporter<T> = Readonly<{
  export: (items: T[], done: (result: ExportResult) => void) => void
  shutdown: () => Promise<void>
}>

/** Keeps what ended until it is acknowledged; a batch is sent again with the same ids, so a doubt about delivery costs nothing. */
function createOutbox<T>({ endpoint, clock }: Edge, exporter: Exporter<T>) {
  let waiting: T[] = []
  const send = async (batch: T[]) => {
    for (let attempt = 0; ; attempt++) {
      const result = await new Promise<ExportResult>((resolve) => exporter.export(batch, resolve))
      if (result.code === 0) return
      const waitMs = RETRY_WAITS_MS[attempt]
      if (waitMs === undefined) {
        const detail = result.error?.message ?? 'no reason given'
        const message = `${endpoint} did not take ${batch.length} items after ${attempt + 1} attempts: ${detail}`
        throw new AndonError('telemetry_not_delivered', message, { retryable: true, cause: result.error })
      }
      await clock.sleep(waitMs)
    }
  }
  return {
    put: (item: T) => void waiting.push(item),
    deliver: async () => {
      const items = waiting
      waiting = []
      for (let from = 0; from < items.length; from += BATCH_ITEMS) await send(items.slice(from, from + BATCH_ITEMS))
      return items.length
    },
    close: () => exporter.shutdown(),
  }
}

/** Trace and span ids from a seeded stream; an id of only zeros is invalid and is drawn again. */
function seededIds(random: Random): IdGenerator {
  const hex = (digits: number): string => {
    let id = ''
    while (id.length < digits)
      id += random
        .integer(2 ** 32)
        .toString(16)
        .padStart(8, '0')
    return /[^0]/.test(id) ? id : hex(digits)
  }
  return { generateTraceId: () => hex(32), generateSpanId: () => hex(16) }
}
