import { EMPTY_SPAN, type MetricPoint, type OutcomeFact, type SpanFact } from '../facts/span.ts'
import type { Contact } from './contact.ts'
import type { PlaceChange } from './places.ts'

/** What every row of a batch carries: its number, the monitor's clock and the wall clock of reception (retention). */
export type Stamp = Readonly<{ seq: number; acceptedAtMs: number; receivedAtMs: number }>

/** In JSON a DateTime64(3) is its whole milliseconds. */
const milliseconds = (ms: number): number => Math.floor(ms)
export const wholeSeconds = (ms: number): number => Math.floor(ms / 1000)

/** Columns of `spans` after the stamp, each with the field it holds. */
const SPAN_COLUMNS = {
  trace_id: 'traceId',
  span_id: 'spanId',
  parent_span_id: 'parentSpanId',
  parent_is_remote: 'parentIsRemote',
  role: 'role',
  agent_name: 'agentName',
  service_name: 'serviceName',
  release: 'release',
  environment: 'environment',
  conversation: 'conversation',
  customer: 'customer',
  intent: 'intent',
  channel: 'channel',
  queue: 'queue',
  region: 'region',
  autonomy: 'autonomy',
  initiator: 'initiator',
  contact_end: 'contactEnd',
  tool: 'tool',
  action: 'action',
  system: 'system',
  record_type: 'recordType',
  record_id: 'recordId',
  record_key: 'recordKey',
  arguments_hash: 'argumentsHash',
  result: 'result',
  items: 'items',
  failed_items: 'failedItems',
  error_type: 'errorType',
  amount: 'amount',
  currency: 'currency',
  policy: 'policy',
  reviewer: 'reviewer',
  sampled: 'sampled',
} as const satisfies Record<string, keyof SpanFact>

const SPAN_FIELDS = Object.entries(SPAN_COLUMNS) as [string, keyof SpanFact][]

export const SPAN_TABLE_COLUMNS: readonly string[] = [
  'seq',
  'position',
  'accepted_at',
  'received_at',
  'started_at',
  'ended_at',
  ...Object.keys(SPAN_COLUMNS),
]

/** Values in the order of {@link SPAN_TABLE_COLUMNS}. */
export const spanValues = (span: SpanFact, position: number, stamp: Stamp): unknown[] => {
  const values: unknown[] = [
    stamp.seq,
    position,
    milliseconds(stamp.acceptedAtMs),
    wholeSeconds(stamp.receivedAtMs),
    milliseconds(span.startedAtMs),
    milliseconds(span.endedAtMs),
  ]
  for (const [, field] of SPAN_FIELDS) values.push(span[field])
  return values
}

/** A span without the names of its fields, to be sent between processes: {@link unpackSpan} reads it. */
export const packSpan = (span: SpanFact): unknown[] => [
  span.startedAtMs,
  span.endedAtMs,
  ...SPAN_FIELDS.map(([, field]) => span[field]),
]

export function unpackSpan([startedAtMs, endedAtMs, ...values]: readonly unknown[]): SpanFact {
  const span: Record<string, unknown> = { ...EMPTY_SPAN, startedAtMs, endedAtMs } // the shape of every other span: the engine keeps it fast
  for (let i = 0; i < SPAN_FIELDS.length; i++) span[SPAN_FIELDS[i]![1]] = values[i]
  return span as SpanFact
}

/** A SELECT list whose rows are spans. */
export const SPAN_SELECT = `toUnixTimestamp64Milli(started_at) AS startedAtMs, toUnixTimestamp64Milli(ended_at) AS endedAtMs, ${SPAN_FIELDS.map(([column, field]) => `${column} AS ${field}`).join(', ')}`

/** SELECT lists of facts as they were accepted. */
export const OUTCOME_SELECT = `outcome_id AS outcomeId, kind, toUnixTimestamp64Milli(at) AS atMs, conversation, customer, environment, record_type AS recordType, record_id AS recordId, flag, review_minutes AS reviewMinutes, amount, currency`
export const POINT_SELECT = `name, series, environment, agent, release, channel, queue, toUnixTimestamp64Milli(start_at) AS startMs, toUnixTimestamp64Milli(at) AS atMs, value, temporality, monotonic`

