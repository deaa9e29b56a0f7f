import { mkdtempSync, rmSync } from 'node:fs'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Webhook } from 'standardwebhooks'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { type Running, startMonitor } from '../../app/serve.ts'
import { storedIncidents } from '../../app/stored-overview.clickhouse.ts'
import { configSchema } from '../../config.ts'
import { wallClock } from '../../lib/clock.ts'
import { silentLog } from '../../lib/log.ts'
import { rowsOf } from '../../store/store.clickhouse.ts'
import { postTraces, type TestContact } from '../fixtures/otlp.ts'
import { until } from '../fixtures/until.ts'

const SECRET = 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw'

type Received = { id: string; type: string; release: unknown; verified: boolean }

let folder: string
let running: Running
let target: Server
let received: Received[]
let answers: number[]

/** A platform that answers as told (200 when nothing is told) and checks every signature with the reference library. */
beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'andon-story-'))
  received = []
  answers = []
  target = createServer((request, response) => {
    const chunks: Buffer[] = []
    request.on('data', (chunk: Buffer) => chunks.push(chunk))
    request.on('end', () => {
      const body = Buffer.concat(chunks).toString()
      let verified = true
      try {
        new Webhook(SECRET).verify(body, request.headers as Record<string, string>)
      } catch {
        verified = false
      }
      const event = JSON.parse(body) as { type: string; data: { release: unknown } }
      received.push({
        id: String(request.headers['webhook-id']),
        type: event.type,
        release: event.data.release,
        verified,
      })
      response.writeHead(answers.shift() ?? 200).end()
    })
  })
  await new Promise<void>((resolve) => target.listen(0, '127.0.0.1', resolve))
  running = await start()
})

afterEach(async () => {
  await running.close()
  await new Promise((resolve) => target.close(resolve))
  rmSync(folder, { recursive: true, force: true })
})

const start = (): Promise<Running> =>
  startMonitor({
    config: configSchema.parse({
      receive: { port: 0 },
      page: { port: 0 },
      store: { path: join(folder, 'store') },
      triggers: [
        {
          name: 'failed_updates',
          signal: 'failed_updates',
          baseline: 0.02,
          action: 'pause',
          trafficGoesTo: 'human queue',
        },
      ],
      targets: [
        {
          name: 'platform',
          url: `http://127.0.0.1:${(target.address() as AddressInfo).port}/pause`,
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

/** `n` contacts begun during the last minutes, of which every `failEvery`-th has a failed write. */
const contacts = (release: string, n: number, failEvery: number, from = 0): TestContact[] =>
  Array.from({ length: n }, (_, i) => ({
    conversation: `${release}-${from + i}`,
    agent: 'order-status',
    release,
    startedAtMs: wallClock.nowMs() - 60_000 + i,
    customer: `customer-${from + i}`,
    intent: 'where is my order',
    channel: 'whatsapp',
    queue: 'orders',
    writes: [(from + i) % failEvery === 0 ? 'failed' : 'ok'],
  }))

test('a release whose updates fail is paused by a signed webhook, a healthy one beside it is not', async () => {
  expect((await postTraces(running.receiverUrl, contacts('r42', 200, 50))).status).toBe(200)
  expect((await postTraces(running.receiverUrl, contacts('r43', 60, 4))).status).toBe(200)
  await until(
    () => received.length,
    (n) => n > 0,
  )

  expect(received).toEqual([
    {
      id: expect.any(String),
      type: 'andon.release.pause',
      release: { environment: 'production', agent: 'order-status', release: 'r43' },
      verified: true,
    },
  ])
  const [incident] = await until(
    () => running.monitor.incidents(),
    ([first]) => first?.state === 'paused',
  )
  expect(incident).toMatchObject({
    state: 'paused',
    reason: 'first_breach',
    release: { agent: 'order-status', release: 'r43' },
    acceptedBy: ['platform'],
  })
  expect(incident!.clock.acceptedMs).toBeGreaterThanOrEqual(incident!.clock.detectedMs)
  const overview = await running.monitor.overview()
  expect(overview.releases.map((view) => [view.release.release, view.state, view.contacts])).toEqual([
    ['r42', 'live', 200],
    ['r43', 'paused', 60],
  ])
})

test('contacts that a platform lets in after it accepted are counted where people look, long before its stop could be proven', async () => {
  await postTraces(running.receiverUrl, contacts('r43', 60, 4))
  await until(
    () => running.monitor.incidents()[0]?.state,
    (state) => state === 'paused',
  )
  const goingOn = contacts('r43', 7, 4, 60).map((contact) => ({ ...contact, startedAtMs: wallClock.nowMs() }))
  await postTraces(running.receiverUrl, goingOn)

  const seen = async () => (await running.monitor.overview()).incidents[0]!
  expect(await until(seen, ({ contactsAfterPause }) => contactsAfterPause === 7)).toMatchObject({
    state: 'paused',
    contactsAfterPause: 7,
    writesAfterPause: 7,
  })
  const kept = async () => (await storedIncidents(running.monitor.store))[0]!
  expect(await until(kept, ({ contactsAfterPause }) => contactsAfterPause === 7)).toMatchObject({
    state: 'paused',
    contactsAfterPause: 7,
  })
  const [row] = await rowsOf(
    running.monitor.store,
    'SELECT contacts_after_pause, writes_after_pause FROM incident_clock',
  )
  expect(row).toEqual({ contacts_after_pause: 7, writes_after_pause: 7 })
  expect(await running.monitor.registry.metrics()).toMatch(/andon_incident_contacts_after_pause\{.*release="r43".*\} 7/)
})

test('a platform that is away for a moment is asked again under the same id, and the release is paused once', async () => {
  answers = [503, 500]
  await postTraces(running.receiverUrl, contacts('r43', 60, 3))
  await until(
    () => running.monitor.incidents()[0]?.state,
    (state) => state === 'paused',
  )

  expect(received).toHaveLength(3)
  expect(new Set(received.map((webhook) => webhook.id)).size).toBe(1)
})

test('after a restart the same telemetry, sent again, counts nothing twice and pauses nobody twice', async () => {
  const bad = contacts('r43', 60, 3)
  await postTraces(running.receiverUrl, bad)
  await until(
    () => running.monitor.incidents()[0]?.state,
    (state) => state === 'paused',
  )
  await running.close()

  running = await start()
  await postTraces(running.receiverUrl, bad)
  await running.monitor.settle()

  expect(running.monitor.incidents().map((incident) => incident.state)).toEqual(['paused'])
  expect(received).toHaveLength(1)
  expect((await running.monitor.overview()).releases.map((view) => view.contacts)).toEqual([60])
})

test('a release that only a stranger environment knows is counted and never judged', async () => {
  await postTraces(
    running.receiverUrl,
    contacts('r43', 60, 2).map((contact) => ({ ...contact, environment: 'staging' })),
  )
  await running.monitor.settle()

  const [view] = (await running.monitor.overview()).releases
  expect(view).toMatchObject({ judged: false, contacts: 60 })
  expect(running.monitor.incidents()).toEqual([])
})
