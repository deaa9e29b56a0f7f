import { idOf } from '../../lib/hash.ts'

/** One OTLP/JSON ExportTraceServiceRequest; 64-bit numbers are text. */
export type OtlpRequest = Readonly<{ resourceSpans: readonly ResourceSpans[] }>
type ResourceSpans = Readonly<{
  resource: Readonly<{ attributes: readonly Attribute[] }>
  scopeSpans: readonly Readonly<{ scope: Readonly<{ name: string }>; spans: readonly OtlpSpan[] }>[]
}>
type Attribute = Readonly<{ key: string; value: Readonly<{ stringValue: string }> }>
type OtlpSpan = Readonly<{
  traceId: string
  spanId: string
  parentSpanId?: string
  name: string
  kind: number
  startTimeUnixNano: string
  endTimeUnixNano: string
  attributes: readonly Attribute[]
  status: Readonly<{ code?: number; message?: string }>
}>

/** Attributes with a value; empty ones are not sent. */
const attributesOf = (values: Readonly<Record<string, string | null>>): Attribute[] =>
  Object.entries(values).flatMap(([key, value]) => (value ? [{ key, value: { stringValue: value } }] : []))

const spanIdOf = (...parts: string[]): string => idOf(...parts).slice(0, 16)
const nanosOf = (ms: number): string => `${ms}000000`
const requestOf = (resource: Readonly<Record<string, string>>, spans: readonly OtlpSpan[]): OtlpRequest => ({
  resourceSpans: [
    { resource: { attributes: attributesOf(resource) }, scopeSpans: [{ scope: { name: 'test/real' }, spans }] },
  ],
})

export type TauCall = Readonly<{
  id: string | null
  name: string | null
  arguments: unknown
  requestor: 'assistant' | 'user'
}>
export type TauMessage = Readonly<{
  i: number
  role: string
  content: string | null
  ts: string | null
  tool_calls?: readonly TauCall[] | null
  tool_call_id?: string | null
  error?: boolean
}>
/** One conversation of a tau run, a line of its file. */
export type TauConversation = Readonly<{
  conversation_id: string
  run: string
  release: string
  model: string
  agent: string
  queue: string
  channel: string
  trial: number
  customer_id: string | null
  intent: string
  start_time: string | null
  end_time: string | null
  messages: readonly TauMessage[]
}>

/** Where the invented clock of runs without times begins, and its steps. */
const INVENTED = { startMs: Date.UTC(2025, 5, 1), perConversationMs: 300_000, perMessageMs: 2_000 }

/** A conversation as one agent span over one tool span per call of the agent; what the customer did on the phone is left out. */
export function tauRequest(conversation: TauConversation, index: number): OtlpRequest {
  const { messages, agent, release } = conversation
  const originMs = INVENTED.startMs + INVENTED.perConversationMs * index
  const atMs = (message: TauMessage): number =>
    message.ts ? naiveMs(message.ts) : originMs + INVENTED.perMessageMs * message.i
  const last = messages.at(-1)
  const startMs = conversation.start_time ? naiveMs(conversation.start_time) : originMs
  const endMs = conversation.end_time ? naiveMs(conversation.end_time) : last ? atMs(last) : startMs
  const key = `${conversation.run}/${conversation.conversation_id}/${conversation.trial}`
  const traceId = idOf('trace', key)
  const rootId = spanIdOf('agent', key)
  const root: OtlpSpan = {
    traceId,
    spanId: rootId,
    name: `invoke_agent ${agent}`,
    kind: 1,
    startTimeUnixNano: nanosOf(startMs),
    endTimeUnixNano: nanosOf(endMs),
    attributes: attributesOf({
      'gen_ai.operation.name': 'invoke_agent',
      'gen_ai.agent.name': agent,
      'gen_ai.conversation.id': conversation.conversation_id,
      'gen_ai.request.model': conversation.model,
      'app.channel': conversation.channel,
      'app.queue': conversation.queue,
      'app.intent': conversation.intent,
      'user.id': conversation.customer_id,
    }),
    status: {},
  }
  const tools = answeredCalls(messages).flatMap(({ call, asked, answer }, place): OtlpSpan[] => {
    if (call.requestor === 'user') return []
    const name = call.name ?? ''
    const failed = answer?.error === true
    return [
      {
        traceId,
        spanId: spanIdOf('tool', key, String(place)),
        parentSpanId: rootId,
        name: `execute_tool ${name}`,
        kind: 1,
        startTimeUnixNano: nanosOf(atMs(asked)),
        endTimeUnixNano: nanosOf(Math.max(atMs(asked), atMs(answer ?? asked))),
        attributes: attributesOf({
          'gen_ai.operation.name': 'execute_tool',
          'gen_ai.tool.name': name,
          'gen_ai.tool.call.id': call.id,
          'gen_ai.tool.call.arguments': JSON.stringify(call.arguments),
          'gen_ai.conversation.id': conversation.conversation_id,
          'error.type': failed ? 'tool_error' : null,
        }),
        status: failed ? { code: 2, message: (answer?.content ?? '').slice(0, 200) } : {},
      },
    ]
  })
  return requestOf({ 'service.name': agent, 'service.version': release, 'deployment.environment.name': 'benchmark' }, [
    root,
    ...tools,
  ])
}

