import type { Random } from '../../lib/random.ts'

/** Requests that fuzz an HTTP API, made from its OpenAPI document: right ones, nearly right ones and hostile ones. */

export type Schema = Readonly<{
  $ref?: string
  type?: string | readonly string[]
  const?: unknown
  enum?: readonly unknown[]
  anyOf?: readonly Schema[]
  oneOf?: readonly Schema[]
  allOf?: readonly Schema[]
  properties?: Readonly<Record<string, Schema>>
  required?: readonly string[]
  additionalProperties?: boolean | Schema
  items?: Schema
  format?: string
  minimum?: number
  maximum?: number
  minLength?: number
}>

export type Operation = Readonly<{
  operationId: string
  parameters?: readonly Readonly<{ name: string; in: string; schema: Schema }>[]
  requestBody?: Readonly<{ content: Readonly<Record<string, Readonly<{ schema: Schema }>>> }>
}>

export type Document = Readonly<{
  paths: Readonly<Record<string, Readonly<Record<string, Operation>>>>
  components: Readonly<{ schemas: Readonly<Record<string, Schema>> }>
}>

export type FuzzRequest = Readonly<{
  operation: string
  method: string
  path: string
  headers: Readonly<Record<string, string>>
  body: Buffer | null
}>

/** What requests are made of: words that mean something to the monitor, tokens, and what must never be seen again. */
export type Material = Readonly<{
  document: Document
  words: readonly string[]
  /** Values that mean something under one name, e.g. ids of incidents under `incidentId`. */
  named: Readonly<Record<string, readonly unknown[]>>
  tokens: readonly string[]
  /** Identities of people: planted where no answer and no log may repeat them. */
  identities: readonly string[]
}>

const HOSTILE = [
  '',
  ' ',
  "'; DROP TABLE spans; --",
  '{x:String}',
  '$' + '{jndi:ldap://x}',
  '<script>alert(1)</script>',
  '../../../../etc/passwd',
  '..%2f..%2fetc%2fpasswd',
  '__proto__',
  'constructor',
  '\u0000',
  '\u001f',
  '\ud800',
  '\u202e\u{1f4a5}',
  '%',
  '%s%s%n',
  '=cmd|calc!A0',
  '-1',
  '1e309',
  'NaN',
  '9007199254740993',
  '2026-13-45T99:99:99Z',
  '+275760-09-13T00:00:00.001Z',
  'x'.repeat(5_000),
]
const ODD: readonly unknown[] = [null, true, 0, -1, 1e308, 2 ** 53, 0.1, [], {}, [[]], { __proto__: null }, [null], '']

/** One request to one operation of the document. */
export function fuzzRequest(random: Random, material: Material): FuzzRequest {
  const paths = Object.entries(material.document.paths)
  const [path, operations] = random.pick(paths)
  const [method, operation] = random.pick(Object.entries(operations))
  const make = maker(random, material)
  const parameters = operation.parameters ?? []
  const inPath = path.replaceAll(/\{(\w+)\}/g, (_, name: string) => {
    const schema = parameters.find((one) => one.in === 'path' && one.name === name)?.schema ?? { type: 'string' }
    return pathPart(random, make.text(make.named(name, schema)))
  })
  const query = new URLSearchParams()
  for (const { name, in: where, schema } of parameters)
    if (where === 'query' && random.chance(0.5)) query.append(name, make.text(make.named(name, schema)))
  if (random.chance(0.05)) query.append(make.word(), make.word())
  const search = query.size > 0 ? `?${query}` : random.chance(0.02) ? '?%ff&&==' : ''
  const schema = Object.values(operation.requestBody?.content ?? {})[0]?.schema
  const body = schema ? bodyOf(random, make, schema, material) : random.chance(0.05) ? Buffer.from('{}') : null
  return {
    operation: operation.operationId,
    method: random.chance(0.03)
      ? random.pick(['PUT', 'DELETE', 'OPTIONS', 'TRACE', 'PATCH', 'HEAD'])
      : method.toUpperCase(),
    path: `${inPath}${search}`,
    headers: headersOf(random, material, body !== null),
    body,
  }
}

/** Mostly encoded as it must be, sometimes as it must not. */
const pathPart = (random: Random, text: string): string =>
  random.chance(0.05)
    ? random.pick(['%', '%ff%fe', '..', '.', '%2e%2e%2f', '%00', 'a%2fb', '*'])
    : encodeURIComponent(text.toWellFormed().slice(0, 3_000)) || '-'

