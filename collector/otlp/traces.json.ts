import type { Keys, TraceSink } from './raw.ts'
import { ATTRIBUTES_FIX, clearPicked, createRawSpan, SPAN_ID_FIX, TRACE_ID_FIX } from './raw.ts'
import { enumOf, hexIdOf, isFields, nanosAsMs, parseBody, pickAttributes, textOf } from './value.json.ts'
import { TRACE_LEVELS, walk } from './walk.json.ts'

const SPAN_KINDS = {
  SPAN_KIND_INTERNAL: 1,
  SPAN_KIND_SERVER: 2,
  SPAN_KIND_CLIENT: 3,
  SPAN_KIND_PRODUCER: 4,
  SPAN_KIND_CONSUMER: 5,
} as const
const STATUS_CODES = { STATUS_CODE_OK: 1, STATUS_CODE_ERROR: 2 } as const

/**
 * Reads an OTLP/JSON trace request. A span is taken when it is an object whose traceId and spanId are hexadecimal and not all
 * zero and whose attributes are absent or a list; every other one is rejected by itself.
 * @throws AndonError 'undecodable' when the body is no JSON object.
 */
export function readTracesJson(bytes: Uint8Array, keys: Keys, sink: TraceSink): void {
  const span = createRawSpan(keys)
  walk(parseBody(bytes), TRACE_LEVELS, {
    reject: sink.reject,
    onResource: (resource) => {
      clearPicked(span.resource)
      if (isFields(resource)) pickAttributes(resource.attributes, keys, span.resource)
    },
    onItem: (item, path) => {
      span.traceId = hexIdOf(item.traceId, 32)
      if (span.traceId === '') return sink.reject('trace_id', `${path()}.traceId`, TRACE_ID_FIX, 1)
      span.spanId = hexIdOf(item.spanId, 16)
      if (span.spanId === '') return sink.reject('span_id', `${path()}.spanId`, SPAN_ID_FIX, 1)
      if (item.attributes !== undefined && !Array.isArray(item.attributes)) {
        return sink.reject('attributes', `${path()}.attributes`, ATTRIBUTES_FIX, 1)
      }
      span.parentSpanId = hexIdOf(item.parentSpanId, 16)
      span.traceState = textOf(item.traceState)
      span.name = textOf(item.name)
      span.kind = enumOf(item.kind, SPAN_KINDS)
      span.flags = enumOf(item.flags, {})
      span.startMs = nanosAsMs(item.startTimeUnixNano)
      span.endMs = nanosAsMs(item.endTimeUnixNano)
      span.statusCode = isFields(item.status) ? enumOf(item.status.code, STATUS_CODES) : 0
      clearPicked(span.attributes)
      pickAttributes(item.attributes, keys, span.attributes)
      sink.onSpan(span)
    },
  })
}
