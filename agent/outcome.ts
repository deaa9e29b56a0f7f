import type { LoggerProvider } from '@opentelemetry/api'
import { attribute, outcomeEvent, SCOPE } from './names.ts'
import { attributesOf, dateOf, type Moment, timeOf } from './values.ts'

/** A fact that becomes known after the contact, often from another system. Needs a conversation or a customer. */
export type Outcome = Readonly<{
  kind: keyof typeof outcomeEvent
  /** Delivery identity: send the same id again when unsure whether the first one arrived. */
  id?: string
  conversation?: string
  customer?: string
  /** When it happened, which is seldom when it is reported. */
  at: Moment
  environment?: string
  /** The record that it is about: what was corrected, and its id in that system. */
  recordType?: string
  recordId?: string
  /** For kind `flag`: hallucination, data_exposure, policy_fail, … */
  flag?: string
  /** For kind `review`: minutes that a person spent. */
  reviewMinutes?: number
  amount?: number
  currency?: string
}>

/** Where outcomes are posted: the monitor's address (`http://localhost:4318`), and its token where it asks for one. */
export type OutcomeTarget = Readonly<{
  endpoint: string
  token?: string
  /** CloudEvents `source`: the system that reports, e.g. `complaint-desk`. */
  source: string
  fetch?: typeof fetch
}>

/** The monitor did not take an outcome; nothing was recorded unless `retryable` says otherwise: then send it again with the same id. */
export class OutcomeNotAccepted extends Error {
  readonly status: number
  readonly outcomeId: string
  readonly retryable: boolean
  constructor(outcomeId: string, status: number, detail: string, cause?: unknown) {
    super(`outcome ${outcomeId} was not accepted: ${detail}`, cause === undefined ? undefined : { cause })
    this.name = 'OutcomeNotAccepted'
    this.outcomeId = outcomeId
    this.status = status
    this.retryable = status === 0 || RETRYABLE_STATUS.has(status)
  }
}

/** As in the OTLP specification: these answers, and no answer at all (0), may be tried again. */
const RETRYABLE_STATUS: ReadonlySet<number> = new Set([429, 502, 503, 504])

/** Throws TypeError for an outcome that no contact could be found for, or that says too little. */
function check({ kind, conversation, customer, flag }: Outcome): void {
  if (!conversation && !customer)
    throw new TypeError(`an outcome needs a conversation or a customer, this ${kind} has neither`)
  if (kind === 'flag' && !flag) throw new TypeError('an outcome of kind flag needs `flag`, the name of what was found')
}

/**
 * Emits an outcome as an OTLP log event; the logs SDK that the application registered carries it.
 * Throws TypeError when the outcome names neither conversation nor customer.
 */
export function emitOutcome(provider: LoggerProvider, outcome: Outcome): void {
  check(outcome)
  const attributes = attributesOf({
    [attribute.outcomeId]: outcome.id,
    [attribute.conversation]: outcome.conversation,
    [attribute.customer]: outcome.customer,
    [attribute.environment]: outcome.environment,
    [attribute.recordType]: outcome.recordType,
    [attribute.recordId]: outcome.recordId,
    [attribute.flag]: outcome.flag,
    [attribute.reviewMinutes]: outcome.reviewMinutes,
    [attribute.amount]: outcome.amount,
    [attribute.currency]: outcome.currency,
  })
  const eventName = outcomeEvent[outcome.kind]
  provider.getLogger(SCOPE.name, SCOPE.version).emit({ eventName, attributes, timestamp: timeOf(outcome.at) })
}

/**
 * Posts an outcome to `POST /v1/outcomes` as a structured CloudEvent, for systems that run no OpenTelemetry.
 * Resolves to the id once the monitor has stored it. Throws OutcomeNotAccepted, TypeError as {@link emitOutcome}.
 */
export async function postOutcome(target: OutcomeTarget, outcome: Outcome): Promise<string> {
  check(outcome)
  const { kind, id = globalThis.crypto.randomUUID(), at, ...data } = outcome
  const event = {
    specversion: '1.0',
    id,
    source: target.source,
    type: outcomeEvent[kind],
    time: dateOf(at).toISOString(),
    datacontenttype: 'application/json',
    data,
  }
  const headers: Record<string, string> = { 'content-type': 'application/cloudevents+json' }
  if (target.token) headers.authorization = `Bearer ${target.token}`
  const url = new URL('v1/outcomes', target.endpoint.endsWith('/') ? target.endpoint : `${target.endpoint}/`)
  let response: Response
  try {
    response = await (target.fetch ?? fetch)(url, {
      method: 'POST',
      headers,
      body: JSON.stringify(event),
      redirect: 'error',
    })
  } catch (cause) {
    throw new OutcomeNotAccepted(id, 0, `${url} did not answer`, cause)
  }
  const answer = await response.text() // read to the end, so that the connection can be used again
  if (!response.ok)
    throw new OutcomeNotAccepted(id, response.status, `${url} answered ${response.status} ${answer.slice(0, 300)}`)
  return id
}
