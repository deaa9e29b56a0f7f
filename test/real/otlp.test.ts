import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { startReceiver } from '../../collector/receive.http.ts'
import { FOUR_SIGNALS } from '../../detectors/signals/library.ts'
import { wallClock } from '../../lib/clock.ts'
import { silentLog } from '../../lib/log.ts'
import { recount } from '../../recount/recount.clickhouse.ts'
import { rowsOf } from '../../store/store.clickhouse.ts'
import { type Counting, plainNamer, startCounting } from './counting.ts'
import { hasData, PATIENCE_MS, readJson, readJsonLines } from './data.ts'

type Payload = Readonly<{ id: string; kind: 'valid' | 'odd' | 'malformed'; payload: unknown }>
type Counts = Readonly<{
  spans_on_wire?: number
  valid_spans?: number
  distinct_spans?: number
  invalid_spans?: number
}>
type Truth = Readonly<{ total: Counts; per_payload: readonly (Counts & Readonly<{ id: string }>)[] }>
type Reply = Readonly<{
  status: number
  body: { message?: string; partialSuccess?: { rejectedSpans?: string | number; errorMessage?: string } }
}>

const found = hasData('otlp')

describe.skipIf(!found)(
  "payloads of other people's instrumentations, posted to the receiver",
  { timeout: PATIENCE_MS },
  () => {
    const folder = mkdtempSync(join(tmpdir(), 'andon-otlp-'))
    const payloads = found ? readJsonLines<Payload>('otlp/dev/payloads.jsonl.gz') : []
    const truth = found ? readJson<Truth>('otlp/dev/truth.json') : { total: {}, per_payload: [] }
    const replies = new Map<string, Reply>()
    let counting: Counting
    let receiver: Awaited<ReturnType<typeof startReceiver>>

    beforeAll(async () => {
      counting = await startCounting({ folder, signals: FOUR_SIGNALS })
      receiver = await startReceiver({
        listen: { host: '127.0.0.1', port: 0 },
        token: undefined,
        accept: counting.accept,
        namer: plainNamer(),
        clock: wallClock,
        log: silentLog,
        count: () => {},
      })
      const send = async ({ id, payload }: Payload) => {
        const response = await fetch(`${receiver.url}/v1/traces`, {
          method: 'POST',
          headers: { 'content-type': 'application/json' },
          body: JSON.stringify(payload),
        })
        replies.set(id, { status: response.status, body: (await response.json()) as Reply['body'] })
      }
      await Promise.all(payloads.map(send))
      await counting.settle()
    }, PATIENCE_MS)
    afterAll(async () => {
      await receiver?.close()
      await counting?.close()
      rmSync(folder, { recursive: true, force: true })
    })

    test('every one is answered, with 200 or with 400 and a reason', () => {
      expect(replies.size).toBe(payloads.length)
      for (const [id, { status, body }] of replies) {
        expect([200, 400], id).toContain(status)
        if (status === 400) expect(body.message, id).toMatch(/\w/)
      }
    })

    test('of each, exactly the valid spans are accepted and a message says what was rejected', () => {
      for (const { id, spans_on_wire = 0, valid_spans = 0 } of truth.per_payload) {
        const { status, body } = replies.get(id)!
        const rejected = Number(body.partialSuccess?.rejectedSpans ?? 0)
        if (status === 400) {
          expect(valid_spans, `${id} is refused whole`).toBe(0)
          continue
        }
        // A part of a request that is no list of spans is rejected too, though there is no span in it to be counted by the truth.
        expect(rejected, id).toBeGreaterThanOrEqual(spans_on_wire - valid_spans)
        if (rejected > 0) expect(body.partialSuccess?.errorMessage, id).toMatch(/resourceSpans/)
      }
    })

    test('stored and counted are the valid and the distinct spans of the truth', async () => {
      const [stored] = await rowsOf<{ accepted: number; distinct: number }>(
        counting.store,
        "SELECT toUInt32(countIf(span_id != '')) AS accepted, toUInt32(uniqExactIf((trace_id, span_id), span_id != '')) AS distinct FROM spans",
      )
      // Ids of two payloads may be the same: distinct counts them once.
      expect(stored?.accepted).toBe(truth.total.valid_spans)
      expect(stored?.distinct).toBe(distinctIn(payloads))
      expect(stored?.distinct).toBeLessThanOrEqual(truth.total.distinct_spans!)
    })

    test('the totals are those of a recount, parents in rings included', async () => {
      const result = await recount({ store: counting.store, signals: FOUR_SIGNALS })
      expect(result.differences).toEqual([])
      expect(result.checked).toBeGreaterThan(0)
    })
  },
)

type Raw = Readonly<Record<string, unknown>>
const isObject = (value: unknown): value is Raw => typeof value === 'object' && value !== null && !Array.isArray(value)
const listOf = (value: unknown): unknown[] => (Array.isArray(value) ? value : [])

/** Distinct (trace id, span id) of valid spans over all payloads, by the structural rule of the data set. */
function distinctIn(payloads: readonly Payload[]): number {
  const spans = payloads
    .flatMap(({ payload }) => listOf((payload as Raw).resourceSpans).filter(isObject))
    .flatMap((resource) =>
      [...listOf(resource.scopeSpans), ...listOf(resource.instrumentationLibrarySpans)].filter(isObject),
    )
    .flatMap((scope) => listOf(scope.spans).filter(isObject))
  const isId = (id: unknown, digits: number): id is string =>
    typeof id === 'string' && new RegExp(`^[0-9a-f]{${digits}}$`, 'i').test(id) && !/^0+$/.test(id)
  const valid = spans.filter(
    (span) =>
      isId(span.traceId, 32) &&
      isId(span.spanId, 16) &&
      (span.attributes === undefined || Array.isArray(span.attributes)),
  )
  return new Set(valid.map((span) => `${span.traceId}/${span.spanId}`.toLowerCase())).size
}
