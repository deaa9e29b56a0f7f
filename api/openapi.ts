import { z } from 'zod'
import type { JsonSchema } from '../lib/json-schema.ts'
import { PROBLEMS, type ProblemCode, problemSchema } from './problems.ts'
import { inputSchemaOf, isWrite, type Route, route } from './route.ts'

type Json = { [key: string]: unknown }
type Schemas = Map<string, JsonSchema>

/** Problems that a route can have whatever it does. */
const OF_ALL: readonly ProblemCode[] = [
  'bad_request',
  'unauthenticated',
  'token_expired',
  'forbidden',
  'misdirected',
  'rate_limited',
  'internal',
  'unavailable',
]
const OF_BODIES: readonly ProblemCode[] = [
  'undecodable',
  'too_large',
  'unsupported_media_type',
  'invalid',
  'overloaded',
]
const OF_WRITES: readonly ProblemCode[] = ['actor_missing', 'foreign_origin', 'replayed_with_other_body']

const ABOUT = `Andon's API. Reading is open on loopback until a token is configured; writing takes a bearer token and a person's name.
Every error is a problem (RFC 9457) whose \`code\` is stable. Times are milliseconds since 1970 UTC.`

/** The API in the words of OpenAPI 3.1, made from its routes. Equal routes give an equal document. */
export function openApiOf(routes: readonly Route[]): Json {
  const schemas: Schemas = new Map()
  const paths: Json = {}
  for (const declared of routes) {
    const operations = (paths[declared.path] ?? {}) as Json
    paths[declared.path] = { ...operations, [declared.method.toLowerCase()]: operationOf(declared, schemas) }
  }
  paths['/api/v1/stream'] = STREAM
  shapeOf(problemSchema, 'output', schemas)
  return {
    openapi: '3.1.1',
    info: {
      title: 'Andon',
      version: '1',
      description: ABOUT,
      license: { name: 'Apache-2.0', identifier: 'Apache-2.0' },
    },
    servers: [{ url: 'http://127.0.0.1:4320', description: 'page.host and page.port of the configuration' }],
    tags: [...new Set([...routes.map(({ tag }) => tag)])].map((name) => ({ name })),
    security: [{ token: [] }],
    paths: Object.fromEntries(Object.entries(paths).sort(([a], [b]) => (a < b ? -1 : 1))),
    components: {
      schemas: Object.fromEntries([...schemas].sort(([a], [b]) => (a < b ? -1 : 1))),
      securitySchemes: {
        token: { type: 'http', scheme: 'bearer', description: 'One of api.tokens, or the key beside the store.' },
      },
    },
  }
}

/** The page answers this one (dashboards/stream.http.ts). */
const STREAM: Json = {
  get: {
    operationId: 'streamOverview',
    tags: ['Overview'],
    summary: 'The overview whenever it changes, as server-sent events',
    description:
      'Events: `overview` (JSON, as in getOverview), `trouble` (a sentence), `alive` (in quiet times). Role: read.',
    responses: {
      200: {
        description: 'Events, until either side closes.',
        content: { 'text/event-stream': { schema: { type: 'string' } } },
      },
      401: { description: 'A token is needed.', content: { 'text/plain': { schema: { type: 'string' } } } },
      503: { description: 'Too many pages are open.', content: { 'text/plain': { schema: { type: 'string' } } } },
    },
  },
}

/** A schema as OpenAPI holds it: what has an id stands under components, once. */
function shapeOf(schema: z.ZodType, io: 'input' | 'output', schemas: Schemas): Json {
  const json = io === 'input' ? inputSchemaOf(schema) : z.toJSONSchema(schema, { io, unrepresentable: 'any' })
  const text = JSON.stringify(json).replaceAll('"#/$defs/', '"#/components/schemas/')
  const { $schema: _, $defs = {}, ...shape } = JSON.parse(text) as Json & { $defs?: Record<string, JsonSchema> }
  for (const [id, definition] of Object.entries($defs)) schemas.set(id, definition)
  return shape
}

