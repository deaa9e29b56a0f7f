import type { ReleaseView } from '../facts/overview.ts'

/** A release is silent after this many of its usual gaps between contacts, and never before half an hour. */
const GAPS = 20
const SHORTEST_MS = 30 * 60_000
const HOUR_MS = 3_600_000
/** Fewer contacts in a day than this say nothing about a usual gap. */
const FEWEST_CONTACTS = 24

/**
 * A broken release may just fall silent: when a judged, live release has had no contact for far longer than usual, none of its findings may be
 * read as good news any more. Pure.
 * @returns the view with findings `no_data` and the reason, or the view as it is
 */
export function withSilence(view: ReleaseView, nowMs: number): ReleaseView {
  const silentMs = silenceOf(view, nowMs)
  if (silentMs === null) return view
  const { perDay, ms } = silentMs
  const reason = `no contact for ${(ms / HOUR_MS).toFixed(1)} h, where ${perDay} came in the day before: the release, or its telemetry, has fallen silent`
  return {
    ...view,
    triggers: view.triggers.map((trigger) =>
      trigger.finding === 'breach' ? trigger : { ...trigger, finding: 'no_data', reason },
    ),
  }
}

/** How long a release has been silent beyond the usual, null when it is not. */
export function silenceOf(view: ReleaseView, nowMs: number): { ms: number; perDay: number } | null {
  if (!view.judged || view.state !== 'live' || view.lastContactMs === null) return null
  const perDay = view.contactsPerHour.reduce((sum, n) => sum + n, 0)
  if (perDay < FEWEST_CONTACTS) return null
  const busyHours = view.contactsPerHour.filter((n) => n > 0).length
  const usualGapMs = (busyHours * HOUR_MS) / perDay
  const ms = nowMs - view.lastContactMs
  return ms > Math.max(SHORTEST_MS, GAPS * usualGapMs) ? { ms, perDay } : null
}
