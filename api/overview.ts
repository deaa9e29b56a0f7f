import { z } from 'zod'
import type { Overview } from '../facts/overview.ts'
import type { Release } from '../facts/slice.ts'
import { AndonError } from '../lib/errors.ts'
import { type Route, route } from './route.ts'
import { incidentSchema, incidentStates, overviewSchema, releaseViewSchema } from './schemas.ts'

const releaseQuery = {
  environment: z.string().max(4096).optional().describe('Only this environment; empty: those that name none.'),
  agent: z.string().max(4096).optional().describe('Only this agent.'),
  release: z.string().max(4096).optional().describe('Only this release.'),
}
const limit = z.coerce.number().int().min(1).max(1000).default(100).describe('Most rows of the answer. Default 100.')

/** What the monitor knows now: read from one look, never from the store. */
export function overviewRoutes(overview: () => Promise<Overview>): Route[] {
  return [
    route({
      id: 'getOverview',
      method: 'GET',
      path: '/api/v1/overview',
      role: 'read',
      tag: 'Overview',
      summary: 'Everything at one look: releases, their evidence, incidents',
      description: 'What the page shows. /api/v1/stream sends the same as server-sent events whenever it changes.',
      answer: overviewSchema,
      versionOf: (seen) => ({ ...seen, nowMs: 0 }),
      handle: overview,
    }),
    route({
      id: 'listIncidents',
      method: 'GET',
      path: '/api/v1/incidents',
      role: 'read',
      tag: 'Incidents',
      summary: 'Incidents, newest first',
      query: z.strictObject({
        ...releaseQuery,
        state: z.enum(incidentStates).optional().describe('Only this state.'),
        before: z
          .string()
          .max(100)
          .optional()
          .describe('Only incidents older than this one: `next` of the last answer.'),
        limit,
      }),
      answer: z.object({
        incidents: z.array(incidentSchema),
        next: z.string().nullable().describe('Give this as `before` for the next page; null at the end.'),
      }),
      handle: async ({ query }) => {
        const all = (await overview()).incidents
        const from = query.before === undefined ? 0 : all.findIndex(({ incidentId }) => incidentId === query.before) + 1
        if (query.before !== undefined && from === 0) throw noIncident()
        const fitting = all
          .slice(from)
          .filter(({ release, state }) => isMeant(release, query) && (query.state ?? state) === state)
        const incidents = fitting.slice(0, query.limit)
        return { incidents, next: fitting.length > incidents.length ? incidents.at(-1)!.incidentId : null }
      },
      problems: ['not_found'],
    }),
    route({
      id: 'getIncident',
      method: 'GET',
      path: '/api/v1/incidents/{incidentId}',
      role: 'read',
      tag: 'Incidents',
      summary: 'One incident with its clock',
      params: z.strictObject({ incidentId: z.string().max(100).describe('Id of the incident, as webhooks give it.') }),
      answer: incidentSchema,
      problems: ['not_found'],
      handle: async ({ params }) => {
        const found = (await overview()).incidents.find(({ incidentId }) => incidentId === params.incidentId)
        if (!found) throw noIncident()
        return found
      },
    }),
    route({
      id: 'listReleases',
      method: 'GET',
      path: '/api/v1/releases',
      role: 'read',
      tag: 'Releases',
      summary: 'Releases with their state and evidence',
      query: z.strictObject({ ...releaseQuery, limit }),
      answer: z.object({ releases: z.array(releaseViewSchema) }),
      handle: async ({ query }) => ({
        releases: (await overview()).releases.filter(({ release }) => isMeant(release, query)).slice(0, query.limit),
      }),
    }),
  ]
}

const noIncident = () => new AndonError('not_found', 'there is no incident of this id; /api/v1/incidents lists them')

type Wanted = Readonly<{ [Key in keyof Release]?: string | undefined }>

const isMeant = (release: Release, wanted: Wanted): boolean =>
  (['environment', 'agent', 'release'] as const).every((key) => (wanted[key] ?? release[key]) === release[key])
