import { type Incident, type IncidentEventBody, isPast } from '../facts/incident.ts'
import type { Order } from './orders.ts'

/** What telemetry says of one release. All times are event times in ms; null = none seen. */
export type ReleaseActivity = Readonly<{
  /** Start of its latest contact, ever. */
  lastContactStartedAtMs: number | null
  /** End of its latest span, ever. */
  lastSpanEndedAtMs: number | null
  /** Its contacts begun after `sinceMs`, and its writes begun after `sinceMs`. */
  contactsAfterPause: number
  writesAfterPause: number
  /** 99th percentile of the gaps between starts of its consecutive contacts before `sinceMs`; null with fewer than two contacts. */
  gapP99Ms: number | null
  /**
   * Latest event time accepted from anything but this release. Quiet of the release counts only up to here: a
   * silent pipe must not look like a stopped release.
   */
  otherInputAtMs: number | null
}>

export type WatchLimits = Readonly<{ stopWithinMs: number; maxEscalations: number }>

/** One line to journal, or why there is none. */
export type WatchStep =
  | Readonly<{ record: IncidentEventBody }>
  | Readonly<{
      record: null
      reason: 'not_accepted_yet' | 'running' | 'quiet_too_short' | 'unproven' | 'settled' | 'observed'
    }>

/** Shortest quiet that counts as stopped, and how many p99 gaps it spans (product definition of `stopped`). */
const MIN_QUIET_MS = 60_000
const QUIET_GAPS = 3

export const quietMsOf = (activity: Pick<ReleaseActivity, 'gapP99Ms'>): number =>
  Math.max(MIN_QUIET_MS, QUIET_GAPS * (activity.gapP99Ms ?? 0))

/**
 * What telemetry says about a pause that was accepted: stopped, drained, reopened by late facts, or not obeyed. Pure.
 * stopped = start of the last contact begun after acceptance (acceptance itself, if none), once the release has been quiet for
 * max(60 s, 3 × p99 gap) while other input is proven alive; drained = end of its last span, by the same proof.
 * Call again after each recorded line until it records nothing.
 */
export function watch(input: {
  incident: Incident
  order: Order
  activity: ReleaseActivity
  nowMs: number
  limits: WatchLimits
}): WatchStep {
  const { incident, activity, nowMs } = input
  const { acceptedMs } = incident.clock
  if (incident.state === 'observed') return { record: null, reason: 'observed' }
  if (isPast(incident)) return { record: null, reason: 'settled' }
  if (incident.state === 'pausing' || acceptedMs === null) return { record: null, reason: 'not_accepted_yet' }
  const seen: Seen = {
    lastStartMs: Math.max(acceptedMs, activity.lastContactStartedAtMs ?? acceptedMs),
    lastEndMs: Math.max(
      acceptedMs,
      activity.lastContactStartedAtMs ?? acceptedMs,
      activity.lastSpanEndedAtMs ?? acceptedMs,
    ),
    quietMs: quietMsOf(activity),
    counts: { contactsAfterPause: activity.contactsAfterPause, writesAfterPause: activity.writesAfterPause },
  }
  const late = lateFactOf(incident, seen)
  if (late !== null) return { record: { type: 'reopened', because: late } }
  if (incident.state === 'drained') return { record: null, reason: 'settled' }
  const quietFromMs = incident.state === 'paused' ? seen.lastStartMs : seen.lastEndMs
  const quietUntilMs = quietFromMs + seen.quietMs
  if (nowMs >= quietUntilMs && (activity.otherInputAtMs ?? -Infinity) >= quietUntilMs) {
    return incident.state === 'paused'
      ? { record: { type: 'stopped', stoppedAtMs: seen.lastStartMs, ...seen.counts } }
      : { record: { type: 'drained', drainedAtMs: seen.lastEndMs, ...seen.counts } }
  }
  return incident.state === 'paused' ? notStopped(input, seen, acceptedMs) : { record: null, reason: 'quiet_too_short' }
}

