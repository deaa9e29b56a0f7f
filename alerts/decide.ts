import type { Finding, FindingKind } from '../facts/finding.ts'
import { type DecisionReason, type Incident, isHeld, isPast } from '../facts/incident.ts'
import type { Release } from '../facts/slice.ts'
import { idOf } from '../lib/hash.ts'

/** A maintenance window: breaches that match are kept but nobody is paused or told. An absent part matches everything. */
export type Silence = Readonly<{
  environment?: string | undefined
  agent?: string | undefined
  release?: string | undefined
  channel?: string | undefined
  fromMs: number
  untilMs: number
}>

/** The brakes on the cord; `safetyConfig` in targets.ts describes each with its default. */
export type Safety = Readonly<{
  observeOnly: boolean
  silences: readonly Silence[]
  /** A release whose last contact began longer ago than this is not paused. */
  actWithinMs: number
  maxPauses: number
  maxPausesWindowMs: number
}>

export type Mode = 'live' | 'replay'

/**
 * What one finding does.
 * open: a new incident. promote: the open incident only observed, and this finding calls for more.
 * join: another trigger of a release that already has an incident. nothing: no breach, or a breach already told.
 */
export type Decision =
  | Readonly<{ does: 'open' | 'promote'; reason: DecisionReason; pause: boolean; incidentId: string }>
  | Readonly<{ does: 'join'; reason: 'joined_open_incident'; pause: false; incidentId: string }>
  | Readonly<{ does: 'nothing'; reason: 'joined_open_incident'; pause: false; incidentId: string }>
  | Readonly<{ does: 'nothing'; reason: Exclude<FindingKind, 'breach'>; pause: false; incidentId: null }>

/**
 * How much a reason asks of the world: 0 nothing is sent, 1 people are told, 2 people are told that a pause was held back, 3 a pause.
 * An observed incident is promoted only upwards, so nobody is told the same thing twice and no pause is swallowed by a mere notice.
 */
const URGENCY: Readonly<Record<DecisionReason, 0 | 1 | 2 | 3>> = {
  replay: 0,
  shadow: 0,
  silenced: 0,
  stale: 0, // nobody is being served by it, so nobody is woken; the boards show it
  joined_open_incident: 0,
  notify_only: 1,
  unknown_release: 1,
  drill_failed: 1,
  observe_only: 2,
  pause_budget_exhausted: 2,
  first_breach: 3,
  by_person: 3,
}

/** Whether an observed incident with this reason tells people (`andon.release.notify`). */
export const tellsPeople = (reason: DecisionReason): boolean => URGENCY[reason] === 1 || URGENCY[reason] === 2

/**
 * Names the incident that a finding opens: release, trigger hash, and how many incidents of the two are over; no time, so a replay of the
 * same facts names the same incident, and a breach after the end of one opens another.
 */
export function incidentIdOf(
  finding: Pick<Finding, 'release' | 'triggerHash'>,
  incidents: readonly Incident[] = [],
): string {
  const { release, triggerHash } = finding
  const id = (n: number) =>
    idOf('incident', release.environment, release.agent, release.release, triggerHash, ...(n === 0 ? [] : [String(n)]))
  const taken = new Set(incidents.map(({ incidentId }) => incidentId))
  for (let n = 0; ; n += 1) if (!taken.has(id(n))) return id(n)
}

export type DecideInput = Readonly<{
  finding: Finding
  /** Incidents of any release, those that are over included. */
  incidents: readonly Incident[]
  safety: Safety
  nowMs: number
  /** When automatic pauses were ordered, over all agents; older ones than the window do no harm. */
  pausesSentMs: readonly number[]
  /** Start of the latest contact of the finding's release; null when it never had one. */
  lastContactStartedAtMs: number | null
  mode: Mode
}>

/** What one finding does to the incidents. Pure. Only a person resumes a release, so no finding ever does. */
export function decide(input: DecideInput): Decision {
  const { finding, incidents } = input
  if (finding.kind !== 'breach') return { does: 'nothing', reason: finding.kind, pause: false, incidentId: null }
  const open = openIncidentOf(finding.release, incidents)
  const past = open ? undefined : incidents.find((incident) => isPast(incident) && knows(incident, finding))
  if (past) return { does: 'nothing', reason: 'joined_open_incident', pause: false, incidentId: past.incidentId }
  // A part that a person stopped does not stop the rest: a breach of the release widens it.
  const isWhole = open !== null && isHeld(open) && open.scope.length === 0
  const reason = isWhole ? 'joined_open_incident' : reasonOf(input)
  const pause = reason === 'first_breach'
  if (!open) return { does: 'open', reason, pause, incidentId: incidentIdOf(finding, incidents) }
  const { incidentId } = open
  if (isHeld(open) && pause) return { does: 'promote', reason, pause, incidentId }
  // What the pause budget held back stays with the people it paged: an outage that spreads must not stop agents two by two.
  const promotes = URGENCY[reason] > URGENCY[open.reason] && open.reason !== 'pause_budget_exhausted'
  if (open.state === 'observed' && promotes) return { does: 'promote', reason, pause, incidentId }
  const known = [open.finding, ...open.joined].some((earlier) => earlier.triggerHash === finding.triggerHash)
  return { does: known ? 'nothing' : 'join', reason: 'joined_open_incident', pause: false, incidentId }
}

/** Whether an incident that is over rests on this finding, told again by a detector that repeats what it had not stored: new evidence is later. */
const knows = (incident: Incident, { release, triggerHash, seq }: Finding): boolean =>
  isSame(incident.release, release) &&
  [incident.finding, ...incident.joined].some((one) => one.triggerHash === triggerHash && one.seq >= seq)

/** The incident of a release that is not over; there is at most one. */
export const openIncidentOf = (release: Release, incidents: readonly Incident[]): Incident | null =>
  incidents.find((incident) => !isPast(incident) && isSame(incident.release, release)) ?? null

const isSame = (a: Release, b: Release): boolean =>
  a.release === b.release && a.agent === b.agent && a.environment === b.environment

/** Why a breach of a release without an acting incident may or may not pause it: the first rule that holds. */
function reasonOf({ finding, safety, nowMs, pausesSentMs, lastContactStartedAtMs, mode }: DecideInput): DecisionReason {
  if (mode === 'replay') return 'replay'
  if (finding.shadow) return 'shadow'
  if (safety.silences.some((silence) => silences(silence, finding, nowMs))) return 'silenced'
  if (finding.release.agent === '' || finding.release.release === '') return 'unknown_release'
  if (lastContactStartedAtMs === null || nowMs - lastContactStartedAtMs > safety.actWithinMs) return 'stale'
  if (finding.action === 'notify') return 'notify_only'
  if (safety.observeOnly) return 'observe_only'
  const recentPauses = pausesSentMs.filter((sentMs) => sentMs > nowMs - safety.maxPausesWindowMs).length
  return recentPauses >= safety.maxPauses ? 'pause_budget_exhausted' : 'first_breach'
}

/** A silence of one channel does not silence evidence pooled over all channels. */
function silences(silence: Silence, { release, channel }: Finding, nowMs: number): boolean {
  return (
    silence.fromMs <= nowMs &&
    nowMs < silence.untilMs &&
    (silence.environment ?? release.environment) === release.environment &&
    (silence.agent ?? release.agent) === release.agent &&
    (silence.release ?? release.release) === release.release &&
    (silence.channel ?? channel) === channel
  )
}
