import { isWithin, POINT } from '../bounded-number.ts'
import type { AllAttributes, MetricSink, RawPoint, Value } from './raw.ts'
import { COUNT_FIX, NO_RECORDED_VALUE, scopeText, TEMPORALITY_FIX, VALUE_FIX } from './raw.ts'
import { readText } from './text.protobuf.ts'
import { readAttributes, readKeyValue } from './value.protobuf.ts'
import type { Cursor } from './wire.ts'
import {
  cursorOf,
  leave,
  readDouble,
  readEnd,
  readFixed64,
  readNanosAsMs,
  readSfixed64,
  readTag,
  readVarint32,
  skip,
} from './wire.ts'

/**
 * Reads an ExportMetricsServiceRequest (opentelemetry/proto/collector/metrics/v1): sums and gauges as they are; histograms and summaries
 * as `<name>.count` and `<name>.sum`.
 * @throws AndonError 'undecodable' when the bytes are no such message; what the sink has seen by then is to be discarded.
 */
export function readMetricsProtobuf(bytes: Uint8Array, sink: MetricSink): void {
  const c = cursorOf(bytes)
  eachField(c, c.bytes.length, 0x0a, (end, r) => {
    const resourceMetrics = fieldsOf(c, end, 0x0a)
    const resource = resourceMetrics.flatMap((at) => visit(c, at, () => readAttributes(c, at.end, 0x0a)))
    eachField(c, end, 0x12, (scopeEnd, s) => {
      const scope =
        fieldsOf(c, scopeEnd, 0x0a).map((at) => visit(c, at, () => readScope(c, at.end)))[0] ?? scopeText('', '')
      eachField(c, scopeEnd, 0x12, (metricEnd, m) => {
        const path = () => `resourceMetrics[${r}].scopeMetrics[${s}].metrics[${m}]`
        readMetric(c, metricEnd, { resource, scope, name: '' }, path, sink)
      })
    })
  })
}

type Range = Readonly<{ start: number; end: number }>

/** Visits the length-delimited fields with this tag, with their place among each other; steps over all others. */
function eachField(c: Cursor, end: number, wanted: number, read: (end: number, index: number) => void): void {
  let index = 0
  while (c.at < end) {
    const tag = readTag(c)
    if (tag === wanted) {
      const stop = readEnd(c, end)
      read(stop, index++)
      leave(c, stop)
    } else skip(c, tag, end)
  }
  leave(c, end)
}

/** Where the fields with this tag lie; the cursor stays where it is. */
function fieldsOf(c: Cursor, end: number, wanted: number): readonly Range[] {
  const start = c.at
  const ranges: Range[] = []
  eachField(c, end, wanted, (stop) => {
    ranges.push({ start: c.at, end: stop })
    c.at = stop
  })
  c.at = start
  return ranges
}

/** Reads at another place and comes back. */
function visit<T>(c: Cursor, range: Range, read: () => T): T {
  const here = c.at
  c.at = range.start
  const value = read()
  c.at = here
  return value
}

function readScope(c: Cursor, end: number): string {
  let [name, version] = ['', '']
  while (c.at < end) {
    const tag = readTag(c)
    if (tag === 0x0a) name = readText(c, readEnd(c, end))
    else if (tag === 0x12) version = readText(c, readEnd(c, end))
    else skip(c, tag, end)
  }
  leave(c, end)
  return scopeText(name, version)
}

type Common = Pick<RawPoint, 'resource' | 'scope' | 'name'>

const GAUGE = 0x2a
const SUM = 0x3a
const HISTOGRAM = 0x4a
const EXPONENTIAL_HISTOGRAM = 0x52
const SUMMARY = 0x5a

/** The field of each kind of data in OTLP/JSON, for messages that name the same path in both encodings. */
const DATA_NAMES: Readonly<Record<number, string>> = {
  [GAUGE]: 'gauge',
  [SUM]: 'sum',
  [HISTOGRAM]: 'histogram',
  [EXPONENTIAL_HISTOGRAM]: 'exponentialHistogram',
  [SUMMARY]: 'summary',
}

function readMetric(c: Cursor, end: number, common: Common, path: () => string, sink: MetricSink): void {
  const start = c.at
  const names = fieldsOf(c, end, 0x0a)
  const last = names.at(-1)
  const named = { ...common, name: last === undefined ? '' : visit(c, last, () => readText(c, last.end)) }
  c.at = start
  while (c.at < end) {
    const tag = readTag(c)
    const data = DATA_NAMES[tag]
    if (data === undefined) {
      skip(c, tag, end)
      continue
    }
    readData(c, readEnd(c, end), tag, named, () => `${path()}.${data}`, sink)
  }
  leave(c, end)
}

