import type { Finding } from './finding.ts'
import { type Release, releaseKeyOf, type Slice } from './slice.ts'

/**
 * The life of an incident.
 * observed: a breach that must not act (notify, shadow, observe-only, silence, stale, budget exhausted), with its reason.
 * pausing, paused, stopped, drained: an order stands, and telemetry shows how far it came; a rollback goes the same way.
 * resumed: a person let the release go on, by a resume or an override; what it does next is another incident. closed: the verdict is given.
 */
export type IncidentState = 'observed' | 'pausing' | 'paused' | 'stopped' | 'drained' | 'resumed' | 'closed'

/** What a person says of an incident when it is over; precision of pauses is confirmed over confirmed and false alarms. */
export const VERDICTS = ['confirmed', 'false_alarm', 'unclear'] as const
export type Verdict = (typeof VERDICTS)[number]

/** Every decision of a person carries a name and a reason; `via` is the token that was shown, as the name is what people say of themselves. */
export type ByPerson = Readonly<{ by: string; reason: string; via?: string }>
export type Decided = ByPerson & Readonly<{ atMs: number }>

/** A part of a release that is stopped alone; '' = every channel, or every queue. */
export type Scope = Readonly<Pick<Slice, 'channel' | 'queue'>>

/** Evidence that started again for one trigger, see Detector.restartAfterOverride: what the next test may spend. */
export type EvidenceRestart = Readonly<{ trigger: string; overrides: number; alphaSpent: number; alphaNext: number }>

/** Why a breach did or did not lead to a pause. */
export type DecisionReason =
  | 'first_breach'
  | 'joined_open_incident'
  | 'notify_only'
  | 'shadow'
  | 'observe_only'
  | 'silenced'
  | 'stale'
  | 'replay'
  | 'pause_budget_exhausted'
  | 'unknown_release'
  | 'drill_failed'
  /** A person ordered it; the brakes of the cord are for triggers. */
  | 'by_person'

/** One line of the append-only journal; an incident is the fold of its lines in order of `version`. */
export type IncidentEvent = Readonly<{
  incidentId: string
  /** 1, 2, 3 …: a second writer of the same version is a replay and is dropped. */
  version: number
  atMs: number
  event: IncidentEventBody
}>

export type IncidentEventBody =
  | Readonly<{
      type: 'opened'
      finding: Finding
      reason: DecisionReason
      pause: boolean
      /** What is stopped; absent or empty = the whole release. */
      scope?: readonly Scope[]
      /** Who ordered it; absent = a trigger. */
      person?: ByPerson
    }>
  | Readonly<{ type: 'joined'; finding: Finding }>
  | (Readonly<{
      type: 'attempted'
      target: string
      attempt: number
      outcome: string
      status: number
      elapsedMs: number
    }> &
      Sent)
  /** `person` carried it out by hand; `asked` is the token of whoever asked the stop switch and was told what is ordered. */
  | (Readonly<{ type: 'accepted'; target: string; enforces: boolean; person?: ByPerson; asked?: string }> & Sent)
  | (Readonly<{ type: 'undeliverable'; target: string; reason: string }> & Sent)
  | Readonly<{ type: 'stopped'; stoppedAtMs: number; contactsAfterPause: number; writesAfterPause: number }>
  | Readonly<{ type: 'drained'; drainedAtMs: number; contactsAfterPause: number; writesAfterPause: number }>
  | Readonly<{ type: 'reopened'; because: string }>
  | Readonly<{ type: 'escalated'; because: string }>
  | (Readonly<{ type: 'acknowledged' }> & ByPerson)
  | (Readonly<{ type: 'snoozed'; untilMs: number }> & ByPerson)
  /** overridden: the pause was wrong. resumed: the release is fit again; `recovery` says what the redeploy gate said. */
  | (Readonly<{ type: 'overridden' }> & ByPerson)
  | (Readonly<{ type: 'resumed'; recovery: string }> & ByPerson)
  /** These parts go on, while the order stands for the rest of what is stopped. */
  | (Readonly<{ type: 'part_resumed'; scope: readonly Scope[]; recovery: string }> & ByPerson)
  | (Readonly<{ type: 'rolled_back' }> & ByPerson)
  | (Readonly<{ type: 'closed'; verdict: Verdict }> & ByPerson)
  | Readonly<{ type: 'evidence_restarted'; restarts: readonly EvidenceRestart[]; because: string }>

/** Which webhook a line is about; absent in lines of earlier versions. */
type Sent = Readonly<{ webhookId?: string; stage?: LaterStage }>

/** What is told beside the order itself: words to people about it, and to all that the n-th part goes on. */
export type LaterStage = 'acknowledged' | 'resolved' | `part-${number}`

/** The clock of one incident; null = has not happened (yet), so it is never read as zero. Times in ms since 1970. */
export type IncidentClock = Readonly<{
  onsetMs: number | null
  firstHarmMs: number | null
  detectedMs: number
  sentMs: number | null
  acceptedMs: number | null
  stoppedMs: number | null
  drainedMs: number | null
}>

