import type { Finding } from './finding.ts'
import type { Release } from './slice.ts'

/**
 * The life of an incident up to the end of the pause.
 * observed: a breach that must not act (notify, shadow, observe-only, silence, stale, budget exhausted), with its reason.
 */
export type IncidentState = 'observed' | 'pausing' | 'paused' | 'stopped' | 'drained'

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

/** One line of the append-only journal; an incident is the fold of its lines in order of `version`. */
export type IncidentEvent = Readonly<{
  incidentId: string
  /** 1, 2, 3 …: a second writer of the same version is a replay and is dropped. */
  version: number
  atMs: number
  event: IncidentEventBody
}>

export type IncidentEventBody =
  | Readonly<{ type: 'opened'; finding: Finding; reason: DecisionReason; pause: boolean }>
  | Readonly<{ type: 'joined'; finding: Finding }>
  | Readonly<{ type: 'attempted'; target: string; attempt: number; outcome: string; status: number; elapsedMs: number }>
  | Readonly<{ type: 'accepted'; target: string; enforces: boolean }>
  | Readonly<{ type: 'undeliverable'; target: string; reason: string }>
  | Readonly<{ type: 'stopped'; stoppedAtMs: number; contactsAfterPause: number; writesAfterPause: number }>
  | Readonly<{ type: 'drained'; drainedAtMs: number; contactsAfterPause: number; writesAfterPause: number }>
  | Readonly<{ type: 'reopened'; because: string }>
  | Readonly<{ type: 'escalated'; because: string }>

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
  contactsAfterPause: number
  writesAfterPause: number
  acceptedBy: readonly string[]
  undeliverable: readonly string[]
}>
