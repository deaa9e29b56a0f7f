import { afterEach, expect, test } from 'vitest'
import { wallClock } from '../lib/clock.ts'
import { spansIn, startReceiver } from './fixtures.ts'
import { sendLoad } from './load.http.ts'
import { createLoadTemplate, LOAD_SHAPE } from './load.ts'

const SHAPE = { ...LOAD_SHAPE, contactsPerRequest: 10, toolsPerContact: 3 }
const closing: (() => void)[] = []
afterEach(() => {
  for (const close of closing.splice(0)) close()
})

test('stamped requests decode to contacts at the wanted time that share no id with each other', () => {
  const template = createLoadTemplate(SHAPE)
  const AT_MS = 1_700_000_000_123
  const requests = [0, 1, 0xfffffff].map((number) => spansIn(template.stamp(number, AT_MS)))
  for (const spans of requests) {
    expect(spans).toHaveLength(40)
    expect(Math.min(...spans.map((span) => span.startMs))).toBe(AT_MS)
    expect(spans.every((span) => span.endMs > span.startMs && span.endMs < AT_MS + 10_000)).toBe(true)
    const agents = new Map(spans.filter((span) => span.parentSpanId === '').map((span) => [span.traceId, span]))
    expect(agents.size).toBe(10)
    const strays = spans.filter(
      (span) => span.parentSpanId !== '' && agents.get(span.traceId)?.spanId !== span.parentSpanId,
    )
    expect(strays).toEqual([])
    const keys = spans.flatMap((span) =>
      span.attributes['andon.record.key'] ? [span.attributes['andon.record.key']] : [],
    )
    expect(new Set(keys).size).toBe(30)
  }
  const all = requests.flat()
  for (const pick of [
    (span: (typeof all)[number]) => span.traceId,
    (span: (typeof all)[number]) => span.attributes['gen_ai.conversation.id'],
    (span: (typeof all)[number]) => span.attributes['user.id'],
  ])
    expect(new Set(all.map(pick)).size).toBe(30)
  expect(new Set(all.map((span) => `${span.traceId} ${span.spanId}`)).size).toBe(120)
})

test('load is sent at the wanted rate; what was refused is not counted as acknowledged', async () => {
  const receiver = await startReceiver((_request, number) => (number % 10 === 0 ? 429 : 200))
  closing.push(receiver.close)
  const template = createLoadTemplate(SHAPE)
  const report = await sendLoad({
    receiver,
    template,
    clock: wallClock,
    spansPerSecond: 4000,
    requests: 50,
    connections: 4,
    firstRequest: 1000,
  })
  expect(report).toMatchObject({ acknowledgedRequests: 45, acknowledgedSpans: 1800, refused: { 429: 5 } })
  expect(report.elapsedMs, '50 requests of 40 spans at 4,000 spans/s take half a second').toBeGreaterThanOrEqual(489)
  const { p50, p90, p99, max } = report.latencyMs
  expect(p50 >= 0 && p50 <= p90 && p90 <= p99 && p99 <= max).toBe(true)
  const sent = receiver.bodies('/v1/traces').flatMap(spansIn)
  expect(new Set(sent.map((span) => `${span.traceId} ${span.spanId}`)).size).toBe(2000)
})

test('a receiver that is not there is reported, not thrown', async () => {
  const template = createLoadTemplate({ ...SHAPE, contactsPerRequest: 1 })
  const load = { template, clock: wallClock, spansPerSecond: Number.POSITIVE_INFINITY, requests: 3, connections: 1 }
  const report = await sendLoad({ ...load, receiver: { endpoint: 'http://127.0.0.1:1' } })
  expect(report).toMatchObject({ acknowledgedSpans: 0, refused: { 0: 3 } })
  expect(report.latencyMs.p50).toBeNaN()
})
