import type { AllAttributes, Keys, Picked, Target, Value } from './raw.ts'
import { MAX_DEPTH, pick } from './raw.ts'
import { textOf } from './text.ts'
import type { Cursor } from './wire.ts'
import { leave, readDouble, readEnd, readInt64, readTag, readVarint32, skip } from './wire.ts'

/** AnyValue up to `end`; undefined when it holds nothing or is nested deeper than MAX_DEPTH. Leaves the cursor at `end`. */
function readAnyValue(c: Cursor, end: number, depth: number): Value | undefined {
  if (depth > MAX_DEPTH) {
    c.at = end
    return undefined
  }
  const { bytes } = c
  if (bytes[c.at] === 0x0a && c.at + 2 + bytes[c.at + 1]! === end && bytes[c.at + 1]! < 0x80) {
    const short = textOf(bytes, c.at + 2, end) // a string of less than 128 bytes, and nothing else: most values
    c.at = end
    return short
  }
  let value: Value | undefined
  while (c.at < end) {
    const tag = readTag(c)
    switch (tag) {
      case 0x0a: {
        const stop = readEnd(c, end)
        value = textOf(c.bytes, c.at, stop)
        c.at = stop
        break
      }
      case 0x10:
        value = readVarint32(c) !== 0
        break
      case 0x18:
        value = readInt64(c)
        break
      case 0x21:
        value = readDouble(c)
        break
      case 0x2a:
        value = readList(c, readEnd(c, end), depth)
        break
      case 0x32:
        value = readObject(c, readEnd(c, end), depth)
        break
      case 0x3a: {
        const stop = readEnd(c, end)
        value = c.bytes.toString('base64', c.at, stop)
        c.at = stop
        break
      }
      default:
        skip(c, tag, end)
    }
  }
  leave(c, end)
  return value
}

function readList(c: Cursor, end: number, depth: number): Value[] {
  const list: Value[] = []
  while (c.at < end) {
    const tag = readTag(c)
    if (tag === 0x0a) list.push(readAnyValue(c, readEnd(c, end), depth + 1) ?? null)
    else skip(c, tag, end)
  }
  leave(c, end)
  return list
}

function readObject(c: Cursor, end: number, depth: number): { [key: string]: Value } {
  const object: { [key: string]: Value } = Object.create(null)
  while (c.at < end) {
    const tag = readTag(c)
    if (tag === 0x0a) {
      const [key, value] = readKeyValue(c, readEnd(c, end), depth + 1)
      object[key] = value
    } else skip(c, tag, end)
  }
  leave(c, end)
  return object
}

/** One KeyValue with its key as text, whatever the key. */
export function readKeyValue(c: Cursor, end: number, depth: number): [string, Value] {
  let key = ''
  let value: Value | undefined
  while (c.at < end) {
    const tag = readTag(c)
    if (tag === 0x0a) {
      const stop = readEnd(c, end)
      key = textOf(c.bytes, c.at, stop)
      c.at = stop
    } else if (tag === 0x12) value = readAnyValue(c, readEnd(c, end), depth)
    else skip(c, tag, end)
  }
  leave(c, end)
  return [key, value ?? null]
}

/**
 * One KeyValue, of which nothing but the length is looked at unless some field asks for its key. Every encoder writes the key first and
 * keeps it below 128 bytes, so that layout has a short way; any other goes the long one, to the same end.
 */
export function pickAttribute(c: Cursor, end: number, keys: Keys, picked: Picked): void {
  const { bytes } = c
  const keyAt = c.at + 2
  const keyEnd = keyAt + bytes[c.at + 1]!
  if (bytes[c.at] === 0x0a && bytes[c.at + 1]! < 0x80 && keyEnd < end) {
    const targets = keys.ofBytes(bytes, keyAt, keyEnd)
    if (targets === undefined) {
      c.at = end
      return
    }
    if (bytes[keyEnd] === 0x12 && keyEnd + 2 + bytes[keyEnd + 1]! === end && bytes[keyEnd + 1]! < 0x80) {
      c.at = keyEnd + 2
      pick(picked, targets, readAnyValue(c, end, 0))
      return
    }
  }
  pickAnyAttribute(c, end, keys, picked)
}

function pickAnyAttribute(c: Cursor, end: number, keys: Keys, picked: Picked): void {
  let targets: readonly Target[] | undefined
  let valueAt = -1
  let valueEnd = -1
  while (c.at < end) {
    const tag = readTag(c)
    if (tag === 0x0a) {
      const stop = readEnd(c, end)
      targets = keys.ofBytes(c.bytes, c.at, stop)
      c.at = targets === undefined ? end : stop
    } else if (tag === 0x12) {
      valueEnd = readEnd(c, end)
      valueAt = c.at
      c.at = valueEnd
    } else skip(c, tag, end)
  }
  leave(c, end)
  if (targets === undefined || valueAt < 0) return
  c.at = valueAt
  pick(picked, targets, readAnyValue(c, valueEnd, 0))
  c.at = end
}

/** Picks from a message whose attributes are its field 1 (Resource). */
export function pickResource(c: Cursor, end: number, keys: Keys, picked: Picked): void {
  while (c.at < end) {
    const tag = readTag(c)
    if (tag === 0x0a) pickAttribute(c, readEnd(c, end), keys, picked)
    else skip(c, tag, end)
  }
  leave(c, end)
}

/** All attributes of a message whose attributes have the tag `attributeTag`. */
export function readAttributes(c: Cursor, end: number, attributeTag: number): AllAttributes {
  const all: [string, Value][] = []
  while (c.at < end) {
    const tag = readTag(c)
    if (tag === attributeTag) all.push(readKeyValue(c, readEnd(c, end), 0))
    else skip(c, tag, end)
  }
  leave(c, end)
  return all
}
