import { z } from 'zod'
import type { OutcomeFact, OutcomeKind } from '../facts/span.ts'
import { OUTCOME_KINDS } from '../facts/span.ts'
import { AndonError } from '../lib/errors.ts'
import { idOf } from '../lib/hash.ts'
import type { JsonSchema } from '../lib/json-schema.ts'
import { mistakesOf, pathText } from '../lib/mistakes.ts'
import { AMOUNT, type Bounds, REVIEW_MINUTES } from './bounded-number.ts'
import { boundedText } from './bounded-text.ts'
import { FIELD } from './field-names.ts'
import type { Namer, OnIgnored } from './name-span.ts'
import { numberAt, textAt, textByRank } from './name-span.ts'
import type { RawLog } from './otlp/raw.ts'

/** `andon.complaint` and so on: event names of OTLP logs and types of CloudEvents alike. */
const OUTCOME_TYPES = OUTCOME_KINDS.map((kind) => `andon.${kind}`)

const EVALUATION = 'gen_ai.evaluation.result'

/** other = a log record that is none of Andon's business. */
export type FoundOutcome =
  | Readonly<{ kind: 'outcome'; outcome: OutcomeFact }>
  | Readonly<{ kind: 'invalid'; fix: string }>
  | Readonly<{ kind: 'other' }>

const OTHER: FoundOutcome = { kind: 'other' }

/**
 * The outcome that a log record tells: an event named `andon.complaint`, …, or an evaluation result whose label says that it failed
 * (a flag of the evaluation's name). Without conversation and customer its trace id stands for the conversation, as it does for contacts.
 * `atMs` is 0 when the record tells no time.
 */
export function readOutcome(record: RawLog, namer: Namer, onIgnored?: OnIgnored): FoundOutcome {
  const { attributes } = record
  const eventName = record.eventName || textAt(attributes, FIELD.eventName)
  const isEvaluation = eventName === EVALUATION
  const kind = isEvaluation ? 'flag' : kindOf(eventName)
  if (kind === undefined) return OTHER
  if (isEvaluation) {
    const label = textAt(attributes, FIELD.evaluationLabel).toLowerCase()
    if (!namer.names.failLabels.some((failing) => failing.toLowerCase() === label)) return OTHER
  }
  const customer = textAt(attributes, FIELD.customer)
  const conversation = textAt(attributes, FIELD.conversation) || (customer === '' ? record.traceId : '')
  const flag = textAt(attributes, isEvaluation ? FIELD.evaluationName : FIELD.flag)
  if (conversation === '' && customer === '') {
    return { kind: 'invalid', fix: `(${eventName}) needs gen_ai.conversation.id, user.id or a trace id` }
  }
  if (kind === 'flag' && flag === '') {
    return {
      kind: 'invalid',
      fix: `(${eventName}) needs ${isEvaluation ? 'gen_ai.evaluation.name' : 'andon.flag.name'}`,
    }
  }
  const content = {
    kind,
    atMs: record.timeMs || record.observedMs,
    conversation: namer.pseudonymizer.conversation(conversation),
    customer: namer.pseudonymizer.customer(customer),
    environment: textByRank(record, FIELD.environment),
    recordType: textAt(attributes, FIELD.recordType),
    recordId: textAt(attributes, FIELD.recordId),
    flag: kind === 'flag' ? flag : '',
    reviewMinutes:
      kind === 'review'
        ? numberAt(attributes, FIELD.reviewMinutes, 'andon.review.minutes', REVIEW_MINUTES, onIgnored)
        : 0,
    amount: numberAt(attributes, FIELD.amount, 'andon.amount', AMOUNT, onIgnored),
    currency: textAt(attributes, FIELD.currency).toUpperCase(),
  }
  const givenId = textAt(attributes, FIELD.outcomeId)
  const outcomeId = givenId === '' ? contentIdOf(content, record) : idOf('outcome', givenId)
  return { kind: 'outcome', outcome: { outcomeId, ...content } }
}

/** Two records of one content, time and span are one record sent twice. */
const contentIdOf = (content: Omit<OutcomeFact, 'outcomeId'>, record: RawLog): string =>
  idOf('log', ...Object.values(content), record.traceId, record.spanId)

const kindOf = (eventName: string): OutcomeKind | undefined =>
  eventName.startsWith('andon.') ? OUTCOME_KINDS.find((kind) => eventName === `andon.${kind}`) : undefined

const text = z.string().max(1024).transform(boundedText)
const number = ({ least, most }: Bounds) => z.number().min(least).max(most)

