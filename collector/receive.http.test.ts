import { request as httpRequest } from 'node:http'
import { connect } from 'node:net'
import { gzipSync } from 'node:zlib'
import { logs, metrics, SpanStatusCode, trace } from '@opentelemetry/api'
import { NodeSDK } from '@opentelemetry/sdk-node'
import { afterEach, describe, expect, test, vi } from 'vitest'
import { wallClock } from '../lib/clock.ts'
import { AndonError } from '../lib/errors.ts'
import { silentLog } from '../lib/log.ts'
import type { Batch } from './decode.ts'
import { attributesOf, plainNamer, requestOf, SPAN_ID, TRACE_ID } from './fixtures.ts'
import type { Receiver, ReceiverOptions } from './receive.http.ts'
import { startReceiver } from './receive.http.ts'

const running: Receiver[] = []
afterEach(async () => {
  vi.unstubAllEnvs()
  await Promise.all(running.splice(0).map((receiver) => receiver.close()))
})

/** A receiver on a free port that remembers what it was given. */
async function start(options: Partial<ReceiverOptions> = {}) {
  const batches: Batch[] = []
  const counts: Record<string, number> = {}
  const receiver = await startReceiver({
    listen: { host: '127.0.0.1', port: 0 },
    accept: async (batch) => void batches.push(batch),
    namer: plainNamer(),
    clock: wallClock,
    log: silentLog,
    count: (reason, n) => {
      counts[reason] = (counts[reason] ?? 0) + n
    },
    ...options,
  })
  running.push(receiver)
  const post = (path: string, body: string | Uint8Array, headers: Record<string, string> = {}) =>
    fetch(receiver.url + path, {
      method: 'POST',
      body: body as string,
      headers: { 'content-type': 'application/json', ...headers },
    })
  return { ...receiver, batches, counts, post }
}

const goodRequest = JSON.stringify(requestOf({}))
const half = JSON.stringify({
  resourceSpans: [
    {
      scopeSpans: [
        {
          spans: [
            { traceId: TRACE_ID, spanId: SPAN_ID },
            { traceId: 'no', spanId: SPAN_ID },
          ],
        },
      ],
    },
  ],
})

describe('with the real OpenTelemetry SDK and exporters', () => {
  test.each([['none'], ['gzip']])(
    'spans, log events and metrics arrive as facts (compression %s)',
    async (compression) => {
      const { url, batches } = await start({ token: 'a-token' })
      vi.stubEnv('OTEL_EXPORTER_OTLP_ENDPOINT', url)
      vi.stubEnv('OTEL_EXPORTER_OTLP_PROTOCOL', 'http/protobuf')
      vi.stubEnv('OTEL_EXPORTER_OTLP_COMPRESSION', compression)
      vi.stubEnv('OTEL_EXPORTER_OTLP_HEADERS', 'authorization=Bearer a-token')
      for (const signal of ['TRACES', 'LOGS', 'METRICS']) vi.stubEnv(`OTEL_${signal}_EXPORTER`, 'otlp')
      vi.stubEnv(
        'OTEL_RESOURCE_ATTRIBUTES',
        'service.name=order-agent,service.version=r42,deployment.environment.name=prod',
      )
      const sdk = new NodeSDK({ autoDetectResources: true })
      sdk.start()
      const tracer = trace.getTracer('test')
      tracer.startActiveSpan('invoke_agent', (agent) => {
        agent.setAttributes({
          'gen_ai.operation.name': 'invoke_agent',
          'gen_ai.conversation.id': 'c1',
          'user.id': 'Ann',
        })
        tracer.startActiveSpan('execute_tool', (tool) => {
          tool.setAttributes({
            'gen_ai.operation.name': 'execute_tool',
            'gen_ai.tool.name': 'update_order',
            'andon.action': 'update',
          })
          tool.setStatus({ code: SpanStatusCode.ERROR })
          tool.end()
        })
        agent.end()
      })
      logs.getLogger('test').emit({ eventName: 'andon.complaint', attributes: { 'gen_ai.conversation.id': 'c1' } })
      metrics.getMeter('test').createCounter('orders').add(3, { 'andon.channel': 'chat' })
      await sdk.shutdown()
      trace.disable()
      logs.disable()
      metrics.disable()

      const spans = batches.flatMap((batch) => batch.spans)
      const agent = spans.find((span) => span.role === 'agent')!
      const tool = spans.find((span) => span.role === 'tool')!
      expect(agent).toMatchObject({
        release: 'r42',
        environment: 'prod',
        conversation: 'c1',
        serviceName: 'order-agent',
      })
      expect(agent.customer).toMatch(/^[0-9a-f]{32}$/)
      expect(tool).toMatchObject({
        tool: 'update_order',
        action: 'update',
        result: 'failed',
        parentSpanId: agent.spanId,
      })
      expect(Math.abs(wallClock.nowMs() - agent.startedAtMs)).toBeLessThan(60_000)
      const [complaint] = batches.flatMap((batch) => batch.outcomes)
      expect(complaint).toMatchObject({ kind: 'complaint', conversation: 'c1', environment: 'prod' })
      const point = batches.flatMap((batch) => batch.points).find((one) => one.name === 'orders')
      expect(point).toMatchObject({
        value: 3,
        channel: 'chat',
        release: 'r42',
        temporality: 'cumulative',
        monotonic: 1,
      })
    },
  )
})

