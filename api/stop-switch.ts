import { type Incident, isHeld, type Scope } from '../facts/incident.ts'
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

/** null: it may serve. Else the incident that holds it, or a part of what was asked for. */
export const holderOf = (incidents: readonly Incident[], question: Question): Incident | null =>
  incidents.find((incident) => isHeld(incident) && holds(incident, question)) ?? null

const holds = ({ release, scope }: Incident, asked: Question): boolean =>
  release.agent === asked.agent &&
  release.release === asked.release &&
  (asked.environment ?? release.environment) === release.environment &&
  (scope.length === 0 || scope.some((part) => overlaps(part, asked)))

/** Whether some contact belongs to both; '' and absent are every channel, or every queue. */
const overlaps = (part: Scope, asked: Question): boolean =>
  isOne(part.channel, asked.channel) && isOne(part.queue, asked.queue)

const isOne = (part: string, asked: string | undefined): boolean => part === '' || !asked || part === asked
