/**
 * Strings out of bytes. Attribute values repeat all day long (agents, queues, tools, conversations), so short ones come
 * from a direct-mapped cache of fixed size: comparing bytes is cheaper than making a string. About 1.5 MiB when full.
 */
const SLOTS = 8192
const LONGEST_CACHED = 48
const cachedBytes = new Array<Uint8Array | undefined>(SLOTS)
const cachedTexts = new Array<string>(SLOTS).fill('')

/** The UTF-8 bytes [start, end) as text; invalid sequences become U+FFFD. */
export function textOf(bytes: Buffer, start: number, end: number): string {
  const length = end - start
  if (length === 0) return ''
  if (length > LONGEST_CACHED) return utf8Of(bytes, start, end)
  let hash = 0x811c9dc5 // FNV-1a
  for (let i = start; i < end; i++) hash = Math.imul(hash ^ bytes[i]!, 0x01000193)
  const slot = (hash ^ (hash >>> 15)) & (SLOTS - 1)
  const known = cachedBytes[slot]
  if (known !== undefined && known.length === length) {
    let i = 0
    while (i < length && known[i] === bytes[start + i]) i++
    if (i === length) return cachedTexts[slot]!
  }
  const text = utf8Of(bytes, start, end)
  cachedBytes[slot] = Uint8Array.prototype.slice.call(bytes, start, end)
  cachedTexts[slot] = text
  return text
}

/** What Buffer.toString calls in the end; called directly it costs a fraction (Node has had both since version 0.12). */
type Slices = Readonly<{
  hexSlice: (start: number, end: number) => string
  utf8Slice: (start: number, end: number) => string
}>

/** Bytes [start, end) as lower-case hexadecimal digits. */
export const hexOf = (bytes: Buffer, start: number, end: number): string =>
  (bytes as Buffer & Slices).hexSlice(start, end)

const utf8Of = (bytes: Buffer, start: number, end: number): string => (bytes as Buffer & Slices).utf8Slice(start, end)

export function isAllZero(bytes: Buffer, start: number, end: number): boolean {
  for (let i = start; i < end; i++) if (bytes[i] !== 0) return false
  return true
}
