import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { AndonError } from '../../lib/errors.ts'
import { createKeys } from './keys.ts'
import { readLogsJson } from './logs.json.ts'
import { readLogsProtobuf } from './logs.protobuf.ts'
import { readMetricsJson } from './metrics.json.ts'
import { readMetricsProtobuf } from './metrics.protobuf.ts'
import { encodeAs, messageType } from './proto.fixtures.ts'
import type { Picked, RawPoint, Value } from './raw.ts'
import { ABSENT, MAX_DEPTH } from './raw.ts'
import { readTracesJson } from './traces.json.ts'
import { readTracesProtobuf } from './traces.protobuf.ts'
import { integerOf, nanosAsMs } from './value.json.ts'

const NAMES = ['a', 'bb', 'user.id', 'gen_ai.conversation.id', 'schlüssel']
const keys = createKeys([['user.id', 'a'], ['bb', 'user.id'], ['gen_ai.conversation.id'], ['schlüssel']])

const pickedOf = (picked: Picked): (Value | undefined)[] =>
  picked.values.map((value, field) => (picked.ranks[field] === ABSENT ? undefined : structuredClone(value)))

/** What a reader makes of a request: its spans and its rejections, in order. */
function traces(read: typeof readTracesJson, bytes: Uint8Array) {
  const spans: object[] = []
  const rejected: string[] = []
  read(bytes, keys, {
    onSpan: ({ attributes, resource, ...span }) =>
      spans.push({ ...span, attributes: pickedOf(attributes), resource: pickedOf(resource) }),
    reject: (reason, path) => rejected.push(`${reason} ${path}`),
  })
  return { spans, rejected }
}

function logs(read: typeof readLogsJson, bytes: Uint8Array) {
  const records: object[] = []
  read(bytes, keys, {
    onLog: ({ attributes, resource, ...record }, path) =>
      records.push({ ...record, attributes: pickedOf(attributes), resource: pickedOf(resource), path: path() }),
    reject: () => expect.unreachable(),
  })
  return records
}

function metrics(read: typeof readMetricsJson, bytes: Uint8Array) {
  const points: (RawPoint & { path: string })[] = []
  const rejected: string[] = []
  read(bytes, {
    onPoint: (point, path) => points.push(structuredClone({ ...point, path: path() })),
    reject: (reason, path) => rejected.push(`${reason} ${path}`),
  })
  return { points, rejected }
}

// Arbitrary requests in OTLP/JSON shape; ids hexadecimal, bytes base64.

const text = fc.string({ unit: 'grapheme', maxLength: 12 })
const int64 = fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }).map(String)
const nanos = fc.oneof(fc.constant('0'), fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }).map(String))
const double = fc.double({ noNaN: true, noDefaultInfinity: true }).map((x) => (Object.is(x, -0) ? 0 : x))
const { anyValue } = fc.letrec((tie) => ({
  anyValue: fc.oneof(
    { depthSize: 'small', withCrossShrink: true },
    fc.record({ stringValue: text }),
    fc.record({ intValue: int64 }),
    fc.record({ boolValue: fc.boolean() }),
    fc.record({ doubleValue: double }),
    fc.record({ bytesValue: fc.uint8Array({ maxLength: 6 }).map((bytes) => Buffer.from(bytes).toString('base64')) }),
    fc.record({ arrayValue: fc.record({ values: fc.array(tie('anyValue'), { maxLength: 3 }) }) }),
    fc.record({
      kvlistValue: fc.record({ values: fc.array(fc.record({ key: text, value: tie('anyValue') }), { maxLength: 3 }) }),
    }),
    fc.constant({}),
  ),
}))
const attributes = fc.array(fc.record({ key: fc.oneof(fc.constantFrom(...NAMES), text), value: anyValue }), {
  maxLength: 6,
})
const resource = fc.record({ attributes })
const hexId = (bytes: number) =>
  fc.uint8Array({ minLength: bytes, maxLength: bytes }).map((id) => Buffer.from(id).toString('hex'))
const anyId = (bytes: number) =>
  fc.oneof({ weight: 9, arbitrary: hexId(bytes) }, fc.constantFrom('', '00'.repeat(bytes)), hexId(bytes - 1))
