/**
 * Every attribute, event and metric name that this library emits, spelled out once.
 * The strings of OpenTelemetry are vendored: its constants for `gen_ai.*` are marked as unstable and move between packages.
 * docs/telemetry.md is the same list for people; a test keeps the two together.
 */
export const attribute = {
  operation: 'gen_ai.operation.name',
  agent: 'gen_ai.agent.name',
  agentVersion: 'gen_ai.agent.version',
  conversation: 'gen_ai.conversation.id',
  tool: 'gen_ai.tool.name',
  callId: 'gen_ai.tool.call.id',
  arguments: 'gen_ai.tool.call.arguments',
  customer: 'user.id',
  environment: 'deployment.environment.name',
  errorType: 'error.type',
  outcomeId: 'andon.outcome.id',
  channel: 'andon.channel',
  queue: 'andon.queue',
  intent: 'andon.intent',
  region: 'andon.region',
  autonomy: 'andon.autonomy',
  initiator: 'andon.contact.initiator',
  contactEnd: 'andon.contact.end',
  action: 'andon.action',
  system: 'andon.system',
  recordType: 'andon.record.type',
  recordId: 'andon.record.id',
  recordKey: 'andon.record.key',
  result: 'andon.write.result',
  items: 'andon.write.items',
  failedItems: 'andon.write.failed_items',
  policy: 'andon.policy',
  reviewer: 'andon.reviewer',
  amount: 'andon.amount',
  currency: 'andon.currency',
  flag: 'andon.flag.name',
  reviewMinutes: 'andon.review.minutes',
  /** Counters only: complaint, correction, … */
  outcome: 'andon.outcome',
} as const

/** Log event names, and CloudEvents types, of what happens after a contact. */
export const outcomeEvent = {
  complaint: 'andon.complaint',
  correction: 'andon.correction',
  reopen: 'andon.reopen',
  review: 'andon.review',
  recontact: 'andon.recontact',
  flag: 'andon.flag',
} as const

/** Counters, unit in braces as OpenTelemetry writes it: {contact}, {action}, {outcome}. */
export const metric = { contacts: 'andon.contacts', actions: 'andon.actions', outcomes: 'andon.outcomes' } as const

/** Name and version of the instrumentation scope. */
export const SCOPE = { name: '@andon/agent', version: '0.1.0' } as const
