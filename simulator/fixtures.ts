import { createServer, type IncomingMessage } from 'node:http'
import type { AddressInfo } from 'node:net'
import protobuf from 'protobufjs'

/** The part of OTLP (opentelemetry-proto 1.x) that these tests read, field numbers as published. */
const PROTO = `
syntax = "proto3";
message Value { oneof value { string string_value = 1; bool bool_value = 2; int64 int_value = 3; double double_value = 4; } }
message KeyValue { string key = 1; Value value = 2; }
message Resource { repeated KeyValue attributes = 1; }
message Status { string message = 2; int32 code = 3; }
message Span { bytes trace_id = 1; bytes span_id = 2; bytes parent_span_id = 4; string name = 5; fixed64 start_time_unix_nano = 7;
  fixed64 end_time_unix_nano = 8; repeated KeyValue attributes = 9; Status status = 15; }
message ScopeSpans { repeated Span spans = 2; }
message ResourceSpans { Resource resource = 1; repeated ScopeSpans scope_spans = 2; }
message Traces { repeated ResourceSpans resource_spans = 1; }
message LogRecord { fixed64 time_unix_nano = 1; repeated KeyValue attributes = 6; string event_name = 12; }
message ScopeLogs { repeated LogRecord log_records = 2; }
message ResourceLogs { Resource resource = 1; repeated ScopeLogs scope_logs = 2; }
message Logs { repeated ResourceLogs resource_logs = 1; }
`
const root = protobuf.parse(PROTO, { keepCase: false }).root

type Attributes = Readonly<Record<string, unknown>>
export type ReceivedSpan = Readonly<{
  resource: Attributes
  traceId: string
  spanId: string
  parentSpanId: string
  name: string
  startMs: number
  endMs: number
  isError: boolean
  attributes: Attributes
}>
export type ReceivedEvent = Readonly<{ resource: Attributes; name: string; atMs: number; attributes: Attributes }>

type WireAttributes = readonly Readonly<{ key: string; value: Readonly<Record<string, unknown>> }>[]
type WirePart<S> = Readonly<{ resource: Readonly<{ attributes: WireAttributes }> } & S>
type WireSpan = Readonly<{
  traceId: Uint8Array
  spanId: Uint8Array
  parentSpanId?: Uint8Array
  name: string
  startTimeUnixNano: string
  endTimeUnixNano: string
  attributes: WireAttributes
  status?: Readonly<{ code?: number }>
}>
type WireTraces = { resourceSpans: readonly WirePart<{ scopeSpans: readonly { spans: readonly WireSpan[] }[] }>[] }
type WireRecord = Readonly<{ timeUnixNano: string; eventName: string; attributes: WireAttributes }>
type WireLogs = { resourceLogs: readonly WirePart<{ scopeLogs: readonly { logRecords: readonly WireRecord[] }[] }>[] }

const attributesOf = (pairs: WireAttributes): Attributes =>
  Object.fromEntries(pairs.map(({ key, value }) => [key, Object.values(value)[0]]))
const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex')
const msOf = (nanos: string): number => Number(BigInt(nanos) / 1_000_000n)

function decode<T>(type: string, body: Uint8Array): T {
  const message = root.lookupType(type)
  return message.toObject(message.decode(body), { arrays: true, longs: String }) as T
}

/** Spans of one Export request body. */
export const spansIn = (body: Uint8Array): ReceivedSpan[] =>
  decode<WireTraces>('Traces', body).resourceSpans.flatMap(({ resource, scopeSpans }) =>
    scopeSpans.flatMap(({ spans }) =>
      spans.map((span) => ({
        resource: attributesOf(resource.attributes),
        traceId: hex(span.traceId),
        spanId: hex(span.spanId),
        parentSpanId: span.parentSpanId ? hex(span.parentSpanId) : '',
        name: span.name,
        startMs: msOf(span.startTimeUnixNano),
        endMs: msOf(span.endTimeUnixNano),
        isError: span.status?.code === 2,
        attributes: attributesOf(span.attributes),
      })),
    ),
  )

/** Log events of one Export request body. */
export const eventsIn = (body: Uint8Array): ReceivedEvent[] =>
  decode<WireLogs>('Logs', body).resourceLogs.flatMap(({ resource, scopeLogs }) =>
    scopeLogs.flatMap(({ logRecords }) =>
      logRecords.map((record) => ({
        resource: attributesOf(resource.attributes),
        name: record.eventName,
        atMs: msOf(record.timeUnixNano),
        attributes: attributesOf(record.attributes),
      })),
    ),
  )

export type Received = Readonly<{ path: string; headers: IncomingMessage['headers']; body: Buffer }>

/** A receiver on a free port that keeps every request and answers with what `statusOf` says. */
export async function startReceiver(
  statusOf: (request: Received, number: number) => number | Promise<number> = () => 200,
) {
  const requests: Received[] = []
  const server = createServer(async (request, response) => {
    const chunks: Buffer[] = []
    for await (const chunk of request) chunks.push(chunk)
    const received = { path: request.url ?? '', headers: request.headers, body: Buffer.concat(chunks) }
    requests.push(received)
    const status = await statusOf(received, requests.length)
    response.writeHead(status, { 'content-type': 'application/x-protobuf' }).end()
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return {
    endpoint: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    requests,
    bodies: (path: string) => requests.filter((request) => request.path === path).map((request) => request.body),
    close: () => {
      server.close()
      server.closeAllConnections()
    },
  }
}
