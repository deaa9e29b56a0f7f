import { z } from 'zod'
import { secretRefConfig } from '../lib/secret-ref.ts'

export const drillConfig = z
  .strictObject({
    everyHours: z
      .number()
      .positive()
      .max(24 * 31)
      .nullable()
      .default(null)
      .describe('Hours between drills of `andon serve`, counted from the last one. Default null: only on demand.'),
    acceptWithinSeconds: z
      .number()
      .min(5)
      .max(3600)
      .default(60)
      .describe(
        'From the onset of the injected fault to the acceptance of the pause; longer is a failed drill. Default 60.',
      ),
    stopWithinSeconds: z
      .number()
      .min(0)
      .max(3600)
      .default(180)
      .describe(
        'From acceptance until the release is proven drained; longer is a failed drill. The proof needs a minute of quiet. 0 ends the drill with the acceptance. Default 180.',
      ),
    receiver: z
      .strictObject({
        url: z.url({ protocol: /^https?$/ }).describe('OTLP/HTTP address without path, as in http://collector:4318.'),
        token: secretRefConfig.optional().describe('Where its token is kept. Default: none.'),
      })
      .optional()
      .describe(
        'Over Kafka: where the process with the role alerter sends the contacts of a drill. Default: its own receiver, if it has the role collector.',
      ),
  })
  .prefault({})
  .describe('Drills: a fault with known onset in a release of its own, to measure the whole path (docs/drills.md).')