describe('the rules of an OTLP server', () => {
  test('all taken: 200 and an empty response in the encoding of the request', async () => {
    const { post, batches } = await start()
    const json = await post('/v1/traces', goodRequest)
    expect([json.status, json.headers.get('content-type'), await json.text()]).toEqual([200, 'application/json', '{}'])
    const protobuf = await post('/v1/traces', new Uint8Array(0), { 'content-type': 'application/x-protobuf' })
    expect([protobuf.status, protobuf.headers.get('content-type')]).toEqual([200, 'application/x-protobuf'])
    expect((await protobuf.arrayBuffer()).byteLength).toBe(0)
    expect(batches.length).toBe(1)
  })

  test('some rejected: still 200, with their number and a message that names field and fix', async () => {
    const { post, batches, counts } = await start()
    const response = await post('/v1/traces', half)
    const answer = (await response.json()) as { partialSuccess: { rejectedSpans: string; errorMessage: string } }
    expect(response.status).toBe(200)
    expect(answer.partialSuccess.rejectedSpans).toBe('1')
    expect(answer.partialSuccess.errorMessage).toContain(
      'resourceSpans[0].scopeSpans[0].spans[1].traceId must be 32 hex',
    )
    expect(batches[0]!.spans.length).toBe(1)
    expect(counts).toEqual({ trace_id: 1 })
  })

  test('undecodable: 400 with google.rpc.Status in the encoding of the request', async () => {
    const { post, counts } = await start()
    const json = await post('/v1/traces', '{"resourceSpans": [')
    expect(json.status).toBe(400)
    expect(await json.json()).toMatchObject({ code: 3, message: expect.stringContaining('not JSON') })
    const protobuf = await post('/v1/logs', Buffer.from([0x0a, 0xff]), { 'content-type': 'application/x-protobuf' })
    expect([protobuf.status, protobuf.headers.get('content-type')]).toEqual([400, 'application/x-protobuf'])
    const status = Buffer.from(await protobuf.arrayBuffer())
    expect([...status.subarray(0, 3)]).toEqual([0x08, 3, 0x12])
    expect(status.subarray(4).toString()).toContain('not a protobuf message')
    expect(counts.undecodable).toBe(2)
  })

  test('gzip is taken; truncated or invalid gzip is 400', async () => {
    const { post, batches } = await start()
    const zipped = gzipSync(goodRequest)
    expect((await post('/v1/traces', zipped, { 'content-encoding': 'gzip' })).status).toBe(200)
    expect(batches.length).toBe(1)
    const cut = await post('/v1/traces', zipped.subarray(0, zipped.length - 9), { 'content-encoding': 'gzip' })
    expect([cut.status, (await cut.json()) as object]).toEqual([
      400,
      { code: 3, message: expect.stringContaining('gzip') },
    ])
    expect((await post('/v1/traces', goodRequest, { 'content-encoding': 'gzip' })).status).toBe(400)
  })

  test('a gzip bomb is 413, and inflating it stops at the limit', async () => {
    const { post, counts } = await start({ limits: { decompressedBytes: 1 << 20 } })
    const bomb = gzipSync(Buffer.alloc(200 << 20))
    const before = process.memoryUsage().arrayBuffers
    const response = await post('/v1/traces', bomb, { 'content-encoding': 'gzip' })
    expect(response.status).toBe(413)
    expect(await response.json()).toMatchObject({ message: expect.stringContaining('after decompression') })
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(64 << 20)
    expect(counts.too_large).toBe(1)
  })

  test('too large before decompression is 413, told or found on the way', async () => {
    const { post, url } = await start({ limits: { compressedBytes: 1000, decompressedBytes: 2000 } })
    expect((await post('/v1/traces', 'x'.repeat(2001))).status).toBe(413)
    expect((await post('/v1/traces', 'x'.repeat(1001), { 'content-encoding': 'gzip' })).status).toBe(413)
    const status = await new Promise((resolve, reject) => {
      const headers = { 'content-type': 'application/json', 'transfer-encoding': 'chunked' }
      const request = httpRequest(`${url}/v1/traces`, { method: 'POST', headers }, (response) => {
        response.resume()
        resolve(response.statusCode)
      })
      request.on('error', reject)
      for (let i = 0; i < 30; i++) request.write('x'.repeat(100))
      request.end()
    })
    expect(status).toBe(413)
  })

  test('too many items are 413: a small body cannot become a large heap', async () => {
    const { post } = await start({ limits: { itemsPerRequest: 1 } })
    const spans = [1, 2].map((n) => ({ traceId: TRACE_ID, spanId: `000000000000000${n}` }))
    expect((await post('/v1/traces', JSON.stringify({ resourceSpans: [{ scopeSpans: [{ spans }] }] }))).status).toBe(
      413,
    )
  })

  test('wrong method, path, type and encoding get their status and a helpful word', async () => {
    const { url, post } = await start()
    const get = await fetch(`${url}/v1/traces`)
    expect([get.status, get.headers.get('allow')]).toEqual([405, 'POST'])
    const lost = await post('/v1/trace', goodRequest)
    expect([lost.status, await lost.json()]).toEqual([404, { code: 5, message: expect.stringContaining('/v1/traces') }])
    const text = await post('/v1/traces', goodRequest, { 'content-type': 'text/plain' })
    expect([text.status, await text.text()]).toEqual([
      415,
      expect.stringContaining('application/x-protobuf or application/json'),
    ])
    expect((await post('/v1/traces', goodRequest, { 'content-encoding': 'br' })).status).toBe(415)
    const root = await fetch(url)
    expect([root.status, await root.text()]).toEqual([200, expect.stringContaining('POST /v1/traces')])
  })
})

