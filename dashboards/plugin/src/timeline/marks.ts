import { type Incident, MOMENTS, type Moment } from './model.ts'
import type { Scale } from './scale.ts'

/** Moments with a mark of their own on the lane; sent and stopped stand in the card. */
export const MARKED: readonly Moment[] = ['onset', 'harm', 'detected', 'accepted', 'drained']

export const MOMENT_WORDS: Readonly<Record<Moment, string>> = {
  onset: 'Onset',
  harm: 'First harm',
  detected: 'Detected',
  sent: 'Sent',
  accepted: 'Accepted',
  stopped: 'Stopped',
  drained: 'Drained',
  recovered: 'Recovered',
}

export type Mark = Readonly<{ moment: Moment; atMs: number; incident: Incident }>

/** Marks that stand too close to be told apart: the one shown, and all that it stands for. */
export type Cluster = Readonly<{ x: number; shown: Mark; marks: readonly Mark[] }>

export const marksOf = (incidents: readonly Incident[]): Mark[] =>
  incidents
    .flatMap((incident) =>
      MARKED.flatMap((moment): Mark[] => {
        const atMs = incident.at[moment]
        return atMs === null ? [] : [{ moment, atMs, incident }]
      }),
    )
    .sort((a, b) => a.atMs - b.atMs || MOMENTS.indexOf(a.moment) - MOMENTS.indexOf(b.moment))

/** What a reader must not miss when there is room for one mark only, the first first. */
const WEIGHT: readonly Moment[] = ['accepted', 'detected', 'onset', 'harm', 'drained']

/** Marks in the range: those that matter most are shown, and stand for the others closer than leastPx to them. */
export function clustersOf(marks: readonly Mark[], scale: Scale, leastPx: number): Cluster[] {
  const groups: { x: number; shown: Mark; marks: Mark[] }[] = []
  const byWeight = [...marks].sort((a, b) => WEIGHT.indexOf(a.moment) - WEIGHT.indexOf(b.moment))
  for (const mark of byWeight) {
    const x = scale.xOf(mark.atMs)
    if (x < 0 || x > scale.width) continue
    const near = groups.find((group) => Math.abs(group.x - x) < leastPx)
    if (near) near.marks.push(mark)
    else groups.push({ x, shown: mark, marks: [mark] })
  }
  return groups
    .map((group) => ({ ...group, marks: [...group.marks].sort((a, b) => marks.indexOf(a) - marks.indexOf(b)) }))
    .sort((a, b) => a.x - b.x)
}