const span = fc.record({
  traceId: anyId(16),
  spanId: anyId(8),
  parentSpanId: anyId(8),
  traceState: text,
  name: text,
  kind: fc.nat(5),
  flags: fc.nat(1023),
  startTimeUnixNano: nanos,
  endTimeUnixNano: nanos,
  attributes,
  events: fc.array(fc.record({ name: text, attributes }), { maxLength: 2 }),
  status: fc.record({ code: fc.nat(2), message: text }),
})
const listOf = <T>(item: fc.Arbitrary<T>) => fc.array(item, { maxLength: 3 })
const traceRequest = fc.record({
  resourceSpans: listOf(fc.record({ resource, scopeSpans: listOf(fc.record({ spans: listOf(span) })) })),
})
const logRecord = fc.record({
  timeUnixNano: nanos,
  observedTimeUnixNano: nanos,
  eventName: text,
  traceId: anyId(16),
  spanId: anyId(8),
  body: anyValue,
  attributes,
})
const logRequest = fc.record({
  resourceLogs: listOf(fc.record({ resource, scopeLogs: listOf(fc.record({ logRecords: listOf(logRecord) })) })),
})
const times = { startTimeUnixNano: nanos, timeUnixNano: nanos, flags: fc.nat(1), attributes }
const numberPoint = fc.oneof(
  fc.record({ ...times, asDouble: double }),
  fc.record({ ...times, asInt: int64 }),
  fc.record(times),
)
const count = fc.nat().map(String)
const distributionPoint = fc.oneof(fc.record({ ...times, count, sum: double }), fc.record({ ...times, count }))
const summaryPoint = fc.record({ ...times, count, sum: double.map((x) => x || 1) })
const aggregationTemporality = fc.nat(2)
const numbers = { dataPoints: listOf(numberPoint) }
const distributions = fc.record({ aggregationTemporality, dataPoints: listOf(distributionPoint) })
const metric = fc.oneof(
  fc.record({ name: text, gauge: fc.record(numbers) }),
  fc.record({ name: text, sum: fc.record({ ...numbers, aggregationTemporality, isMonotonic: fc.boolean() }) }),
  fc.record({ name: text, histogram: distributions }),
  fc.record({ name: text, exponentialHistogram: distributions }),
  fc.record({ name: text, summary: fc.record({ dataPoints: listOf(summaryPoint) }) }),
)
const scope = fc.record({ name: text, version: text })
const metricRequest = fc.record({
  resourceMetrics: listOf(fc.record({ resource, scopeMetrics: listOf(fc.record({ scope, metrics: listOf(metric) })) })),
})

const ID_FIELDS = new Set(['traceId', 'spanId', 'parentSpanId'])

/** The same request as the library's encoder wants it: ids and bytes as bytes. Metric attributes also hold such keys as text: no ids there. */
const toBinary = (x: unknown): unknown => {
  if (Array.isArray(x)) return x.map(toBinary)
  if (typeof x !== 'object' || x === null) return x
  const entries = Object.entries(x).map(([key, value]) => {
    if (ID_FIELDS.has(key)) return [key, Buffer.from(value, 'hex')]
    return key === 'bytesValue' ? [key, Buffer.from(value, 'base64')] : [key, toBinary(value)]
  })
  return Object.fromEntries(entries)
}
const binary = (type: string, request: object): Buffer => encodeAs(type, toBinary(request) as object)
const json = (request: object): Buffer => Buffer.from(JSON.stringify(request))

const RUNS = { numRuns: 150 }

describe('protobuf and JSON, encoded by a library, decode to the same', () => {
  test('spans and their rejections', () => {
    fc.assert(
      fc.property(traceRequest, (request) => {
        expect(traces(readTracesProtobuf, binary('TraceRequest', request))).toEqual(
          traces(readTracesJson, json(request)),
        )
      }),
      RUNS,
    )
  })

  test('log records', () => {
    fc.assert(
      fc.property(logRequest, (request) => {
        expect(logs(readLogsProtobuf, binary('LogsRequest', request))).toEqual(logs(readLogsJson, json(request)))
      }),
      RUNS,
    )
  })

  test('metric points', () => {
    fc.assert(
      fc.property(metricRequest, (request) => {
        expect(metrics(readMetricsProtobuf, binary('MetricsRequest', request))).toEqual(
          metrics(readMetricsJson, json(request)),
        )
      }),
      RUNS,
    )
  })
})

test('spans are what the library decodes: ids, times, kind, status, flags, best attribute', () => {
  fc.assert(
    fc.property(traceRequest, (request) => {
      const bytes = binary('TraceRequest', request)
      const type = messageType('TraceRequest')
      const seen = type.toObject(type.decode(bytes), { longs: String, bytes: String, defaults: true }) as typeof request
      const expected = seen.resourceSpans
        .flatMap((resourceSpans) => resourceSpans.scopeSpans.flatMap((scopeSpans) => scopeSpans.spans))
        .map((one) => ({ ...one, trace: Buffer.from(one.traceId, 'base64'), id: Buffer.from(one.spanId, 'base64') }))
        .filter(({ trace, id }) => trace.length === 16 && id.length === 8 && trace.some((b) => b) && id.some((b) => b))
        .map((one) => ({
          traceId: one.trace.toString('hex'),
          spanId: one.id.toString('hex'),
          name: one.name,
          traceState: one.traceState,
          kind: one.kind,
          flags: one.flags,
          startMs: Number(BigInt(one.startTimeUnixNano) / 1_000_000n),
          endMs: Number(BigInt(one.endTimeUnixNano) / 1_000_000n),
          statusCode: one.status?.code ?? 0,
        }))
      expect(traces(readTracesProtobuf, bytes).spans).toMatchObject(expected)
      expect(traces(readTracesProtobuf, bytes).spans.length).toBe(expected.length)
    }),
    RUNS,
  )
})

