import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { expect, test } from 'vitest'
import { messageType } from '../collector/otlp/proto.fixtures.ts'
import { AndonError } from '../lib/errors.ts'
import { recorded, traceMonitor } from './telemetry.ts'

type Sent = {
  resourceSpans: { scopeSpans: { spans: { name: string; attributes: { key: string; value: object }[] }[] }[] }[]
}

test('the monitor sends traces of its own work where it is told to, failures with their type', async () => {
  const bodies: Buffer[] = []
  const backend = createServer((request, response) => {
    const chunks: Buffer[] = []
    request.on('data', (chunk: Buffer) => chunks.push(chunk))
    request.on('end', () => {
      if (request.url === '/v1/traces') bodies.push(Buffer.concat(chunks))
      response.writeHead(200).end()
    })
  })
  await new Promise<void>((resolve) => backend.listen(0, '127.0.0.1', resolve))
  const stop = traceMonitor(`http://127.0.0.1:${(backend.address() as AddressInfo).port}/`)
  const count = recorded(
    'andon.accept',
    async (spans: number) => {
      if (spans === 0) throw new AndonError('overloaded', 'too much waits')
      return spans * 2
    },
    (spans, doubled) => ({ given: spans, doubled: doubled ?? -1 }),
  )
  expect(await count(3)).toBe(6)
  await expect(count(0)).rejects.toThrow('too much waits')
  await stop()
  backend.close()
  const spans = bodies
    .map((body) => messageType('TraceRequest').decode(body) as unknown as Sent)
    .flatMap(({ resourceSpans }) =>
      resourceSpans.flatMap(({ scopeSpans }) => scopeSpans.flatMap((scope) => scope.spans)),
    )
    .map(({ name, attributes }) => ({ name, keys: attributes.map(({ key }) => key) }))
  expect(spans).toEqual([
    { name: 'andon.accept', keys: ['given', 'doubled'] },
    { name: 'andon.accept', keys: ['given', 'doubled', 'error.type'] },
  ])
})