function headersOf(random: Random, { tokens, identities }: Material, hasBody: boolean): Record<string, string> {
  const headers: Record<string, string> = {}
  if (random.chance(0.95)) headers.authorization = `Bearer ${random.pick(tokens)}`
  else if (random.chance(0.5))
    headers.authorization = random.pick(['Bearer', 'Basic eDp5', 'Bearer x y', `Bearer ${identities[0]}`])
  if (random.chance(0.85))
    headers['andon-actor'] = random.pick(['Ana Silva', 'Li Wei', 'x'.repeat(101), '\t', 'Zo\u00c3\u00ab'])
  if (random.chance(0.3))
    headers['idempotency-key'] = random.pick(['k1', 'k2', 'k3', `k${random.integer(1e6)}`, 'a b', 'x'.repeat(300)])
  if (random.chance(0.1)) headers['if-none-match'] = random.pick(['*', '"x"', 'W/"x", "y"', '"', ','])
  if (random.chance(0.03)) headers.origin = random.pick(['https://evil.example', 'null', 'http://127.0.0.1'])
  if (random.chance(0.02)) headers.host = random.pick(['evil.example', 'localhost', '127.0.0.1:1', '[::1]'])
  if (random.chance(0.02)) headers['content-encoding'] = random.pick(['gzip', 'br', 'identity', 'x'])
  if (hasBody)
    headers['content-type'] = random.chance(0.96)
      ? 'application/json'
      : random.pick([
          'text/plain',
          'application/json; charset=latin1',
          'multipart/form-data',
          'application/x-www-form-urlencoded',
        ])
  if (random.chance(0.2)) headers['x-customer'] = random.pick(identities)
  return headers
}

type Maker = ReturnType<typeof maker>

function bodyOf(random: Random, make: Maker, schema: Schema, { identities }: Material): Buffer {
  if (random.chance(0.04))
    return random.pick([
      Buffer.from('{'),
      Buffer.from(''),
      Buffer.from('[1,2'),
      Buffer.from([0xff, 0xfe, 0x7b]),
      Buffer.from(`{"a":"${random.pick(identities)}`),
      Buffer.from('['.repeat(20_000)),
      Buffer.from(`${'{"a":'.repeat(5_000)}1${'}'.repeat(5_000)}`),
      Buffer.alloc(1_100_000, 0x20),
    ])
  const value = make.value(schema)
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) {
    const context = (value as Record<string, unknown>).context
    if (typeof context === 'object' && context !== null && random.chance(0.7))
      Object.assign(context, { targetingKey: random.pick(identities), phone: random.pick(identities) })
    if (random.chance(0.03)) Object.defineProperty(value, '__proto__', { value: { admin: true }, enumerable: true })
    if (random.chance(0.03)) Object.assign(value, { [random.pick(identities)]: random.pick(identities) })
  }
  return Buffer.from(JSON.stringify(value) ?? 'null')
}

/** Values of a schema; about one part in twenty is not what the schema says. */
function maker(random: Random, { document, words, named: meant }: Material) {
  const word = (): string => (random.chance(0.8) ? random.pick(words) : random.pick(HOSTILE))
  const text = (value: unknown): string => (typeof value === 'string' ? value : (JSON.stringify(value) ?? ''))

  function value(schema: Schema, depth = 0): unknown {
    if (random.chance(0.04)) return random.chance(0.5) ? random.pick(ODD) : random.pick(HOSTILE)
    if (schema.$ref) return value(document.components.schemas[schema.$ref.split('/').at(-1)!] ?? {}, depth)
    if ('const' in schema) return schema.const
    if (schema.enum) return random.pick(schema.enum)
    const alternatives = schema.anyOf ?? schema.oneOf ?? schema.allOf
    if (alternatives) return value(random.pick(alternatives), depth)
    const type = Array.isArray(schema.type) ? random.pick(schema.type as readonly string[]) : schema.type
    switch (type) {
      case 'object':
        return objectOf(schema, depth)
      case 'array':
        return Array.from({ length: depth > 6 ? 0 : random.integer(4) }, () => value(schema.items ?? {}, depth + 1))
      case 'integer':
      case 'number':
        return numberOf(schema, type === 'integer')
      case 'boolean':
        return random.chance(0.5)
      case 'null':
        return null
      case 'string':
        return schema.format === 'date-time' && random.chance(0.8) ? random.pick(TIMES) : word()
      default:
        return word()
    }
  }

  function named(name: string, schema: Schema, depth = 0): unknown {
    const values = meant[name] ?? []
    return values.length > 0 && random.chance(0.8) ? random.pick(values) : value(schema, depth)
  }

  function objectOf(schema: Schema, depth: number): Record<string, unknown> {
    const entries = Object.entries(schema.properties ?? {}).filter(
      ([name]) => random.chance(schema.required?.includes(name) ? 0.97 : 0.5) && depth <= 6,
    )
    const made = Object.fromEntries(entries.map(([name, child]) => [name, named(name, child, depth + 1)]))
    if (typeof schema.additionalProperties === 'object' && depth <= 6)
      made[word()] = value(schema.additionalProperties, depth + 1)
    if (random.chance(0.02)) made[word()] = word()
    return made
  }

  function numberOf({ minimum = 0, maximum = 1000 }: Schema, isWhole: boolean): number {
    const low = Math.max(minimum, -1e6)
    const drawn = low + random.uniform() * (Math.min(maximum, low + 2_000) - low)
    return isWhole ? Math.round(drawn) : drawn
  }

  return { value, named, word, text }
}

const TIMES = ['2026-11-20T10:00:00Z', '2027-01-31T22:00:00+02:00', '1970-01-01T00:00:00Z', '9999-12-31T23:59:59Z']
