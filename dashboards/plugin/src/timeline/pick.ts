import type { Lane } from './lanes.ts'
import type { Incident } from './model.ts'
import type { Scale } from './scale.ts'

/** The incident meant by a place on a lane: of the mark under it, else of the span, else the nearest in time; null without incidents. */
export function incidentAt(lane: Lane, atMs: number, scale: Scale, reachPx: number): Incident | null {
  const x = scale.xOf(atMs)
  const distance = (ms: number) => Math.abs(scale.xOf(ms) - x)
  const mark = nearest(lane.marks, ({ atMs: ms }) => distance(ms))
  if (mark && distance(mark.atMs) <= reachPx) return mark.incident
  const phase = lane.phases.find(
    ({ fromMs, toMs, incidentId }) => incidentId !== null && atMs >= fromMs && atMs <= toMs,
  )
  return lane.incidents.find(({ id }) => id === phase?.incidentId) ?? mark?.incident ?? null
}

const nearest = <T>(items: readonly T[], distance: (item: T) => number): T | null =>
  items.reduce<T | null>((best, item) => (best === null || distance(item) < distance(best) ? item : best), null)
