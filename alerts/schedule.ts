/**
 * When a webhook is tried again, in ms after its delivery began; attempt n is due at entry n − 1.
 * The first six are Andon's own: a pause cannot wait for the five minutes that Standard Webhooks leaves before its second
 * try. The rest follows the shape of its recommended schedule (5 min, 30 min, hours), ended after a day: a pause that nobody took
 * for a day has long been a matter for people.
 * Source: https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md, "Delivery"
 */
const SECOND = 1000
const MINUTE = 60 * SECOND
const HOUR = 60 * MINUTE
export const FAST_MS: readonly number[] = [0, 1, 2, 5, 15].map((seconds) => seconds * SECOND)
export const SLOW_MS: readonly number[] = [
  30 * SECOND,
  ...[1, 2, 5, 15, 30].map((minutes) => minutes * MINUTE),
  ...Array.from({ length: 24 }, (_, index) => (index + 1) * HOUR),
]
export const SCHEDULE_MS: readonly number[] = [...FAST_MS, ...SLOW_MS]

/** After slow answers several attempts are overdue at once; they still keep this distance. */
export const MIN_GAP_MS = SECOND

/** Longest wait that a target may ask for by Retry-After: longer would let a busy server postpone a pause at will. */
export const RETRY_AFTER_MAX_MS = MINUTE

/** When attempt `attempt` (1, 2, …) is due, or null when the schedule has no more. */
export function dueMs(input: { startedAtMs: number; attempt: number; lastEndedAtMs: number }): number | null {
  const offsetMs = SCHEDULE_MS[input.attempt - 1]
  if (offsetMs === undefined) return null
  const scheduledMs = input.startedAtMs + offsetMs
  return input.attempt === 1 ? scheduledMs : Math.max(scheduledMs, input.lastEndedAtMs + MIN_GAP_MS)
}

/** Wait in ms asked for by a Retry-After header (seconds or HTTP date), bounded; 0 when absent or unreadable. */
export function retryAfterMs(header: string | undefined, nowMs: number): number {
  if (header === undefined) return 0
  const text = header.trim()
  const askedMs = /^\d{1,9}$/.test(text) ? Number(text) * SECOND : Date.parse(text) - nowMs
  return Number.isFinite(askedMs) ? Math.min(Math.max(askedMs, 0), RETRY_AFTER_MAX_MS) : 0
}
