import { crc32, inflateRawSync } from 'node:zlib'

/** Reads a zip from its end, as programs do: directory first, then each file. Throws where header, directory and body disagree. */
export function unzipped(zip: Buffer): Record<string, Buffer> {
  const end = zip.length - 22
  expectSignature(zip, end, 0x06054b50)
  const files: Record<string, Buffer> = {}
  let at = zip.readUInt32LE(end + 16)
  for (let left = zip.readUInt16LE(end + 10); left > 0; left--) {
    expectSignature(zip, at, 0x02014b50)
    const [crc, packed, size] = [16, 20, 24].map((field) => zip.readUInt32LE(at + field)) as [number, number, number]
    const nameLength = zip.readUInt16LE(at + 28)
    const path = zip.toString('utf8', at + 46, at + 46 + nameLength)
    const local = zip.readUInt32LE(at + 42)
    expectSignature(zip, local, 0x04034b50)
    const start = local + 30 + zip.readUInt16LE(local + 26)
    const body = inflateRawSync(zip.subarray(start, start + packed))
    if (body.length !== size || crc32(body) !== crc) throw new Error(`${path} is not what its directory says`)
    files[path] = body
    at += 46 + nameLength
  }
  if (at !== end) throw new Error('the directory does not end where the zip says')
  return files
}

function expectSignature(zip: Buffer, at: number, signature: number): void {
  if (zip.readUInt32LE(at) !== signature) throw new Error(`no signature ${signature.toString(16)} at ${at}`)
}
