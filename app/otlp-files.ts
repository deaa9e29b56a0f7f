import { createReadStream } from 'node:fs'
import { open, stat } from 'node:fs/promises'
import { Transform } from 'node:stream'
import { createGunzip } from 'node:zlib'
import {
  type Batch,
  type Decoded,
  decodeRequest,
  JSON_TYPE,
  MAX_ITEMS,
  PROTOBUF,
  type Signal,
} from '../collector/decode.ts'
import type { Namer } from '../collector/name-span.ts'
import { readCloudEvents } from '../collector/outcomes.ts'
import { AndonError } from '../lib/errors.ts'

/** One request found in a file; `line` counts from 1 (for protobuf: messages). */
export type FileRequest = Readonly<{ file: string; line: number; batch: Batch; rejected: number; message: string }>

export type ReadOptions = Readonly<{
  namer: Namer
  /** What protobuf messages are; JSON says it itself. */
  protobufSignal: Signal
  /** Called for input that cannot be read; throw to stop. */
  onBad: (error: AndonError) => void
  /** Bytes of the file (as it lies on disk) taken so far. */
  onBytes: (bytes: number) => void
}>

/**
 * Reads OTLP from a file: JSON lines (one Export…ServiceRequest or CloudEvent a line, or one JSON document over several lines) or protobuf
 * (one message, or messages each preceded by its length in four bytes, as the Collector's file exporter writes), plain or gzip.
 */
export async function* readOtlpFile(file: string, options: ReadOptions): AsyncGenerator<FileRequest> {
  const head = await headOf(file)
  const gzip = head[0] === 0x1f && head[1] === 0x8b
  const raw = createReadStream(file)
  const counted = raw.pipe(
    new Transform({
      transform: (chunk: Buffer, _, done) => {
        options.onBytes(chunk.length)
        done(null, chunk)
      },
    }),
  )
  const bytes = gzip ? counted.pipe(createGunzip()) : counted
  raw.on('error', (error) => bytes.destroy(error))
  let last = 0
  try {
    const start = await startOf(bytes)
    if (start.length === 0) return
    for await (const request of isBinary(start) ? readProtobuf(file, bytes, options) : readJson(file, bytes, options)) {
      last = request.line
      yield request
    }
  } catch (error) {
    if (error instanceof AndonError) throw error
    const after = last > 0 ? ` after line ${last}` : ''
    options.onBad(new AndonError('unreadable', `${file}${after}: ${(error as Error).message}`, { cause: error }))
  }
}

async function headOf(file: string): Promise<Buffer> {
  try {
    if (!(await stat(file)).isFile()) throw new Error('is not a file')
    const handle = await open(file)
    const { buffer, bytesRead } = await handle.read(Buffer.alloc(2), 0, 2, 0)
    await handle.close()
    return buffer.subarray(0, bytesRead)
  } catch (error) {
    throw new AndonError('unreadable', `${file}: ${(error as Error).message}`, { cause: error })
  }
}

/** The first bytes, without taking them from the stream; none at its end. */
async function startOf(stream: NodeJS.ReadableStream): Promise<Buffer> {
  for (;;) {
    const chunk = stream.read() as Buffer | null
    if (chunk !== null) {
      stream.unshift(chunk)
      return chunk
    }
    const ended = await new Promise<boolean>((resolve, reject) => {
      stream.once('readable', () => resolve(false))
      stream.once('end', () => resolve(true))
      stream.once('error', reject)
    })
    if (ended) return Buffer.alloc(0)
  }
}

/** Control characters that no text file has, and every protobuf message of ours has early: its field tags. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: those are what it looks for
const BINARY = /[\u0000-\u0008\u000b\u000c\u000e-\u001f]/

const isBinary = (start: Buffer): boolean => BINARY.test(start.subarray(0, 512).toString('latin1'))

/** JSON lines when the first line is a document, else documents that each end where their brackets do. */
async function* readJson(
  file: string,
  bytes: NodeJS.ReadableStream,
  options: ReadOptions,
): AsyncGenerator<FileRequest> {
  const bad = (line: number) => options.onBad(new AndonError('unreadable', `${file}:${line}: is not JSON`))
  let line = 0
  let isLines: boolean | null = null
  let parts: string[] = [] // lines of a document that is not finished yet
  let startedAt = 0
  let brackets = countBrackets('')
  for await (const given of linesOf(bytes)) {
    line++
    const text = line === 1 ? given.replace(/^\ufeff/, '') : given
    if (parts.length === 0 && text.trim() === '') continue
    if (parts.length === 0) startedAt = line
    const alone: unknown = isLines === false ? undefined : parsed(text)
    isLines ??= alone !== undefined
    if (!isLines) {
      brackets = countBrackets(text, brackets)
      parts.push(text)
      if (brackets.depth > 0 && !brackets.isInText) continue
    }
    const document = isLines ? text : parts.join('\n')
    const value = isLines ? alone : parsed(document)
    parts = []
    brackets = countBrackets('')
    if (value === undefined) {
      bad(startedAt)
      isLines = null // a first line that is cut off says nothing about the next
      continue
    }
    const request = decodeJson(file, startedAt, value, document, options)
    if (request) yield request
  }
  if (parts.length > 0) bad(startedAt)
}

