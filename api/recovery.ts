import { z } from 'zod'
import { AndonError } from '../lib/errors.ts'
import type { ProblemCode } from './problems.ts'
import { type Route, route } from './route.ts'

const KINDS = ['contact', 'customer', 'record', 'case', 'audit'] as const
const STEPS = [
  'record_corrected',
  'customer_recontacted',
  'case_routed',
  'audit_closed',
  'unrecoverable',
  'waived',
] as const

const gateSchema = z
  .object({
    allowed: z.boolean(),
    reason: z.enum(['recovery_complete', 'recovery_waived', 'recovery_open', 'recovery_unknown']),
    detail: z.string().describe('One sentence for people.'),
  })
  .meta({ id: 'RedeployGate', description: 'Whether the release may take traffic again as far as recovery goes.' })

const entrySchema = z
  .object({
    incidentId: z.string(),
    entryId: z.string(),
    atMs: z.number().describe('Milliseconds since 1970 UTC.'),
    step: z.enum(STEPS),
    kind: z.enum(['', ...KINDS]).describe('Kind of the item; "" for a waiver.'),
    item: z.string(),
    actor: z.string().describe('Who; the kind of outcome when a system reported it.'),
    reason: z.string(),
    source: z.enum(['outcome', 'hand']),
    outcomeId: z.string(),
  })
  .meta({ id: 'RecoveryEntry', description: 'One line of the append-only recovery ledger.' })

const stateSchema = z
  .object({
    incidentId: z.string(),
    snapshot: z
      .object({ number: z.number(), takenAtMs: z.number(), because: z.string() })
      .nullable()
      .describe('The latest listing; null: nothing was listed yet.'),
    needed: z.number().describe('Items that need something.'),
    done: z.number().describe('Of them, those with an entry in the ledger.'),
    unrecoverable: z.number(),
    completeness: z.number().nullable().describe('done / needed; null when nothing needs anything.'),
    open: z.partialRecord(z.enum(KINDS), z.number()).describe('Open items by kind.'),
    waiver: z.object({ actor: z.string(), reason: z.string(), atMs: z.number() }).nullable(),
    gate: gateSchema,
  })
  .meta({ id: 'RecoveryState', description: 'How far the recovery of one incident is.' })

const rowSchema = z.record(z.string(), z.union([z.string(), z.number()])).meta({
  id: 'AffectedItem',
  description:
    'One affected item: kind, item, need, why, done, slice, contact, customer (pseudonym), record, amount, times, reply window. docs/recovery.md.',
})

const drillSchema = z
  .object({
    drillId: z.string(),
    startedAtMs: z.number(),
    onsetMs: z.number(),
    detectedMs: z.number().nullable(),
    acceptedMs: z.number().nullable(),
    stoppedMs: z.number().nullable(),
    drainedMs: z.number().nullable(),
    contactsExposed: z.number(),
    passed: z.boolean(),
    reason: z.string(),
  })
  .meta({
    id: 'Drill',
    description: 'A fault with known onset, and how far the pause of it came. Times null = not seen.',
  })

export type RecoveryStateAnswer = z.infer<typeof stateSchema>
export type RecoveryEntryAnswer = z.infer<typeof entrySchema>
type Row = z.infer<typeof rowSchema>

/** What the handlers need. Errors are AndonErrors of the rooms behind; an incident that is not there is `not_found`. */
export type RecoveryApi = Readonly<{
  state: (incidentId: string) => Promise<RecoveryStateAnswer>
  rows: (incidentId: string) => Promise<{ rows: Row[]; csv: () => string }>
  entries: (incidentId: string) => Promise<RecoveryEntryAnswer[]>
  /** Lists anew what the incident touched. */
  refresh: (incidentId: string) => Promise<RecoveryStateAnswer>
  record: (
    incidentId: string,
    entry: Readonly<{
      step: (typeof STEPS)[number]
      kind?: (typeof KINDS)[number]
      item?: string
      actor: string
      reason: string
    }>,
  ) => Promise<RecoveryEntryAnswer>
  drills: () => Promise<z.infer<typeof drillSchema>[]>
  /** Begins a drill and does not wait for its end; null where this process has no alerter to drill. */
  startDrill: (() => Promise<void>) | null
}>

/** Codes of the rooms behind, in the words of the API. */
const AS_PROBLEM: Readonly<Record<string, ProblemCode>> = {
  bad_entry: 'invalid',
  unknown_item: 'not_found',
  drill_running: 'conflict',
}

async function told<T>(work: Promise<T>): Promise<T> {
  try {
    return await work
  } catch (error) {
    const code = error instanceof AndonError ? AS_PROBLEM[error.code] : undefined
    if (code === undefined) throw error
    throw new AndonError(code, (error as AndonError).message, { cause: error })
  }
}

