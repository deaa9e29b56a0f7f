import { encodeAs } from '../../collector/otlp/proto.fixtures.ts'
import type { Random } from '../../lib/random.ts'

/** One request as a hostile sender makes it: decodable OTLP, in protobuf or JSON. */
export type HostileRequest = Readonly<{
  path: '/v1/traces' | '/v1/logs' | '/v1/metrics' | '/v1/outcomes'
  type: string
  body: Buffer
  /** Spans in it. */
  spans: number
}>

const OPERATIONS = ['invoke_agent', 'invoke_agent', 'execute_tool', 'execute_tool', 'chat']

/** Texts that mean something to JSON, SQL, parameters of statements, keys of places, regular expressions or Unicode. */
const TEXTS = [
  '',
  ' ',
  '0',
  'null',
  'NaN',
  '-inf',
  '1e309',
  '\\N',
  '\0',
  'nul\0inside',
  'tab\tline\nreturn\r\u2028\u2029',
  "quote'",
  "back\\'slash\\",
  '"}]',
  "'), (1, 2); DROP TABLE spans --",
  '{seq:UInt64}',
  '{keys:Array(String)}',
  '%token%',
  '$1$&',
  '\u001f',
  'u//x',
  'c//x',
  'none',
  'a~1',
  '/',
  '__proto__',
  'constructor',
  'toString',
  '\ud800',
  'half a pair \udc00 inside',
  '\ufdfa'.repeat(200),
  '😀'.repeat(150),
  '\u202eright to left\u0301\u0301\u0301',
  'long '.repeat(20_000),
  '('.repeat(5_000),
  ' '.repeat(10_000),
  '[[[[[[[['.repeat(500),
  '{"a":'.repeat(400),
  '{"amount": 1e400, "id": 123456789012345678901234567890}',
]

const NUMBERS = [
  0,
  1,
  -1,
  0.5,
  1.5,
  -0,
  3,
  255,
  65_536,
  2_147_483_648,
  4_294_967_295,
  4_294_967_296,
  9_007_199_254_740_992,
  1e15,
  1e18,
  1e19,
  1e22,
  1e100,
  1e300,
  1e303,
  1e308,
  -1e308,
  1.7976931348623157e308,
  5e-324,
  Number.NaN,
  Number.POSITIVE_INFINITY,
  Number.NEGATIVE_INFINITY,
]
const INTEGERS = ['0', '1', '-1', '4294967296', '9007199254740993', '9223372036854775807', '-9223372036854775808']

/** Unix nanoseconds: absent, the first instants, about now, an hour ahead, and every edge of milliseconds, DateTime, DateTime64 and 64 bits. */
const timesOf = (nowMs: number): readonly bigint[] => [
  0n,
  1n,
  999_999n,
  1_000_000n,
  86_400_000_000_000n,
  ...[-40, -1, 0, 1].map((days) => BigInt(nowMs + days * 86_400_000) * 1_000_000n),
  BigInt(nowMs) * 1_000_000n,
  4_102_444_799_999_000_000n,
  4_102_444_800_000_000_000n,
  4_294_967_296_000_000_000n,
  9_223_372_036_854_775_807n,
  9_223_372_036_854_775_808n,
  18_446_744_073_709_551_615n,
]

type AnyValue = Readonly<Record<string, unknown>>
type KeyValue = Readonly<{ key: string; value: AnyValue }>