type Seen = Readonly<{
  lastStartMs: number
  lastEndMs: number
  quietMs: number
  counts: Readonly<{ contactsAfterPause: number; writesAfterPause: number }>
}>

/** What a stopped or drained incident did not know yet, or null. Writes may go on until drained: contacts under way finish. */
function lateFactOf({ state, clock, contactsAfterPause, writesAfterPause }: Incident, seen: Seen): string | null {
  if (state !== 'stopped' && state !== 'drained') return null
  if (seen.lastStartMs > (clock.stoppedMs ?? Infinity)) return 'a contact began after the release was declared stopped'
  if (seen.counts.contactsAfterPause !== contactsAfterPause)
    return `contacts after the pause are ${seen.counts.contactsAfterPause}, were ${contactsAfterPause}`
  if (state === 'stopped') return null
  if (seen.lastEndMs > (clock.drainedMs ?? Infinity)) return 'a span ended after the release was declared drained'
  if (seen.counts.writesAfterPause !== writesAfterPause)
    return `writes after the pause are ${seen.counts.writesAfterPause}, were ${writesAfterPause}`
  return null
}

/**
 * A release that still takes contacts after the limit is escalated by the first of them; slow traffic is not, as its quiet
 * may still be running. Where quiet cannot be proven, people are told once limit and quiet have passed.
 */
function notStopped(input: Parameters<typeof watch>[0], seen: Seen, acceptedMs: number): WatchStep {
  const { incident, order, nowMs, limits } = input
  const sinceMs = Math.max(acceptedMs, order.escalations.at(-1)?.atMs ?? 0)
  const limitMs = sinceMs + limits.stopWithinMs
  const mayEscalate = order.escalations.length < limits.maxEscalations && !isSnoozed(incident, nowMs)
  const minutes = Math.round((nowMs - acceptedMs) / 60_000)
  if (seen.lastStartMs > limitMs) {
    const because = `${seen.counts.contactsAfterPause} contacts began in the ${minutes} min since the pause was accepted`
    return mayEscalate ? { record: { type: 'escalated', because } } : { record: null, reason: 'running' }
  }
  if (nowMs < seen.lastStartMs + seen.quietMs)
    return { record: null, reason: seen.lastStartMs > acceptedMs ? 'running' : 'quiet_too_short' }
  // Quiet for long enough, yet no other input shows that the pipe was open.
  if (nowMs < limitMs + seen.quietMs || !mayEscalate) return { record: null, reason: 'unproven' }
  const because = `no other telemetry arrives, so ${minutes} min after the pause was accepted its effect cannot be verified`
  return { record: { type: 'escalated', because } }
}

/**
 * Whether a pause that nobody accepted is to be escalated now, and why. Pure.
 * At once when every target that enforces has refused and a reserve is left; otherwise after the limit.
 */
export function escalateUnaccepted(input: {
  incident: Incident
  order: Order
  /** Targets told so far and agents that ask, those who enforce; and how many of them are out for good. */
  enforcing: number
  refused: number
  hasReserve: boolean
  nowMs: number
  limits: WatchLimits
}): IncidentEventBody | null {
  const { incident, order, enforcing, refused, limits } = input
  if (incident.state !== 'pausing' || order.escalations.length >= limits.maxEscalations) return null
  if (isSnoozed(incident, input.nowMs)) return null
  if (refused === enforcing && input.hasReserve)
    return {
      type: 'escalated',
      because: enforcing === 0 ? 'nobody enforces it' : 'every target that enforces has refused it',
    }
  const sinceMs = order.escalations.at(-1)?.atMs ?? order.startedAtMs
  if (input.nowMs < sinceMs + limits.stopWithinMs) return null
  const minutes = Math.round((input.nowMs - order.startedAtMs) / 60_000)
  return { type: 'escalated', because: `nobody has accepted the pause for ${minutes} min` }
}

/** Somebody asked not to be told again until then; when it ends, what is still not obeyed is told at once. */
const isSnoozed = ({ snoozed }: Incident, nowMs: number): boolean => snoozed !== null && nowMs < snoozed.untilMs
