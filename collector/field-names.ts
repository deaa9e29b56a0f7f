import { createKeys } from './otlp/keys.ts'
import type { Keys } from './otlp/raw.ts'

/**
 * Which attribute names feed which field, over the conventions that agents use today: data, first hit wins.
 * Sources (November 2026): OpenTelemetry GenAI and MCP semantic conventions, OpenInference, Vercel AI SDK 6 and 7, OpenLLMetry,
 * Langfuse, LangSmith, Google ADK, Pydantic AI, and Andon's own names for what none of them names.
 */

/** Prefixes under which frameworks hand on what applications attach to a trace. */
const METADATA_PREFIXES = [
  'ai.telemetry.metadata.',
  'ai.settings.context.',
  'traceloop.association.properties.',
  'langsmith.metadata.',
  'langfuse.trace.metadata.',
  'langfuse.observation.metadata.',
]

/** What applications call these things there, and inside the JSON of OpenInference's `metadata` attribute. */
export const METADATA_NAMES = {
  conversation: [
    'conversation_id',
    'conversationId',
    'session_id',
    'sessionId',
    'thread_id',
    'threadId',
    'chat_id',
    'chatId',
  ],
  customer: ['customer_id', 'customerId', 'user_id', 'userId'],
  release: ['release', 'agent_version', 'agentVersion', 'version'],
  agentName: ['agent_name', 'agentName', 'agent'],
  environment: ['environment', 'env'],
  intent: ['intent'],
  channel: ['channel'],
  queue: ['queue'],
  region: ['region'],
} as const

const inMetadata = (field: keyof typeof METADATA_NAMES): readonly string[] =>
  METADATA_PREFIXES.flatMap((prefix) => METADATA_NAMES[field].map((name) => prefix + name))

/**
 * Field → attribute names, best first. Configuration puts its own names before these.
 * A value is looked for on the span, and for the fields in RESOURCE_FIELDS also on the resource.
 */
const ATTRIBUTE_NAMES = {
  agentName: [
    'gen_ai.agent.name',
    'gen_ai.workflow.name',
    'agent.name',
    'agent_name',
    'ai.telemetry.functionId',
    'traceloop.workflow.name',
    'langfuse.trace.name',
    'langsmith.trace.name',
    ...inMetadata('agentName'),
  ],
  release: [
    'service.version',
    'gen_ai.agent.version',
    'langfuse.release',
    'langfuse.version',
    'traceloop.entity.version',
    ...inMetadata('release'),
  ],
  environment: [
    'deployment.environment.name',
    'deployment.environment',
    'langfuse.environment',
    ...inMetadata('environment'),
  ],
  serviceName: ['service.name'],
  conversation: [
    'gen_ai.conversation.id',
    'session.id',
    'langfuse.session.id',
    'gcp.vertex.agent.session_id',
    'langsmith.trace.session_id',
    ...inMetadata('conversation'),
  ],
  customer: [
    'user.id',
    'user.hash',
    'enduser.id',
    'enduser.pseudo.id',
    'langfuse.user.id',
    'kagent.user_id',
    ...inMetadata('customer'),
  ],
  intent: ['andon.intent', ...inMetadata('intent')],
  channel: ['andon.channel', ...inMetadata('channel')],
  queue: ['andon.queue', ...inMetadata('queue')],
  region: ['andon.region', ...inMetadata('region')],
  autonomy: ['andon.autonomy'],
  initiator: ['andon.contact.initiator'],
  contactEnd: ['andon.contact.end'],
  tool: ['gen_ai.tool.name', 'tool.name', 'ai.toolCall.name', 'traceloop.entity.name', 'mcp.tool.name'],
  action: ['andon.action'],
  system: ['andon.system'],
  recordType: ['andon.record.type'],
  recordId: ['andon.record.id'],
  recordKey: ['andon.record.key'],
  arguments: [
    'gen_ai.tool.call.arguments',
    'tool.parameters',
    'ai.toolCall.args',
    'ai.toolCall.input',
    'gcp.vertex.agent.tool_call_args',
    'tool_arguments',
    'traceloop.entity.input',
    'langfuse.observation.input',
    'input.value',
  ],
  resultText: [
    'gen_ai.tool.call.result',
    'ai.toolCall.result',
    'ai.toolCall.output',
    'gcp.vertex.agent.tool_response',
    'tool_response',
    'traceloop.entity.output',
    'langfuse.observation.output',
    'output.value',
  ],
  result: ['andon.write.result'],
  items: ['andon.write.items'],
  failedItems: ['andon.write.failed_items'],
  errorType: ['error.type'],
  observationLevel: ['langfuse.observation.level'],
  amount: ['andon.amount'],
  currency: ['andon.currency'],
  policy: ['andon.policy'],
  reviewer: ['andon.reviewer'],
  metadata: ['metadata'],
  eventName: ['event.name'],
  outcomeId: ['andon.outcome.id'],
  flag: ['andon.flag.name'],
  reviewMinutes: ['andon.review.minutes'],
  evaluationName: ['gen_ai.evaluation.name'],
  evaluationLabel: ['gen_ai.evaluation.score.label'],
} as const satisfies Record<string, readonly string[]>

