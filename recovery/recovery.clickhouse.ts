import type { ClickHouseClient } from '@clickhouse/client'
import { covers, type Incident, isHeld, type Scope } from '../facts/incident.ts'
import type { Clock } from '../lib/clock.ts'
import { AndonError } from '../lib/errors.ts'
import { idOf } from '../lib/hash.ts'
import type { ScopeOf } from '../pipeline/places.ts'
import { type AffectedItem, affectedItems, ITEM_KINDS, type ItemKind } from './affected.ts'
import { type AffectedRow, affectedRows } from './export.ts'
import { exposedContacts, lastActivities, type Stretch } from './exposed.clickhouse.ts'
import { appendEntries, appendSnapshot, entriesIn, itemsIn, outcomesAfter, snapshotsIn } from './ledger.clickhouse.ts'
import {
  entriesOfOutcome,
  KIND_OF_STEP,
  nameOf,
  type RecoveryEntry,
  type RecoveryState,
  recoveryState,
  type Step,
} from './ledger.ts'

const HOUR_MS = 3_600_000
const DAY_MS = 24 * HOUR_MS
/** Without an estimated onset, contacts of the day before the incident count as exposed. */
const UNKNOWN_ONSET_MS = DAY_MS
/** Complaints and corrections come for days: a drained incident is listed again once a day, this often. */
const LATE_DAYS = 8

export type RecoveryEdges = Readonly<{
  store: ClickHouseClient
  clock: Pick<Clock, 'nowMs'>
  scopeOf: ScopeOf
  /** How long after its last activity a contact without an end is a case under way. Default 24 h. */
  caseIdleMs?: number
  /** Window of duplicate creations. Default 30 d. */
  duplicateWindowMs?: number
}>

/** What a person enters into the ledger. */
export type RecoveryByHand = Readonly<{ step: Step; kind?: ItemKind; item?: string; actor: string; reason: string }>

export type Recovery = Readonly<{
  /** Lists what an incident touched, now: a whole new snapshot. */
  take: (incident: Incident, because: string) => Promise<RecoveryState>
  /** Snapshots that are due (ordered, accepted, stopped, drained, then daily), and what outcomes say since the last call. To be called every few seconds. */
  tick: (incidents: readonly Incident[]) => Promise<void>
  /** `part`: only of contacts, customers, records and cases of one channel or queue. */
  state: (incidentId: string, part?: Scope) => Promise<RecoveryState>
  /** Throws AndonError `unknown_item`, `bad_entry`. Saying the same thing twice is one entry. */
  record: (incidentId: string, entry: RecoveryByHand) => Promise<RecoveryEntry>
  rows: (incidentId: string) => Promise<AffectedRow[]>
  entries: (incidentId: string) => Promise<RecoveryEntry[]>
}>

