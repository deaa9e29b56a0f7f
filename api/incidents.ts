import { z } from 'zod'
import { VERDICTS } from '../facts/incident.ts'
import type { Operate, Operation } from '../facts/operation.ts'
import { type Actor, type Route, route } from './route.ts'
import { incidentSchema } from './schemas.ts'

export const reason = z.string().trim().min(1).max(2000).describe('Why: it is kept with the decision.')
export const operatedSchema = z
  .object({
    incident: incidentSchema,
    changed: z.boolean().describe('false: it stood already, and nothing was done.'),
    detail: z.string(),
  })
  .meta({ id: 'Operated', description: 'What became of a decision.' })

const params = z.strictObject({ incidentId: z.string().min(1).max(100).describe('Id of the incident.') })

/** Name and token of whoever decides. */
export const signedBy = ({ person, token }: Actor) => ({ by: person, via: token })

type OnIncident = Exclude<Operation, { release: unknown }>['does']

/** One decision about one incident, as a route: POST /api/v1/incidents/{incidentId}/WORD. */
function decision<B extends z.ZodRawShape>(
  operate: Operate,
  what: Readonly<{ word: string; does: OnIncident; summary: string; description: string; body: B }>,
): Route {
  return route({
    id: `${what.word}Incident`,
    method: 'POST',
    path: `/api/v1/incidents/{incidentId}/${what.word}`,
    role: 'operate',
    tag: 'Incidents',
    summary: what.summary,
    description: what.description,
    params,
    body: z.strictObject({ reason, ...what.body }),
    answer: operatedSchema,
    problems: ['not_found', 'conflict', 'invalid'],
    handle: ({ params: { incidentId }, body, actor }) =>
      operate({ does: what.does, incidentId, ...body, ...signedBy(actor) } as unknown as Operation),
  })
}

/** What people decide about incidents. */
export const incidentRoutes = (operate: Operate): Route[] => [
  decision(operate, {
    word: 'acknowledge',
    does: 'acknowledge',
    summary: 'Somebody has it',
    description: 'Stops the clock of the acknowledgement. PagerDuty and Slack are told.',
    body: {},
  }),
  decision(operate, {
    word: 'snooze',
    does: 'snooze',
    summary: 'No re-fire and no escalation for a while',
    description: 'A pause still goes out. What is still not obeyed afterwards is told at once.',
    body: { minutes: z.number().positive().max(1440).describe('How long, at most 1440 (24 h).') },
  }),
  decision(operate, {
    word: 'override',
    does: 'override',
    summary: 'The pause was wrong: the release goes on',
    description: 'The resume leaves as a signed webhook; evidence starts anew, from new contacts, at half the alpha.',
    body: {},
  }),
  decision(operate, {
    word: 'resume',
    does: 'resume',
    summary: 'The release is fit again',
    description:
      'Refused while recovery is neither complete nor waived by name. With a channel or a queue only that part of what is stopped goes on, and only its recovery is asked for; the rest stays stopped.',
    body: {
      channel: z.string().max(200).default('').describe('Only this channel, of parts that are stopped; empty: all.'),
      queue: z.string().max(200).default('').describe('Only this queue, of parts that are stopped; empty: all.'),
    },
  }),
  decision(operate, {
    word: 'rollback',
    does: 'rollback_incident',
    summary: 'Go back to the previous release',
    description: 'The rollback leaves in place of the pause.',
    body: {},
  }),
  decision(operate, {
    word: 'accept',
    does: 'accept',
    summary: 'The order was carried out by hand',
    description: 'Where no target could: the order counts as accepted now, and the clock goes on.',
    body: {},
  }),
  decision(operate, {
    word: 'close',
    does: 'close',
    summary: 'The verdict',
    description: 'Legal once the release goes on, is rolled back or retired. Counts in the precision of pauses.',
    body: { verdict: z.enum(VERDICTS).describe('Was the release bad?') },
  }),
]