const params = z.strictObject({ incidentId: z.string().max(100).describe('Id of the incident, as webhooks give it.') })

/** What has to be done after a pause, and what was done about it; drills. `recovery` null: this process cannot tell. */
export function recoveryRoutes(recovery: RecoveryApi | undefined): Route[] {
  const at = (): RecoveryApi => {
    if (recovery) return recovery
    throw new AndonError('unavailable', 'this process does not follow recoveries; ask the one with the alerter', {
      retryable: true,
    })
  }
  return [
    route({
      id: 'getRecovery',
      method: 'GET',
      path: '/api/v1/incidents/{incidentId}/recovery',
      role: 'read',
      tag: 'Recovery',
      summary: 'How far the recovery is, its ledger, and the redeploy gate',
      params,
      answer: z.object({ recovery: stateSchema, entries: z.array(entrySchema) }),
      problems: ['not_found'],
      handle: async ({ params: { incidentId } }) => ({
        recovery: await at().state(incidentId),
        entries: await at().entries(incidentId),
      }),
    }),
    route({
      id: 'addRecoveryEntry',
      method: 'POST',
      path: '/api/v1/incidents/{incidentId}/recovery',
      role: 'operate',
      tag: 'Recovery',
      summary: 'Enter what was done about an item, or waive the rest',
      description: 'Append-only. The same entry again is the same line. `unrecoverable` and `waived` need a reason.',
      params,
      body: z.strictObject({
        step: z.enum(STEPS),
        kind: z.enum(KINDS).optional().describe('For `unrecoverable`; the other steps know theirs.'),
        item: z.string().min(1).max(2000).optional().describe('The item as the affected set names it.'),
        reason: z.string().max(2000).default('').describe('Why.'),
      }),
      answer: z.object({ entry: entrySchema, recovery: stateSchema }),
      status: 201,
      problems: ['not_found', 'invalid'],
      handle: async ({ params: { incidentId }, body: { step, kind, item, reason }, actor }) => {
        const named = { ...(kind && { kind }), ...(item && { item }) }
        const entry = await told(at().record(incidentId, { step, reason, actor: actor.person, ...named }))
        return { entry, recovery: await at().state(incidentId) }
      },
    }),
    route({
      id: 'listAffected',
      method: 'GET',
      path: '/api/v1/incidents/{incidentId}/affected',
      role: 'read',
      tag: 'Recovery',
      summary: 'What the incident touched: contacts, customers, records, cases',
      description:
        'Customers and record keys are pseudonyms. Reply windows count down, so the answer changes with time.',
      params,
      query: z.strictObject({ format: z.enum(['json', 'csv']).default('json').describe('json or csv. Default json.') }),
      answer: z.object({ items: z.array(rowSchema) }),
      alsoAnswers: ['text/csv'],
      problems: ['not_found'],
      handle: async ({ params: { incidentId }, query: { format } }) => {
        const { rows, csv } = await at().rows(incidentId)
        if (format === 'json') return { items: rows }
        return {
          contentType: 'text/csv; charset=utf-8',
          text: csv(),
          fileName: `affected-${incidentId.slice(0, 8)}.csv`,
        }
      },
    }),
    route({
      id: 'refreshAffected',
      method: 'POST',
      path: '/api/v1/incidents/{incidentId}/affected',
      role: 'operate',
      tag: 'Recovery',
      summary: 'List anew what the incident touched, with facts that arrived since',
      params,
      answer: z.object({ recovery: stateSchema }),
      problems: ['not_found'],
      handle: async ({ params: { incidentId } }) => ({ recovery: await at().refresh(incidentId) }),
    }),
    route({
      id: 'listDrills',
      method: 'GET',
      path: '/api/v1/drills',
      role: 'read',
      tag: 'Drills',
      summary: 'Drills, newest first',
      answer: z.object({ drills: z.array(drillSchema) }),
      handle: async () => ({ drills: await at().drills() }),
    }),
    route({
      id: 'startDrill',
      method: 'POST',
      path: '/api/v1/drills',
      role: 'operate',
      tag: 'Drills',
      summary: 'Begin a drill: a fault with known onset in a release of its own',
      description:
        'Takes about two minutes; no real target hears of it. The result is the first of the drills afterwards.',
      answer: z.object({ started: z.literal(true) }),
      status: 202,
      problems: ['conflict'],
      handle: async () => {
        const start = at().startDrill
        if (!start) throw new AndonError('conflict', 'drills run in a process with the role alerter')
        await told(start())
        return { started: true as const }
      },
    }),
  ]
}