/** Lines without their ends. Not by node:readline, which also ends one at U+2028 and U+2029: JSON allows both within a text. */
async function* linesOf(bytes: NodeJS.ReadableStream): AsyncGenerator<string> {
  let begun: Buffer[] = []
  for await (const chunk of bytes as AsyncIterable<Buffer>) {
    let from = 0
    for (let to = chunk.indexOf(NEWLINE); to >= 0; to = chunk.indexOf(NEWLINE, from)) {
      yield textOf([...begun, chunk.subarray(from, to)])
      begun = []
      from = to + 1
    }
    if (from < chunk.length) begun.push(chunk.subarray(from))
  }
  if (begun.length > 0) yield textOf(begun)
}

const NEWLINE = 0x0a
const textOf = (parts: readonly Buffer[]): string => Buffer.concat(parts).toString('utf8').replace(/\r$/, '')

type Brackets = Readonly<{ depth: number; isInText: boolean }>

/** How many brackets are open after a line; JSON texts never reach beyond their line, so one that does is a mistake. */
function countBrackets(line: string, before: Brackets = { depth: 0, isInText: false }): Brackets {
  let { depth } = before
  let isInText = false
  for (let i = 0; i < line.length; i++) {
    const c = line[i]
    if (isInText) {
      if (c === '\\') i++
      else if (c === '"') isInText = false
    } else if (c === '"') isInText = true
    else if (c === '{' || c === '[') depth++
    else if (c === '}' || c === ']') depth--
  }
  return { depth, isInText }
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

function decodeJson(
  file: string,
  line: number,
  value: unknown,
  text: string,
  options: ReadOptions,
): FileRequest | null {
  const keys = typeof value === 'object' && value !== null ? value : {}
  const signal: Signal | null =
    'resourceSpans' in keys ? 'traces' : 'resourceLogs' in keys ? 'logs' : 'resourceMetrics' in keys ? 'metrics' : null
  try {
    if (signal) return requestOf(file, line, decodeRequest(signal, JSON_TYPE, Buffer.from(text), options.namer))
    if ('specversion' in keys || Array.isArray(value)) {
      const { outcomes, errors } = readCloudEvents(Buffer.from(text), options.namer, MAX_ITEMS)
      const [first] = errors
      return {
        file,
        line,
        batch: { spans: [], outcomes, points: [] },
        rejected: errors.length,
        message: first ? `event ${first.index}: ${first.message}` : '',
      }
    }
    throw new AndonError(
      'unreadable',
      'is neither an OTLP request (resourceSpans, resourceLogs, resourceMetrics) nor a CloudEvent',
    )
  } catch (error) {
    options.onBad(new AndonError('unreadable', `${file}:${line}: ${(error as Error).message}`, { cause: error }))
    return null
  }
}

const requestOf = (file: string, line: number, decoded: Decoded): FileRequest => ({
  file,
  line,
  batch: decoded,
  rejected: decoded.rejected.items,
  message: decoded.rejected.message,
})

async function* readProtobuf(
  file: string,
  bytes: NodeJS.ReadableStream,
  options: ReadOptions,
): AsyncGenerator<FileRequest> {
  const chunks: Buffer[] = []
  for await (const chunk of bytes) chunks.push(chunk as Buffer)
  const messages = messagesOf(Buffer.concat(chunks))
  for (const [index, message] of messages.entries()) {
    try {
      yield requestOf(file, index + 1, decodeRequest(options.protobufSignal, PROTOBUF, message, options.namer))
    } catch (error) {
      options.onBad(
        new AndonError('unreadable', `${file}: message ${index + 1}: ${(error as Error).message}`, { cause: error }),
      )
    }
  }
}

/** Length-prefixed messages when the lengths add up to the file exactly, else the file is one message. */
function messagesOf(all: Buffer): Buffer[] {
  const messages: Buffer[] = []
  let at = 0
  while (at + 4 <= all.length) {
    const length = all.readUInt32BE(at)
    if (at + 4 + length > all.length) return [all]
    messages.push(all.subarray(at + 4, at + 4 + length))
    at += 4 + length
  }
  return at === all.length && messages.length > 0 ? messages : [all]
}