export function createRecovery(edges: RecoveryEdges): Recovery {
  const { store, clock, scopeOf, caseIdleMs = DAY_MS, duplicateWindowMs = 30 * DAY_MS } = edges
  let outcomesSeq = 0

  async function take(incident: Incident, because: string): Promise<RecoveryState> {
    const { incidentId, release, finding, clock: times } = incident
    const takenAtMs = clock.nowMs() // what is ordered while it is read is not in it
    const fromMs =
      finding.onsetLowMs ?? finding.onsetMs ?? finding.firstHarmMs ?? incident.openedAtMs - UNKNOWN_ONSET_MS
    const query = { release, stretches: stretchesOf(incident), fromMs, duplicateWindowMs, scopeOf }
    const contacts = await exposedContacts(store, query)
    const pausedAtMs = times.acceptedMs ?? times.detectedMs
    const items = affectedItems({ incidentId, release, contacts, pausedAtMs, caseIdleMs })
    await appendSnapshot(store, incidentId, { takenAtMs, because }, items)
    outcomesSeq = 0 // an outcome that came before the list may be about it
    return state(incidentId)
  }

  async function present(incidentId: string) {
    const snapshot = (await snapshotsIn(store)).get(incidentId) ?? null
    const items: AffectedItem[] = snapshot ? await itemsIn(store, incidentId, snapshot.number) : []
    return { snapshot, items, entries: await entriesIn(store, incidentId) }
  }

  async function state(incidentId: string, part?: Scope): Promise<RecoveryState> {
    const { snapshot, items, entries } = await present(incidentId)
    const own = part ? items.filter((item) => item.kind !== 'audit' && covers(part, item)) : items
    return recoveryState(incidentId, snapshot, own, entries)
  }

  async function tick(incidents: readonly Incident[]): Promise<void> {
    const snapshots = await snapshotsIn(store)
    for (const incident of incidents) {
      const due = dueSnapshot(incident, clock.nowMs())
      const last = snapshots.get(incident.incidentId)
      const isStale = !last || last.takenAtMs < (incident.orderedMs ?? 0)
      if (due !== null && (isStale || due !== last.because)) await take(incident, due)
    }
    await feed([...snapshots.keys()])
  }

  /** Enters what outcomes say; they are read again from the start after a restart, and enter nothing twice. */
  async function feed(incidentIds: readonly string[]): Promise<void> {
    if (incidentIds.length === 0) return
    const { outcomes, seq } = await outcomesAfter(store, outcomesSeq)
    for (const incidentId of outcomes.length > 0 ? incidentIds : []) {
      const { items, entries } = await present(incidentId)
      const known = new Set(entries.map((entry) => entry.entryId))
      const scope = scopeOf(items[0]?.environment ?? '')
      const heard = outcomes.filter((outcome) => scopeOf(outcome.environment) === scope)
      const found = heard.flatMap((outcome) => entriesOfOutcome(incidentId, items, outcome))
      await appendEntries(
        store,
        found.filter((entry) => !known.has(entry.entryId)),
      )
    }
    outcomesSeq = seq
  }

  async function record(incidentId: string, given: RecoveryByHand): Promise<RecoveryEntry> {
    const { snapshot, items } = await present(incidentId)
    const target = targetOf(incidentId, given, snapshot === null ? null : items)
    const { step, actor, reason } = given
    // A waiver is about what was listed: after another listing the same words are another waiver.
    const listed = step === 'waived' ? [String(snapshot?.number ?? 0)] : []
    const entry: RecoveryEntry = {
      incidentId,
      entryId: idOf('recovery', incidentId, step, target.kind, target.item, actor, reason, ...listed),
      atMs: clock.nowMs(),
      step,
      ...target,
      actor,
      reason,
      source: 'hand',
      outcomeId: '',
    }
    const known = (await entriesIn(store, incidentId)).find((other) => other.entryId === entry.entryId)
    if (known) return known
    await appendEntries(store, [entry])
    return entry
  }

  async function rows(incidentId: string): Promise<AffectedRow[]> {
    const { items, entries } = await present(incidentId)
    const customers = items.filter((item) => item.kind === 'customer').map((item) => item.item)
    const fromMs = Math.min(...items.map((item) => item.atMs), clock.nowMs())
    return affectedRows(items, entries, await lastActivities(store, customers, fromMs), clock.nowMs())
  }

  return { take, tick, state, record, rows, entries: (incidentId) => entriesIn(store, incidentId) }
}

/** What is stopped, until it was let go on: what a release does after that is another story. */
function stretchesOf({ scope, resumed, resumedParts }: Incident): readonly Stretch[] {
  const ofParts = resumedParts.map((resume) => ({ scope: resume.scope, untilMs: resume.atMs }))
  return [{ scope, untilMs: resumed?.atMs ?? null }, ...ofParts]
}

/** Why a snapshot is due, by how far the pause came; null: nothing is ordered (any more), so nothing is listed unasked. */
function dueSnapshot(incident: Incident, nowMs: number): string | null {
  const { clock } = incident
  if (!isHeld(incident)) return null
  if (clock.drainedMs === null)
    return clock.stoppedMs !== null ? 'stopped' : clock.acceptedMs !== null ? 'accepted' : 'ordered'
  const days = Math.min(LATE_DAYS, Math.floor((nowMs - clock.drainedMs) / DAY_MS))
  return days < 1 ? 'drained' : `day ${days} after drained`
}

/** What an entry by hand is about. A step that closes something needs an item of the affected set. */
function targetOf(
  incidentId: string,
  { step, kind, item, actor, reason }: RecoveryByHand,
  items: readonly AffectedItem[] | null,
): Pick<RecoveryEntry, 'kind' | 'item'> {
  const refuse = (message: string) => new AndonError('bad_entry', message)
  if (actor.trim() === '') throw refuse('say who did it: a name')
  if ((step === 'waived' || step === 'unrecoverable') && reason.trim() === '')
    throw refuse(`say why it is ${step}: a reason`)
  if (step === 'waived') {
    if (item !== undefined)
      throw refuse('a waiver is for the whole incident: name no item, or close this one as unrecoverable')
    return { kind: '', item: '' }
  }
  const wanted = KIND_OF_STEP[step] ?? kind
  if (wanted === undefined) throw refuse(`say what is unrecoverable: ${ITEM_KINDS.join(', ')}`)
  if (kind !== undefined && kind !== wanted) throw refuse(`${step} is about a ${wanted}, not about a ${kind}`)
  const name = wanted === 'audit' ? incidentId : item
  if (name === undefined || name === '') throw refuse(`name the ${wanted} as \`andon affected\` lists it`)
  if (items === null) throw new AndonError('unknown_item', `incident ${incidentId} has no affected set yet`)
  if (!items.some((one) => nameOf(one) === nameOf({ kind: wanted, item: name })))
    throw new AndonError(
      'unknown_item',
      `${wanted} ${name} is not in the affected set of ${incidentId}: \`andon affected\` lists it`,
    )
  return { kind: wanted, item: name }
}
