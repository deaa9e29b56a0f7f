import type { Value } from './otlp/raw.ts'

/** Deepest value that is written out; what lies deeper becomes null. JSON.parse itself knows no limit. */
const MAX_DEPTH = 64
/** JSON.parse rounds integers of this many digits; they are kept as they were written. */
const LONG_NUMBER = /\d{16}/

/** Text as JSON value; undefined when it is none. Integers beyond 2^53 become bigints. */
export function parseJson(text: string): Value | undefined {
  try {
    if (!LONG_NUMBER.test(text)) return JSON.parse(text)
    return JSON.parse(text, exactIntegers as (this: unknown, key: string, value: unknown) => unknown)
  } catch {
    return undefined
  }
}

/** A reviver that sees the digits as they were written (JSON.parse source text access, in Node since 21). */
function exactIntegers(_key: string, value: unknown, context: { source?: string }): unknown {
  if (typeof value !== 'number' || Number.isSafeInteger(value)) return value
  return context.source !== undefined && /^-?\d+$/.test(context.source) ? BigInt(context.source) : value
}

/** JSON with sorted keys and no spaces: equal for equal values, however they were written. */
export function canonicalJson(value: Value, depth = 0): string {
  if (typeof value === 'string') return quote(value)
  if (typeof value === 'number') return Number.isFinite(value) ? String(value === 0 ? 0 : value) : `"${value}"`
  if (typeof value !== 'object') return String(value)
  if (value === null || depth >= MAX_DEPTH) return 'null'
  if (isList(value)) {
    let list = '['
    for (let i = 0; i < value.length; i++) list += (i === 0 ? '' : ',') + canonicalJson(value[i]!, depth + 1)
    return `${list}]`
  }
  let object = '{'
  for (const key of Object.keys(value).sort()) {
    object += `${object === '{' ? '' : ','}${quote(key)}:${canonicalJson(value[key]!, depth + 1)}`
  }
  return `${object}}`
}

/** JSON.stringify for one string; most need no escapes, and are quoted without asking it. */
const quote = (text: string): string => (NEEDS_ESCAPE.test(text) ? JSON.stringify(text) : `"${text}"`)

/** Quotes, backslashes, control characters, and surrogates (of which JSON.stringify escapes the lone ones). */
// biome-ignore lint/suspicious/noControlCharactersInRegex: those are what it looks for
const NEEDS_ESCAPE = /["\\\u0000-\u001f\ud800-\udfff]/

const isList = (value: object): value is readonly Value[] => Array.isArray(value)

/** The value at a path such as `customer.email`, `items.0.sku` or `items[0].sku`; undefined when there is none. */
export function valueAt(value: Value | undefined, path: readonly string[]): Value | undefined {
  let at: Value | undefined = value
  for (const step of path) {
    if (typeof at !== 'object' || at === null || !Object.hasOwn(at, step)) return undefined
    at = (at as { readonly [key: string]: Value })[step]
  }
  return at
}

export const pathOf = (path: string): readonly string[] =>
  path
    .replace(/\[(\d+)\]/g, '.$1')
    .split('.')
    .filter((step) => step !== '')

/** A value as text: strings as they are, everything else as canonical JSON; '' for nothing. */
export function plainText(value: Value | undefined): string {
  if (typeof value === 'string') return value
  return value === undefined || value === null ? '' : canonicalJson(value)
}
