import { Ajv2020, type ValidateFunction } from 'ajv/dist/2020.js'
import { afterEach, describe, expect, test } from 'vitest'
import { aBadDay, aHostileDay, anEmptyDay } from '../dashboards/fixtures.ts'
import type { Overview } from '../facts/overview.ts'
import { mounted, startApi } from './fixtures.ts'
import { openApiOf } from './openapi.ts'
import { isWrite } from './route.ts'
import { declaredRoutes } from './routes.ts'

type Schema = Record<string, unknown>
type Media = Record<string, { schema: Schema }>
type Operation = {
  operationId: string
  tags: string[]
  parameters?: { name: string; in: string; required: boolean; schema: Schema }[]
  requestBody?: { required: boolean; content: Media }
  responses: Record<string, { description: string; content?: Media }>
}
type Document = {
  openapi: string
  tags: { name: string }[]
  paths: Record<string, Record<string, Operation>>
  components: { schemas: Record<string, Schema>; securitySchemes: Record<string, unknown> }
}

const routes = declaredRoutes()
const document = openApiOf(routes) as Document
const operations = Object.entries(document.paths).flatMap(([path, methods]) =>
  Object.entries(methods).map(([method, operation]) => ({ path, method, operation })),
)

const ajv = new Ajv2020({ strict: true, allowUnionTypes: true, formats: { 'date-time': true, uri: true } })
ajv.addKeyword('components')
ajv.addSchema({ $id: 'https://andon.example/api', components: { schemas: document.components.schemas } })
/** A schema of the document, with its references led to the document. */
const compiled = (schema: Schema): ValidateFunction =>
  ajv.compile(JSON.parse(JSON.stringify(schema).replaceAll('"#/', '"https://andon.example/api#/')) as Schema)

describe('the document is OpenAPI 3.1', () => {
  test('it has what the specification requires', () => {
    expect(document.openapi).toMatch(/^3\.1\.\d+$/)
    expect(document).toMatchObject({ info: { title: 'Andon', version: '1' } })
    for (const name of Object.keys(document.components.schemas)) expect(name).toMatch(/^[A-Za-z0-9._-]+$/)
    expect(operations.length).toBe(routes.length + 1)
  })

  test('operations have names of their own, known tags, and a good answer', () => {
    const ids = operations.map(({ operation }) => operation.operationId)
    expect(new Set(ids).size).toBe(ids.length)
    const tags = document.tags.map(({ name }) => name)
    for (const { path, operation } of operations) {
      expect(tags, path).toEqual(expect.arrayContaining(operation.tags))
      expect(
        Object.keys(operation.responses).some((status) => status.startsWith('2')),
        path,
      ).toBe(true)
      for (const { description } of Object.values(operation.responses)) expect(description).not.toBe('')
    }
  })

  test('every variable of a path is a required parameter, and no other parameter claims to be one', () => {
    for (const { path, operation } of operations) {
      const inPath = (operation.parameters ?? []).filter((parameter) => parameter.in === 'path')
      const variables = [...path.matchAll(/\{(\w+)\}/g)].map(([, name]) => name)
      expect(inPath.map(({ name }) => name)).toEqual(variables)
      for (const { name, required, schema } of inPath) {
        expect(required, `${path} ${name}`).toBe(true)
        expect(Object.keys(schema).length).toBeGreaterThan(0)
      }
    }
  })

  test('paths that differ in the names of their variables only are one path', () => {
    const shapes = Object.keys(document.paths).map((path) => path.replaceAll(/\{\w+\}/g, '{}'))
    expect(new Set(shapes).size).toBe(shapes.length)
  })

  test('every reference leads somewhere', () => {
    const refs = [...JSON.stringify(document).matchAll(/"\$ref":"([^"]+)"/g)].map(([, ref]) => ref!)
    expect(refs.length).toBeGreaterThan(10)
    for (const ref of refs)
      expect(document.components.schemas, ref).toHaveProperty([/^#\/components\/schemas\/(.+)$/.exec(ref)![1]!])
  })

  test('every schema in it is one that a validator takes', () => {
    for (const { operation } of operations) {
      for (const { schema } of operation.parameters ?? []) compiled(schema)
      for (const { schema } of Object.values(operation.requestBody?.content ?? {})) compiled(schema)
      for (const { content } of Object.values(operation.responses))
        for (const { schema } of Object.values(content ?? {})) compiled(schema)
    }
  })

  test('GET has no body, writes take a person and a key, and everybody can be refused', () => {
    for (const declared of routes) {
      const operation = document.paths[declared.path]![declared.method.toLowerCase()]!
      if (declared.method === 'GET') expect(operation.requestBody).toBeUndefined()
      const headers = operation.parameters?.filter((parameter) => parameter.in === 'header').map(({ name }) => name)
      expect(headers).toEqual(isWrite(declared) ? ['Andon-Actor', 'Idempotency-Key'] : ['If-None-Match'])
      expect(Object.keys(operation.responses)).toEqual(expect.arrayContaining(['401', '403', '429']))
    }
  })
})

const running: { close: () => Promise<void> }[] = []
afterEach(async () => {
  for (const server of running.splice(0)) await server.close()
})

/** The documented schema of what a route answers. */
const answerOf = (path: string, method: string, status = '200') => {
  const { content } = document.paths[path]![method]!.responses[status]!
  return compiled(Object.values(content!)[0]!.schema)
}

describe('what is answered is what is documented', () => {
  const days: [string, Overview][] = [
    ['a bad day', aBadDay()],
    ['a hostile day', aHostileDay()],
    ['an empty day', anEmptyDay()],
  ]
  test.each(days)('on %s', async (_, overview) => {
    const server = await startApi(mounted({ overview: async () => overview }).api)
    running.push(server)
    for (const path of ['/api/v1/overview', '/api/v1/incidents', '/api/v1/releases', '/api/v1/openapi.json']) {
      const validate = answerOf(path, 'get')
      expect(validate(await (await fetch(server.url + path)).json()), JSON.stringify(validate.errors)).toBe(true)
    }
    const problem = answerOf('/api/v1/incidents', 'get', '404')
    expect(problem(await (await fetch(`${server.url}/api/v1/incidents/none`)).json())).toBe(true)
    const evaluation = answerOf('/ofrep/v1/evaluate/flags/{key}', 'post')
    for (const { release } of overview.incidents) {
      const asked = await fetch(`${server.url}/ofrep/v1/evaluate/flags/andon.serving`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({ context: { ...release, targetingKey: 'x' } }),
      })
      if (release.agent && release.release) expect(evaluation(await asked.json())).toBe(true)
    }
  })
})
