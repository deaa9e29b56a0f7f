import { crc32, deflateRawSync } from 'node:zlib'

export type Entry = Readonly<{ path: string; body: Uint8Array }>

/** 1 January 1980 in the format of DOS, the first day that a zip can tell: equal files make an equal zip, and one checksum. */
const DATE = 0x0021
const VERSION = 20
const DEFLATED = 8
const UTF8_NAMES = 0x0800
/** A plain file, readable by all; the upper half of the attributes is Unix's. */
const FILE_MODE = 0o100644

/** A zip of these files in order of their paths. Format: PKWARE's APPNOTE, without extensions, so below 4 GB and 65,535 files. */
export function zipOf(entries: readonly Entry[]): Buffer {
  const parts: Buffer[] = []
  const directory: Buffer[] = []
  let offset = 0
  for (const { path, body } of [...entries].sort((a, b) => (a.path < b.path ? -1 : 1))) {
    const name = Buffer.from(path)
    const packed = deflateRawSync(body, { level: 9 })
    const facts = factsOf(name, packed, body)
    const local = Buffer.concat([signature(0x04034b50), facts, name, packed])
    directory.push(Buffer.concat([signature(0x02014b50), u16(VERSION | (3 << 8)), facts, trailerOf(offset), name]))
    parts.push(local)
    offset += local.length
  }
  const central = Buffer.concat(directory)
  const count = u16(entries.length)
  return Buffer.concat([
    ...parts,
    central,
    signature(0x06054b50),
    u16(0),
    u16(0),
    count,
    count,
    u32(central.length),
    u32(offset),
    u16(0),
  ])
}

/** What the local header and the directory say alike. */
const factsOf = (name: Buffer, packed: Buffer, body: Uint8Array): Buffer =>
  Buffer.concat([
    ...[VERSION, UTF8_NAMES, DEFLATED, 0, DATE].map(u16),
    ...[crc32(body), packed.length, body.length].map(u32),
    ...[name.length, 0].map(u16),
  ])

/** What only the directory says: comment, disk, internal and external attributes, place of the local header. */
const trailerOf = (offset: number): Buffer =>
  Buffer.concat([...[0, 0, 0].map(u16), u32((FILE_MODE << 16) >>> 0), u32(offset)])

const signature = (value: number): Buffer => u32(value)

function u16(value: number): Buffer {
  const bytes = Buffer.alloc(2)
  bytes.writeUInt16LE(value)
  return bytes
}

function u32(value: number): Buffer {
  const bytes = Buffer.alloc(4)
  bytes.writeUInt32LE(value)
  return bytes
}
