import { z } from 'zod'

/** Where a secret is kept; never the secret itself. */
export const secretRefConfig = z.union([
  z.strictObject({ env: z.string().min(1).describe('Name of an environment variable that holds the value.') }),
  z.strictObject({
    file: z.string().min(1).describe('Path of a file that holds the value; the last newline is ignored.'),
  }),
])
export type SecretRef = z.infer<typeof secretRefConfig>
