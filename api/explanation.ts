import { z } from 'zod'
import { AndonError } from '../lib/errors.ts'
import { type Route, route } from './route.ts'

const explanationSchema = z
  .looseObject({
    incidentId: z.string(),
    same: z.boolean().describe('The replay from the store came to the same decision, to the last bit.'),
    retraced: z.looseObject({
      differences: z.array(z.string()).describe('What differs between the replay and the record.'),
      steps: z.array(
        z.looseObject({
          seq: z.number(),
          atMs: z.number(),
          trials: z.number(),
          hits: z.number(),
          logE: z.number().describe('Evidence of the trigger alone, and the line it needs by itself.'),
          line: z.number(),
          jointLogE: z.number().describe('Evidence of all triggers that can pause, and their line.'),
          jointLine: z.number(),
          note: z.string(),
        }),
      ),
    }),
  })
  .meta({ id: 'Explanation', description: 'Why an incident was opened, computed again batch by batch from the store.' })

/** Computes an explanation: JSON data, or the picture as SVG. Throws AndonError `not_found`. */
export type Explain = (incidentId: string, trigger: string | null, as: 'json' | 'svg') => Promise<string>

const nothing: Explain = async () => {
  throw new AndonError('not_found', 'this process holds no evidence; ask the detector, or run `andon explain`')
}

/** Why an incident was opened. */
export const explanationRoutes = (explain: Explain = nothing): Route[] => [
  route({
    id: 'explainIncident',
    method: 'GET',
    path: '/api/v1/incidents/{incidentId}/explanation',
    role: 'read',
    tag: 'Incidents',
    summary: 'Why it was opened: the evidence step by step, replayed from the store',
    params: z.strictObject({
      incidentId: z.string().max(100).describe('Id of the incident, or how it begins.'),
    }),
    query: z.strictObject({
      trigger: z
        .string()
        .max(100)
        .optional()
        .describe('A trigger that joined the incident. Default: the one that opened it.'),
      as: z.enum(['json', 'svg']).default('json').describe('svg is the picture: evidence against time, onset, rate.'),
    }),
    answer: explanationSchema,
    alsoAnswers: ['image/svg+xml'],
    problems: ['not_found'],
    handle: async ({ params, query }) => {
      const text = await explain(params.incidentId, query.trigger ?? null, query.as)
      return query.as === 'svg' ? { contentType: 'image/svg+xml', text } : JSON.parse(text)
    },
  }),
]
