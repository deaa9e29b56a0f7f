import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { run } from '../../app/cli.ts'
import { type Running, startMonitor } from '../../app/serve.ts'
import { configSchema } from '../../config.ts'
import { wallClock } from '../../lib/clock.ts'
import { silentLog } from '../../lib/log.ts'
import { postTraces } from '../fixtures/otlp.ts'

const SECRET = 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw'

let folder: string
let platform: Server
let running: Running | null

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'andon-story-'))
  platform = createServer((request, response) => request.resume().on('end', () => response.writeHead(200).end()))
  await new Promise<void>((resolve) => platform.listen(0, '127.0.0.1', resolve))
  running = await startMonitor({
    config: configSchema.parse({
      receive: { port: 0 },
      page: { port: 0 },
      store: { path: join(folder, 'store') },
      triggers: [
        { name: 'failed_updates', signal: 'failed_updates', baseline: 0.02, action: 'pause', trafficGoesTo: 'people' },
      ],
      targets: [
        {
          name: 'platform',
          url: `http://127.0.0.1:${(platform.address() as AddressInfo).port}/`,
          secret: { env: 'SECRET' },
          enforces: true,
          allowPrivate: true,
        },
      ],
    }),
    env: { SECRET },
    log: silentLog,
    clockMode: 'wall',
  })
})
afterEach(async () => {
  await running?.close()
  await new Promise((resolve) => platform.close(resolve))
  rmSync(folder, { recursive: true, force: true })
})

async function until(done: () => Promise<boolean>, ms = 30_000): Promise<void> {
  const deadlineMs = wallClock.nowMs() + ms
  while (!(await done()) && wallClock.nowMs() < deadlineMs) await wallClock.sleep(100)
}

async function andon(...args: string[]): Promise<{ code: number; out: string }> {
  const out: string[] = []
  const write = vi.spyOn(process.stdout, 'write').mockImplementation((text) => out.push(String(text)) > 0)
  const complain = vi.spyOn(console, 'error').mockImplementation((text) => void out.push(String(text)))
  try {
    return { code: await run([...args, '--store', join(folder, 'store')], {}), out: out.join('') }
  } finally {
    write.mockRestore()
    complain.mockRestore()
  }
}

test('from the pause to the open gate: what was touched is listed, what systems and people did about it is kept', async () => {
  const { monitor, receiverUrl } = running!
  const startedAtMs = wallClock.nowMs() - 60_000
  await postTraces(
    receiverUrl,
    Array.from({ length: 60 }, (_, i) => ({
      conversation: `c${i}`,
      agent: 'order-status',
      release: 'r43',
      startedAtMs: startedAtMs + i,
      customer: `customer-${i}`,
      intent: 'where is it',
      channel: 'whatsapp',
      queue: 'orders',
      recordId: `order-${i}`,
      writes: [i % 3 === 0 ? 'failed' : 'ok'] as const,
    })),
  )
  await until(async () => monitor.incidents()[0]?.state === 'paused')
  const { incidentId } = monitor.incidents()[0]!
  await until(async () => (await monitor.recovery.state(incidentId)).snapshot?.because === 'accepted')
  const listed = await monitor.recovery.state(incidentId)
  expect(listed.open).toMatchObject({ record: 20, customer: 20 })

  const report = (type: string, data: object) =>
    fetch(`${receiverUrl}/v1/outcomes`, {
      method: 'POST',
      headers: { 'content-type': 'application/cloudevents+json' },
      body: JSON.stringify({ specversion: '1.0', id: JSON.stringify(data), source: '/crm', type, data }),
    })
  const environment = 'production'
  const corrected = { conversation: 'c0', environment, recordType: 'case', recordId: 'order-0' }
  expect((await report('andon.correction', corrected)).status).toBeLessThan(300)
  expect((await report('andon.recontact', { customer: 'customer-0', environment })).status).toBeLessThan(300)
  await until(async () => (await monitor.recovery.state(incidentId)).done === 2)
  expect(await monitor.recovery.state(incidentId)).toMatchObject({ done: 2, open: { record: 19, customer: 19 } })
  await whileItRuns(incidentId)
  await running!.close()
  running = null

  const csv = await andon('affected', incidentId.slice(0, 8))
  expect(csv.out.split('\r\n').filter((line) => line.startsWith('record,')).length).toBe(60)
  const json = JSON.parse((await andon('affected', incidentId, '--format', 'json')).out)
  expect(json).toMatchObject({ done: 3, gate: { allowed: false, reason: 'recovery_open' } })
  expect(json.items.find((item: { kind: string }) => item.kind === 'customer').replySecondsLeft).toBeGreaterThan(86_000)

  const record = ['recover', incidentId, 'record_corrected', '_/case/order-3']
  expect(await andon(...record)).toMatchObject({ code: 2, out: expect.stringContaining('say who did it') })
  expect(await andon(...record, '--by', 'Ada')).toMatchObject({ code: 0, out: expect.stringMatching(/4 of \d+ done/) })
  expect(await andon('recover', incidentId, 'no_step')).toMatchObject({ code: 2 })
  expect(await andon('recover', 'feed', '--gate')).toMatchObject({
    code: 2,
    out: expect.stringContaining('no incident'),
  })
  expect((await andon('recover', incidentId, '--gate')).code).toBe(1)
  expect((await andon('recover', incidentId, 'waived', '--by', 'Grace', '--reason', 'test data', '--gate')).code).toBe(
    0,
  )
})

/** The commands ask the running monitor, and it says who may write. */
async function whileItRuns(incidentId: string): Promise<void> {
  const { pageUrl } = running!
  const file = join(folder, 'andon.yaml')
  writeFileSync(file, `page: { port: ${new URL(pageUrl).port} }\n`)
  const ask = (...args: string[]) => andon(...args, '--config', file)
  const corrected = ['recover', incidentId, 'record_corrected', '_/case/order-6']
  expect(await ask(...corrected, '--by', 'Ada')).toMatchObject({ code: 0, out: expect.stringMatching(/3 of \d+ done/) })
  expect(await ask(...corrected)).toMatchObject({ code: 2, out: expect.stringContaining('say who does this') })
  expect(await ask('recover', incidentId, 'record_corrected', 'no/such/thing', '--by', 'Ada')).toMatchObject({
    code: 2,
    out: expect.stringContaining('is not in the affected set'),
  })
  expect((await ask('affected', incidentId)).out.split('\r\n')).toContainEqual(
    expect.stringMatching(/^record,_\/case\/order-6,correct,failed,record_corrected,/),
  )

  const url = `${pageUrl}/api/v1/incidents/${incidentId}`
  const body = JSON.stringify({ step: 'waived', reason: 'because', by: 'Eve' })
  const post = { method: 'POST', headers: { 'content-type': 'application/json' }, body }
  expect([401, 403]).toContain((await fetch(`${url}/recovery`, post)).status)
  expect((await fetch(`${pageUrl}/api/v1/incidents/none/recovery`)).status).toBe(404)
  const csv = await fetch(`${url}/affected?format=csv`)
  expect([csv.status, csv.headers.get('content-type')]).toEqual([200, 'text/csv; charset=utf-8'])
  expect(await csv.text()).toMatch(/^kind,item,need,/)
}
