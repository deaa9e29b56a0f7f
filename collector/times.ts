import type { Batch } from './decode.ts'

/** Events this far ahead of the receiver's clock are flagged: their sender's clock is wrong. */
const FUTURE_MS = 5 * 60_000

/** Facts that tell no time happened when they were received. */
export function fillTimes(batch: Batch, receivedAtMs: number): Batch {
  return {
    spans: batch.spans.map((span) =>
      span.startedAtMs === 0 ? { ...span, startedAtMs: receivedAtMs, endedAtMs: receivedAtMs } : span,
    ),
    outcomes: batch.outcomes.map((outcome) => (outcome.atMs === 0 ? { ...outcome, atMs: receivedAtMs } : outcome)),
    points: batch.points.map((point) => (point.atMs === 0 ? { ...point, atMs: receivedAtMs } : point)),
  }
}

/** Counts facts whose event time lies more than five minutes ahead of `nowMs` as `future_time`. They are kept: the pipeline lets them advance nothing. */
export function countFuture(batch: Batch, nowMs: number, count: (reason: string, n: number) => void): void {
  const limit = nowMs + FUTURE_MS
  const n =
    batch.spans.filter((span) => Math.max(span.startedAtMs, span.endedAtMs) > limit).length +
    batch.outcomes.filter((outcome) => outcome.atMs > limit).length +
    batch.points.filter((point) => point.atMs > limit).length
  if (n > 0) count('future_time', n)
}
