import { z } from 'zod'
import { secretRefConfig } from '../lib/secret-ref.ts'

export const serverConfig = z
  .strictObject({
    url: z
      .string()
      .regex(/^https?:\/\/[^\s/@]+\/?$/, 'is http(s)://host:port, without user, password and path')
      .describe('HTTP interface of the server, as in https://clickhouse:8443.'),
    username: z
      .union([z.string().min(1), secretRefConfig])
      .default('default')
      .describe('User of this role, or where its name is kept (docs/kafka.md has the grants). Default default.'),
    password: secretRefConfig.optional().describe('Where the password is kept. Default: an empty one.'),
    database: z
      .string()
      .regex(/^[A-Za-z_][A-Za-z0-9_]*$/, 'letters, digits and _')
      .default('andon')
      .describe('Database that holds the tables; it must exist. Default andon.'),
    ca: secretRefConfig
      .optional()
      .describe("Where the PEM of the authority that signed the server's certificate is kept."),
  })
  .describe('A ClickHouse server instead of the embedded engine. Default: none.')
