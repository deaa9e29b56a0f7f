import type { Keys, Target } from './raw.ts'

type Entry = Readonly<{ bytes: Uint8Array; targets: readonly Target[] }>

/** Four sampled bytes and the length tell attribute names apart well enough; equality is always checked in full. */
const bucketOf = (bytes: Uint8Array, start: number, end: number, mask: number): number => {
  const length = end - start
  if (length < 4) return length & mask
  const sample =
    bytes[end - 1]! * 0x1f35 +
    bytes[end - 3]! * 0x2b1 +
    bytes[start + (length >> 1)]! * 0x65d +
    bytes[start + 3]! * 0x11
  return (sample + length * 0x3d) & mask
}

/**
 * Compiles attribute names into a table that recognises them in the raw bytes of a request.
 * @param names per field (its place in the list is its number) the attribute names that feed it, best first
 */
export function createKeys(names: readonly (readonly string[])[]): Keys {
  const byName = new Map<string, Target[]>()
  names.forEach((aliases, field) => {
    aliases.forEach((name, rank) => {
      const targets = byName.get(name) ?? []
      if (targets.some((target) => target.field === field)) return
      byName.set(name, [...targets, { field, rank }])
    })
  })
  const size = 1 << Math.ceil(Math.log2(Math.max(8, byName.size * 4)))
  const buckets: Entry[][] = Array.from({ length: size }, () => [])
  for (const [name, targets] of byName) {
    const bytes = new TextEncoder().encode(name)
    buckets[bucketOf(bytes, 0, bytes.length, size - 1)]!.push({ bytes, targets })
  }
  return {
    size: names.length,
    ofName: (name) => byName.get(name),
    ofBytes: (bytes, start, end) => {
      const bucket = buckets[bucketOf(bytes, start, end, size - 1)]!
      for (let i = 0; i < bucket.length; i++) {
        const entry = bucket[i]!
        if (equal(entry.bytes, bytes, start, end)) return entry.targets
      }
      return undefined
    },
  }
}

function equal(known: Uint8Array, bytes: Uint8Array, start: number, end: number): boolean {
  if (known.length !== end - start) return false
  for (let i = 0; i < known.length; i++) if (known[i] !== bytes[start + i]) return false
  return true
}
