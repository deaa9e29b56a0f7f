import { AndonError } from '../../lib/errors.ts'

/**
 * The protobuf wire format, just enough of it: tags, varints, fixed numbers, lengths.
 * Source: https://protobuf.dev/programming-guides/encoding/. Every reader moves `at`; reading past the end throws
 * AndonError 'undecodable', so no input can make a loop run on.
 */
export type Cursor = { readonly bytes: Buffer; at: number }

const VARINT = 0
const FIXED64 = 1
const LENGTH = 2
const GROUP_START = 3
const GROUP_END = 4
const FIXED32 = 5

const TWO_32 = 0x1_0000_0000
const MAX_GROUP_DEPTH = 32

export const cursorOf = (bytes: Uint8Array): Cursor => ({
  bytes: Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength),
  at: 0,
})

function undecodable(what: string, at: number): AndonError {
  return new AndonError('undecodable', `the body is not a protobuf message of this endpoint: ${what} at byte ${at}`)
}

/** Low 32 bits of a varint of up to ten bytes: tags, enums, booleans, small integers. */
export function readVarint32(c: Cursor): number {
  const first = c.bytes[c.at]!
  if (first < 0x80) {
    c.at++
    return first
  }
  let value = 0
  for (let shift = 0; shift < 70; shift += 7) {
    const byte = c.bytes[c.at++]
    if (byte === undefined) throw undecodable('it ends inside a number', c.at - 1)
    if (shift < 32) value |= (byte & 0x7f) << shift
    if (byte < 0x80) return value >>> 0
  }
  throw undecodable('a number is longer than ten bytes', c.at)
}

/** A signed 64-bit varint: a number where that is exact, else a bigint. */
export function readInt64(c: Cursor): number | bigint {
  let low = 0
  let high = 0
  for (let shift = 0; shift < 70; shift += 7) {
    const byte = c.bytes[c.at++]
    if (byte === undefined) throw undecodable('it ends inside a number', c.at - 1)
    const bits = byte & 0x7f
    if (shift < 28) low |= bits << shift
    else if (shift === 28) {
      low |= bits << 28
      high = bits >>> 4
    } else if (shift < 64) high |= bits << (shift - 32)
    if (byte < 0x80) return int64Of(low >>> 0, high | 0)
  }
  throw undecodable('a number is longer than ten bytes', c.at)
}

/** A signed 64-bit integer from its halves. */
function int64Of(low: number, high: number): number | bigint {
  const value = high * TWO_32 + low
  if (Number.isSafeInteger(value)) return value
  return (BigInt(high) << 32n) | BigInt(low)
}

export function readSfixed64(c: Cursor): number | bigint {
  need(c, 8)
  const value = int64Of(c.bytes.readUInt32LE(c.at), c.bytes.readInt32LE(c.at + 4))
  c.at += 8
  return value
}

/** An unsigned 64-bit count; beyond 2^53 the nearest double. */
export function readFixed64(c: Cursor): number {
  need(c, 8)
  const value = c.bytes.readUInt32LE(c.at + 4) * TWO_32 + c.bytes.readUInt32LE(c.at)
  c.at += 8
  return value
}

export function readDouble(c: Cursor): number {
  need(c, 8)
  const value = c.bytes.readDoubleLE(c.at)
  c.at += 8
  return value
}

export function readFixed32(c: Cursor): number {
  need(c, 4)
  const value = c.bytes.readUInt32LE(c.at)
  c.at += 4
  return value
}

/**
 * fixed64 nanoseconds as whole milliseconds, rounded down and exact: 2^32 ns = 4,294 ms + 967,296 ns, and
 * high × 967,296 + low stays below 2^53.
 */
export function readNanosAsMs(c: Cursor): number {
  need(c, 8)
  const { bytes, at } = c
  const low = (bytes[at]! | (bytes[at + 1]! << 8) | (bytes[at + 2]! << 16) | (bytes[at + 3]! << 24)) >>> 0
  const high = (bytes[at + 4]! | (bytes[at + 5]! << 8) | (bytes[at + 6]! << 16) | (bytes[at + 7]! << 24)) >>> 0
  c.at += 8
  return high * 4294 + Math.floor((high * 967296 + low) / 1e6)
}

/** Field number and wire type, as one number: field × 8 + type. */
export function readTag(c: Cursor): number {
  const tag = readVarint32(c)
  if (tag >>> 3 === 0) throw undecodable('a field has the number 0', c.at)
  return tag
}

/** Reads a length and returns where that field ends; it must end within `limit`. */
export function readEnd(c: Cursor, limit: number): number {
  const length = readVarint32(c)
  const end = c.at + length
  if (end > limit) throw undecodable(`a field of ${length} bytes reaches past its message`, c.at)
  return end
}

/** A message must end exactly where its length says. */
export function leave(c: Cursor, end: number): void {
  if (c.at !== end) throw undecodable('a field reaches past its message', end)
}

/** Steps over a field that nobody asked for. */
export function skip(c: Cursor, tag: number, limit: number, depth = 0): void {
  switch (tag & 7) {
    case VARINT:
      readVarint32(c)
      return
    case FIXED64:
      need(c, 8)
      c.at += 8
      return
    case LENGTH:
      c.at = readEnd(c, limit)
      return
    case FIXED32:
      need(c, 4)
      c.at += 4
      return
    case GROUP_START:
      if (depth >= MAX_GROUP_DEPTH) throw undecodable('groups are nested too deep', c.at)
      for (;;) {
        const inner = readTag(c)
        if ((inner & 7) === GROUP_END) {
          if (inner >>> 3 !== tag >>> 3) throw undecodable('a group ends that never began', c.at)
          return
        }
        skip(c, inner, limit, depth + 1)
      }
    default:
      throw undecodable(`wire type ${tag & 7} does not belong here`, c.at)
  }
}

function need(c: Cursor, length: number): void {
  if (c.at + length > c.bytes.length) throw undecodable('it ends inside a field', c.at)
}
