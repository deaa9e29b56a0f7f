import { AndonError } from '../../lib/errors.ts'
import type { AllAttributes, Keys, Picked, Value } from './raw.ts'
import { MAX_DEPTH, pick } from './raw.ts'

/** Any JSON object, seen as its fields. */
export type Fields = Readonly<Record<string, unknown>>

export const isFields = (x: unknown): x is Fields => typeof x === 'object' && x !== null && !Array.isArray(x)

/**
 * The body of an OTLP/JSON request.
 * @throws AndonError 'undecodable' when it is no JSON, or no JSON object.
 */
export function parseBody(bytes: Uint8Array): Fields {
  const text = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('utf8')
  let body: unknown
  try {
    body = JSON.parse(text.charCodeAt(0) === 0xfeff ? text.slice(1) : text)
  } catch (cause) {
    throw new AndonError('undecodable', `the body is not JSON: ${(cause as Error).message.slice(0, 200)}`, { cause })
  }
  if (isFields(body)) return body
  throw new AndonError('undecodable', 'the body must be a JSON object such as {"resourceSpans": [...]}')
}

/** An AnyValue; undefined when it holds nothing, is no AnyValue or is nested deeper than MAX_DEPTH. */
function anyValueOf(x: unknown, depth: number): Value | undefined {
  if (!isFields(x) || depth > MAX_DEPTH) return undefined
  if (typeof x.stringValue === 'string') return x.stringValue
  if (x.intValue !== undefined) return integerOf(x.intValue)
  if (x.boolValue !== undefined) return x.boolValue === true || x.boolValue === 'true'
  if (x.doubleValue !== undefined) return doubleOf(x.doubleValue)
  if (isFields(x.arrayValue)) return listOf(x.arrayValue.values).map((value) => anyValueOf(value, depth + 1) ?? null)
  if (isFields(x.kvlistValue)) {
    const object: { [key: string]: Value } = Object.create(null)
    for (const entry of listOf(x.kvlistValue.values)) {
      if (isFields(entry)) object[textOf(entry.key)] = anyValueOf(entry.value, depth + 1) ?? null
    }
    return object
  }
  return typeof x.bytesValue === 'string' ? x.bytesValue : undefined
}

/** int64 as JSON number or decimal string; exact for strings, best effort for numbers beyond 2^53. */
export function integerOf(x: unknown): number | bigint | undefined {
  if (typeof x === 'number') return Number.isSafeInteger(x) ? x : Number.isInteger(x) ? BigInt(x) : undefined
  if (typeof x !== 'string' || !/^[+-]?\d{1,20}$/.test(x)) return undefined
  const value = Number(x)
  return Number.isSafeInteger(value) ? value : BigInt(x)
}

/** A double as JSON number or text, 'NaN' and 'Infinity' included. */
export function doubleOf(x: unknown): number | undefined {
  if (typeof x === 'number') return x
  if (typeof x !== 'string' || x.trim() === '') return undefined
  const value = Number(x)
  return Number.isNaN(value) && x !== 'NaN' ? undefined : value
}

export const textOf = (x: unknown): string => (typeof x === 'string' ? x : '')

const listOf = (x: unknown): readonly unknown[] => (Array.isArray(x) ? x : [])

/**
 * Unix nanoseconds (decimal string, or number as good as it came) as whole milliseconds, rounded down.
 * Anything else, and anything beyond 64 bits, is an absent time: 0.
 */
export function nanosAsMs(x: unknown): number {
  if (typeof x === 'string') {
    if (!/^\d{1,20}$/.test(x)) return 0
    return x.length <= 6 ? 0 : Number(x.slice(0, -6))
  }
  if (typeof x !== 'number' || !(x > 0) || x >= 2 ** 64) return 0
  return Number(BigInt(Math.floor(x)) / 1_000_000n)
}

/** An enum as its number, or as its name looked up in `names` (SPAN_KIND_SERVER and the like); 0 when unknown. */
export function enumOf(x: unknown, names: Readonly<Record<string, number>>): number {
  if (typeof x === 'number') return Number.isInteger(x) ? x : 0
  if (typeof x !== 'string') return 0
  const known = Object.hasOwn(names, x) ? names[x]! : Number(x)
  return Number.isInteger(known) ? known : 0
}

const HEX = /^[0-9a-fA-F]+$/

/** A hexadecimal id of `digits` digits, lower-cased; '' when it is none or all zero. */
export function hexIdOf(x: unknown, digits: number): string {
  if (typeof x !== 'string' || x.length !== digits || !HEX.test(x) || /^0+$/.test(x)) return ''
  return x.toLowerCase()
}

/** Picks from a list of { key, value }; entries of another shape are ignored. */
export function pickAttributes(attributes: unknown, keys: Keys, picked: Picked): void {
  if (!Array.isArray(attributes)) return
  for (const entry of attributes) {
    if (!isFields(entry) || typeof entry.key !== 'string') continue
    const targets = keys.ofName(entry.key)
    if (targets !== undefined) pick(picked, targets, anyValueOf(entry.value, 0))
  }
}

export function allAttributes(attributes: unknown): AllAttributes {
  const all: [string, Value][] = []
  for (const entry of listOf(attributes)) {
    if (isFields(entry)) all.push([textOf(entry.key), anyValueOf(entry.value, 0) ?? null])
  }
  return all
}
