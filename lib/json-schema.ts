/** The part of JSON Schema 2020-12 that describes our configuration. */
export type JsonSchema = Readonly<{
  type?: string
  description?: string
  default?: unknown
  properties?: Readonly<Record<string, JsonSchema>>
  required?: readonly string[]
  additionalProperties?: boolean | JsonSchema
  items?: JsonSchema
  anyOf?: readonly JsonSchema[]
  oneOf?: readonly JsonSchema[]
  enum?: readonly unknown[]
  const?: unknown
  minimum?: number
  maximum?: number
  exclusiveMinimum?: number
  exclusiveMaximum?: number
  minLength?: number
  minItems?: number
  maxItems?: number
}>

/** The schema itself, or the alternatives that it allows. */
export const alternativesOf = (schema: JsonSchema): readonly JsonSchema[] =>
  (schema.anyOf ?? schema.oneOf)?.flatMap(alternativesOf) ?? [schema]

/** Everything that may stand at `path` in a value of this schema; among alternatives those that fit the constants in `value`. */
export function schemasAt(schema: JsonSchema, path: readonly PropertyKey[], value: unknown): readonly JsonSchema[] {
  const fitting = fittingOf(alternativesOf(schema), value)
  const [key, ...rest] = path
  if (key === undefined) return path.length === 0 && (schema.anyOf ?? schema.oneOf) === undefined ? [schema] : fitting
  const inside = (value as Record<PropertyKey, unknown> | null | undefined)?.[key]
  return fitting.flatMap((alternative) => {
    const next =
      typeof key === 'number'
        ? alternative.items
        : (alternative.properties?.[String(key)] ?? alternative.additionalProperties)
    return next && typeof next === 'object' ? schemasAt(next, rest, inside) : []
  })
}

/** Drops the alternatives of another kind, and those that a constant in the value (`evaluator: share`) rules out, unless that drops all. */
function fittingOf(alternatives: readonly JsonSchema[], value: unknown): readonly JsonSchema[] {
  if (alternatives.length < 2 || typeof value !== 'object' || value === null) return alternatives
  const ofKind = alternatives.filter(({ type }) => type === (Array.isArray(value) ? 'array' : 'object'))
  const fits = ofKind.filter(({ properties }) =>
    Object.entries(value).every(([key, given]) => {
      const constants = properties?.[key] && constantsOf(properties[key])
      return !constants || constants.includes(given)
    }),
  )
  return [fits, ofKind, alternatives].find((some) => some.length > 0)!
}

const constantsOf = (schema: JsonSchema): readonly unknown[] | null =>
  schema.enum ?? ('const' in schema ? [schema.const] : null)

/** All constants that a schema allows; null when it allows more than constants. */
function choicesOf(schemas: readonly JsonSchema[]): readonly unknown[] | null {
  const all = schemas.flatMap(alternativesOf).map(constantsOf)
  return all.length > 0 && all.every((constants) => constants !== null) ? [...new Set(all.flat())] : null
}

/** All constants among what a schema allows. */
export const constantsIn = (schemas: readonly JsonSchema[]): readonly unknown[] =>
  schemas.flatMap(alternativesOf).flatMap((schema) => constantsOf(schema) ?? [])

/** What a schema allows, for people: "a whole number from 0 to 65535", "one of notify, pause, rollback". */
export function allowedText(schemas: readonly JsonSchema[]): string {
  const choices = choicesOf(schemas)
  if (choices) return choices.length === 1 ? shown(choices[0]) : `one of ${choices.map(shown).join(', ')}`
  return [...new Set(schemas.flatMap(alternativesOf).map(allowedByOne))].join(', or ')
}

const shown = (constant: unknown): string =>
  typeof constant === 'string' && constant !== '' ? constant : JSON.stringify(constant)

function allowedByOne(schema: JsonSchema): string {
  if (constantsOf(schema)) return `one of ${constantsOf(schema)!.map(shown).join(', ')}`
  switch (schema.type) {
    case 'integer':
      return `a whole number${rangeText(schema)}`
    case 'number':
      return `a number${rangeText(schema)}`
    case 'string':
      return schema.minLength ? 'a text that is not empty' : 'a text'
    case 'boolean':
      return 'true or false'
    case 'null':
      return 'null'
    case 'array':
      return listText(schema)
    case 'object':
      return mapText(schema)
    default:
      return 'anything'
  }
}

function rangeText({ minimum, exclusiveMinimum, maximum: most, exclusiveMaximum }: JsonSchema): string {
  const maximum = most === Number.MAX_SAFE_INTEGER ? undefined : most
  if (minimum !== undefined && maximum !== undefined) return ` from ${minimum} to ${maximum}`
  const low =
    minimum !== undefined ? `at least ${minimum}` : exclusiveMinimum !== undefined ? `above ${exclusiveMinimum}` : null
  const high =
    maximum !== undefined ? `at most ${maximum}` : exclusiveMaximum !== undefined ? `below ${exclusiveMaximum}` : null
  const both = [low, high].filter((part) => part !== null).join(' and ')
  return both && ` ${both}`
}

function listText({ minItems, maxItems, items }: JsonSchema): string {
  const count =
    minItems !== undefined && maxItems !== undefined
      ? ` of ${minItems} to ${maxItems}`
      : minItems !== undefined
        ? ` of at least ${minItems}`
        : ''
  const entries = items?.type === 'string' ? 'text' : items?.type === 'number' ? 'number' : 'entry'
  const plural = entries === 'entry' ? 'entries' : `${entries}s`
  return `a list${count === '' ? ' of' : count} ${minItems === 1 && maxItems === undefined ? entries : plural}`
}

/** A map with few keys shows them. */
function mapText({ properties }: JsonSchema): string {
  const keys = Object.keys(properties ?? {})
  return keys.length > 0 && keys.length <= 3 ? `{ ${keys.map((key) => `${key}: …`).join(', ')} }` : 'a map'
}
