import { z } from 'zod'

const share = z.number().min(0).max(1)

/** What `andon gate` asks of a release before it may take more traffic, or do more on its own. */
export const gateConfig = z
  .strictObject({
    minContacts: z.int().min(1).default(300).describe('Contacts below which nothing is said. Default 300.'),
    minContactsStepUp: z
      .int()
      .min(1)
      .default(1000)
      .describe('Contacts below which no step up in autonomy is said to be fit. Default 1000.'),
    identified: share.default(0.8).describe('Least share of contacts with a known customer. Default 0.8.'),
    policyPass: share.default(0.99).describe('Least share of contacts without a policy failure. Default 0.99.'),
    reviewAccuracy: share
      .default(0.95)
      .describe('Least share of reviewed contacts that nobody corrected afterwards. Default 0.95.'),
    minReviews: z
      .int()
      .min(1)
      .default(30)
      .describe('Reviewed contacts below which that share says nothing. Default 30.'),
    updateSuccess: share.default(0.98).describe('Least share of writes that succeed. Default 0.98.'),
    auditedWrites: share
      .default(0.95)
      .describe(
        'Least share of writes that name their record, and the policy or reviewer that allowed them. Default 0.95.',
      ),
    lookBackDays: z.number().positive().max(60).default(14).describe('Days of telemetry that count. Default 14.'),
  })
  .prefault({})
  .describe('Limits of `andon gate`.')
export type GateLimits = z.output<typeof gateConfig>

export const releasesConfig = z
  .strictObject({
    file: z
      .string()
      .min(1)
      .optional()
      .describe(
        'YAML or JSON file with release records, kept in Git: a list of { agent, release, environment, by, reason, record }. Read at the start and every minute. Default none.',
      ),
    gate: gateConfig,
  })
  .prefault({})
  .describe('Release records and the gate for CI/CD.')