function operationOf(declared: Route, schemas: Schemas): Json {
  const { id, tag, summary, description, role, path } = declared
  const body = bodyOf(declared, schemas)
  return {
    operationId: id,
    tags: [tag],
    summary,
    description: `${description ? `${description} ` : ''}Role: ${role}.`,
    ...(role === 'read' && { security: [{ token: [] }, {}] }),
    parameters: [
      ...parametersOf('path', declared.params, path),
      ...parametersOf('query', declared.query, path),
      ...headersOf(declared),
    ],
    ...(body && { requestBody: body }),
    responses: { ...goodOf(declared, schemas), ...badOf(declared) },
  }
}

function parametersOf(where: 'path' | 'query', schema: z.ZodObject | undefined, path: string): Json[] {
  const { properties = {}, required = [] } = schema ? inputSchemaOf(schema) : {}
  const names = where === 'path' ? [...path.matchAll(/\{(\w+)\}/g)].map(([, name]) => name!) : Object.keys(properties)
  return names.map((name) => {
    const { description, ...rest } = properties[name] ?? { type: 'string' }
    return {
      name,
      in: where,
      required: where === 'path' || required.includes(name),
      ...(description && { description }),
      schema: rest,
    }
  })
}

function headersOf(declared: Route): Json[] {
  const header = (name: string, description: string, maxLength: number): Json => ({
    name,
    in: 'header',
    required: false,
    description,
    schema: { type: 'string', maxLength },
  })
  return isWrite(declared)
    ? [
        header(
          'Andon-Actor',
          'The person who does this, unless the body says so in `by`. One of the two is required.',
          100,
        ),
        header(
          'Idempotency-Key',
          'The same key with the same request is carried out once; repeat it after a lost answer.',
          200,
        ),
      ]
    : [header('If-None-Match', 'ETag of the answer that you have: 304 if it still holds.', 1000)]
}

function bodyOf(declared: Route, schemas: Schemas): Json | null {
  if (!declared.body && !isWrite(declared)) return null
  const shape = declared.body ? shapeOf(declared.body, 'input', schemas) : { type: 'object', properties: {} }
  const by = {
    type: 'string',
    maxLength: 100,
    description: 'The person who does this; or send the header Andon-Actor.',
  }
  const schema =
    isWrite(declared) && shape.type === 'object'
      ? { ...shape, properties: { ...(shape.properties as Json), by } }
      : shape
  const required = declared.body !== undefined && !declared.body.safeParse(undefined).success
  return { required, content: { 'application/json': { schema } } }
}

function goodOf(declared: Route, schemas: Schemas): Json {
  const tagged = !isWrite(declared)
  const content = Object.fromEntries([
    ['application/json', { schema: shapeOf(declared.answer, 'output', schemas) }],
    ...(declared.alsoAnswers ?? []).map((type) => [type, { schema: { type: 'string' } }]),
  ])
  const headers = tagged
    ? { ETag: { schema: { type: 'string' } } }
    : {
        'Idempotency-Replayed': {
          description: '`true` where this is the answer to an earlier request.',
          schema: { type: 'string' },
        },
      }
  return {
    [declared.status ?? 200]: { description: declared.summary, headers, content },
    ...(tagged && { 304: { description: 'What you have still holds.' } }),
  }
}

function badOf(declared: Route): Json {
  const codes = [
    ...OF_ALL,
    ...(declared.method === 'GET' ? [] : OF_BODIES),
    ...(isWrite(declared) ? OF_WRITES : []),
    ...(declared.problems ?? []),
  ]
  const byStatus = Map.groupBy(new Set(codes), (code) => PROBLEMS[code][0])
  return Object.fromEntries(
    [...byStatus]
      .sort(([a], [b]) => a - b)
      .map(([status, some]) => [
        status,
        {
          description: some.map((code) => `\`${code}\`: ${PROBLEMS[code][1]}.`).join(' '),
          content: { 'application/problem+json': { schema: { $ref: '#/components/schemas/Problem' } } },
        },
      ]),
  )
}

/** Serves the document of the routes beside it, itself included. */
export function openApiRoute(routes: () => readonly Route[]): Route {
  let made: Json | null = null
  return route({
    id: 'getOpenApi',
    method: 'GET',
    path: '/api/v1/openapi.json',
    role: 'read',
    tag: 'About',
    summary: 'This API in the words of OpenAPI 3.1',
    answer: z.looseObject({ openapi: z.string() }),
    handle: () => {
      made ??= openApiOf(routes())
      return made as Json & { openapi: string }
    },
  })
}
