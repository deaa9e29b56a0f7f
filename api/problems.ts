import { z } from 'zod'
import { AndonError } from '../lib/errors.ts'
import type { JsonSchema } from '../lib/json-schema.ts'
import { mistakesOf, pathText } from '../lib/mistakes.ts'

/** What can go wrong, by AndonError code: the status of the answer and what its kind is called. The one table of both. */
export const PROBLEMS = {
  undecodable: [400, 'The body cannot be read'],
  aborted: [400, 'The request ended too early'],
  bad_request: [400, 'The address or a header is not right'],
  actor_missing: [400, 'A person must be named'],
  unauthenticated: [401, 'A token is needed'],
  token_expired: [401, 'The token has expired'],
  forbidden: [403, 'The role of the token does not reach that far'],
  foreign_origin: [403, 'The request comes from a foreign page'],
  not_found: [404, 'There is nothing here'],
  method_not_allowed: [405, 'This is not what can be done here'],
  conflict: [409, 'The state of things does not allow this'],
  too_large: [413, 'The body is too large'],
  unsupported_media_type: [415, 'The body is of a type that is not taken'],
  misdirected: [421, 'This host is not served here'],
  invalid: [422, 'The body does not say what it must'],
  replayed_with_other_body: [422, 'The idempotency key was used for another request'],
  rate_limited: [429, 'Too many requests'],
  overloaded: [429, 'Too much is under way'],
  internal: [500, 'Andon made a mistake'],
  unavailable: [503, 'Not at the moment'],
} as const satisfies Readonly<Record<string, readonly [status: number, title: string]>>
export type ProblemCode = keyof typeof PROBLEMS

/** RFC 9457. `code` is stable and what programs look at; `detail` is for people. */
export const problemSchema = z
  .object({
    type: z.string().describe('urn:andon:problem: and the code.'),
    title: z.string().describe('What kind of problem it is.'),
    status: z.int().describe('The status of this answer.'),
    detail: z.string().describe('What happened, and what to do about it.'),
    code: z.enum(Object.keys(PROBLEMS) as [ProblemCode, ...ProblemCode[]]).describe('Stable name of the problem.'),
    mistakes: z
      .array(z.object({ at: z.string(), problem: z.string() }))
      .optional()
      .describe('Each mistake in the request: where, and what is allowed there.'),
  })
  .meta({ id: 'Problem', description: 'What went wrong, as RFC 9457 says it.' })
export type Problem = z.infer<typeof problemSchema>

/** A request that does not fit its schemas; `mistakes` become part of the problem. */
export class BadRequest extends AndonError {
  readonly mistakes: NonNullable<Problem['mistakes']>
  constructor(code: 'bad_request' | 'invalid', mistakes: NonNullable<Problem['mistakes']>) {
    super(code, mistakes.map(({ at, problem }) => `${at} ${problem}`).join('; '))
    this.mistakes = mistakes
  }
}

/** A key that looks like a word is repeated; any other may be somebody's number or address, sent in the wrong place. */
export const shown = (key: string | PropertyKey): string | number =>
  typeof key === 'number' || /^[A-Za-z_]{1,40}$/.test(String(key)) ? (key as string | number) : '(a key)'

/** Reads one part of a request by its schema. Throws BadRequest that names each field and what is allowed; never repeats a value. */
export function parsed<T extends z.ZodType>(
  part: 'params' | 'query' | 'body',
  schema: T,
  jsonSchema: JsonSchema,
  value: unknown,
): z.output<T> {
  const result = schema.safeParse(value)
  if (result.success) return result.data
  const mistakes = mistakesOf(result.error.issues, jsonSchema, value).map(({ path, problem }) => ({
    at: path.length === 0 ? part : `${part}.${pathText(path.map(shown))}`,
    problem,
  }))
  throw new BadRequest(part === 'body' ? 'invalid' : 'bad_request', mistakes.slice(0, 20))
}

/** What is told of an error. Only what an AndonError says is told on: other messages may hold anything. */
export function problemOf(error: unknown): Problem {
  const known = error instanceof AndonError ? error : null
  const isListed = known !== null && Object.hasOwn(PROBLEMS, known.code)
  const code = isListed ? (known.code as ProblemCode) : known?.retryable ? 'unavailable' : 'internal'
  const [status, title] = PROBLEMS[code]
  const detail =
    isListed || known?.retryable ? known!.message : 'the request could not be answered; the log of the monitor says why'
  const mistakes = error instanceof BadRequest ? { mistakes: [...error.mistakes] } : {}
  return { type: `urn:andon:problem:${code}`, title, status, detail, code, ...mistakes }
}