describe('whatever the bytes: facts or "undecodable", never a crash', () => {
  const READERS = [
    (bytes: Uint8Array) => traces(readTracesProtobuf, bytes),
    (bytes: Uint8Array) => traces(readTracesJson, bytes),
    (bytes: Uint8Array) => readLogsProtobuf(bytes, keys, { onLog: () => {}, reject: () => {} }),
    (bytes: Uint8Array) => readLogsJson(bytes, keys, { onLog: () => {}, reject: () => {} }),
    (bytes: Uint8Array) => metrics(readMetricsProtobuf, bytes),
    (bytes: Uint8Array) => metrics(readMetricsJson, bytes),
  ]
  const survive = (bytes: Uint8Array) => {
    for (const read of READERS) {
      try {
        read(bytes)
      } catch (error) {
        if (!(error instanceof AndonError) || error.code !== 'undecodable' || error.retryable) throw error
      }
    }
  }

  const encoded = fc.oneof(
    traceRequest.map((request) => [binary('TraceRequest', request), json(request)]),
    logRequest.map((request) => [binary('LogsRequest', request), json(request)]),
    metricRequest.map((request) => [binary('MetricsRequest', request), json(request)]),
  )

  test('cut short, or with bytes overwritten', () => {
    const edits = fc.array(fc.tuple(fc.nat(), fc.nat(255)), { maxLength: 5 })
    fc.assert(
      fc.property(encoded, fc.nat(), edits, (bodies, cut, changes) => {
        for (const body of bodies) {
          const bytes = Buffer.from(body)
          for (const [at, value] of changes) if (bytes.length > 0) bytes[at % bytes.length] = value
          survive(bytes)
          survive(bytes.subarray(0, cut % (bytes.length + 1)))
        }
      }),
      { numRuns: 300 },
    )
  })

  test('noise', () => {
    fc.assert(fc.property(fc.uint8Array({ maxLength: 200 }), survive), { numRuns: 500 })
  })

  test('JSON of any other shape', () => {
    const shapes = fc.json().map((body) => Buffer.from(body))
    const inside = fc
      .json()
      .map((body) => Buffer.from(`{"resourceSpans":[{"resource":${body},"scopeSpans":[${body},{"spans":[${body}]}]}]}`))
    const logsInside = fc
      .json()
      .map((body) => Buffer.from(`{"resourceLogs":[{"scopeLogs":[{"logRecords":[${body}]}]}]}`))
    fc.assert(fc.property(fc.oneof(shapes, inside, logsInside), survive), { numRuns: 300 })
  })

  test('a length that reaches past the end is told, not followed', () => {
    expect(() => traces(readTracesProtobuf, Buffer.from([0x0a, 0xff, 0xff, 0xff, 0xff, 0x0f]))).toThrow(/reaches past/)
    expect(() => traces(readTracesProtobuf, Buffer.alloc(20, 0xff))).toThrow(/longer than ten bytes/)
  })
})

describe('nesting is bounded', () => {
  const nested = (depth: number): object =>
    depth === 0 ? { stringValue: 'x' } : { arrayValue: { values: [nested(depth - 1)] } }
  const requestWith = (value: object) => ({
    resourceSpans: [
      {
        scopeSpans: [
          { spans: [{ traceId: '1'.repeat(32), spanId: '1'.repeat(16), attributes: [{ key: 'bb', value }] }] },
        ],
      },
    ],
  })
  const depthOf = (value: unknown): number => (Array.isArray(value) ? 1 + depthOf(value[0]) : 0)

  test.each([
    [1, 1],
    [MAX_DEPTH, MAX_DEPTH],
    [MAX_DEPTH + 9, MAX_DEPTH + 1], // the list at the limit holds null
  ])('a value nested %i deep is read %i deep in both encodings', (depth, expected) => {
    const request = requestWith(nested(depth))
    for (const { spans } of [
      traces(readTracesProtobuf, binary('TraceRequest', request)),
      traces(readTracesJson, json(request)),
    ]) {
      expect(depthOf((spans[0] as { attributes: Value[] }).attributes[1])).toBe(expected)
    }
  })

  test('a million brackets do not exhaust the stack', () => {
    const body = Buffer.from(`{"resourceSpans":${'['.repeat(1_000_000)}${']'.repeat(1_000_000)}}`)
    expect(traces(readTracesJson, body).rejected).toEqual(['not_an_object resourceSpans[0]'])
    const groups = Buffer.alloc(100_000, 0x0b) // group after group begins, none ends
    expect(() => traces(readTracesProtobuf, groups)).toThrow(/nested too deep/)
  })
})

