import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { afterAll, expect, test } from 'vitest'
import { plainNamer, requestOf } from '../collector/fixtures.ts'
import { idOf } from '../lib/hash.ts'
import { readOtlpFile } from './otlp-files.ts'

const folder = mkdtempSync(join(tmpdir(), 'andon-files-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

/** How many spans each request of a file holds, by line, and what could not be read. */
async function read(content: string | Buffer): Promise<{ spans: [line: number, spans: number][]; bad: string[] }> {
  const file = join(folder, 'file')
  writeFileSync(file, content)
  const bad: string[] = []
  const spans: [number, number][] = []
  const options = {
    namer: plainNamer(),
    protobufSignal: 'traces',
    onBad: (error: Error) => bad.push(error.message.replace(file, 'file')),
    onBytes: () => {},
  } as const
  for await (const { line, batch } of readOtlpFile(file, options)) spans.push([line, batch.spans.length])
  return { spans, bad }
}

const GOOD = JSON.stringify(requestOf({}))
const PRETTY = JSON.stringify(requestOf({ name: 'a "}" in a text \\ {' }), null, 2)
const LINES = PRETTY.split('\n').length
/** Text that gzip cannot make short. */
const NOISE = Array.from({ length: 2_000 }, (_, n) => idOf(String(n))).join('')
const CUT = GOOD.slice(0, 60)

test.each([
  ['JSON lines', `${GOOD}\n\n${GOOD}\n`, [1, 3], []],
  ['one document over many lines', `${PRETTY}\n`, [1], []],
  ['such documents one after the other', `${PRETTY}\n${PRETTY}`, [1, LINES + 1], []],
  ['with a byte order mark', `\ufeff${GOOD}`, [1], []],
  ['with a line that was cut off', `${GOOD}\n${CUT}\n${GOOD}\n${GOOD}`, [1, 3, 4], ['file:2: is not JSON']],
  ['with a cut in a text on the first line', `{"resourceSp\n${GOOD}\n${GOOD}`, [2, 3], ['file:1: is not JSON']],
  ['with rubbish on the first line', `{rubbish}\n${GOOD}`, [2], ['file:1: is not JSON']],
  ['that ends too early', PRETTY.slice(0, -3), [], ['file:1: is not JSON']],
  ['with line separators inside a text', JSON.stringify(requestOf({ name: 'a\u2028b\u2029c\u0085d' })), [1], []],
  ['with carriage returns', `${GOOD}\r\n\r\n${GOOD}\r\n`, [1, 3], []],
  ['gzip', gzipSync(`${GOOD}\n${GOOD}`), [1, 2], []],
  ['gzip that ends too early', gzipSync(GOOD).subarray(0, 60), [], ['file: unexpected end of file']],
  [
    'gzip that ends too early, after a whole line',
    gzipSync(`${GOOD}\n${NOISE}`).subarray(0, -2_000),
    [1],
    ['file after line 1: unexpected end of file'],
  ],
  ['nothing', '', [], []],
  ['empty lines', '\n \n\n', [], []],
  ['text of another kind', 'a,b\n1,2\n', [], ['file:1: is not JSON', 'file:2: is not JSON']],
  ['that begins in the middle of a line', `${GOOD.slice(60)}\n${GOOD}`, [2], ['file:1: is not JSON']],
  [
    'JSON of another kind',
    '{"a":1}',
    [],
    ['file:1: is neither an OTLP request (resourceSpans, resourceLogs, resourceMetrics) nor a CloudEvent'],
  ],
])('a file: %s', async (_what, content, lines, bad) => {
  expect(await read(content)).toEqual({ spans: lines.map((line) => [line, 1]), bad })
})

test('a protobuf message whose length looks like a bracket is still protobuf', async () => {
  const within = (field: number, body: Buffer) => Buffer.concat([Buffer.from([(field << 3) | 2, body.length]), body])
  const span = [within(1, Buffer.alloc(16, 'a')), within(2, Buffer.alloc(8, 'b')), within(5, Buffer.alloc(57, 'x'))]
  const message = within(1, within(2, within(2, Buffer.concat(span))))
  expect(message.subarray(0, 2).toString()).toBe('\n[')
  expect(await read(message)).toEqual({ spans: [[1, 1]], bad: [] })
})

test('a document over a hundred thousand lines is read once, not once for every line', async () => {
  const spans = Array.from({ length: 10_000 }, (_, n) => ({
    traceId: '0af7651916cd43dd8448eb211c80319c',
    spanId: n.toString(16).padStart(16, 'b'),
    attributes: [],
  }))
  const document = JSON.stringify({ resourceSpans: [{ scopeSpans: [{ spans }] }] }, null, 0).replaceAll('}', '}\n')
  expect(await read(document)).toEqual({ spans: [[1, 10_000]], bad: [] })
})