describe('load and failure behind it', () => {
  test.each([
    [new AndonError('overloaded', 'the queue is full', { retryable: true }), 429],
    [new AndonError('unavailable', 'the store is away', { retryable: true }), 503],
    [new AndonError('store_timeout', 'the store is slow', { retryable: true }), 503],
    [new Error('surprise'), 503],
    [new AndonError('invariant', 'broken invariant: x'), 500],
  ])('when accept throws %s the answer is %i', async (error, status) => {
    const { post } = await start({
      accept: async () => {
        throw error
      },
    })
    const response = await post('/v1/traces', goodRequest)
    expect(response.status).toBe(status)
    expect(response.headers.has('retry-after')).toBe(status === 429 || status === 503)
    expect(((await response.json()) as { message: string }).message).not.toContain('surprise')
  })

  test('200 comes only after accept has resolved', async () => {
    let durable = () => {}
    const { post } = await start({ accept: () => new Promise((resolve) => (durable = resolve)) })
    let isAnswered = false
    const answer = post('/v1/traces', goodRequest).then((response) => {
      isAnswered = true
      return response.status
    })
    await wallClock.sleep(100)
    expect(isAnswered).toBe(false)
    durable()
    expect(await answer).toBe(200)
  })

  test('bytes in flight are bounded: what does not fit is 429 with Retry-After, and room comes back', async () => {
    const released: (() => void)[] = []
    const body = JSON.stringify({ ...requestOf({}), padding: 'x'.repeat(1000) })
    const { post, counts } = await start({
      limits: { inFlightBytes: body.length * 3 + 100 },
      accept: () => new Promise((resolve) => released.push(resolve)),
    })
    const answers = Array.from({ length: 8 }, () => post('/v1/traces', body))
    const refused = await Promise.race(answers)
    expect([refused.status, refused.headers.get('retry-after')]).toEqual([429, '1'])
    while (released.length < 3) await wallClock.sleep(5)
    await wallClock.sleep(50)
    for (const release of released) release()
    const statuses = (await Promise.all(answers)).map((response) => response.status)
    expect(statuses.filter((status) => status === 200).length).toBe(3)
    expect(statuses.filter((status) => status === 429).length).toBe(5)
    expect(counts.overloaded).toBe(5)
    const again = post('/v1/traces', body)
    while (released.length < 4) await wallClock.sleep(5)
    released[3]!()
    expect((await again).status).toBe(200)
  })

  test('closing waits for the requests in flight, and for nothing else', async () => {
    let durable = () => {}
    const receiver = await start({ accept: () => new Promise((resolve) => (durable = resolve)) })
    const answer = receiver.post('/v1/traces', goodRequest)
    await wallClock.sleep(100)
    const closed = receiver.close()
    await wallClock.sleep(50)
    durable()
    expect((await answer).status).toBe(200)
    expect(await Promise.race([closed, wallClock.sleep(5_000).then(() => 'still open')])).toBeUndefined()
    await expect(receiver.post('/v1/traces', goodRequest)).rejects.toThrow()
  })

  test('a client that stops in the middle of its headers or its body is cut off', async () => {
    const { url } = await start({ limits: { headersTimeoutMs: 200, requestTimeoutMs: 400 } })
    const { port } = new URL(url)
    const answerTo = (text: string) =>
      new Promise<string>((resolve) => {
        const socket = connect(Number(port), '127.0.0.1', () => socket.write(text))
        let received = ''
        socket
          .on('data', (chunk) => (received += chunk))
          .on('close', () => resolve(received))
          .on('error', () => {})
      })
    expect(await answerTo('POST /v1/traces HTTP/1.1\r\nHost: x\r\n')).toContain('408')
    const slow = 'POST /v1/traces HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{'
    expect(await answerTo(slow)).not.toContain('200')
  })
})