/** Every call with the message that asked for it and the tool message that answered: the one with its id, else the next in order. */
function answeredCalls(messages: readonly TauMessage[]) {
  const calls: { call: TauCall; asked: TauMessage; answer: TauMessage | null }[] = []
  let open: typeof calls = []
  for (const message of messages) {
    if (message.role === 'tool') {
      const named = message.tool_call_id == null ? -1 : open.findIndex(({ call }) => call.id === message.tool_call_id)
      const [answered] = open.splice(Math.max(0, named), 1)
      if (answered) answered.answer = message
    } else if (message.tool_calls && message.tool_calls.length > 0) {
      open = message.tool_calls.map((call) => ({ call, asked: message, answer: null }))
      calls.push(...open)
    }
  }
  return calls
}

/** Times without a zone are taken as UTC; fractions of a millisecond are cut. */
const naiveMs = (text: string): number => {
  const ms = Date.parse(/[Zz]|[+-]\d\d:?\d\d$/.test(text) ? text : `${text}Z`)
  if (Number.isNaN(ms)) throw new Error(`not a time: ${text}`)
  return ms
}

export type IncidentField =
  | 'number'
  | 'opened_at'
  | 'created_at'
  | 'caller_id'
  | 'contact_type'
  | 'category'
  | 'first_group'
export type IncidentRow = Readonly<Record<IncidentField, string>>

const CONTACT_MS = 30_000

/** An incident of the service desk as one contact: its caller is the customer, its category the intent, its first group the queue. */
export function incidentRequest(incident: IncidentRow): OtlpRequest {
  const startMs = naiveMs(incident.opened_at)
  const span: OtlpSpan = {
    traceId: idOf('incident', incident.number),
    spanId: spanIdOf('incident', incident.number),
    name: 'invoke_agent service-desk',
    kind: 1,
    startTimeUnixNano: nanosOf(startMs),
    endTimeUnixNano: nanosOf(startMs + CONTACT_MS),
    attributes: attributesOf({
      'gen_ai.operation.name': 'invoke_agent',
      'gen_ai.agent.name': 'service-desk',
      'gen_ai.conversation.id': incident.number,
      'user.id': incident.caller_id,
      'andon.intent': incident.category,
      'andon.queue': incident.first_group,
      'andon.channel': incident.contact_type,
    }),
    status: {},
  }
  return requestOf({ 'service.name': 'service-desk', 'service.version': '2016' }, [span])
}

export type PersonRow = Readonly<Record<'row_id' | 'soc_sec_id', string>>

/** A record of a person as a contact that creates it: record key = social security number; one second apart, in order of the file. */
export function personRequest(person: PersonRow, index: number): OtlpRequest {
  const startMs = Date.UTC(2026, 0, 5) + index * 1_000
  const traceId = idOf('person', person.row_id)
  const rootId = spanIdOf('agent', person.row_id)
  const span = (spanId: string, name: string, attributes: Attribute[], parentSpanId?: string): OtlpSpan => ({
    traceId,
    spanId,
    ...(parentSpanId && { parentSpanId }),
    name,
    kind: 1,
    startTimeUnixNano: nanosOf(startMs),
    endTimeUnixNano: nanosOf(startMs + 200),
    attributes,
    status: {},
  })
  return requestOf({ 'service.name': 'crm-data-hygiene', 'service.version': '1' }, [
    span(
      rootId,
      'invoke_agent crm-data-hygiene',
      attributesOf({
        'gen_ai.operation.name': 'invoke_agent',
        'gen_ai.agent.name': 'crm-data-hygiene',
        'gen_ai.conversation.id': person.row_id,
      }),
    ),
    span(
      spanIdOf('tool', person.row_id),
      'execute_tool create_person',
      attributesOf({
        'gen_ai.operation.name': 'execute_tool',
        'gen_ai.tool.name': 'create_person',
        'andon.action': 'create',
        'andon.record.type': 'person',
        'andon.record.key': person.soc_sec_id,
      }),
      rootId,
    ),
  ])
}