/** Makes hostile requests; the same stream of random numbers makes the same ones. Keys of all kinds come from small pools, so that everything meets. */
export function hostileRequests(random: Random, nowMs: number): () => HostileRequest {
  const times = timesOf(nowMs)
  const small = (name: string) => `${name}${random.integer(4)}`
  const text = () => random.pick(TEXTS)
  const time = () => random.pick(times)

  const value = (depth = 0): AnyValue => {
    const kind = random.integer(depth > 2 ? 5 : 8)
    if (kind === 0) return { intValue: random.pick(INTEGERS) }
    if (kind === 1) return { boolValue: random.chance(0.5) }
    if (kind <= 3) return { doubleValue: random.pick(NUMBERS) }
    if (kind === 4) return { stringValue: text() }
    if (kind === 5) return { arrayValue: { values: Array.from({ length: random.integer(4) }, () => value(depth + 1)) } }
    if (kind === 6) return nested(random.integer(24))
    return {
      kvlistValue: {
        values: Array.from({ length: random.integer(4) }, () => ({ key: text(), value: value(depth + 1) })),
      },
    }
  }
  const nested = (depth: number): AnyValue =>
    depth === 0 ? { stringValue: 'deep' } : { kvlistValue: { values: [{ key: 'toString', value: nested(depth - 1) }] } }

  /** What a sane sender says with this probability, else anything at all, else nothing. */
  const attribute = (key: string, sane: () => string | number, sanity = 0.6): KeyValue[] => {
    if (random.chance(0.15)) return []
    if (!random.chance(sanity)) return [{ key, value: value() }]
    const given = sane()
    return [{ key, value: typeof given === 'string' ? { stringValue: given } : { doubleValue: given } }]
  }
  const number = () => random.pick(NUMBERS)

  const described = (): KeyValue[] => [
    ...attribute('gen_ai.operation.name', () => random.pick(OPERATIONS), 0.95),
    ...attribute('gen_ai.agent.name', () => small('hostile'), 0.9),
    ...attribute('gen_ai.conversation.id', () => (random.chance(0.2) ? text() : small('conversation'))),
    ...attribute('user.id', () => (random.chance(0.2) ? text() : small('customer'))),
    ...attribute('andon.intent', () => small('intent')),
    ...attribute('andon.channel', () => small('channel')),
    ...attribute('andon.queue', () => small('queue')),
    ...attribute('andon.contact.end', () => random.pick(['escalated', 'transferred', 'abandoned'])),
    ...attribute('gen_ai.tool.name', () => small('tool')),
    ...attribute('andon.action', () => random.pick(['create', 'create', 'update', 'transfer', 'read'])),
    ...attribute('andon.record.type', () => small('type')),
    ...attribute('andon.record.key', () => small('key')),
    ...attribute('andon.record.id', () => small('id')),
    ...attribute('gen_ai.tool.call.arguments', text),
    ...attribute('andon.write.result', () => random.pick(['ok', 'ok', 'failed', 'partial', 'unverified'])),
    ...attribute('andon.write.items', number, 0.5),
    ...attribute('andon.write.failed_items', number, 0.5),
    ...attribute('error.type', text, 0.3),
    ...attribute('andon.amount', number, 0.5),
    ...attribute('andon.currency', () => 'EUR'),
    ...attribute('andon.reviewer', text),
    ...attribute('metadata', text),
  ]
  const resource = () => ({
    attributes: [
      ...attribute('service.name', () => small('hostile'), 0.9),
      ...attribute('service.version', () => small('r'), 0.9),
      ...attribute('deployment.environment.name', () => random.pick(['production', 'staging', 'a/b', text()])),
    ],
  })

  const id = (digits: number, pool: number) => (1 + random.integer(pool)).toString(16).padStart(digits, '0')
  const span = (traceId: string, spans: number) => ({
    traceId,
    spanId: id(16, spans),
    ...(random.chance(0.6) && { parentSpanId: id(16, spans) }),
    ...(random.chance(0.1) && {
      traceState: random.pick([`ot=th:8`, `${' ,'.repeat(2_000)}ot=;;;`, `ot=${'th:0;'.repeat(500)}`, text()]),
    }),
    name: random.chance(0.3) ? text() : 'execute_tool lookup',
    kind: random.integer(6),
    flags: random.pick([0, 0x100, 0x300, 0xffffffff]),
    startTimeUnixNano: time(),
    endTimeUnixNano: time(),
    status: { code: random.integer(4) },
    attributes: described(),
    events: random.chance(0.05) ? Array.from({ length: 300 }, () => ({ name: 'event', timeUnixNano: time() })) : [],
    links: random.chance(0.05) ? Array.from({ length: 300 }, () => ({ traceId, spanId: id(16, spans) })) : [],
  })
  const traces = () => ({
    resourceSpans: Array.from({ length: 1 + random.integer(3) }, () => {
      const traceId = id(32, 12)
      const spans = random.chance(0.05) ? 400 : 1 + random.integer(6)
      return {
        resource: resource(),
        scopeSpans: [{ spans: Array.from({ length: spans }, () => span(traceId, spans)) }],
      }
    }),
  })

  const log = () => ({
    timeUnixNano: time(),
    observedTimeUnixNano: time(),
    eventName: `andon.${random.pick(['complaint', 'correction', 'reopen', 'review', 'review', 'recontact', 'flag'])}`,
    traceId: id(32, 12),
    spanId: id(16, 6),
    attributes: [
      ...attribute('gen_ai.conversation.id', () => (random.chance(0.2) ? text() : small('conversation'))),
      ...attribute('user.id', () => (random.chance(0.2) ? text() : small('customer'))),
      ...attribute('andon.review.minutes', number, 0.8),
      ...attribute('andon.flag.name', () => random.pick(['hallucination', text()])),
      ...attribute('andon.amount', number),
      ...attribute('andon.record.id', () => small('id')),
      ...attribute('andon.outcome.id', () => small('outcome'), 0.2),
    ],
  })
  const logs = () => ({
    resourceLogs: [
      { resource: resource(), scopeLogs: [{ logRecords: Array.from({ length: 1 + random.integer(5) }, log) }] },
    ],
  })

  const point = () => ({
    startTimeUnixNano: time(),
    timeUnixNano: time(),
    ...(random.chance(0.5) ? { asDouble: number() } : { asInt: random.pick(INTEGERS) }),
    attributes: attribute('andon.queue', () => small('queue')),
  })
  const distribution = () => ({
    startTimeUnixNano: time(),
    timeUnixNano: time(),
    count: random.pick(['0', '3', '9007199254740993', '18446744073709551615']),
    sum: number(),
    attributes: attribute('andon.queue', () => small('queue')),
  })
  const points = <T>(make: () => T): T[] => Array.from({ length: 1 + random.integer(5) }, make)
  const metric = () => {
    const name = random.pick(['hostile.calls', 'hostile.failures', 'hostile.calls', text()])
    const aggregationTemporality = random.integer(4)
    const kind = random.integer(4)
    if (kind === 0) return { name, gauge: { dataPoints: points(point) } }
    if (kind === 1) return { name, histogram: { dataPoints: points(distribution), aggregationTemporality } }
    return { name, sum: { dataPoints: points(point), aggregationTemporality, isMonotonic: random.chance(0.9) } }
  }
  const metrics = () => ({
    resourceMetrics: [{ resource: resource(), scopeMetrics: [{ metrics: points(metric) }] }],
  })

  const event = () => ({
    specversion: '1.0',
    id: small('event') || 'x',
    source: `/hostile/${random.integer(1_000)}`,
    type: `andon.${random.pick(['complaint', 'review', 'review', 'correction', 'flag'])}`,
    ...(random.chance(0.7) && {
      time: random.pick([
        '1969-12-31T23:59:59Z',
        '0001-01-01T00:00:00Z',
        '9999-12-31T23:59:59Z',
        new Date(nowMs).toISOString(),
      ]),
    }),
    data: {
      conversation: random.chance(0.3) ? text() : small('conversation'),
      customer: random.chance(0.3) ? text() : small('customer'),
      environment: random.pick(['', 'production', text()]),
      flag: random.pick(['hallucination', text()]),
      reviewMinutes: number(),
      amount: number(),
    },
  })

  return () => {
    const kind = random.pickWeighted([
      { weight: 6, path: '/v1/traces', make: traces, message: 'TraceRequest' },
      { weight: 2, path: '/v1/logs', make: logs, message: 'LogsRequest' },
      { weight: 2, path: '/v1/metrics', make: metrics, message: 'MetricsRequest' },
      {
        weight: 1,
        path: '/v1/outcomes',
        make: () => Array.from({ length: 1 + random.integer(3) }, event),
        message: '',
      },
    ] as const)
    const request: unknown = kind.make()
    const spans = spansOf(request)
    const isJson = kind.message === '' || random.chance(0.4)
    if (isJson) {
      const type = kind.message === '' ? 'application/cloudevents-batch+json' : 'application/json'
      return { path: kind.path, type, body: Buffer.from(JSON.stringify(request, asJson)), spans }
    }
    const body = withInvalidUtf8(encodeAs(kind.message, asProtobuf(request) as object))
    return { path: kind.path, type: 'application/x-protobuf', body, spans }
  }
}

