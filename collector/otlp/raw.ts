/**
 * What both OTLP readers (protobuf and JSON) hand on: one span, log record or metric point at a time, of whose attributes
 * only those are kept that some field asks for. The objects are reused between calls: take what is needed, keep none.
 */

import { boundsText, POINT } from '../bounded-number.ts'

/** An attribute value. int64 beyond 2^53 is a bigint, bytes are base64 text. */
export type Value = string | number | bigint | boolean | null | readonly Value[] | { readonly [key: string]: Value }

/** Where a known attribute goes: the number of a field, and the rank of this name among the names of that field (0 wins). */
export type Target = Readonly<{ field: number; rank: number }>

/** The attribute names worth reading, see `createKeys`. */
export type Keys = Readonly<{
  /** How many fields there are. */
  size: number
  ofName: (name: string) => readonly Target[] | undefined
  /** The same for the UTF-8 bytes [start, end), without making a string. */
  ofBytes: (bytes: Uint8Array, start: number, end: number) => readonly Target[] | undefined
}>

/** The best value seen so far per field. A field is present when its rank is below ABSENT. */
export type Picked = { readonly values: Value[]; readonly ranks: number[] }

export const ABSENT = 0x7fffffff

/** AnyValue nests at most this deep; what lies deeper is read as absent. */
export const MAX_DEPTH = 32

export const createPicked = (keys: Keys): Picked => ({
  values: new Array<Value>(keys.size).fill(null),
  ranks: new Array<number>(keys.size).fill(ABSENT),
})

export function clearPicked(picked: Picked): void {
  const { ranks } = picked
  for (let field = 0; field < ranks.length; field++) ranks[field] = ABSENT
}

/** Keeps `value` in every field where its name ranks best. Of two equal names the later wins; null and '' are no values. */
export function pick(picked: Picked, targets: readonly Target[], value: Value | undefined): void {
  if (value === undefined || value === null || value === '') return
  for (let i = 0; i < targets.length; i++) {
    const target = targets[i]!
    if (target.rank > picked.ranks[target.field]!) continue
    picked.ranks[target.field] = target.rank
    picked.values[target.field] = value
  }
}

export type RawSpan = {
  traceId: string
  spanId: string
  /** '' for a root span, and for a parent id that is malformed or all zero. */
  parentSpanId: string
  traceState: string
  name: string
  /** 0 unspecified, 1 internal, 2 server, 3 client, 4 producer, 5 consumer. */
  kind: number
  flags: number
  /** Whole milliseconds since 1970, rounded down; 0 when absent. */
  startMs: number
  endMs: number
  /** 0 unset, 1 ok, 2 error. */
  statusCode: number
  readonly attributes: Picked
  readonly resource: Picked
}

export type RawLog = {
  traceId: string
  spanId: string
  eventName: string
  timeMs: number
  observedMs: number
  readonly attributes: Picked
  readonly resource: Picked
}

/** All attributes of a resource, scope or metric point, in order of arrival: metrics need them all to tell their series apart. */
export type AllAttributes = readonly (readonly [name: string, value: Value])[]

export type RawPoint = {
  name: string
  /** 1 delta, 2 cumulative, 0 unspecified; gauges 0. */
  temporality: number
  gauge: boolean
  monotonic: boolean
  startMs: number
  timeMs: number
  value: number
  scope: string
  attributes: AllAttributes
  resource: AllAttributes
}

/** Why an item was turned away; the label of the rejection counter, so a short closed list. */
export type RejectReason =
  | 'not_an_object'
  | 'not_a_list'
  | 'trace_id'
  | 'span_id'
  | 'attributes'
  | 'temporality'
  | 'value'
  | 'number'
  | 'outcome'
  | 'wrong_endpoint'

/**
 * Reports one thing that could not be taken: where (`resourceSpans[0].scopeSpans[1].spans[3].traceId`), what to do about it,
 * and how many items (spans, records, points) are lost by it: 0 for a container whose items cannot be counted, and for an item taken without
 * one of its attributes.
 */
export type Reject = (reason: RejectReason, path: string, fix: string, items: number) => void

export const createRawSpan = (keys: Keys): RawSpan => ({
  traceId: '',
  spanId: '',
  parentSpanId: '',
  traceState: '',
  name: '',
  kind: 0,
  flags: 0,
  startMs: 0,
  endMs: 0,
  statusCode: 0,
  attributes: createPicked(keys),
  resource: createPicked(keys),
})

export const createRawLog = (keys: Keys): RawLog => ({
  traceId: '',
  spanId: '',
  eventName: '',
  timeMs: 0,
  observedMs: 0,
  attributes: createPicked(keys),
  resource: createPicked(keys),
})

export function clearSpan(span: RawSpan): void {
  span.traceId = ''
  span.spanId = ''
  span.parentSpanId = ''
  span.traceState = ''
  span.name = ''
  span.kind = 0
  span.flags = 0
  span.startMs = 0
  span.endMs = 0
  span.statusCode = 0
  clearPicked(span.attributes)
}

export function clearLog(record: RawLog): void {
  record.traceId = ''
  record.spanId = ''
  record.eventName = ''
  record.timeMs = 0
  record.observedMs = 0
  clearPicked(record.attributes)
}

export const TRACE_ID_FIX = 'must be 32 hexadecimal digits (16 bytes), not all zero'
export const SPAN_ID_FIX = 'must be 16 hexadecimal digits (8 bytes), not all zero'
export const ATTRIBUTES_FIX = 'must be a list of { key, value } objects'

/** Bit 0 of a metric point's flags: it stands for "no value recorded" and is no measurement. */
export const NO_RECORDED_VALUE = 1

export const TEMPORALITY_FIX = 'must be 1 (delta) or 2 (cumulative)'
export const VALUE_FIX = `needs asDouble or asInt, ${boundsText(POINT)}`
export const COUNT_FIX = `must be ${boundsText(POINT)}`

export const scopeText = (name: string, version: string): string => `${name}\u001f${version}`

export type TraceSink = Readonly<{ onSpan: (span: RawSpan) => void; reject: Reject }>

export type LogSink = Readonly<{
  /** `path` names the record for messages; it is called only when a record is turned away. */
  onLog: (record: RawLog, path: () => string) => void
  reject: Reject
}>

export type MetricSink = Readonly<{ onPoint: (point: RawPoint, path: () => string) => void; reject: Reject }>