export type Incident = Readonly<{
  incidentId: string
  release: Release
  state: IncidentState
  reason: DecisionReason
  version: number
  openedAtMs: number
  /** The finding that opened it; later triggers join. */
  finding: Finding
  joined: readonly Finding[]
  clock: IncidentClock
  /** Contacts and writes begun after acceptance, in what is stopped; null = nobody has counted them yet, which is not zero. */
  contactsAfterPause: number | null
  writesAfterPause: number | null
  acceptedBy: readonly string[]
  undeliverable: readonly string[]
  /** How the present order, or notice, fares with each target that was tried. */
  deliveries: readonly Delivered[]
  /** What is stopped; empty = the whole release. */
  scope: readonly Scope[]
  /** Parts that were stopped and go on again, in order. */
  resumedParts: readonly ResumedPart[]
  ordered: 'nothing' | 'pause' | 'rollback'
  /** When a trigger or a person ordered to stop; null = nothing is ordered. */
  orderedMs: number | null
  /** Who ordered it; null = a trigger, or nothing is ordered. */
  orderedBy: ByPerson | null
  acknowledged: Decided | null
  /** Until then nobody is told again; a pause still goes out. */
  snoozed: (Decided & Readonly<{ untilMs: number }>) | null
  /** When a target that enforces accepted a rollback. */
  rolledBackMs: number | null
  resumed: (Decided & Readonly<{ how: 'resumed' | 'overridden'; acceptedMs: number | null }>) | null
  closed: (Decided & Readonly<{ verdict: Verdict }>) | null
  /** null: the evidence goes on as it was. */
  restarts: readonly EvidenceRestart[] | null
}>

/** `scope` is what a person let go on. */
export type ResumedPart = Decided & Readonly<{ scope: readonly Scope[] }>

/** The latest attempt to tell one target. outcome: as Post names it, `sending` while it is under way. */
export type Delivered = Readonly<{ target: string; attempts: number; outcome: string; status: number; atMs: number }>

/** What an incident holds before anybody decided anything about it. */
export const NOTHING_DECIDED = {
  deliveries: [],
  scope: [],
  resumedParts: [],
  ordered: 'nothing',
  orderedMs: null,
  orderedBy: null,
  acknowledged: null,
  snoozed: null,
  rolledBackMs: null,
  resumed: null,
  closed: null,
  restarts: null,
} as const satisfies Partial<Incident>

/** Whether an order to stop stands: the release, or the part in `scope`, must take no contact. */
export const isHeld = ({ state }: Pick<Incident, 'state'>): boolean =>
  state === 'pausing' || state === 'paused' || state === 'stopped' || state === 'drained'

/** Whether an incident is closed and its order stands all the same: what is rolled back or retired takes no contact, until somebody resumes it. */
export const staysAway = ({ closed, resumed, ordered }: Incident): boolean =>
  closed !== null && resumed === null && ordered !== 'nothing'

/** Whether a resume after the end of an incident lets go on all that stayed away by it. */
export const lifts = ({ release, scope, resumed }: Incident, away: Incident): boolean =>
  resumed !== null &&
  resumed.atMs >= (away.closed?.atMs ?? Infinity) &&
  releaseKeyOf(release) === releaseKeyOf(away.release) &&
  (scope.length === 0 || (away.scope.length > 0 && without(away.scope, scope).length === 0))

/** Whether somebody who enforces has accepted what is ordered now: to stop, to roll back, or to go on. */
export function isAccepted({ state, ordered, rolledBackMs, resumed }: Incident): boolean {
  if (ordered === 'nothing') return false
  if (resumed) return resumed.acceptedMs !== null
  return ordered === 'rollback' ? rolledBackMs !== null : state !== 'pausing'
}

/** Whether an incident is over for the cord: the next breach of its release is another incident. */
export const isPast = ({ state }: Pick<Incident, 'state'>): boolean => state === 'resumed' || state === 'closed'

/** What is left of the parts that are stopped when these go on. */
export const without = (stopped: readonly Scope[], gone: readonly Scope[]): readonly Scope[] =>
  stopped.filter((part) => !gone.some((one) => covers(one, part)))

/** Whether one part of a release holds all of another. */
export const covers = (part: Scope, other: Scope): boolean =>
  (part.channel === '' || part.channel === other.channel) && (part.queue === '' || part.queue === other.queue)

/** Whether some contact may belong to both. */
export const overlaps = (part: Scope, other: Scope): boolean =>
  (part.channel === '' || other.channel === '' || part.channel === other.channel) &&
  (part.queue === '' || other.queue === '' || part.queue === other.queue)

/** A part as people read it. */
export const partLabel = ({ channel, queue }: Scope): string =>
  [channel, queue].filter(Boolean).join(' / ') || 'everything'
