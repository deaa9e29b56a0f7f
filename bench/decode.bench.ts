/**
 * Decoding on one core: how many spans per second become facts, against a library that
 * leads to the same facts, and against libraries that only decode.
 * Run: node bench/decode.bench.ts [--quick]. One request of 200 spans × 12 attributes, as a busy agent platform sends it:
 * of ten spans one is an agent, three are tool calls (with arguments and a record), six are model and HTTP calls.
 * Prints one JSON line per contender, fastest round of several, and the ratios.
 */

import { execFileSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { decodeRequest, JSON_TYPE, PROTOBUF } from '../collector/decode.ts'
import { createNamer } from '../collector/name-span.ts'
import { namesSchema } from '../collector/names.ts'
import { encodeAs, messageType } from '../collector/otlp/proto.fixtures.ts'
import { clearPicked, clearSpan, createRawSpan, pick } from '../collector/otlp/raw.ts'
import { createPseudonymizer } from '../collector/pseudonym.ts'

const SPANS = 200
const IDS = 4000 // requests differ, so that no cache sees only one customer
const ROUND_MS = process.argv.includes('--quick') ? 150 : 700
const ROUNDS = process.argv.includes('--quick') ? 3 : 7
const START_NS = 1_760_000_000_000_000_000n

type Attributes = Record<string, string | number>

const hex = (n: number, digits: number) => (n + 1).toString(16).padStart(digits, '7')

const agentAttributes = (n: number): Attributes => ({
  'gen_ai.operation.name': 'invoke_agent',
  'gen_ai.agent.name': 'order-status',
  'gen_ai.conversation.id': `conversation-${n}`,
  'gen_ai.provider.name': 'some-provider',
  'gen_ai.request.model': 'some-model-4',
  'user.id': `customer-${n % 997}`,
  'andon.channel': 'whatsapp',
  'andon.queue': 'order status',
  'andon.intent': 'where is my order',
  'gen_ai.usage.input_tokens': 1500 + n,
  'gen_ai.usage.output_tokens': 300,
  'server.address': 'api.example.org',
})

const toolAttributes = (n: number, i: number): Attributes => ({
  'gen_ai.operation.name': 'execute_tool',
  'gen_ai.tool.name': 'update_order',
  'gen_ai.tool.type': 'function',
  'gen_ai.tool.call.id': `call_${n}_${i}`,
  'gen_ai.tool.call.arguments': JSON.stringify({ order_id: `W${n}${i}`, items: ['a', 'b'], address: { zip: '10115' } }),
  'gen_ai.conversation.id': `conversation-${n}`,
  'andon.action': 'update',
  'andon.system': 'crm',
  'andon.record.type': 'order',
  'andon.record.key': `W${n}`,
  'thread.id': 17,
  'code.function': 'updateOrder',
})

const otherAttributes = (n: number, i: number): Attributes => ({
  'http.request.method': 'POST',
  'http.response.status_code': 200,
  'url.full': `https://api.example.org/v1/chat/${n}/${i}`,
  'server.address': 'api.example.org',
  'server.port': 443,
  'network.protocol.version': '1.1',
  'network.peer.address': '10.1.2.3',
  'user_agent.original': 'node',
  'gen_ai.request.model': 'some-model-4',
  'gen_ai.response.id': `response-${n}-${i}`,
  'thread.id': 17,
  'code.function': 'complete',
})

function spanOf(request: number, i: number) {
  const trace = Math.floor(i / 10)
  const n = request * 20 + trace
  const kind = i % 10
  const values = kind === 0 ? agentAttributes(n) : kind < 4 ? toolAttributes(n, i) : otherAttributes(n, i)
  const start = START_NS + BigInt(request * 1000 + i) * 1_234_567n
  return {
    traceId: hex(n, 32),
    spanId: hex(request * SPANS + i, 16),
    ...(kind === 0 ? {} : { parentSpanId: hex(request * SPANS + trace * 10, 16) }),
    name: kind === 0 ? 'invoke_agent order-status' : kind < 4 ? 'execute_tool update_order' : 'POST',
    kind: 1,
    startTimeUnixNano: start.toString(),
    endTimeUnixNano: (start + 5_000_000n).toString(),
    attributes: Object.entries(values).map(([key, value]) => ({
      key,
      value: typeof value === 'string' ? { stringValue: value } : { intValue: String(value) },
    })),
    status: {},
    flags: 257,
  }
}

function requestOf(request: number) {
  const attributes = Object.entries({
    'service.name': 'order-agent',
    'service.version': '2026-11-01.r42',
    'deployment.environment.name': 'production',
    'telemetry.sdk.language': 'nodejs',
  }).map(([key, value]) => ({ key, value: { stringValue: value } }))
  const spans = Array.from({ length: SPANS }, (_, i) => spanOf(request, i))
  return { resourceSpans: [{ resource: { attributes }, scopeSpans: [{ scope: { name: 'bench' }, spans }] }] }
}

/** The same request for the encoder: ids as bytes. */
function toBinary(request: ReturnType<typeof requestOf>) {
  const bytes = (id: string | undefined) => (id === undefined ? Buffer.alloc(0) : Buffer.from(id, 'hex'))
  return {
    resourceSpans: request.resourceSpans.map((resourceSpans) => ({
      ...resourceSpans,
      scopeSpans: resourceSpans.scopeSpans.map((scopeSpans) => ({
        ...scopeSpans,
        spans: scopeSpans.spans.map((span) => ({
          ...span,
          traceId: bytes(span.traceId),
          spanId: bytes(span.spanId),
          parentSpanId: bytes('parentSpanId' in span ? span.parentSpanId : undefined),
        })),
      })),
    })),
  }
}

const cpuMs = () => {
  const { user, system } = process.threadCpuUsage()
  return (user + system) / 1000
}

/** Spans per second of this thread's own processor time, in the fastest round: the one that the machine disturbed least. */
function measure(decode: (n: number) => unknown): number {
  let best = 0
  let n = 0
  for (let round = 0; round < ROUNDS; round++) {
    const start = cpuMs()
    let spans = 0
    while (cpuMs() - start < ROUND_MS) {
      decode(n++ % DISTINCT)
      spans += SPANS
    }
    best = Math.max(best, Math.round((spans / (cpuMs() - start)) * 1000))
  }
  return best
}

const DISTINCT = Math.ceil(IDS / 20)
const requests = Array.from({ length: DISTINCT }, (_, n) => requestOf(n))
const protobufs = requests.map((request) => encodeAs('TraceRequest', toBinary(request)))
const jsons = requests.map((request) => Buffer.from(JSON.stringify(request)))
const namer = createNamer(
  namesSchema.parse({}),
  createPseudonymizer({ secret: 'a secret for the benchmark', keyVersion: 1 }),
)
const library = messageType('TraceRequest')

const decoded = decodeRequest('traces', PROTOBUF, protobufs[0]!, namer)
const decodedJson = decodeRequest('traces', JSON_TYPE, jsons[0]!, namer)
if (JSON.stringify(decoded) !== JSON.stringify(decodedJson) || decoded.spans.length !== SPANS) {
  throw new Error('both encodings must give the same facts')
}

type LibraryInt64 = { low: number; high: number }
type LibraryValue = { stringValue?: string; intValue?: { toNumber: () => number } }
type LibraryAttributes = { key: string; value: LibraryValue }[]
type LibrarySpan = {
  traceId: Buffer
  spanId: Buffer
  parentSpanId: Buffer
  name: string
  kind: number
  flags: number
  startTimeUnixNano: LibraryInt64
  endTimeUnixNano: LibraryInt64
  attributes: LibraryAttributes
}
type LibraryRequest = {
  resourceSpans: { resource: { attributes: LibraryAttributes }; scopeSpans: { spans: LibrarySpan[] }[] }[]
}

const raw = createRawSpan(namer.keys)
const pickAll = (into: typeof raw.attributes, attributes: LibraryAttributes) => {
  clearPicked(into)
  for (const { key, value } of attributes) {
    const targets = namer.keys.ofName(key)
    if (targets) pick(into, targets, value.stringValue || value.intValue?.toNumber())
  }
}
const wholeMs = ({ low, high }: LibraryInt64) => high * 4294 + Math.floor((high * 967296 + (low >>> 0)) / 1e6)

/** What a program would do that lets the library decode and then names the same facts. */
function libraryToFacts(bytes: Uint8Array): unknown[] {
  const facts: unknown[] = []
  for (const { resource, scopeSpans } of (library.decode(bytes) as unknown as LibraryRequest).resourceSpans) {
    clearSpan(raw)
    pickAll(raw.resource, resource.attributes)
    for (const { spans } of scopeSpans)
      for (const span of spans) {
        raw.traceId = span.traceId.toString('hex')
        raw.spanId = span.spanId.toString('hex')
        raw.parentSpanId = span.parentSpanId.toString('hex')
        raw.name = span.name
        raw.kind = span.kind
        raw.flags = span.flags
        raw.startMs = wholeMs(span.startTimeUnixNano)
        raw.endMs = wholeMs(span.endTimeUnixNano)
        pickAll(raw.attributes, span.attributes)
        facts.push(namer.spanOf(raw))
      }
  }
  return facts
}
if (JSON.stringify(libraryToFacts(protobufs[0]!)) !== JSON.stringify(decoded.spans)) {
  throw new Error('the library must lead to the same facts')
}

const CONTENDERS: Readonly<Record<string, (n: number) => unknown>> = {
  'andon: protobuf to facts': (n) => decodeRequest('traces', PROTOBUF, protobufs[n]!, namer),
  'andon: JSON to facts': (n) => decodeRequest('traces', JSON_TYPE, jsons[n]!, namer),
  'protobufjs: decode, then the same facts': (n) => libraryToFacts(protobufs[n]!),
  'protobufjs: decode only': (n) => library.decode(protobufs[n]!),
  'JSON.parse only': (n) => JSON.parse(jsons[n]!.toString('utf8')),
}

/** Every contender runs in a process of its own, one after the other, so that none inherits another's heap or type feedback. */
const only = process.argv.find((argument) => argument.startsWith('--only='))?.slice('--only='.length)
if (only !== undefined) console.log(measure(CONTENDERS[only]!))
else {
  const figures: Record<string, number> = {}
  for (const contender of Object.keys(CONTENDERS)) {
    const argv = [fileURLToPath(import.meta.url), ...process.argv.slice(2), `--only=${contender}`]
    figures[contender] = Number(execFileSync(process.execPath, argv, { encoding: 'utf8' }))
    console.log(JSON.stringify({ contender, spansPerSecond: figures[contender] }))
  }
  const best = Math.max(figures['protobufjs: decode only']!, figures['JSON.parse only']!)
  const ours = figures['andon: protobuf to facts']!
  console.log(
    JSON.stringify({
      bytesPerRequest: protobufs[0]!.length,
      ratioToLibraryDoingTheSame: Number((ours / figures['protobufjs: decode, then the same facts']!).toFixed(2)),
      ratioToBestLibraryDecodingOnly: Number((ours / best).toFixed(2)),
    }),
  )
}
