import type { Keys, RawSpan, TraceSink } from './raw.ts'
import { clearPicked, clearSpan, createRawSpan, SPAN_ID_FIX, TRACE_ID_FIX } from './raw.ts'
import { readId, readText } from './text.protobuf.ts'
import { pickAttribute, pickResource } from './value.protobuf.ts'
import type { Cursor } from './wire.ts'
import { cursorOf, leave, readEnd, readFixed32, readNanosAsMs, readTag, readVarint32, skip } from './wire.ts'

/** Everything one request needs while it is read; `resourceAt` and `scopeAt` are indexes for messages. */
type Reading = {
  readonly c: Cursor
  readonly keys: Keys
  readonly sink: TraceSink
  readonly span: RawSpan
  resourceAt: number
  scopeAt: number
  /** Where the previous trace and parent ids lie: spans of one trace, and children of one parent, mostly follow each other. */
  traceIdAt: number
  traceId: string
  parentIdAt: number
  parentId: string
}

/**
 * Reads an ExportTraceServiceRequest (opentelemetry/proto/collector/trace/v1). Spans with bad ids are rejected one by one.
 * @throws AndonError 'undecodable' when the bytes are no such message; what the sink has seen by then is to be discarded.
 */
export function readTracesProtobuf(bytes: Uint8Array, keys: Keys, sink: TraceSink): void {
  const c = cursorOf(bytes)
  const span = createRawSpan(keys)
  const none = { traceIdAt: -1, traceId: '', parentIdAt: -1, parentId: '' }
  const reading: Reading = { c, keys, sink, span, resourceAt: 0, scopeAt: 0, ...none }
  const end = c.bytes.length
  while (c.at < end) {
    const tag = readTag(c)
    if (tag === 0x0a) {
      readResourceSpans(reading, readEnd(c, end))
      reading.resourceAt++
    } else skip(c, tag, end)
  }
  leave(c, end)
}

/** The resource may stand behind its spans on the wire, so it is looked for first. */
function readResourceSpans(reading: Reading, end: number): void {
  const { c, keys, span } = reading
  const start = c.at
  clearPicked(span.resource)
  while (c.at < end) {
    const tag = readTag(c)
    if (tag === 0x0a) pickResource(c, readEnd(c, end), keys, span.resource)
    else skip(c, tag, end)
  }
  leave(c, end)
  c.at = start
  reading.scopeAt = 0
  while (c.at < end) {
    const tag = readTag(c)
    // field 1000 is instrumentation_library_spans of old exporters, of the same shape
    if (tag === 0x12 || tag === 8002) {
      readScopeSpans(reading, readEnd(c, end))
      reading.scopeAt++
    } else skip(c, tag, end)
  }
}

function readScopeSpans(reading: Reading, end: number): void {
  const { c, sink, span } = reading
  let spanAt = 0
  while (c.at < end) {
    const tag = readTag(c)
    if (tag !== 0x12) {
      skip(c, tag, end)
      continue
    }
    const stop = readEnd(c, end)
    readSpan(reading, stop)
    if (span.traceId !== '' && span.spanId !== '') sink.onSpan(span)
    else {
      const path = `resourceSpans[${reading.resourceAt}].scopeSpans[${reading.scopeAt}].spans[${spanAt}]`
      if (span.traceId === '') sink.reject('trace_id', `${path}.traceId`, TRACE_ID_FIX, 1)
      else sink.reject('span_id', `${path}.spanId`, SPAN_ID_FIX, 1)
    }
    spanAt++
  }
  leave(c, end)
}

/** Fills `reading.span`; an id that is not valid stays ''. */
function readSpan(reading: Reading, end: number): void {
  const { c, keys, span } = reading
  clearSpan(span)
  while (c.at < end) {
    const tag = readTag(c)
    switch (tag) {
      case 0x0a:
        span.traceId = readTraceId(reading, readEnd(c, end))
        break
      case 0x12:
        span.spanId = readId(c, readEnd(c, end), 8)
        break
      case 0x1a:
        span.traceState = readText(c, readEnd(c, end))
        break
      case 0x22:
        span.parentSpanId = readParentId(reading, readEnd(c, end))
        break
      case 0x2a:
        span.name = readText(c, readEnd(c, end))
        break
      case 0x30:
        span.kind = readVarint32(c)
        break
      case 0x39:
        span.startMs = readNanosAsMs(c)
        break
      case 0x41:
        span.endMs = readNanosAsMs(c)
        break
      case 0x4a:
        pickAttribute(c, readEnd(c, end), keys, span.attributes)
        break
      case 0x7a:
        span.statusCode = readStatusCode(c, readEnd(c, end))
        break
      case 0x85:
        span.flags = readFixed32(c)
        break
      default:
        skip(c, tag, end)
    }
  }
  leave(c, end)
}

function readTraceId(reading: Reading, end: number): string {
  const { c } = reading
  const start = c.at
  if (end - start === 16 && isRepeated(c.bytes, start, reading.traceIdAt, 16)) {
    c.at = end
    return reading.traceId
  }
  const id = readId(c, end, 16)
  if (id === '') return ''
  reading.traceIdAt = start
  reading.traceId = id
  return id
}

function readParentId(reading: Reading, end: number): string {
  const { c } = reading
  const start = c.at
  if (end - start === 8 && isRepeated(c.bytes, start, reading.parentIdAt, 8)) {
    c.at = end
    return reading.parentId
  }
  const id = readId(c, end, 8)
  if (id === '') return ''
  reading.parentIdAt = start
  reading.parentId = id
  return id
}

/** Are the `length` bytes at `start` those at `before` (-1: there are none)? */
function isRepeated(bytes: Buffer, start: number, before: number, length: number): boolean {
  if (before < 0) return false
  for (let i = 0; i < length; i++) if (bytes[start + i] !== bytes[before + i]) return false
  return true
}

function readStatusCode(c: Cursor, end: number): number {
  let code = 0
  while (c.at < end) {
    const tag = readTag(c)
    if (tag === 0x18) code = readVarint32(c)
    else skip(c, tag, end)
  }
  leave(c, end)
  return code
}
