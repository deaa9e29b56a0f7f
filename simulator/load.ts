import { ProtobufTraceSerializer } from '@opentelemetry/otlp-transformer'
import { resourceFromAttributes } from '@opentelemetry/resources'
import { type ReadableSpan, TracerProvider } from '@opentelemetry/sdk-trace'
import { createAndon } from '../agent/index.ts'
import { assert } from '../lib/errors.ts'

/** What a load request looks like: contacts of one release, each an agent span and some tool spans. */
export type LoadShape = Readonly<{
  contactsPerRequest: number
  toolsPerContact: number
  agent: string
  release: string
}>

export const LOAD_SHAPE: LoadShape = { contactsPerRequest: 50, toolsPerContact: 3, agent: 'load', release: '1.0.0' }

/** Encoded once by the SDK's own serializer; `stamp` makes each copy new. */
export type LoadTemplate = Readonly<{
  spans: number
  bytes: number
  /**
   * A request body with ids, conversations, customers and record keys of number `requestNumber` and contacts begun at `atMs`.
   * Two numbers share no span, contact or customer. The buffer is the caller's.
   */
  stamp: (requestNumber: number, atMs: number) => Uint8Array
}>

/** Stands where a number goes: fixed width, and nothing else in a request looks like it. */
const TEXT_MARK = '@load'
const NUMBER_DIGITS = 10
const TEXT_PATTERN = new RegExp(`${TEXT_MARK}(\\d{${NUMBER_DIGITS}})`, 'g')
/** Ids of template contact c start with this and end with c or with (c, span); the first two bytes are never 0. */
const ID_MARK = 'a5d0c3'
/** Template time: contacts begin at this second, so its upper nanosecond bytes cannot occur by chance in an id. */
const TEMPLATE_MS = 1_234_567_890_000

/** Encodes one request by the agent library and the real serializer, and finds the places that differ from request to request. */
export function createLoadTemplate(shape: LoadShape): LoadTemplate {
  const spans = templateSpans(shape)
  const encoded = ProtobufTraceSerializer.serializeRequest(spans)
  assert(encoded !== undefined, 'the serializer encodes a request')
  const body = Buffer.from(encoded)
  const texts = [...body.toString('latin1').matchAll(TEXT_PATTERN)].map((match) => ({
    at: match.index + TEXT_MARK.length,
    contact: Number(match[1]),
  }))
  const ids = placesOf(body, Buffer.from(ID_MARK, 'hex')).map((at) => at + ID_MARK.length / 2)
  const times = [...new Set(spans.flatMap((span) => [nanosOf(span.startTime), nanosOf(span.endTime)]))].flatMap(
    (nanos) => {
      const bytes = Buffer.alloc(8)
      bytes.writeBigUInt64LE(nanos)
      return placesOf(body, bytes).map((at) => ({ at, offset: nanos - BigInt(TEMPLATE_MS) * 1_000_000n }))
    },
  )
  // Per span: trace id, span id, and a parent id for tools; start and end; per span one conversation and one customer, and a key per tool.
  const { contactsPerRequest: contacts, toolsPerContact: tools } = shape
  assert(ids.length === contacts * (2 + 3 * tools), `found ${ids.length} ids in the template`)
  assert(times.length === 2 * spans.length, `found ${times.length} times in the template`)
  assert(texts.length === contacts * (2 + 3 * tools), `found ${texts.length} texts in the template`)
  return {
    spans: spans.length,
    bytes: body.length,
    stamp: (requestNumber, atMs) => {
      const copy = Buffer.from(body)
      for (const at of ids) copy.writeUInt32BE(requestNumber, at)
      for (const { at, contact } of texts) {
        copy.write(String(requestNumber * contacts + contact).padStart(NUMBER_DIGITS, '0'), at, 'latin1')
      }
      const nanos = BigInt(Math.round(atMs)) * 1_000_000n
      for (const { at, offset } of times) copy.writeBigUInt64LE(nanos + offset, at)
      return copy
    },
  }
}

const nanosOf = ([seconds, nanos]: readonly [number, number]): bigint =>
  BigInt(seconds) * 1_000_000_000n + BigInt(nanos)

function placesOf(body: Buffer, pattern: Buffer): number[] {
  const places: number[] = []
  for (let at = body.indexOf(pattern); at !== -1; at = body.indexOf(pattern, at + 1)) places.push(at)
  return places
}

/** Spans of the template: ids are mark, request number (4 bytes, stamped), then contact and span. */
function templateSpans({ contactsPerRequest, toolsPerContact, agent, release }: LoadShape): ReadableSpan[] {
  const ended: ReadableSpan[] = []
  let contact = 0
  let span = 0
  const hex = (value: number, digits: number) => value.toString(16).padStart(digits, '0')
  const mark = `${ID_MARK}00000000`
  const done = () => Promise.resolve()
  const tracerProvider = new TracerProvider({
    resource: resourceFromAttributes({
      'service.name': agent,
      'service.version': release,
      'deployment.environment.name': 'production',
    }),
    idGenerator: {
      generateTraceId: () => `${mark}${hex(contact, 18)}`,
      generateSpanId: () => `${mark}${hex(++span, 2)}`,
    },
    spanProcessors: [{ onStart: () => {}, onEnd: (each) => void ended.push(each), forceFlush: done, shutdown: done }],
  })
  const andon = createAndon({ agent, channel: 'chat', queue: 'orders', tracerProvider })
  const numbered = (value: number) => `${TEXT_MARK}${String(value).padStart(NUMBER_DIGITS, '0')}`
  for (; contact < contactsPerRequest; contact++) {
    const startTime = TEMPLATE_MS + contact
    const name = numbered(contact)
    span = 0
    const begun = andon.startContact({ conversation: name, customer: name, intent: `intent_${contact % 5}`, startTime })
    for (let tool = 0; tool < toolsPerContact; tool++) {
      const action = tool % 3 === 0 ? 'create' : tool % 3 === 1 ? 'update' : 'read'
      const fields = {
        tool: `${action}_order`,
        action,
        system: 'crm',
        recordType: 'order',
        recordKey: `${tool}|${name}`,
      } as const
      begun
        .startAction({ ...fields, startTime: startTime + 1000 * tool })
        .end({ endTime: startTime + 1000 * tool + 300 })
    }
    begun.end('resolved', { endTime: startTime + 1000 * toolsPerContact })
  }
  return ended
}
