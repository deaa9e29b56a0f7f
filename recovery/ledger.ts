import { idOf } from '../lib/hash.ts'
import type { AffectedItem, ItemKind } from './affected.ts'

/** What was done. waived: somebody lets the release go on although something is open. */
export const STEPS = [
  'record_corrected',
  'customer_recontacted',
  'case_routed',
  'audit_closed',
  'unrecoverable',
  'waived',
] as const
export type Step = (typeof STEPS)[number]

/** Which kind of item a step is about; `unrecoverable` may be any, `waived` is the incident. */
export const KIND_OF_STEP: Readonly<Partial<Record<Step, ItemKind>>> = {
  record_corrected: 'record',
  customer_recontacted: 'customer',
  case_routed: 'case',
  audit_closed: 'audit',
}

/** One line of the append-only ledger. */
export type RecoveryEntry = Readonly<{
  incidentId: string
  /** Hash of what it says: the same entry again is the same line. */
  entryId: string
  atMs: number
  step: Step
  /** '' for a waiver. */
  kind: ItemKind | ''
  item: string
  /** Who; the kind of outcome when a system reported it. */
  actor: string
  reason: string
  source: 'outcome' | 'hand'
  outcomeId: string
}>

/** A correction or a recontact that another system reported. */
export type RecoveryOutcome = Readonly<{
  outcomeId: string
  kind: 'correction' | 'recontact'
  atMs: number
  environment: string
  conversation: string
  customer: string
  recordType: string
  recordId: string
}>

/**
 * The entries that one outcome makes: a correction closes the record that it names, or without one every record of its conversation that
 * needs correcting; a recontact closes its customer. What is not in the set, or happened before the harm, makes none.
 */
export function entriesOfOutcome(
  incidentId: string,
  items: readonly AffectedItem[],
  outcome: RecoveryOutcome,
): RecoveryEntry[] {
  const step: Step = outcome.kind === 'correction' ? 'record_corrected' : 'customer_recontacted'
  return items
    .filter((item) => item.kind === KIND_OF_STEP[step] && outcome.atMs >= item.atMs && isAbout(outcome, item, items))
    .map((item) => ({
      incidentId,
      entryId: idOf('recovery', incidentId, step, item.item, outcome.outcomeId),
      atMs: outcome.atMs,
      step,
      kind: item.kind,
      item: item.item,
      actor: `andon.${outcome.kind}`,
      reason: '',
      source: 'outcome',
      outcomeId: outcome.outcomeId,
    }))
}

function isAbout(outcome: RecoveryOutcome, item: AffectedItem, items: readonly AffectedItem[]): boolean {
  if (outcome.kind === 'correction') {
    if (outcome.recordId !== '')
      return item.recordId === outcome.recordId && (outcome.recordType === '' || item.recordType === outcome.recordType)
    return item.need === 'correct' && outcome.conversation !== '' && item.conversation === outcome.conversation
  }
  if (outcome.customer !== '') return item.customer === outcome.customer
  if (outcome.conversation === '') return false
  const contact = items.find((one) => one.kind === 'contact' && one.conversation === outcome.conversation)
  return contact !== undefined && contact.customer !== '' && contact.customer === item.customer
}

/** How far the recovery of one incident is. */
export type RecoveryState = Readonly<{
  incidentId: string
  /** null: nothing was listed yet. */
  snapshot: Readonly<{ number: number; takenAtMs: number; because: string }> | null
  /** Items that need something, and how many of them are dealt with. */
  needed: number
  done: number
  /** Of `done`: closed as unrecoverable, with a reason. */
  unrecoverable: number
  /** done / needed; null when nothing needs anything. */
  completeness: number | null
  open: Readonly<Partial<Record<ItemKind, number>>>
  /** The latest one. */
  waiver: Readonly<{ actor: string; reason: string; atMs: number }> | null
}>

export function recoveryState(
  incidentId: string,
  snapshot: RecoveryState['snapshot'],
  items: readonly AffectedItem[],
  entries: readonly RecoveryEntry[],
): RecoveryState {
  const steps = stepsByItem(entries)
  const needing = items.filter((item) => item.need !== '')
  const dealtWith = needing.filter((item) => steps.has(nameOf(item)))
  const open: Partial<Record<ItemKind, number>> = {}
  for (const item of needing) if (!steps.has(nameOf(item))) open[item.kind] = (open[item.kind] ?? 0) + 1
  const waiver = entries.filter((entry) => entry.step === 'waived').sort((a, b) => b.atMs - a.atMs)[0]
  return {
    incidentId,
    snapshot,
    needed: needing.length,
    done: dealtWith.length,
    unrecoverable: dealtWith.filter((item) => steps.get(nameOf(item))!.step === 'unrecoverable').length,
    completeness: needing.length === 0 ? null : dealtWith.length / needing.length,
    open,
    waiver: waiver ? { actor: waiver.actor, reason: waiver.reason, atMs: waiver.atMs } : null,
  }
}

export const nameOf = ({ kind, item }: Readonly<{ kind: string; item: string }>): string => `${kind} ${item}`

/** The first entry of each item: what came later changes nothing. */
export function stepsByItem(entries: readonly RecoveryEntry[]): ReadonlyMap<string, RecoveryEntry> {
  const first = new Map<string, RecoveryEntry>()
  for (const entry of [...entries].sort((a, b) => a.atMs - b.atMs || (a.entryId < b.entryId ? -1 : 1)))
    if (entry.item !== '' && !first.has(nameOf(entry))) first.set(nameOf(entry), entry)
  return first
}

/** Whether the release may take traffic again as far as recovery goes, and why or why not. */
export type RedeployVerdict = Readonly<{
  allowed: boolean
  reason: 'recovery_complete' | 'recovery_waived' | 'recovery_open' | 'recovery_unknown'
  detail: string
}>

/**
 * The redeploy gate: closed until everything that needs something is dealt with, or a named person waived it with a reason. Pure.
 * @param orderedMs when what is stopped now was ordered: what was listed or waived before that did not know how much it would be; null: nothing was
 */
export function redeployGate(state: RecoveryState, orderedMs: number | null): RedeployVerdict {
  const { waiver, snapshot, done, needed } = state
  if (waiver && waiver.atMs >= (orderedMs ?? 0))
    return {
      allowed: true,
      reason: 'recovery_waived',
      detail: `waived by ${waiver.actor} with ${needed - done} of ${needed} open: ${waiver.reason}`,
    }
  if (!snapshot)
    return { allowed: false, reason: 'recovery_unknown', detail: 'nobody has listed yet what the incident touched' }
  if (snapshot.takenAtMs < (orderedMs ?? 0))
    return {
      allowed: false,
      reason: 'recovery_unknown',
      detail:
        'more was stopped since it was listed what the incident touched: the next listing comes in seconds, or now by `andon affected --refresh`',
    }
  if (done === needed)
    return { allowed: true, reason: 'recovery_complete', detail: `all ${needed} items are dealt with` }
  const open = Object.entries(state.open).map(([kind, n]) => `${n} ${kind}${n === 1 ? '' : 's'}`)
  return { allowed: false, reason: 'recovery_open', detail: `still open: ${open.join(', ')}` }
}
