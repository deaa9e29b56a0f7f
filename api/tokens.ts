import { createHmac } from 'node:crypto'
import { z } from 'zod'
import { digestOf } from '../lib/door.http.ts'
import { AndonError } from '../lib/errors.ts'
import { type SecretRef, secretRefConfig } from '../lib/secret-ref.ts'

/**
 * What a token opens. read: everything that changes nothing. operate: what on-call does (pause, resume, acknowledge …), and read.
 * admin: what changes the rules, and operate. ingest: the receiver's doors for telemetry and outcomes, and nothing else.
 */
export const roles = ['ingest', 'read', 'operate', 'admin'] as const
export type Role = (typeof roles)[number]

/** Whether a holder of `role` may do what needs `needed`. */
export const includes = (role: Role, needed: Role): boolean =>
  role === 'ingest' || needed === 'ingest' ? role === needed : roles.indexOf(role) >= roles.indexOf(needed)

const tokenConfig = z.strictObject({
  name: z
    .string()
    .regex(/^[a-z0-9][a-z0-9_-]{0,62}$/, 'lower-case letters, digits, - and _, at most 63')
    .describe('Unique name of the token; it is recorded with everything that is done with it.'),
  role: z
    .enum(roles)
    .describe(
      'What it opens. read: everything that changes nothing; operate: what on-call does, and read; admin: everything but telemetry; ingest: telemetry and outcomes only.',
    ),
  secret: secretRefConfig.describe(
    'Where the token is kept: at least 16 characters of printable ASCII without spaces.',
  ),
  expires: z.iso
    .datetime({ offset: true })
    .optional()
    .describe('RFC 3339 time with offset after which it opens nothing. Default: never.'),
})

const positive = (byDefault: number) => z.number().positive().default(byDefault)

export const apiConfig = z
  .strictObject({
    tokens: z
      .array(tokenConfig)
      .default([])
      .superRefine((tokens, context) => {
        tokens.forEach(({ name }, index) => {
          if (tokens.findIndex((other) => other.name === name) < index || name === LOCAL || name === PAGE)
            context.addIssue({
              code: 'custom',
              path: [index, 'name'],
              message:
                name === LOCAL || name === PAGE ? `the name '${name}' is taken` : `the name '${name}' is used twice`,
            })
        })
      })
      .describe(
        'Bearer tokens by role. Default none: on loopback everybody on this machine may read, and whoever may read the key beside the store may do everything.',
      ),
    rates: z
      .strictObject({
        readsPerSecond: positive(50).describe('Reads of one token (or address, without one). Default 50.'),
        writesPerSecond: positive(5).describe('Writes of one token. Default 5.'),
        evaluationsPerSecond: positive(5000).describe(
          'Questions of one token or address to the stop switch. Default 5000.',
        ),
        refusalsPerSecond: positive(5).describe('Requests of one address without a right token. Default 5.'),
      })
      .prefault({})
      .describe('Requests per second; bursts of twice as many pass. Beyond them the answer is 429 with Retry-After.'),
  })
  .prefault({})
  .describe('The HTTP API, on the address of the page.')
export type ApiConfig = z.output<typeof apiConfig>
export type Rates = ApiConfig['rates']

/** Names that are not the configuration's to give: the key beside the store, and page.token. */
export const LOCAL = 'local'
export const PAGE = 'page'

/** A token ready for comparison: what is kept of the secret opens nothing by itself. */
export type Token = Readonly<{ name: string; role: Role; digest: Buffer; cookie: Buffer; expiresAtMs: number | null }>

/** @throws AndonError 'bad_token' that never repeats the secret */
export function tokenOf(
  fields: Readonly<{ name: string; role: Role; secret: string; expires?: string | undefined }>,
): Token {
  const { name, role, secret, expires } = fields
  if (secret === '') throw new AndonError('bad_token', `the token '${name}' is empty; leave it out or give one`)
  return {
    name,
    role,
    digest: digestOf(secret),
    cookie: digestOf(cookieOf(secret)),
    expiresAtMs: expires === undefined ? null : Date.parse(expires),
  }
}

/** What a browser keeps instead of the token: it opens this monitor's page and API and is no token. */
export const cookieOf = (secret: string): string =>
  createHmac('sha256', secret).update('andon page cookie').digest('hex')

const SHORTEST = 16

/** Reads the secrets of the configured tokens. Throws AndonError 'bad_token' that names token and place, never the value. */
export function resolveTokens(configs: ApiConfig['tokens'], readSecret: (ref: SecretRef) => string): Token[] {
  const tokens = configs.map((config) => {
    const secret = readSecret(config.secret)
    const fault = !/^[\x21-\x7e]*$/.test(secret)
      ? 'a bearer token is printable ASCII without spaces'
      : secret.length < SHORTEST
        ? `a token has at least ${SHORTEST} characters, this has ${secret.length}; try: openssl rand -hex 32`
        : null
    if (fault) throw new AndonError('bad_token', `api.tokens, '${config.name}': ${fault}`)
    return tokenOf({ ...config, secret })
  })
  tokens.forEach((token, index) => {
    const twin = tokens.slice(0, index).find((other) => other.digest.equals(token.digest))
    if (twin) throw new AndonError('bad_token', `api.tokens: '${twin.name}' and '${token.name}' are the same secret`)
  })
  return tokens
}