function readData(c: Cursor, end: number, kind: number, common: Common, path: () => string, sink: MetricSink): void {
  const start = c.at
  let temporality = kind === SUMMARY ? 2 : 0
  let monotonic = false
  while (c.at < end) {
    const tag = readTag(c)
    if (tag === 0x10) temporality = readVarint32(c)
    else if (tag === 0x18) monotonic = readVarint32(c) !== 0
    else skip(c, tag, end)
  }
  leave(c, end)
  c.at = start
  const gauge = kind === GAUGE
  eachField(c, end, 0x0a, (stop, index) => {
    const point = kind === GAUGE || kind === SUM ? readNumberPoint(c, stop) : readDistributionPoint(c, stop, kind)
    if (point.flags & NO_RECORDED_VALUE) return
    if (!gauge && temporality !== 1 && temporality !== 2) {
      return sink.reject('temporality', `${path()}.aggregationTemporality`, TEMPORALITY_FIX, 1)
    }
    const pointPath = () => `${path()}.dataPoints[${index}]`
    const { startMs, timeMs, attributes } = point
    const raw = { ...common, startMs, timeMs, attributes, temporality: gauge ? 0 : temporality, gauge }
    if (kind === GAUGE || kind === SUM) {
      if (!isWithin(point.value, POINT)) return sink.reject('value', pointPath(), VALUE_FIX, 1)
      return sink.onPoint({ ...raw, monotonic: !gauge && monotonic, value: point.value }, pointPath)
    }
    if (!isWithin(point.count, POINT)) return sink.reject('value', `${pointPath()}.count`, COUNT_FIX, 1)
    sink.onPoint({ ...raw, name: `${common.name}.count`, monotonic: true, value: point.count }, pointPath)
    if (isWithin(point.value, POINT)) {
      sink.onPoint({ ...raw, name: `${common.name}.sum`, monotonic: true, value: point.value }, pointPath)
    }
  })
}

/** `value` is the number of a number point and the sum of a distribution; NaN when absent. */
type Point = { startMs: number; timeMs: number; attributes: AllAttributes; value: number; count: number; flags: number }

function readNumberPoint(c: Cursor, end: number): Point {
  const attributes: [string, Value][] = []
  const point: Point = { startMs: 0, timeMs: 0, attributes, value: Number.NaN, count: 0, flags: 0 }
  while (c.at < end) {
    const tag = readTag(c)
    if (tag === 0x11) point.startMs = readNanosAsMs(c)
    else if (tag === 0x19) point.timeMs = readNanosAsMs(c)
    else if (tag === 0x21) point.value = readDouble(c)
    else if (tag === 0x31) point.value = Number(readSfixed64(c))
    else if (tag === 0x3a) attributes.push(readKeyValue(c, readEnd(c, end), 0))
    else if (tag === 0x40) point.flags = readVarint32(c)
    else skip(c, tag, end)
  }
  return point
}

/** Tags of attributes and flags differ between the three distributions; times, count and sum do not. */
const DISTRIBUTION_TAGS: Readonly<Record<number, Readonly<{ attributes: number; flags: number }>>> = {
  [HISTOGRAM]: { attributes: 0x4a, flags: 0x50 },
  [EXPONENTIAL_HISTOGRAM]: { attributes: 0x0a, flags: 0x50 },
  [SUMMARY]: { attributes: 0x3a, flags: 0x40 },
}

function readDistributionPoint(c: Cursor, end: number, kind: number): Point {
  const tags = DISTRIBUTION_TAGS[kind]!
  const attributes: [string, Value][] = []
  const point: Point = { startMs: 0, timeMs: 0, attributes, value: Number.NaN, count: 0, flags: 0 }
  while (c.at < end) {
    const tag = readTag(c)
    if (tag === 0x11) point.startMs = readNanosAsMs(c)
    else if (tag === 0x19) point.timeMs = readNanosAsMs(c)
    else if (tag === 0x21) point.count = readFixed64(c)
    else if (tag === 0x29) point.value = readDouble(c)
    else if (tag === tags.attributes) attributes.push(readKeyValue(c, readEnd(c, end), 0))
    else if (tag === tags.flags) point.flags = readVarint32(c)
    else skip(c, tag, end)
  }
  return point
}
