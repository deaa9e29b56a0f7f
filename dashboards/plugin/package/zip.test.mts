import { crc32, inflateRawSync } from 'node:zlib'
import { expect, test } from 'vitest'
import { zipOf } from './zip.mts'

const entry = (path: string, text: string) => ({ path, body: Buffer.from(text) })

/** Reads a zip from its end, as programs do: directory first, then each file. */
function unzipped(zip: Buffer): Record<string, string> {
  const end = zip.length - 22
  expect(zip.readUInt32LE(end)).toBe(0x06054b50)
  const files: Record<string, string> = {}
  let at = zip.readUInt32LE(end + 16)
  for (let left = zip.readUInt16LE(end + 10); left > 0; left--) {
    expect(zip.readUInt32LE(at)).toBe(0x02014b50)
    const [crc, packed, size] = [16, 20, 24].map((field) => zip.readUInt32LE(at + field)) as [number, number, number]
    const nameLength = zip.readUInt16LE(at + 28)
    const path = zip.toString('utf8', at + 46, at + 46 + nameLength)
    const local = zip.readUInt32LE(at + 42)
    expect(zip.readUInt32LE(local)).toBe(0x04034b50)
    const start = local + 30 + zip.readUInt16LE(local + 26)
    const body = inflateRawSync(zip.subarray(start, start + packed))
    expect([body.length, crc32(body)]).toEqual([size, crc])
    files[path] = body.toString()
    at += 46 + nameLength
  }
  expect(at).toBe(end)
  return files
}

test('what goes into the zip comes out of it', () => {
  const files = { 'andon-app/a.txt': 'a'.repeat(10_000), 'andon-app/empty': '', 'andon-app/é.json': '{"é":1}' }
  expect(unzipped(zipOf(Object.entries(files).map(([path, text]) => entry(path, text))))).toEqual(files)
})

test('equal files make an equal zip, whatever their order', () => {
  const files = [entry('b', '2'), entry('a', '1')]
  expect(zipOf(files).equals(zipOf([...files].reverse()))).toBe(true)
})
