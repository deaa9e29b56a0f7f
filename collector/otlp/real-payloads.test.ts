import { existsSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { gunzipSync } from 'node:zlib'
import { describe, expect, test } from 'vitest'
import { AndonError } from '../../lib/errors.ts'
import { decodeRequest, JSON_TYPE } from '../decode.ts'
import { plainNamer } from '../fixtures.ts'

/** Payloads of other people's instrumentations, captured or out of their tests; not part of the repository. */
const FOLDER = fileURLToPath(new URL('../../../shared/data/otlp/dev/', import.meta.url))
const isHere = existsSync(`${FOLDER}payloads.jsonl.gz`)
if (!isHere) console.warn(`SKIPPED: real OTLP payloads are not at ../shared/data/otlp; decoding them was not checked`)

type Truth = Readonly<{
  id: string
  spans_on_wire?: number
  valid_spans?: number
  invalid_spans?: number
  distinct_spans: number
}>

describe.skipIf(!isHere)('real OTLP/JSON payloads (skipped where ../shared/data/otlp is absent)', () => {
  const lines = isHere
    ? gunzipSync(readFileSync(`${FOLDER}payloads.jsonl.gz`))
        .toString('utf8')
        .trim()
        .split('\n')
    : []
  const payloads = lines.map((line) => JSON.parse(line) as { id: string; kind: string; payload: unknown })
  const truth = isHere ? JSON.parse(readFileSync(`${FOLDER}truth.json`, 'utf8')) : undefined
  const truthOf = new Map<string, Truth>(truth?.per_payload.map((one: Truth) => [one.id, one]))
  const namer = plainNamer()
  const decode = (payload: unknown) => decodeRequest('traces', JSON_TYPE, Buffer.from(JSON.stringify(payload)), namer)
  const identities = (spans: readonly { traceId: string; spanId: string }[]) =>
    new Set(spans.map((span) => `${span.traceId}/${span.spanId}`))

  test('per payload: every valid span is accepted, every other one rejected by itself and named', () => {
    for (const { id, payload } of payloads) {
      const { spans, rejected } = decode(payload)
      const expected = truthOf.get(id)!
      const found = { id, accepted: spans.length, distinct: identities(spans).size, rejected: rejected.items }
      const { valid_spans: accepted = 0, distinct_spans: distinct, invalid_spans: lost = 0 } = expected
      expect(found).toEqual({ id, accepted, distinct, rejected: lost })
      if (lost > 0) expect(rejected.message).toMatch(/resourceSpans\[\d+\]\.scopeSpans\[\d+\]\.spans\[\d+\]/)
    }
  })

  test('in total: accepted and distinct spans', () => {
    const decoded = payloads.map((one) => decode(one.payload).spans)
    expect(decoded.flat().length).toBe(truth.total.valid_spans)
    expect(decoded.reduce((sum, spans) => sum + identities(spans).size, 0)).toBe(truth.total.distinct_spans)
  })

  test('tool and agent spans of every convention in it are recognised', () => {
    const spans = payloads.flatMap((one) => decode(one.payload).spans)
    const { genai_tool_spans, openinference_tool_spans, vercel_tool_spans } = truth.total
    const inTwoConventions = 1 // one span of the Google ADK says execute_tool and TOOL
    const tools = spans.filter((span) => span.role === 'tool')
    expect(tools.length).toBe(genai_tool_spans + openinference_tool_spans + vercel_tool_spans - inTwoConventions)
    expect(tools.every((span) => span.tool !== '')).toBe(true)
    expect(tools.filter((span) => span.result === 'failed').length).toBeGreaterThanOrEqual(
      truth.total.genai_tool_errors,
    )
    expect(spans.filter((span) => span.role === 'agent').length).toBeGreaterThanOrEqual(truth.total.genai_agent_spans)
  })

  test('a broken container is named, even when no span is lost by it', () => {
    for (const { payload, kind } of payloads) {
      if (kind !== 'malformed') continue
      const scopes = (payload as { resourceSpans?: { scopeSpans?: unknown }[] }).resourceSpans?.[0]?.scopeSpans
      if (scopes === null || (typeof scopes === 'object' && !Array.isArray(scopes))) {
        expect(decode(payload).rejected.message).toContain('resourceSpans[0].scopeSpans must be a list')
      }
    }
  })

  test('a payload cut short anywhere is undecodable, never a crash', () => {
    for (const { payload } of payloads) {
      const bytes = Buffer.from(JSON.stringify(payload))
      const cut = bytes.subarray(0, bytes.length >> 1)
      expect(() => decodeRequest('traces', JSON_TYPE, cut, namer)).toThrow(AndonError)
    }
  })
})
