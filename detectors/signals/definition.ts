import { z } from 'zod'
import { OUTCOME_KINDS } from '../../facts/span.ts'

/** Numbers of a contact that predicates and measures may read, with the SQL that yields them. */
export const CONTACT_NUMBERS = {
  calls: 'calls',
  failedCalls: 'failed_calls',
  writes: 'writes',
  failedWrites: 'failed_writes',
  creates: 'creates',
  duplicateWrites: 'duplicate_writes',
  transfers: 'transfers',
  amount: 'amount',
  durationSeconds: "date_diff('millisecond', started_at, ended_at) / 1000",
} as const

/** Texts of a contact that predicates may read. */
export const CONTACT_TEXTS = {
  customer: 'customer',
  intent: 'intent',
  channel: 'channel',
  queue: 'queue',
  region: 'region',
  autonomy: 'autonomy',
  initiator: 'initiator',
  contactEnd: 'contact_end',
} as const

const numberCondition = z.strictObject({
  field: z.enum(Object.keys(CONTACT_NUMBERS) as [keyof typeof CONTACT_NUMBERS]).describe('A number of the contact.'),
  above: z.number().describe('True when the number is greater than this.'),
})
const textCondition = z.strictObject({
  field: z.enum(Object.keys(CONTACT_TEXTS) as [keyof typeof CONTACT_TEXTS]).describe('A text of the contact.'),
  is: z.array(z.string()).min(1).optional().describe('True when the text is one of these.'),
  known: z.literal(true).optional().describe('True when the text is not empty.'),
})

/** Conditions on a contact that must all hold; an empty list always holds. */
export const predicateSchema = z
  .array(z.union([numberCondition, textCondition]))
  .describe('Conditions on the contact; all must hold.')
export type Predicate = z.infer<typeof predicateSchema>

const named = {
  name: z
    .string()
    .regex(/^[a-z][a-z0-9_]{0,63}$/, 'lower-case letters, digits and underscores, at most 64')
    .describe('Name of the signal, used in triggers, tables, metrics and boards.'),
  title: z.string().min(1).describe('Title for boards and pages.'),
  description: z.string().default('').describe('One sentence: what is a trial, what is a hit.'),
  runbook: z.string().default('').describe('Link or path of the runbook.'),
}
const trial = predicateSchema.default([]).describe('Which contacts are trials.')
const windowHours = z.number().positive().max(1440).describe('Window in hours, start to start, inclusive.')

/** Facts matching A among facts matching B. */
export const shareSchema = z.strictObject({ ...named, evaluator: z.literal('share'), trial, hit: predicateSchema })

/**
 * The same key again within a window. Over contacts the key is (customer, intent) and the EARLIER contact is charged;
 * over creates it is the record key and the LATER contact is charged.
 */
export const recurrenceSchema = z.strictObject({
  ...named,
  evaluator: z.literal('recurrence'),
  over: z.enum(['contacts', 'creates']),
  trial,
  windowHours,
})

/** A later outcome charged back to the contact it is about. */
export const attributedSchema = z.strictObject({
  ...named,
  evaluator: z.literal('attributed'),
  outcome: z.enum(OUTCOME_KINDS),
  flag: z.string().default('').describe('For outcome `flag`: its name; empty takes all.'),
  trial,
  windowHours,
})

/** A quantity of the contact; its hit is "above the limit", or without one "beyond what was usual" (detectors/usual.ts). */
export const measureSchema = z.strictObject({
  ...named,
  evaluator: z.literal('measure'),
  trial,
  value: z.enum(Object.keys(CONTACT_NUMBERS) as [keyof typeof CONTACT_NUMBERS]),
  above: z
    .number()
    .exactOptional()
    .describe(
      'A contact whose value is greater than this is a hit. Absent: judged against the median, the 90 % and the 99 % point of history.',
    ),
})

/** The increase of one OTLP counter among the increase of another. */
export const countersSchema = z.strictObject({
  ...named,
  evaluator: z.literal('counters'),
  trials: z.string().min(1).describe('Metric name of the counter of trials.'),
  hits: z.string().min(1).describe('Metric name of the counter of hits.'),
})

export const signalSchema = z.discriminatedUnion('evaluator', [
  shareSchema,
  recurrenceSchema,
  attributedSchema,
  measureSchema,
  countersSchema,
])

/** What counts as a trial and as a hit: data, never code. */
export type Signal = z.infer<typeof signalSchema>
export type Recurrence = z.infer<typeof recurrenceSchema>
export type Attributed = z.infer<typeof attributedSchema>

export type Measure = z.infer<typeof measureSchema>

/** A quantity without a limit of its own: judged against what was usual. */
export const isAgainstUsual = (signal: Signal): signal is Measure =>
  signal.evaluator === 'measure' && signal.above === undefined

/** Window of a delayed signal in milliseconds; null when its hit is known within the contact. */
export const windowMsOf = (signal: Signal): number | null =>
  signal.evaluator === 'attributed' || (signal.evaluator === 'recurrence' && signal.over === 'contacts')
    ? signal.windowHours * 3_600_000
    : null
