import { createServer, type IncomingMessage } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterEach, expect, test } from 'vitest'
import { OutcomeNotAccepted, postOutcome } from './index.ts'

const closing: (() => void)[] = []
afterEach(() => {
  for (const close of closing.splice(0)) close()
})

/** A receiver that answers with one status and keeps what it was sent. */
async function receive(status: number, body = '') {
  const requests: { request: IncomingMessage; body: string }[] = []
  const server = createServer(async (request, response) => {
    const chunks: Buffer[] = []
    for await (const chunk of request) chunks.push(chunk)
    requests.push({ request, body: Buffer.concat(chunks).toString() })
    response.writeHead(status, { location: 'http://127.0.0.1:1/elsewhere' }).end(body)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  closing.push(() => server.close())
  return { requests, endpoint: `http://127.0.0.1:${(server.address() as AddressInfo).port}` }
}

test('an outcome is posted as a structured CloudEvent', async () => {
  const { requests, endpoint } = await receive(202)
  const target = { endpoint, token: 'secret', source: 'complaint-desk' }
  const id = await postOutcome(target, {
    kind: 'complaint',
    id: 'k-1',
    customer: '+999 1',
    at: 1_600_000_000_250,
    environment: 'production',
  })
  expect(id).toBe('k-1')
  const [{ request, body }] = requests as [(typeof requests)[number]]
  expect([request.method, request.url, request.headers['content-type'], request.headers.authorization]).toEqual([
    'POST',
    '/v1/outcomes',
    'application/cloudevents+json',
    'Bearer secret',
  ])
  expect(JSON.parse(body)).toEqual({
    specversion: '1.0',
    id: 'k-1',
    source: 'complaint-desk',
    type: 'andon.complaint',
    time: '2020-09-13T12:26:40.250Z',
    datacontenttype: 'application/json',
    data: { customer: '+999 1', environment: 'production' },
  })
})

test('an endpoint may have a path, and an id is made up where none is given', async () => {
  const { requests, endpoint } = await receive(200)
  const id = await postOutcome(
    { endpoint: `${endpoint}/andon`, source: 's' },
    { kind: 'reopen', conversation: 'c', at: 0 },
  )
  expect(requests[0]!.request.url).toBe('/andon/v1/outcomes')
  expect(requests[0]!.request.headers.authorization).toBeUndefined()
  expect(JSON.parse(requests[0]!.body).id).toBe(id)
  expect(id).toMatch(/^[0-9a-f-]{36}$/)
})

test.each([
  [503, true],
  [429, true],
  [400, false],
  [401, false],
])('an answer of %i is an error that says whether trying again helps', async (status, retryable) => {
  const { endpoint } = await receive(status, 'no customer')
  const error = await postOutcome(
    { endpoint, source: 's' },
    { kind: 'complaint', id: 'k', customer: 'u', at: 0 },
  ).catch((e) => e)
  expect(error).toBeInstanceOf(OutcomeNotAccepted)
  expect(error).toMatchObject({ status, retryable, outcomeId: 'k', message: expect.stringContaining('no customer') })
})

test('no answer, or a redirect, is an error that names the id to send again', async () => {
  const refused = postOutcome(
    { endpoint: 'http://127.0.0.1:1', source: 's' },
    { kind: 'complaint', id: 'k', customer: 'u', at: 0 },
  )
  await expect(refused).rejects.toMatchObject({ status: 0, retryable: true, outcomeId: 'k' })
  const { endpoint } = await receive(302)
  const redirected = postOutcome({ endpoint, source: 's' }, { kind: 'complaint', id: 'k', customer: 'u', at: 0 })
  await expect(redirected).rejects.toBeInstanceOf(OutcomeNotAccepted)
})

test('an outcome about nobody is not sent', async () => {
  const { requests, endpoint } = await receive(202)
  await expect(postOutcome({ endpoint, source: 's' }, { kind: 'complaint', at: 0 })).rejects.toBeInstanceOf(TypeError)
  expect(requests).toEqual([])
})
