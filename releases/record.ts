import { z } from 'zod'
import type { Release } from '../facts/slice.ts'

/** How much an agent may do on its own, from least to most. */
export const AUTONOMY_LEVELS = [
  'read-only',
  'suggested',
  'reviewed update',
  'limited automatic',
  'broad automatic',
] as const

const text = z.string().trim().max(2000)
const names = z.array(z.string().trim().min(1).max(200)).max(200)

/** What people say of a release; all of it is optional, and `andon gate` says what is missing. */
export const recordSchema = z.strictObject({
  owner: text.optional().describe('Person or team that answers for the release.'),
  change: z
    .strictObject({
      prompt: text.optional().describe('What changed in prompts.'),
      policy: text.optional().describe('What changed in policies.'),
      model: text.optional().describe('What changed in models.'),
    })
    .optional()
    .describe('What is different from the previous release.'),
  allowedActions: names
    .optional()
    .describe('Kinds of writes that it may make: create, update, merge, delete, transfer; read needs no permission.'),
  affectedSystems: names.optional().describe('Systems that it may change, as telemetry names them (crm, erp, …).'),
  autonomy: z.enum(AUTONOMY_LEVELS).optional().describe('How much it may do on its own.'),
  previousRelease: z.string().trim().max(200).optional().describe('What a rollback goes back to.'),
  triggers: names.optional().describe('Names of the triggers that must judge it.'),
  trafficGoesTo: text.optional().describe('Where traffic goes when a person stops it.'),
  notes: text.optional().describe('Release notes, or where they are.'),
})
export type ReleaseRecord = z.output<typeof recordSchema>

/** What telemetry says of a release: nobody has to register it to be judged or paused. */
export type SeenRelease = Readonly<{
  firstContactMs: number | null
  lastContactMs: number | null
  contacts: number
  slices: readonly Readonly<{ channel: string; queue: string; contacts: number }>[]
}>

/** One line of what people said, append-only. */
export type ReleaseEvent = Readonly<{
  eventId: string
  atMs: number
  type: 'registered' | 'retired'
  release: Release
  actor: string
  reason: string
  /** The whole record, which replaces the one before; null for `retired`. */
  record: ReleaseRecord | null
}>

/** Level of an autonomy as a number from 0, or null for none: telemetry may write it with other separators. */
export function levelOf(autonomy: string | undefined): number | null {
  const plain = (autonomy ?? '')
    .toLowerCase()
    .replaceAll(/[\s_-]+/g, ' ')
    .trim()
  const level = AUTONOMY_LEVELS.findIndex((name) => name.replaceAll('-', ' ') === plain)
  return level < 0 ? null : level
}
