import { z } from 'zod'
import { type AuditRow, auditCsv } from '../releases/audit.ts'
import { type Route, route } from './route.ts'

const rowSchema: z.ZodType<AuditRow> = z
  .object({
    at: z.string().describe('RFC 3339 UTC.'),
    what: z.string(),
    environment: z.string(),
    agent: z.string(),
    release: z.string(),
    incidentId: z.string(),
    version: z.number(),
    actor: z.string().describe('A person, `trigger NAME`, `target NAME`, `telemetry` or `andon`.'),
    via: z.string().describe('Token that was shown when a person decided.'),
    reason: z.string(),
    trigger: z.string(),
    triggerHash: z.string().describe('Names the trigger as it was written when it acted.'),
    evidence: z.string(),
    detail: z.string(),
  })
  .meta({ id: 'AuditRow', description: 'One decision, or what followed from one.' })

/** What was decided, by whom, why, and on what evidence. */
export const auditRoutes = (audit: () => Promise<AuditRow[]>): Route[] => [
  route({
    id: 'exportAudit',
    method: 'GET',
    path: '/api/v1/audit',
    role: 'read',
    tag: 'Audit',
    summary: 'Every decision, oldest first',
    query: z.strictObject({
      format: z.enum(['json', 'csv']).default('json').describe('Default json.'),
      incidentId: z.string().max(100).optional().describe('Only this incident.'),
      from: z.iso.datetime({ offset: true }).optional().describe('Only since then (RFC 3339).'),
      until: z.iso.datetime({ offset: true }).optional().describe('Only before then (RFC 3339).'),
    }),
    answer: z.object({ rows: z.array(rowSchema) }),
    alsoAnswers: ['text/csv'],
    handle: async ({ query: { format, incidentId, from, until } }) => {
      const rows = (await audit()).filter(
        (row) =>
          (incidentId ?? row.incidentId) === row.incidentId &&
          (from === undefined || Date.parse(row.at) >= Date.parse(from)) &&
          (until === undefined || Date.parse(row.at) < Date.parse(until)),
      )
      return format === 'json'
        ? { rows }
        : { contentType: 'text/csv; charset=utf-8', text: auditCsv(rows), fileName: 'andon-audit.csv' }
    },
  }),
]
