import { z } from 'zod'
import { type Incident, type IncidentEventBody, isAccepted, isHeld, isPast } from '../facts/incident.ts'
import type { Release } from '../facts/slice.ts'

export const stopSwitchConfig = z
  .strictObject({
    enforcedBy: z
      .array(
        z.strictObject({
          token: z
            .string()
            .min(1)
            .describe(
              'Name of a token of api.tokens that only agents and routers hold. Its first question after a pause that is answered "stopped" is the acceptance.',
            ),
          match: z
            .strictObject({
              environment: z.string().optional().describe('Exact environment; absent matches all.'),
              agent: z.string().optional().describe('Exact agent; absent matches all.'),
            })
            .default({})
            .describe('Whose releases ask with this token. Default all.'),
        }),
      )
      .default([])
      .describe(
        'Who begins no contact once the stop switch says so. Default none: an answer of the stop switch is then never taken for an accepted pause.',
      ),
  })
  .prefault({})
  .describe('What the answers of the stop switch (OFREP, isPaused) prove.')
export type StopSwitchConfig = z.output<typeof stopSwitchConfig>

/** Why a token's name is none that asks; `names` are those of tokens that may read. */
export const unreadable = (names: readonly string[]): string =>
  `names no token of api.tokens with the role read, operate or admin; ${names.length === 0 ? 'there is none: add one that agents ask with' : `there are ${names.join(', ')}`}`

/** Somebody who obeys by asking, instead of being told by webhook. */
export type Puller = StopSwitchConfig['enforcedBy'][number]

/** One answer of the stop switch, and the incidents it was given from. */
export type SwitchAnswer = Readonly<{
  /** Name of the token that was shown, '' = none. */
  token: string
  asked: Readonly<{ agent: string; release: string; environment?: string | undefined }>
  /** The incident that holds what was asked for; null: it may serve. */
  holder: Incident | null
  incidents: readonly Incident[]
}>

/** What one answer proves of one incident: who asked was told what is ordered. Names no part of the question, which anybody may fill. */
export type Heard = Readonly<{ incidentId: string; order: string; token: string }>

/** How the journal and people call whoever asked with this token. */
export const pullerName = (token: string): string => `stop switch (${token})`

/** Whether an agent that asks with this token obeys orders about a release. */
export const pulls = ({ match }: Puller, { environment, agent }: Release): boolean =>
  (match.environment ?? environment) === environment && (match.agent ?? agent) === agent

/** What stands or stood last, in one word: an answer from before an order says nothing about it. */
const orderOf = ({ orderedMs, ordered, scope, resumed }: Incident): string =>
  JSON.stringify([orderedMs, ordered, scope.map(({ channel, queue }) => [channel, queue]), resumed?.atMs ?? null])

/**
 * Which orders one answer carried to somebody who obeys. Pure. Only a question that names agent, release and environment exactly comes
 * from an instance of the release; "stopped" is about the incident that holds it, "serving" about one that was resumed.
 */
export function heardIn({ token, asked, holder, incidents }: SwitchAnswer, pullers: readonly Puller[]): Heard[] {
  const own = pullers.filter((puller) => puller.token === token)
  if (own.length === 0) return []
  return (holder ? [holder] : incidents.filter(isPast))
    .filter((incident) => isAwaited(incident) && isOf(asked, incident.release))
    .filter(({ release }) => own.some((puller) => pulls(puller, release)))
    .map((incident) => ({ incidentId: incident.incidentId, order: orderOf(incident), token }))
}

const isOf = (asked: SwitchAnswer['asked'], { environment, agent, release }: Release): boolean =>
  asked.agent === agent && asked.release === release && (asked.environment ?? '') === environment

/** Whether an order was given that nobody has accepted yet. */
const isAwaited = (incident: Incident): boolean =>
  (isHeld(incident) || incident.resumed !== null) && incident.ordered !== 'nothing' && !isAccepted(incident)

/** The line that an answer is worth; null: the order has changed since, or is accepted. Pure. */
export const ruleOnHeard = (incident: Incident, { order, token }: Heard): IncidentEventBody | null =>
  isAwaited(incident) && orderOf(incident) === order
    ? { type: 'accepted', target: pullerName(token), enforces: true, asked: token }
    : null