describe('who may send', () => {
  test('a token is asked for whenever one is set', async () => {
    const { post } = await start({ token: 'right' })
    expect((await post('/v1/traces', goodRequest)).status).toBe(401)
    expect((await post('/v1/traces', goodRequest, { authorization: 'Bearer wrong' })).status).toBe(401)
    expect((await post('/v1/traces', goodRequest, { authorization: 'Basic right' })).status).toBe(401)
    expect((await post('/v1/traces', goodRequest, { authorization: 'bearer right' })).status).toBe(200)
  })

  test.each(['0.0.0.0', '::', '10.0.0.7', 'example.org'])(
    'listening on %s without a token is refused',
    async (host) => {
      await expect(start({ listen: { host, port: 0 } })).rejects.toMatchObject({ code: 'config' })
    },
  )

  test('an empty token is a mistake, not an open door', async () => {
    await expect(start({ token: '' })).rejects.toMatchObject({ code: 'config' })
  })

  test('a taken port is named', async () => {
    const { url } = await start()
    const port = Number(new URL(url).port)
    await expect(start({ listen: { host: '127.0.0.1', port } })).rejects.toThrow(/another program listens/)
  })
})

describe('times and outcomes', () => {
  test('spans without any time get the receive time; events far ahead of the clock are counted', async () => {
    const nowMs = Date.UTC(2026, 0, 2)
    const { post, batches, counts } = await start({ clock: { ...wallClock, nowMs: () => nowMs } })
    await post('/v1/traces', goodRequest)
    expect(batches[0]!.spans[0]).toMatchObject({ startedAtMs: nowMs, endedAtMs: nowMs })
    await post('/v1/traces', JSON.stringify(requestOf({ startTimeUnixNano: `${nowMs + 300_001}000000` })))
    await post('/v1/traces', JSON.stringify(requestOf({ startTimeUnixNano: `${nowMs + 300_000}000000` })))
    expect(counts).toEqual({ future_time: 1 })
  })

  test('CloudEvents: one, a batch, and a batch of which some are wrong', async () => {
    const { post, batches } = await start()
    const event = (n: number, more = {}) => ({
      specversion: '1.0',
      id: `e${n}`,
      source: '/crm',
      type: 'andon.complaint',
      time: '2026-03-01T10:00:00+01:00',
      data: { customer: 'Ann' },
      ...more,
    })
    const one = await post('/v1/outcomes', JSON.stringify(event(1)), { 'content-type': 'application/cloudevents+json' })
    expect([one.status, await one.json()]).toEqual([200, { accepted: 1, rejected: 0, errors: [] }])
    const batchType = { 'content-type': 'application/cloudevents-batch+json; charset=utf-8' }
    const batch = [event(2), event(3, { type: 'andon.praise' }), event(4, { data: {} })]
    const some = await post('/v1/outcomes', JSON.stringify(batch), batchType)
    const answer = (await some.json()) as { errors: { index: number; message: string }[] }
    expect([some.status, answer.errors.map((error) => error.index)]).toEqual([200, [1, 2]])
    expect(answer.errors[0]!.message).toContain('andon.complaint')
    expect(answer.errors[1]!.message).toContain('conversation or customer')
    expect(batches.flatMap((b) => b.outcomes).map((outcome) => outcome.atMs)).toEqual([
      Date.UTC(2026, 2, 1, 9),
      Date.UTC(2026, 2, 1, 9),
    ])
    const none = await post('/v1/outcomes', JSON.stringify(event(5, { id: '' })))
    expect(none.status).toBe(400)
    expect((await post('/v1/outcomes', 'not json')).status).toBe(400)
  })

  test('a resource attribute names channel and queue for all spans of a request', async () => {
    const { post, batches } = await start()
    const request = requestOf(
      { attributes: attributesOf({ 'andon.queue': 'refunds' }) },
      { 'andon.channel': 'chat', 'andon.queue': 'x' },
    )
    await post('/v1/traces', JSON.stringify(request))
    expect(batches[0]!.spans[0]).toMatchObject({ channel: 'chat', queue: 'refunds' })
  })
})
