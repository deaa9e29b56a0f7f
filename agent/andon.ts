import * as api from '@opentelemetry/api'
import { type Action, type ActionFields, openAction, runAction } from './action.ts'
import { type Counters, countersOf } from './counters.ts'
import { errorTypeOf, recordFailure } from './failure.ts'
import { attribute, SCOPE } from './names.ts'
import { emitOutcome, type Outcome } from './outcome.ts'
import { attributesOf, type Moment, timeOf } from './values.ts'

/** Who the agent is. Everything but `agent` can also come from the OpenTelemetry resource or from each contact. */
export type AgentFields = Readonly<{
  /** Name of the agent, the same in every release; best equal to the resource's `service.name`. */
  agent: string
  /** Version that a pause would stop; best equal to the resource's `service.version`, which is read first. */
  release?: string
  environment?: string
  channel?: string
  queue?: string
  region?: string
  autonomy?: string
  /** Providers to use instead of the globally registered ones, e.g. where one process runs several releases. */
  tracerProvider?: api.TracerProvider
  meterProvider?: api.MeterProvider
  loggerProvider?: api.LoggerProvider
}>

/** One conversation of one customer with the agent, or one job that the agent does for a customer. */
export type ContactFields = Readonly<{
  /** Id of the conversation; all spans that carry it are one contact. */
  conversation: string
  /** Whatever names the customer in your systems; the monitor keeps only a keyed hash of it. */
  customer?: string
  /** What the customer wants, from a short fixed list. */
  intent?: string
  channel?: string
  queue?: string
  region?: string
  /** Who began it: `customer` when absent. */
  initiator?: 'customer' | 'agent' | 'system'
  /** When it began, for backfill and simulation; now when absent. */
  startTime?: Moment
  /** Further attributes for the agent span. */
  attributes?: api.Attributes
}>

export type ContactEnd = 'resolved' | 'transferred' | 'escalated' | 'abandoned'

/** A contact that has begun. The span and the context are there for whatever else belongs into this trace. */
export type Contact = Readonly<{
  span: api.Span
  context: api.Context
  /** Runs one tool call and records it; returns what `run` returns, throws what it throws. */
  action: <T>(fields: ActionFields, run: (action: Action) => T | Promise<T>) => Promise<T>
  /** Begins a tool call whose end is told later. */
  startAction: (fields: ActionFields) => Action
  /** Ends the contact and says how; later calls change nothing. */
  end: (end?: ContactEnd, options?: Readonly<{ endTime?: Moment }>) => void
  /** Ends the contact as one in which the agent itself broke down. */
  fail: (error: unknown, options?: Readonly<{ endTime?: Moment }>) => void
}>

export type Andon = Readonly<{
  /** Runs a conversation inside its span and ends it when `run` returns or throws. */
  contact: <T>(fields: ContactFields, run: (contact: Contact) => T | Promise<T>) => Promise<T>
  /** Begins a contact that outlives the current call, e.g. one that goes on with the next message. */
  startContact: (fields: ContactFields) => Contact
  /** Reports a later fact as an OTLP log event. */
  outcome: (outcome: Outcome) => void
}>

/**
 * The agent's side of Andon, on @opentelemetry/api alone: without a registered SDK every call does nothing.
 * Throws TypeError for an agent without name.
 */
export function createAndon(fields: AgentFields): Andon {
  if (!fields.agent) throw new TypeError('createAndon needs `agent`, the name of the agent')
  const tracer = (fields.tracerProvider ?? api.trace).getTracer(SCOPE.name, SCOPE.version)
  const who = attributesOf({ [attribute.agent]: fields.agent, [attribute.agentVersion]: fields.release })
  const count = countersOf(fields.meterProvider ?? api.metrics, who)
  const startContact = (contact: ContactFields) => openContact({ agent: fields, contact, tracer, count })
  return {
    startContact,
    contact: async (contactFields, run) => {
      const contact = startContact(contactFields)
      try {
        const value = await api.context.with(contact.context, () => run(contact))
        contact.end()
        return value
      } catch (error) {
        contact.fail(error)
        throw error
      }
    },
    outcome: (outcome) => {
      // The logs API entered @opentelemetry/api with 1.10; on 1.9 a provider can still be handed over.
      const provider = fields.loggerProvider ?? (api.logs as api.LoggerProvider | undefined)
      const environment = outcome.environment ?? fields.environment
      if (provider) emitOutcome(provider, environment ? { ...outcome, environment } : outcome)
      count.outcome({ [attribute.outcome]: outcome.kind })
    },
  }
}

/**
 * What the agent span and all its tool spans say about themselves. An agent span is exported only when the whole contact
 * is over; a tool span that carries its own identity counts at once.
 */
function identityOf(agent: AgentFields, contact: ContactFields): api.Attributes {
  return attributesOf({
    [attribute.agent]: agent.agent,
    [attribute.agentVersion]: agent.release,
    [attribute.environment]: agent.environment,
    [attribute.conversation]: contact.conversation,
    [attribute.customer]: contact.customer,
    [attribute.intent]: contact.intent,
    [attribute.channel]: contact.channel ?? agent.channel,
    [attribute.queue]: contact.queue ?? agent.queue,
    [attribute.region]: contact.region ?? agent.region,
    [attribute.autonomy]: agent.autonomy,
    [attribute.initiator]: contact.initiator,
  })
}

type Opening = Readonly<{ agent: AgentFields; contact: ContactFields; tracer: api.Tracer; count: Counters }>

function openContact({ agent, contact, tracer, count }: Opening): Contact {
  const identity = identityOf(agent, contact)
  const place = attributesOf({
    [attribute.channel]: identity[attribute.channel],
    [attribute.queue]: identity[attribute.queue],
  })
  const parent = api.context.active()
  const attributes = { ...contact.attributes, ...identity, [attribute.operation]: 'invoke_agent' }
  const startTime = timeOf(contact.startTime)
  const span = tracer.startSpan(
    `invoke_agent ${agent.agent}`,
    startTime ? { attributes, startTime } : { attributes },
    parent,
  )
  const context = api.trace.setSpan(parent, span)
  let open = true
  const close = (how: api.Attributes, endTime: Moment | undefined, error?: unknown) => {
    if (!open) return
    open = false
    if (error !== undefined) recordFailure(span, error, endTime)
    span.setAttributes(how)
    span.end(timeOf(endTime))
    count.contact({ ...place, ...how })
  }
  const startAction = (fields: ActionFields) => openAction({ tracer, context, identity, place, count }, fields)
  return {
    span,
    context,
    startAction,
    action: (fields, run) => runAction(startAction(fields), run),
    end: (end, options = {}) => close(attributesOf({ [attribute.contactEnd]: end }), options.endTime),
    fail: (error, options = {}) => close({ [attribute.errorType]: errorTypeOf(error) }, options.endTime, error),
  }
}