export const outcomeRow = (outcome: OutcomeFact, position: number, stamp: Stamp) => ({
  seq: stamp.seq,
  position,
  accepted_at: milliseconds(stamp.acceptedAtMs),
  received_at: wholeSeconds(stamp.receivedAtMs),
  outcome_id: outcome.outcomeId,
  kind: outcome.kind,
  at: milliseconds(outcome.atMs),
  conversation: outcome.conversation,
  customer: outcome.customer,
  environment: outcome.environment,
  record_type: outcome.recordType,
  record_id: outcome.recordId,
  flag: outcome.flag,
  review_minutes: outcome.reviewMinutes,
  amount: outcome.amount,
  currency: outcome.currency,
})

export const pointRow = (point: MetricPoint, position: number, stamp: Stamp) => ({
  seq: stamp.seq,
  position,
  accepted_at: milliseconds(stamp.acceptedAtMs),
  received_at: wholeSeconds(stamp.receivedAtMs),
  name: point.name,
  series: point.series,
  environment: point.environment,
  agent: point.agent,
  release: point.release,
  channel: point.channel,
  queue: point.queue,
  start_at: milliseconds(point.startMs),
  at: milliseconds(point.atMs),
  value: point.value,
  temporality: point.temporality,
  monotonic: point.monotonic,
})

/** What a trace gives to a contact, as a row of contact_parts; `part` null: nothing any more. */
export const partRow = (
  { contactId, traceId, part }: { contactId: string; traceId: string; part: object | null },
  stamp: Stamp,
) => ({
  contact_id: contactId,
  trace_id: traceId,
  seq: stamp.seq,
  gone: part ? 0 : 1,
  received_at: wholeSeconds(stamp.receivedAtMs),
  body: part ? JSON.stringify(part) : '',
})

/** A row of contact_changes and, without its sign, of contacts, as ClickHouse writes and reads it in JSON. */
export type ContactRow = ReturnType<typeof contactRow>

/** The version of a contact that a batch made, and the lane of the batch that made it. */
export const contactRow = (contact: Contact, marks: Readonly<Record<string, number>>, stamp: Stamp, lane: number) => ({
  seq: stamp.seq,
  lane,
  sign: 1,
  contact_id: contact.contactId,
  gone: 0,
  environment: contact.environment,
  agent: contact.agent,
  release: contact.release,
  channel: contact.channel,
  queue: contact.queue,
  region: contact.region,
  intent: contact.intent,
  autonomy: contact.autonomy,
  initiator: contact.initiator,
  contact_end: contact.contactEnd,
  conversation: contact.conversation,
  customer: contact.customer,
  started_at: milliseconds(contact.startedAtMs) as number | string,
  ended_at: milliseconds(contact.endedAtMs) as number | string,
  calls: contact.calls,
  failed_calls: contact.failedCalls,
  writes: contact.writes,
  failed_writes: contact.failedWrites,
  creates: contact.creates,
  duplicate_writes: contact.duplicateWrites,
  transfers: contact.transfers,
  amount: contact.amount,
  sampled: contact.sampled,
  marks,
  received_at: wholeSeconds(stamp.receivedAtMs) as number | string,
})

export const placeRow = ({ place, gone }: PlaceChange, stamp: Stamp) => ({
  key: place.key,
  at: milliseconds(place.atMs),
  contact_id: place.contactId,
  item: place.item,
  seq: stamp.seq,
  gone,
  conversation: place.conversation,
  intent: place.intent,
  initiator: place.initiator,
  received_at: wholeSeconds(stamp.receivedAtMs),
})

/** One row for each key of the outcome. */
export const linkedOutcomeRows = (outcome: OutcomeFact, keys: readonly string[], stamp: Stamp) =>
  keys.map((key) => ({
    key,
    at: milliseconds(outcome.atMs),
    outcome_id: outcome.outcomeId,
    seq: stamp.seq,
    keys,
    kind: outcome.kind,
    flag: outcome.flag,
    review_minutes: outcome.reviewMinutes,
    received_at: wholeSeconds(stamp.receivedAtMs),
  }))

export const batchRow = (
  stamp: Stamp,
  counts: { spans: number; newSpans: number; outcomes: number; points: number },
) => ({
  seq: stamp.seq,
  clock_at: milliseconds(stamp.acceptedAtMs),
  accepted_at: milliseconds(stamp.receivedAtMs),
  spans: counts.spans,
  new_spans: counts.newSpans,
  outcomes: counts.outcomes,
  points: counts.points,
})
