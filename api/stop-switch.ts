import { type Incident, isHeld, lifts, overlaps, staysAway } from '../facts/incident.ts'
import type { Release } from '../facts/slice.ts'

/**
 * May this release serve? An absent field asks for all: every environment, every channel, every queue. Agent and release are never absent,
 * since the releases of an agent are stopped one by one.
 */
export type Question = Readonly<
  Pick<Release, 'agent' | 'release'> & {
    environment?: string | undefined
    channel?: string | undefined
    queue?: string | undefined
  }
>

/**
 * null: it may serve. Else the incident that holds it, or a part of what was asked for: one whose order stands, or one that was closed
 * while its release was rolled back or retired, as long as nobody has resumed all of that since.
 */
export const holderOf = (incidents: readonly Incident[], question: Question): Incident | null =>
  incidents.find((incident) => isHeld(incident) && holds(incident, question)) ??
  incidents.find((one) => staysAway(one) && holds(one, question) && !incidents.some((later) => lifts(later, one))) ??
  null

const holds = ({ release, scope }: Incident, asked: Question): boolean =>
  release.agent === asked.agent &&
  release.release === asked.release &&
  (asked.environment ?? release.environment) === release.environment &&
  (scope.length === 0 ||
    scope.some((part) => overlaps(part, { channel: asked.channel ?? '', queue: asked.queue ?? '' })))