export type NamedField = keyof typeof ATTRIBUTE_NAMES

/** Fields that a resource may give for all its spans; what a span itself says goes first. */
export const RESOURCE_FIELDS = [
  'intent',
  'channel',
  'queue',
  'region',
  'autonomy',
  'initiator',
  'system',
  'currency',
] as const

/**
 * What makes a span an agent or a tool call; the first attribute that decides, decides.
 * agent: `invoke_workflow` is the outermost agent of a crew, so that its members join one contact. `create_agent` makes an agent and serves
 * nobody: no agent span. LangSmith's chains and OpenInference's CHAIN are steps: links.
 * A Vercel call (`ai.generateText` …) is an agent span only when it names a functionId: without one it is any model call.
 */
export const ROLE_NAMES: readonly Readonly<{
  attribute: string
  agent: readonly string[]
  tool: readonly string[]
  /** An agent by this attribute must also carry this one. */
  agentNeeds?: NamedField
}>[] = [
  { attribute: 'gen_ai.operation.name', agent: ['invoke_agent', 'invoke_workflow'], tool: ['execute_tool'] },
  { attribute: 'mcp.method.name', agent: [], tool: ['tools/call'] },
  { attribute: 'openinference.span.kind', agent: ['AGENT'], tool: ['TOOL'] },
  { attribute: 'traceloop.span.kind', agent: ['agent', 'workflow'], tool: ['tool'] },
  { attribute: 'langfuse.observation.type', agent: ['agent'], tool: ['tool'] },
  { attribute: 'langsmith.span.kind', agent: ['agent'], tool: ['tool'] },
  {
    attribute: 'ai.operationId',
    agent: ['ai.generateText', 'ai.streamText', 'ai.generateObject', 'ai.streamObject'],
    tool: ['ai.toolCall'],
    agentNeeds: 'agentName',
  },
]

const FIELDS = Object.keys(ATTRIBUTE_NAMES) as NamedField[]

/** Number of each field in the key table; the role attributes follow after the named fields. */
export const FIELD = Object.fromEntries(FIELDS.map((field, i) => [field, i])) as Readonly<Record<NamedField, number>>

export const ROLE_FIELD = FIELDS.length

/** The attribute `mcp.method.name` by itself: it tells MCP spans from other tool spans. */
export const MCP_FIELD = ROLE_FIELD + ROLE_NAMES.findIndex((rule) => rule.attribute === 'mcp.method.name')

/**
 * The key table of the decoders.
 * @param own names from configuration, put before the built-in ones
 * @param unread fields whose attributes need not be kept (tool results, when no rule looks at them)
 */
export function keysOf(
  own: Readonly<Partial<Record<NamedField, readonly string[]>>>,
  unread: readonly NamedField[],
): Keys {
  const named = FIELDS.map((field) =>
    unread.includes(field) ? [] : [...(own[field] ?? []), ...ATTRIBUTE_NAMES[field]],
  )
  return createKeys([...named, ...ROLE_NAMES.map((rule) => [rule.attribute])])
}
