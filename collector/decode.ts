import type { MetricPoint, OutcomeFact, SpanFact } from '../facts/span.ts'
import { AndonError } from '../lib/errors.ts'
import { pointOf } from './metrics.ts'
import type { Namer } from './name-span.ts'
import { readLogsJson } from './otlp/logs.json.ts'
import { readLogsProtobuf } from './otlp/logs.protobuf.ts'
import { readMetricsJson } from './otlp/metrics.json.ts'
import { readMetricsProtobuf } from './otlp/metrics.protobuf.ts'
import type { Reject, RejectReason } from './otlp/raw.ts'
import { readTracesJson } from './otlp/traces.json.ts'
import { readTracesProtobuf } from './otlp/traces.protobuf.ts'
import { readOutcome } from './outcomes.ts'

export type Signal = 'traces' | 'logs' | 'metrics'

/** What one request says, in Andon's words. */
export type Batch = Readonly<{
  spans: readonly SpanFact[]
  outcomes: readonly OutcomeFact[]
  points: readonly MetricPoint[]
}>

/** What could not be taken. `items` counts spans, records or points; `message` is '' when nothing was wrong. */
export type Rejected = Readonly<{
  items: number
  message: string
  byReason: Readonly<Partial<Record<RejectReason, number>>>
}>

export type Decoded = Batch & Readonly<{ rejected: Rejected }>

export const PROTOBUF = 'application/x-protobuf'
export const JSON_TYPE = 'application/json'

/** A request of more items than this is turned away whole, so that a small body cannot become a large heap. */
export const MAX_ITEMS = 200_000

/**
 * The facts in the body of one OTLP request (an Export…ServiceRequest, uncompressed). Pure: times that are absent stay 0.
 * @param contentType `application/x-protobuf` or `application/json`, parameters allowed
 * @throws AndonError 'undecodable', 'unsupported_media_type' or 'too_large' (more than `maxItems`); never retryable
 */
export function decodeRequest(
  signal: Signal,
  contentType: string,
  bytes: Uint8Array,
  namer: Namer,
  maxItems: number = MAX_ITEMS,
): Decoded {
  const isJson = mediaTypeOf(contentType) === JSON_TYPE
  if (!isJson && mediaTypeOf(contentType) !== PROTOBUF) {
    throw new AndonError(
      'unsupported_media_type',
      `content type ${contentType} is neither ${PROTOBUF} nor ${JSON_TYPE}`,
    )
  }
  const spans: SpanFact[] = []
  const outcomes: OutcomeFact[] = []
  const points: MetricPoint[] = []
  const rejections = createRejections()
  const { reject } = rejections
  let items = 0
  const take = () => {
    if (++items > maxItems)
      throw new AndonError('too_large', `the request holds more than ${maxItems} items; send smaller batches`)
  }
  if (signal === 'traces') {
    const read = isJson ? readTracesJson : readTracesProtobuf
    read(bytes, namer.keys, {
      reject,
      onSpan: (span) => {
        take()
        spans.push(namer.spanOf(span, (fix) => reject('number', `span ${span.spanId}:`, fix, 0)))
      },
    })
  } else if (signal === 'logs') {
    const read = isJson ? readLogsJson : readLogsProtobuf
    read(bytes, namer.keys, {
      reject,
      onLog: (record, path) => {
        take()
        const found = readOutcome(record, namer, (fix) => reject('number', path(), fix, 0))
        if (found.kind === 'outcome') outcomes.push(found.outcome)
        else if (found.kind === 'invalid') reject('outcome', path(), found.fix, 1)
      },
    })
  } else {
    const read = isJson ? readMetricsJson : readMetricsProtobuf
    read(bytes, {
      reject,
      onPoint: (point) => {
        take()
        points.push(pointOf(point, namer))
      },
    })
  }
  return { spans, outcomes, points, rejected: rejections.end() }
}

export const mediaTypeOf = (contentType: string): string => contentType.split(';', 1)[0]!.trim().toLowerCase()

/** How many problems a message spells out. */
const SPELLED_OUT = 5

/** Collects rejections into one English message of bounded length. */
function createRejections(): { reject: Reject; end: () => Rejected } {
  const byReason: Partial<Record<RejectReason, number>> = {}
  const problems: string[] = []
  let items = 0
  let count = 0
  return {
    reject: (reason, path, fix, lost) => {
      byReason[reason] = (byReason[reason] ?? 0) + Math.max(1, lost)
      items += lost
      if (count++ < SPELLED_OUT) problems.push(`${path} ${fix}`)
    },
    end: () => {
      const more = count > SPELLED_OUT ? `; and ${count - SPELLED_OUT} more` : ''
      return { items, byReason, message: count === 0 ? '' : problems.join('; ') + more }
    },
  }
}