const outcomeData = z
  .object({
    conversation: text.optional().describe('Conversation id, as the agent reports it in gen_ai.conversation.id.'),
    customer: text
      .optional()
      .describe('Identity of the customer, as the agent reports it in user.id; only its pseudonym is kept.'),
    environment: text.optional().describe('Deployment environment; absent = production.'),
    recordType: text.optional().describe('Type of the record that it is about, e.g. order.'),
    recordId: text.optional().describe("The system's own id of that record, e.g. of the one that was corrected."),
    flag: text.optional().describe('andon.flag only: hallucination, data_exposure, policy_fail, finance_exception, …'),
    reviewMinutes: number(REVIEW_MINUTES).optional().describe('andon.review only: minutes that a person spent.'),
    amount: number(AMOUNT).optional().describe('Amount of money at stake.'),
    currency: text.optional().describe('Its currency, e.g. EUR.'),
  })
  .refine((data) => data.conversation || data.customer, {
    message: 'give conversation or customer, so that the outcome finds its contact',
  })

/** One outcome as a CloudEvent (CloudEvents 1.0, JSON format). Extension attributes and further data are ignored. */
const cloudEventSchema = z
  .object({
    specversion: z.literal('1.0'),
    id: z.string().min(1).max(1024).describe('Unique within the source: the same id sent again changes nothing.'),
    source: z.string().min(1).max(1024).describe('Who reports, e.g. /crm/cases.'),
    type: z.enum(OUTCOME_TYPES as [string, ...string[]]),
    time: z.iso
      .datetime({ offset: true })
      .optional()
      .describe('an RFC 3339 time with its zone, such as 2026-11-16T09:30:00Z; absent = when it was received'),
    data: outcomeData,
  })
  .superRefine((event, context) => {
    if (event.type === 'andon.flag' && !event.data.flag) {
      context.addIssue({ code: 'custom', path: ['data', 'flag'], message: 'andon.flag needs the name of the flag' })
    }
  })

export type CloudEventsResult = Readonly<{
  outcomes: readonly OutcomeFact[]
  /** Position in the batch, and what to mend in it. */
  errors: readonly Readonly<{ index: number; message: string }>[]
}>

/**
 * Outcomes from a CloudEvents body: one event, or a list of them (`application/cloudevents-batch+json`). Good events are taken, bad ones
 * named one by one. `atMs` is 0 for events without time.
 * @throws AndonError 'undecodable' when the body is no JSON, 'too_large' beyond `maxItems` events
 */
export function readCloudEvents(
  bytes: Uint8Array,
  namer: Pick<Namer, 'pseudonymizer'>,
  maxItems: number,
): CloudEventsResult {
  let body: unknown
  try {
    body = JSON.parse(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('utf8'))
  } catch (cause) {
    throw new AndonError('undecodable', `the body is not JSON: ${(cause as Error).message.slice(0, 200)}`, { cause })
  }
  const events: readonly unknown[] = Array.isArray(body) ? body : [body]
  if (events.length > maxItems) {
    throw new AndonError('too_large', `the batch holds more than ${maxItems} events; send smaller batches`)
  }
  const outcomes: OutcomeFact[] = []
  const errors: { index: number; message: string }[] = []
  events.forEach((event, index) => {
    const parsed = cloudEventSchema.safeParse(event)
    if (parsed.success) outcomes.push(outcomeOf(parsed.data, namer))
    else errors.push({ index, message: explain(parsed.error, event) })
  })
  return { outcomes, errors }
}

function outcomeOf(event: z.output<typeof cloudEventSchema>, namer: Pick<Namer, 'pseudonymizer'>): OutcomeFact {
  const { data } = event
  const kind = kindOf(event.type)!
  return {
    outcomeId: idOf('cloudevent', event.source, event.id),
    kind,
    atMs: event.time === undefined ? 0 : Date.parse(event.time),
    conversation: namer.pseudonymizer.conversation(data.conversation ?? ''),
    customer: namer.pseudonymizer.customer(data.customer ?? ''),
    environment: data.environment ?? '',
    recordType: data.recordType ?? '',
    recordId: data.recordId ?? '',
    flag: kind === 'flag' ? data.flag! : '',
    reviewMinutes: kind === 'review' ? (data.reviewMinutes ?? 0) : 0,
    amount: data.amount ?? 0,
    currency: (data.currency ?? '').toUpperCase(),
  }
}

const CLOUD_EVENT_JSON_SCHEMA = z.toJSONSchema(cloudEventSchema, { io: 'input' }) as JsonSchema

/** Names field and fix; never what was found, which may be an identity. */
const explain = (error: z.ZodError, event: unknown): string =>
  mistakesOf(error.issues, CLOUD_EVENT_JSON_SCHEMA, event)
    .map(({ path, problem }) => `${path.length === 0 ? 'event' : pathText(path)}: ${problem}`)
    .join('; ')
