import { z } from 'zod'
import type { JsonSchema } from '../lib/json-schema.ts'
import type { Problem, ProblemCode } from './problems.ts'
import type { Role } from './tokens.ts'

export type Method = 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE'

/** Who does it: the person named in the request (never '' on writes), and the name of the token that was shown ('' = none, reading on loopback). */
export type Actor = Readonly<{ person: string; token: string }>

/** What a handler gets. Params, query and body are what their schemas made of the request. */
export type Call<P, Q, B> = Readonly<{ params: P; query: Q; body: B; actor: Actor; role: Role }>

/** An answer that is not JSON, e.g. an export as CSV. */
export type TextAnswer = Readonly<{ contentType: string; text: string; fileName?: string }>

/**
 * One thing that the API can do, as data: the router, the documentation (api/openapi.ts) and the fuzz test are made of it.
 * A GET changes nothing. Every other method is a write: it takes a person's name and, if the client likes, an Idempotency-Key.
 */
export type Route = Readonly<{
  /** operationId of the documentation: a verb and a noun, camelCase. */
  id: string
  method: Method
  /** `/api/v1/things/{thingId}`; each `{name}` is a key of `params`. */
  path: string
  role: Exclude<Role, 'ingest'>
  /** Heading in the documentation. */
  tag: string
  summary: string
  description?: string
  params?: z.ZodObject
  query?: z.ZodObject
  body?: z.ZodType
  answer: z.ZodType
  /** Content types that `handle` may answer beside JSON, with a TextAnswer. */
  alsoAnswers?: readonly string[]
  /** Status of a good answer. Default 200. */
  status?: number
  /** Problems that this route can have beside those that every route can: shown in the documentation. */
  problems?: readonly ProblemCode[]
  /** Which of the configured rates counts. Default reads for GET, writes for the rest. */
  rate?: 'reads' | 'writes' | 'evaluations'
  /** A method other than GET that only asks: no person's name, no idempotency key, and it has an ETag. */
  isQuestion?: boolean
  /** What of the answer names its version; the default is all of it. For answers that hold the time of day. */
  versionOf?: (answer: never) => unknown
  /** Says a problem in the words of a protocol, for clients that look for them; `path` is the path as it came. */
  asProblem?: (problem: Problem, path: string) => Problem & Readonly<Record<string, unknown>>
  handle: (call: Call<never, never, never>) => Promise<unknown> | unknown
}>

type Output<T> = T extends z.ZodType ? z.output<T> : undefined

/** Declares a route; `handle` and its answer are typed by the schemas. The handler throws AndonError with a code of api/problems.ts. */
export function route<
  A extends z.ZodType,
  P extends z.ZodObject | undefined = undefined,
  Q extends z.ZodObject | undefined = undefined,
  B extends z.ZodType | undefined = undefined,
>(
  declared: Omit<Route, 'params' | 'query' | 'body' | 'answer' | 'handle' | 'versionOf'> &
    Readonly<{
      params?: P
      query?: Q
      body?: B
      answer: A
      versionOf?: (answer: z.output<A>) => unknown
      handle: (
        call: Call<Output<P>, Output<Q>, Output<B>>,
      ) => Promise<z.output<A> | TextAnswer> | z.output<A> | TextAnswer
    }>,
): Route {
  return declared as unknown as Route
}

export const isWrite = ({ method, isQuestion }: Route): boolean => method !== 'GET' && isQuestion !== true

/** JSON Schema of what a client may send. */
export const inputSchemaOf = (schema: z.ZodType): JsonSchema =>
  z.toJSONSchema(schema, { io: 'input', unrepresentable: 'any' }) as JsonSchema

export const isTextAnswer = (answer: unknown): answer is TextAnswer =>
  typeof answer === 'object' && answer !== null && 'contentType' in answer && 'text' in answer