describe('rules that only JSON knows', () => {
  const SPAN = { traceId: 'AB'.repeat(16), spanId: 'cD'.repeat(8) }
  const one = (span: object) =>
    traces(readTracesJson, json({ resourceSpans: [{ instrumentationLibrarySpans: [{ spans: [span] }] }] }))

  test('ids of any case are lower-cased, enum names are numbers, old field names are read', () => {
    const { spans } = one({ ...SPAN, kind: 'SPAN_KIND_SERVER', status: { code: 'STATUS_CODE_ERROR' }, unknown: [1] })
    expect(spans).toMatchObject([{ traceId: 'ab'.repeat(16), spanId: 'cd'.repeat(8), kind: 2, statusCode: 2 }])
  })

  test.each([
    [{ ...SPAN, traceId: '0'.repeat(32) }, 'trace_id', 'traceId'],
    [{ ...SPAN, traceId: 42 }, 'trace_id', 'traceId'],
    [{ ...SPAN, spanId: 'xy'.repeat(8) }, 'span_id', 'spanId'],
    [{ ...SPAN, attributes: {} }, 'attributes', 'attributes'],
    [{ ...SPAN, attributes: null }, 'attributes', 'attributes'],
  ])('the span %j is rejected and its field named', (span, reason, field) => {
    const { spans, rejected } = one(span)
    expect(spans).toEqual([])
    expect(rejected).toEqual([`${reason} resourceSpans[0].instrumentationLibrarySpans[0].spans[0].${field}`])
  })

  test.each([
    ['1738074845669299666', 1738074845669],
    [Number('1738074845669299666'), 1738074845669],
    ['999999', 0],
    ['1000000', 1],
    ['18446744073709551615', 18446744073709],
    [1999999, 1],
    [null, 0],
    ['2026-01-01', 0],
    [-5, 0],
    ['-5000000', 0],
  ])('the nanoseconds %s are %i ms', (given, expected) => expect(nanosAsMs(given)).toBe(expected))

  test.each([
    ['9007199254740993', 9007199254740993n],
    ['-7', -7],
    [7, 7],
    [2 ** 60, 2n ** 60n],
    ['1.5', undefined],
    ['', undefined],
  ])('the int64 %s is %s', (given, expected) => expect(integerOf(given)).toBe(expected))

  test('logs sent to the traces endpoint are said to be so', () => {
    const { rejected } = traces(readTracesJson, json({ resourceLogs: [] }))
    expect(rejected).toEqual(['wrong_endpoint resourceLogs'])
  })
})

test('spans under the old field 1000 (instrumentation library spans) are read', () => {
  const legacy = [{ spans: [{ traceId: '12'.repeat(16), spanId: '12'.repeat(8) }] }]
  expect(traces(readTracesProtobuf, binary('TraceRequest', { resourceSpans: [{ legacy }] })).spans.length).toBe(1)
})

test('of two attributes of one name the later counts, in both encodings', () => {
  const twice = ['first', 'second', ''].map((stringValue) => ({ key: 'bb', value: { stringValue } }))
  const spans = [{ traceId: '12'.repeat(16), spanId: '12'.repeat(8), attributes: twice }]
  const request = { resourceSpans: [{ scopeSpans: [{ spans }] }] }
  for (const { spans: found } of [
    traces(readTracesProtobuf, binary('TraceRequest', request)),
    traces(readTracesJson, json(request)),
  ]) {
    expect(found).toMatchObject([{ attributes: [undefined, 'second', undefined, undefined] }])
  }
})

test('a resource behind its spans on the wire counts for them', () => {
  const resourceFirst = binary('ResourceSpans', {
    resource: { attributes: [{ key: 'bb', value: { stringValue: 'r' } }] },
  })
  const spansOnly = binary('ResourceSpans', {
    scopeSpans: [{ spans: [{ traceId: '12'.repeat(16), spanId: '12'.repeat(8) }] }],
  })
  const body = Buffer.concat([spansOnly, resourceFirst])
  const { spans } = traces(readTracesProtobuf, Buffer.concat([Buffer.from([0x0a, body.length]), body]))
  expect(spans).toMatchObject([{ resource: [undefined, 'r', undefined, undefined] }])
})