const spansOf = (request: unknown): number => {
  const { resourceSpans = [] } = request as { resourceSpans?: { scopeSpans: { spans: unknown[] }[] }[] }
  return resourceSpans.flatMap(({ scopeSpans }) => scopeSpans.flatMap(({ spans }) => spans)).length
}

/** OTLP/JSON: 64-bit numbers as text, and what JSON has no number for by its name. */
function asJson(_key: string, value: unknown): unknown {
  if (typeof value === 'bigint') return String(value)
  return typeof value === 'number' && !Number.isFinite(value) ? String(value) : value
}

const ID_FIELDS = new Set(['traceId', 'spanId', 'parentSpanId'])

/** The message as protobufjs takes it: ids as bytes, 64-bit numbers as { low, high }. */
function asProtobuf(value: unknown, key = ''): unknown {
  if (typeof value === 'string' && ID_FIELDS.has(key)) return Buffer.from(value, 'hex')
  if (typeof value === 'string' && ['intValue', 'asInt', 'count'].includes(key)) return longOf(BigInt(value))
  if (typeof value === 'bigint') return longOf(value)
  if (Array.isArray(value)) return value.map((entry) => asProtobuf(entry))
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(Object.entries(value).map(([name, entry]) => [name, asProtobuf(entry, name)]))
}

const longOf = (value: bigint) => ({
  low: Number(BigInt.asIntN(32, value)),
  high: Number(BigInt.asIntN(32, value >> 32n)),
  unsigned: value >= 0n,
})

/** Where a text says `{seq:UInt64}`, bytes that are no UTF-8 in its place, of the same length. */
function withInvalidUtf8(body: Buffer): Buffer {
  for (let at = body.indexOf('{seq:UInt64}'); at >= 0; at = body.indexOf('{seq:UInt64}', at + 1))
    Buffer.from([0xff, 0xfe, 0xc0, 0x80, 0xed, 0xa0, 0x80, 0xf5, 0x80, 0x80, 0x80, 0xe2]).copy(body, at)
  return body
}
