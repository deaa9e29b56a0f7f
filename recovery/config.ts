import { z } from 'zod'

export const recoveryConfig = z
  .strictObject({
    caseIdleHours: z
      .number()
      .positive()
      .max(168)
      .default(24)
      .describe(
        'Hours. A contact without an end whose last activity is not older than this at the pause is a case under way, to be routed to people; one hour at most for releases that never tell an end. Default 24.',
      ),
  })
  .prefault({})
  .describe('What has to be done after a pause (docs/recovery.md).')
