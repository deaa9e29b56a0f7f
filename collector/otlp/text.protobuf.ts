import { hexOf, isAllZero, textOf } from './text.ts'
import type { Cursor } from './wire.ts'

/** The field up to `end` as text. Leaves the cursor at `end`, as all readers here do. */
export function readText(c: Cursor, end: number): string {
  const text = textOf(c.bytes, c.at, end)
  c.at = end
  return text
}

/** The field up to `end` as an id of `length` bytes in hexadecimal digits; '' when it is of another length or all zero. */
export function readId(c: Cursor, end: number, length: number): string {
  const start = c.at
  c.at = end
  return end - start === length && !isAllZero(c.bytes, start, end) ? hexOf(c.bytes, start, end) : ''
}
