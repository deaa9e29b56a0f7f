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
  if (length > LONGEST_CACHED) return bytes.toString('utf8', start, end)
  let hash = 0x811c9dc5 // FNV-1a
  for (let i = start; i < end; i++) hash = Math.imul(hash ^ bytes[i]!, 0x01000193)
  const slot = (hash ^ (hash >>> 15)) & (SLOTS - 1)
  const known = cachedBytes[slot]
  if (known !== undefined && known.length === length) {
    let i = 0
    while (i < length && known[i] === bytes[start + i]) i++
    if (i === length) return cachedTexts[slot]!
  }
  const text = bytes.toString('utf8', start, end)
  cachedBytes[slot] = Uint8Array.prototype.slice.call(bytes, start, end)
  cachedTexts[slot] = text
  return text
}

const HEX_OF_16_BITS = Array.from({ length: 0x10000 }, (_, bits) => bits.toString(16).padStart(4, '0'))

/** An even number of bytes [start, end) as lower-case hexadecimal digits, two bytes at a time: half the cost of toString('hex'). */
export function hexOf(bytes: Buffer, start: number, end: number): string {
  let hex = ''
  for (let i = start; i < end; i += 2) hex += HEX_OF_16_BITS[(bytes[i]! << 8) | bytes[i + 1]!]!
  return hex
}

export function isAllZero(bytes: Buffer, start: number, end: number): boolean {
  for (let i = start; i < end; i++) if (bytes[i] !== 0) return false
  return true
}
