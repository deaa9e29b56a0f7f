/** What a tool call does to a system of record. Empty: not a write, transfer or read that Andon knows. */
export type ActionKind = '' | 'create' | 'update' | 'merge' | 'delete' | 'read' | 'transfer'

/** Truth of one tool call. `unverified` is a write whose result nobody confirmed: it is neither ok nor failed. */
export type ActionResult = '' | 'ok' | 'failed' | 'partial' | 'unverified'

/** Actions that change a record: what "write" means everywhere in Andon. */
export const WRITE_ACTIONS: readonly ActionKind[] = ['create', 'update', 'merge', 'delete']

/**
 * One span after decoding and naming; nothing in it identifies a customer (keys are pseudonyms).
 * Empty string and 0 mean "absent". Delivery identity is (traceId, spanId); the first accepted copy wins.
 */
export type SpanFact = Readonly<{
  /** 32 lower-case hex digits. */
  traceId: string
  /** 16 lower-case hex digits. */
  spanId: string
  /** 16 lower-case hex digits, or '' for a root span. */
  parentSpanId: string
  /** From the OTLP span flags (bits 8 and 9): 1 the parent ran in another process, 0 in this one, -1 not told. */
  parentIsRemote: -1 | 0 | 1
  /** agent = invoke_agent and its kin, tool = one tool call, link = any other span, kept only for its place in the trace. */
  role: 'agent' | 'tool' | 'link'
  startedAtMs: number
  endedAtMs: number
  /** `gen_ai.agent.name` and aliases on the span itself; '' when the span does not name its agent. */
  agentName: string
  /** Resource `service.name`. */
  serviceName: string
  /** Release by this span's own resource and attributes (ecosystem.md order); '' when it names none. */
  release: string
  environment: string
  conversation: string
  /** Pseudonym (32 hex digits) or ''. */
  customer: string
  /** Normalised (NFKC, trimmed, spaces collapsed, case kept), as are channel, queue and region. */
  intent: string
  channel: string
  queue: string
  region: string
  autonomy: string
  /** Who began the contact: 'customer' (default when absent), 'agent', 'system', … */
  initiator: string
  /** resolved, transferred, escalated, abandoned or ''. */
  contactEnd: string
  /** Tool spans only, from here on. */
  tool: string
  action: ActionKind
  system: string
  recordType: string
  /** The system's own id of the record, as given: what people look up to correct it. Kept plain: no identity of a customer. */
  recordId: string
  /** Pseudonym of (record type, natural key), '' without a natural key. */
  recordKey: string
  /** Keyed hash of the canonical arguments, '' without arguments: equal hashes are equal calls of `tool`. */
  argumentsHash: string
  result: ActionResult
  items: number
  failedItems: number
  errorType: string
  amount: number
  currency: string
  /** The policy that allowed the action, '' when not told. */
  policy: string
  /** Pseudonym of the person who approved it, or ''. */
  reviewer: string
  /** 1 when the exporter dropped some of the agent's spans (tracestate `ot=th` or configuration), else 0. */
  sampled: 0 | 1
}>

/** A span that says nothing: every field absent. */
export const EMPTY_SPAN: SpanFact = {
  traceId: '',
  spanId: '',
  parentSpanId: '',
  parentIsRemote: -1,
  role: 'link',
  startedAtMs: 0,
  endedAtMs: 0,
  agentName: '',
  serviceName: '',
  release: '',
  environment: '',
  conversation: '',
  customer: '',
  intent: '',
  channel: '',
  queue: '',
  region: '',
  autonomy: '',
  initiator: '',
  contactEnd: '',
  tool: '',
  action: '',
  system: '',
  recordType: '',
  recordId: '',
  recordKey: '',
  argumentsHash: '',
  result: '',
  items: 0,
  failedItems: 0,
  errorType: '',
  amount: 0,
  currency: '',
  policy: '',
  reviewer: '',
  sampled: 0,
}

/** A later fact about a contact or a customer: complaint, correction, reopen, review, recontact or a named flag. */
export type OutcomeFact = Readonly<{
  /** Delivery identity: the sender's id where it gives one, else a hash of the content. */
  outcomeId: string
  kind: OutcomeKind
  atMs: number
  conversation: string
  customer: string
  environment: string
  /** The record that it is about (a corrected one), as the system names it; '' when not told. */
  recordType: string
  recordId: string
  /** `andon.flag.name`, else ''. */
  flag: string
  /** Human minutes of a review, else 0. */
  reviewMinutes: number
  amount: number
  currency: string
}>

/** A complaint that says nothing: every field absent. */
export const EMPTY_OUTCOME: OutcomeFact = {
  outcomeId: '',
  kind: 'complaint',
  atMs: 0,
  conversation: '',
  customer: '',
  environment: '',
  recordType: '',
  recordId: '',
  flag: '',
  reviewMinutes: 0,
  amount: 0,
  currency: '',
}

export const OUTCOME_KINDS = ['complaint', 'correction', 'reopen', 'review', 'recontact', 'flag'] as const
export type OutcomeKind = (typeof OUTCOME_KINDS)[number]

/** One number data point of an OTLP metric (sum or gauge), named like a span. Histograms contribute their count and sum. */
export type MetricPoint = Readonly<{
  name: string
  /** Hash of resource, scope and point attributes: one time series. */
  series: string
  environment: string
  agent: string
  release: string
  channel: string
  queue: string
  startMs: number
  atMs: number
  value: number
  temporality: 'delta' | 'cumulative' | 'gauge'
  monotonic: 0 | 1
}>
