import { z } from 'zod'
import type { NamedField } from './field-names.ts'

/**
 * The `names:` part of the configuration: what agents call things, for agents that do not speak the `andon.*` convention
 * and cannot be changed. Everything is optional.
 */

const attributeNames = z.array(z.string().min(1)).min(1)

const CONFIGURABLE = {
  agentName: 'Name of the agent on its own span.',
  release: 'Version of the agent: what a pause acts on. Your names go before service.version.',
  environment: 'Deployment environment.',
  conversation: 'Conversation, session or thread id.',
  customer: 'Identity of the customer; only its pseudonym is kept.',
  intent: 'The case type of the customer.',
  channel: 'Channel: whatsapp, voice, chat, email …',
  queue: 'Line of work.',
  region: 'Region.',
  autonomy: 'Autonomy level of the agent.',
  initiator: 'Who began the contact: customer (default), agent, system.',
  contactEnd: 'How the contact ended: resolved, transferred, escalated, abandoned.',
  tool: 'Name of the tool that a tool span calls.',
  action: 'create, update, merge, delete, read or transfer.',
  system: 'System of record: crm, erp, finance …',
  recordType: 'Type of the record that a tool call acts on.',
  recordId: "The system's own id of that record, kept as given so that people can find it: no identity of a customer.",
  recordKey: 'Natural key of that record; only its pseudonym is kept.',
  arguments: 'Arguments of a tool call, as JSON text or as a map; only their keyed hash is kept.',
  resultText: 'Text that a tool call returned; looked at by the rules under `failure`, never kept.',
  result: 'Truth of a write: ok, failed, partial or unverified.',
  items: 'How many items a write had.',
  failedItems: 'How many of them failed.',
  errorType: 'Type of the error of a tool call.',
  amount: 'Amount of money.',
  currency: 'Currency of that amount.',
  policy: 'The policy that allowed the action.',
  reviewer: 'The person who approved it; only a pseudonym is kept.',
  outcomeId: "The sender's id of an outcome, so that a repeated one counts once.",
  flag: 'Name of a flag outcome.',
  reviewMinutes: 'Minutes that a person spent on a review.',
} as const satisfies Partial<Record<NamedField, string>>

const aliases = z.strictObject(
  Object.fromEntries(
    Object.entries(CONFIGURABLE).map(([field, meaning]) => [field, attributeNames.optional().describe(meaning)]),
  ) as Record<keyof typeof CONFIGURABLE, z.ZodOptional<typeof attributeNames>>,
)

const toolRule = z.strictObject({
  action: z
    .enum(['create', 'update', 'merge', 'delete', 'read', 'transfer'])
    .optional()
    .describe('What the tool does. create, update, merge and delete are writes; transfer hands the contact to people.'),
  recordType: z.string().min(1).optional().describe('Type of the record, e.g. order.'),
  recordKey: z
    .array(z.string().min(1))
    .min(1)
    .optional()
    .describe(
      'Paths into the arguments that make up the natural key, e.g. [order_id] or [customer.email, items.0.sku]. All must be there, else the call has no key.',
    ),
  withoutKey: z
    .enum(['contact', 'anyone'])
    .optional()
    .describe(
      'Where a create without a natural key counts as the same record again, by tool and arguments: within its contact, or by anyone. Default contact.',
    ),
  recordId: z
    .string()
    .min(1)
    .optional()
    .describe("Path into the arguments that holds the system's own id of the record, kept as given, e.g. order_id."),
  system: z.string().min(1).optional().describe('System of record, e.g. crm.'),
})

const scalar = z.union([z.string(), z.number(), z.boolean(), z.null()])

const failure = z.strictObject({
  errorType: z.boolean().default(true).describe('A tool span with error.type failed.'),
  ignoreErrorTypes: z.array(z.string().min(1)).default([]).describe('Values of error.type that are no failure.'),
  status: z.boolean().default(true).describe('A tool span with status ERROR failed (or Langfuse level ERROR).'),
  resultMatches: z
    .array(z.string().min(1))
    .default([])
    .describe(
      'A tool call failed when its result text matches one of these patterns as a whole: * stands for any text, ? for one character, e.g. "Error*". Upper and lower case differ; the first 4,096 characters are looked at.',
    ),
  resultFields: z
    .record(z.string().min(1), z.array(scalar).min(1))
    .default({})
    .describe(
      'A tool call failed when its result is JSON and the value at this path is one of these, e.g. { success: [false], status: [error, denied] }.',
    ),
})

export const namesSchema = z
  .strictObject({
    aliases: aliases.prefault({}).describe('Attribute names per field, tried before the built-in ones, in this order.'),
    tools: z
      .record(z.string().min(1), toolRule)
      .default({})
      .describe(
        'What tools do, by tool name; * and ? may stand for any text and one character. An exact name goes first, then patterns in the order written. What a span says itself (andon.action …) goes before the rule.',
      ),
    failure: failure
      .prefault({})
      .describe(
        'When a tool call failed, beyond what the span says by andon.write.result and andon.write.failed_items.',
      ),
    mcp: z
      .enum(['client', 'server', 'none'])
      .default('client')
      .describe(
        'One MCP call can give a client and a server span: which of them is the action. client: server spans with a parent only join the trace. server: MCP client spans only join. none: both only join, because the agent framework has an execute_tool span around them.',
      ),
    sampledServices: z
      .array(z.string().min(1))
      .default([])
      .describe(
        'Services (service.name, with * and ?) whose spans were sampled without saying so in tracestate; sampled releases are counted, not judged.',
      ),
    failLabels: z
      .array(z.string().min(1))
      .default(['fail', 'failed', 'failure', 'incorrect', 'unsafe'])
      .describe('Labels of gen_ai.evaluation.score.label that make an evaluation result a flag; case does not matter.'),
  })
  .describe('What agents call things.')

export type Names = z.output<typeof namesSchema>
export type ToolRule = z.output<typeof toolRule>

/** The plain convention: no aliases, no rules. */
export const PLAIN_NAMES: Names = namesSchema.parse({})
