import { type Document, isMap, isSeq, type LineCounter, type Node } from 'yaml'
import type { z } from 'zod'
import { closestOf } from './closest.ts'
import { allowedText, constantsIn, type JsonSchema, schemasAt } from './json-schema.ts'

/** One mistake in a document: where, and what is wrong and allowed. `tellsFound`: the value may be repeated to the reader. */
export type Mistake = Readonly<{ path: readonly PropertyKey[]; problem: string; tellsFound: boolean }>

type Issue = z.core.$ZodIssue

/** Turns the issues of a failed parse into mistakes that say what is allowed. `schema` is the JSON Schema of the same type. */
export function mistakesOf(issues: readonly Issue[], schema: JsonSchema, value: unknown): Mistake[] {
  return issues.flatMap((issue): Mistake[] => {
    const { path } = issue
    if (issue.code === 'invalid_union' && issue.errors.length > 0) {
      const closest = closestAlternative(issue.errors)
      if (closest)
        return mistakesOf(
          closest.map((inner) => ({ ...inner, path: [...path, ...inner.path] })),
          schema,
          value,
        )
    }
    if (issue.code === 'unrecognized_keys')
      return issue.keys.map((key) => ({
        path: [...path, key],
        problem: unknownKey(key, schemasAt(schema, path, value)),
        tellsFound: false,
      }))
    if (issue.code === 'custom') return [{ path, problem: issue.message, tellsFound: true }]
    const schemas = schemasAt(schema, path, value)
    const found = valueAt(value, path)
    if (found === undefined) return [{ path, problem: missing(schemas), tellsFound: false }]
    if (issue.code === 'invalid_format')
      return [
        {
          path,
          problem: `must be ${issue.format === 'regex' ? issue.message : (schemas[0]?.description ?? issue.format)}`,
          tellsFound: true,
        },
      ]
    return [
      { path, problem: `must be ${allowedText(schemas)}${suggestion(found, constantsIn(schemas))}`, tellsFound: true },
    ]
  })
}

/** The alternative that was probably meant: right kind, then right constants, then fewest issues; null when none is of the right kind. */
function closestAlternative(errors: readonly (readonly Issue[])[]): readonly Issue[] | null {
  const costOf = (issues: readonly Issue[]) =>
    100 * issues.filter((issue) => issue.code === 'invalid_value').length + issues.length
  const [best] = errors
    .filter(
      (issues) =>
        !issues.some(
          (issue) => issue.path.length === 0 && issue.code !== 'unrecognized_keys' && issue.code !== 'custom',
        ),
    )
    .sort((a, b) => costOf(a) - costOf(b))
  return best ?? null
}

function unknownKey(key: string, schemas: readonly JsonSchema[]): string {
  const known = [...new Set(schemas.flatMap((schema) => Object.keys(schema.properties ?? {})))]
  return `is no known key here${suggestion(key, known)}${known.length > 0 ? `; known: ${known.join(', ')}` : ''}`
}

function missing(schemas: readonly JsonSchema[]): string {
  const description = schemas.find((schema) => schema.description)?.description
  return `is missing; give ${allowedText(schemas)}${description ? `: ${description.replace(/\.$/, '')}` : ''}`
}

function suggestion(typed: unknown, known: readonly unknown[]): string {
  const meant =
    typeof typed === 'string'
      ? closestOf(
          typed,
          known.filter((word) => typeof word === 'string'),
        )
      : null
  return meant === null ? '' : `; did you mean ${meant}?`
}

export const valueAt = (value: unknown, path: readonly PropertyKey[]): unknown =>
  path.reduce<unknown>((inside, key) => (inside as Record<PropertyKey, unknown> | null | undefined)?.[key], value)

/** `triggers[0].name`; '(top level)' for the whole. */
export const pathText = (path: readonly PropertyKey[]): string =>
  path
    .map((key) => (typeof key === 'number' ? `[${key}]` : `.${String(key)}`))
    .join('')
    .replace(/^\./, '') || '(top level)'

/** One line per mistake, in the order of the document: `andon.yaml:3 receive.port: must be …; found "x"`. */
export function renderMistakes(
  mistakes: readonly Mistake[],
  source: { name: string; document: Document; lines: LineCounter; isSecret: (path: readonly PropertyKey[]) => boolean },
): string {
  const value: unknown = source.document.toJS()
  const told = mistakes.map(({ path, problem, tellsFound }) => {
    const line = lineOf(source.document, path, source.lines)
    const found = valueAt(value, path)
    const isTold = tellsFound && found !== undefined
    const told = !isTold
      ? ''
      : source.isSecret(path)
        ? '; what stands there is not repeated, it may be a secret'
        : `; found ${foundText(found)}`
    return { line, text: `${source.name}:${line} ${pathText(path)}: ${problem}${told}` }
  })
  return [...new Set(told.sort((a, b) => a.line - b.line).map(({ text }) => text))].join('\n')
}

function foundText(found: unknown): string {
  if (Array.isArray(found)) return found.length === 0 ? 'an empty list' : 'a list'
  if (typeof found === 'object' && found !== null) return 'a map'
  const text = typeof found === 'number' ? String(found) : JSON.stringify(found)
  return text.length > 100 ? `${text.slice(0, 100)}…` : text
}

/** Line of the key at `path`, else of the nearest thing around it. */
function lineOf(document: Document, path: readonly PropertyKey[], lines: LineCounter): number {
  let node: unknown = document.contents
  let offset = (document.contents as Node | null)?.range?.[0] ?? 0
  for (const key of path) {
    if (isMap(node)) {
      const pair = node.items.find(
        (item) => String((item.key as { value?: unknown } | null)?.value ?? item.key) === String(key),
      )
      if (!pair) break
      offset = (pair.key as Node | null)?.range?.[0] ?? offset
      node = pair.value
    } else if (isSeq(node) && typeof key === 'number' && node.items[key]) {
      node = node.items[key]
      offset = (node as Node).range?.[0] ?? offset
    } else break
  }
  return lines.linePos(offset).line
}
