import { mkdtempSync, rmSync } from 'node:fs'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Webhook } from 'standardwebhooks'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type Running, startMonitor } from '../../app/serve.ts'
import { configSchema } from '../../config.ts'
import { wallClock } from '../../lib/clock.ts'
import { silentLog } from '../../lib/log.ts'
import { typed } from '../fixtures/cli.ts'
import { postTraces, type TestContact } from '../fixtures/otlp.ts'
import { until } from '../fixtures/until.ts'

const SECRET = 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw'
const OPERATE = 'token-of-on-call-0123456789'
const READ = 'token-of-a-reader-0123456789'

let folder: string
let running: Running
let target: Server
let received: { type: string; data: { scope: unknown; person: unknown; release: { release: string } } }[]

/** A monitor that pauses on failed updates, with a platform that obeys, and on-call with a token of their own. */
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'andon-people-'))
  received = []
  target = createServer((request, response) => {
    const chunks: Buffer[] = []
    request.on('data', (chunk: Buffer) => chunks.push(chunk))
    request.on('end', () => {
      const body = Buffer.concat(chunks).toString()
      new Webhook(SECRET).verify(body, request.headers as Record<string, string>)
      received.push(JSON.parse(body))
      response.writeHead(200).end()
    })
  })
  await new Promise<void>((resolve) => target.listen(0, '127.0.0.1', resolve))
  running = await start()
}, 60_000)

afterAll(async () => {
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
      api: {
        tokens: [
          { name: 'on-call', role: 'operate', secret: { env: 'OPERATE' } },
          { name: 'reader', role: 'read', secret: { env: 'READ' } },
        ],
      },
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
          url: `http://127.0.0.1:${(target.address() as AddressInfo).port}/`,
          secret: { env: 'SECRET' },
          enforces: true,
          allowPrivate: true,
        },
      ],
    }),
    env: { SECRET, OPERATE, READ },
    log: silentLog,
    clockMode: 'wall',
  })

const contacts = (release: string, n: number, failEvery: number): TestContact[] =>
  Array.from({ length: n }, (_, i) => ({
    conversation: `${release}-${i}`,
    agent: 'order-status',
    release,
    startedAtMs: wallClock.nowMs() - 60_000 + i,
    customer: `customer-${i}`,
    intent: 'where is my order',
    channel: i % 2 === 0 ? 'whatsapp' : 'voice',
    queue: 'orders',
    writes: [i % failEvery === 0 ? 'failed' : 'ok'],
  }))

const andon = (args: readonly string[], token = OPERATE) =>
  typed(args, { store: join(folder, 'store'), pageUrl: running.pageUrl, token })

const as = (word: string) => ['--by', 'Ada', '--reason', word]
const incidents = () => running.monitor.incidents()
const incidentOf = (release: string) => incidents().findLast((incident) => incident.release.release === release)!

test('a release that a trigger paused is acknowledged, overridden and closed from the command line; the platform is told to resume', async () => {
  await postTraces(running.receiverUrl, contacts('r43', 60, 3))
  await until(
    () => incidentOf('r43')?.state,
    (state) => state === 'paused',
  )
  const { incidentId } = incidentOf('r43')

  expect(await andon(['ack', incidentId.slice(0, 8), ...as('looking')])).toMatchObject({ code: 0 })
  const early = await andon(['close', incidentId, '--verdict', 'confirmed', ...as('done')])
  expect(early).toMatchObject({ code: 1, text: expect.stringContaining('its order still stands') })
  const resumed = await andon(['resume', incidentId, ...as('fixed')])
  expect(resumed).toMatchObject({ code: 1, text: expect.stringContaining('recovery is not complete') })
  expect(await andon(['override', incidentId, ...as('the CRM was down')])).toMatchObject({ code: 0 })
  await until(
    () => received.map(({ type }) => type),
    (types) => types.includes('andon.release.resume'),
  )
  expect(received.at(-1)).toMatchObject({
    type: 'andon.release.resume',
    data: { person: { by: 'Ada', reason: 'the CRM was down' } },
  })
  const restarts = await until(
    () => incidentOf('r43').restarts,
    (value) => value !== null,
  )
  expect(restarts).toMatchObject([{ trigger: 'failed_updates', overrides: 1 }])
  expect(await andon(['close', incidentId, '--verdict', 'false_alarm', ...as('not the agent')])).toMatchObject({
    code: 0,
  })
  expect(incidentOf('r43')).toMatchObject({ state: 'closed', closed: { verdict: 'false_alarm', via: 'on-call' } })
})

test('the same release that goes bad again after that is a new incident, at a smaller alpha', async () => {
  const again = contacts('r43', 200, 2).map((contact) => ({
    ...contact,
    conversation: `again-${contact.conversation}`,
    startedAtMs: wallClock.nowMs() + 90_000, // begun after the override, to the minute,
  }))
  await postTraces(running.receiverUrl, again)
  const [first, second] = await until(
    () => incidents().filter(({ release }) => release.release === 'r43'),
    (all) => all.length > 1,
  )
  expect(second!.incidentId).not.toBe(first!.incidentId)
  expect(second!.finding).toMatchObject({ overrides: 1 })
  expect(second!.finding.logThreshold).toBeGreaterThan(first!.finding.logThreshold)
})

test('one channel is stopped by hand, and nothing without a name, a reason, a known release or the right token', async () => {
  await postTraces(running.receiverUrl, contacts('r50', 40, 100))
  await running.monitor.settle()
  const pause = ['pause', 'order-status', 'r50', '--channel', 'whatsapp']
  expect(await andon([...pause, '--by', 'Ada'])).toMatchObject({ code: 2 })
  expect(await andon([...pause, ...as(' ')])).toMatchObject({ code: 1 })
  expect(await andon(['pause', 'order-status', 'r5O', ...as('typo')])).toMatchObject({
    code: 1,
    text: expect.stringContaining('did you mean order-status r50?'),
  })
  expect(await andon([...pause, ...as('no right to')], READ)).toMatchObject({
    code: 1,
    text: expect.stringContaining('needs the role operate'),
  })
  expect(incidentOf('r50')).toBeUndefined()

  expect(await andon([...pause, ...as('customers complain')])).toMatchObject({
    code: 0,
    text: expect.stringContaining('pausing'),
  })
  await until(
    () => incidentOf('r50').state,
    (state) => state === 'paused',
  )
  expect(received.at(-1)).toMatchObject({
    type: 'andon.release.pause',
    data: { scope: [{ channel: 'whatsapp', queue: null }] },
  })
  expect(await andon(['explain', incidentOf('r50').incidentId])).toMatchObject({
    code: 1,
    text: expect.stringContaining('rests on no evidence that could be replayed: Ada ordered it: customers complain'),
  })
  const show = await andon(['release', 'show', 'order-status', 'r50'])
  expect(show.text).toContain('whatsapp paused')
  expect(show.text).toContain('Ada: customers complain')
})

test('a release is registered, and the gate says what it still lacks', async () => {
  const register = ['release', 'register', 'order-status', 'r51', '--environment', 'production']
  const said = [
    '--owner',
    'Team Orders',
    '--prompt',
    'shorter',
    '--allow',
    'update',
    '--systems',
    'crm',
    '--autonomy',
    'limited automatic',
    '--previous',
    'r50',
  ]
  expect(await andon([...register, '--autonomy', 'godlike', ...as('x')])).toMatchObject({
    code: 1,
    text: expect.stringContaining('autonomy'),
  })
  expect(await andon([...register, ...said, ...as('release notes 51')])).toMatchObject({ code: 0 })
  expect((await andon(['release', 'list'])).text).toContain('Team Orders')
  const gate = await andon(['gate', 'order-status', 'r51', '--stage', 'deploy', '--json'])
  expect(gate.code).toBe(1)
  const verdict = JSON.parse(gate.text)
  const results = Object.fromEntries(
    verdict.checks.map(({ name, result }: { name: string; result: string }) => [name, result]),
  )
  expect(results).toEqual({
    release_state: 'passed',
    release_record: 'passed',
    recovery_complete: 'failed',
    autonomy: 'unknown',
  })
  const promote = JSON.parse((await andon(['gate', 'order-status', 'r51', '--json'])).text)
  expect(promote.checks).toHaveLength(11)
})

test('the gate measures what the release did, and says what was beyond its record', async () => {
  const of = ['order-status', 'r50', '--environment', 'production']
  await andon(['release', 'register', ...of, '--owner', 'Team Orders', '--allow', 'create', ...as('late')])
  const { checks } = JSON.parse((await andon(['gate', ...of, '--json'])).text)
  const details = Object.fromEntries(checks.map(({ name, detail }: { name: string; detail: string }) => [name, detail]))
  expect(details).toMatchObject({
    release_state: 'stopped on whatsapp',
    release_record: expect.stringContaining('missing: what changed, autonomy, previous release, affected systems'),
    data_quality: '40 contacts, 300 are needed',
    update_success: '39 of 40 writes succeeded',
    policy_pass_rate: '40 of 40 contacts without a policy failure',
    review_accuracy: 'nobody reviews this release',
    declared_scope: expect.stringContaining('action update'),
    audit_completeness: '0 of 40 writes name record and policy or reviewer',
  })
})

test('every decision is in the audit, with who, when, why and on what evidence', async () => {
  const csv = (await andon(['audit'])).text
  expect(csv.split('\r\n')[0]).toBe(
    'at,what,environment,agent,release,incidentId,version,actor,via,reason,trigger,triggerHash,evidence,detail',
  )
  const { rows } = JSON.parse((await andon(['audit', '--format', 'json'])).text)
  const of = (what: string) => rows.filter((row: { what: string }) => row.what === what)
  expect(of('overridden')).toMatchObject([
    {
      actor: 'Ada',
      via: 'on-call',
      reason: 'the CRM was down',
      trigger: 'failed_updates',
      evidence: expect.stringContaining('log E'),
    },
  ])
  expect(of('registered').map(({ release }: { release: string }) => release)).toEqual(['r51', 'r50'])
  expect(of('opened').map(({ actor }: { actor: string }) => actor)).toEqual([
    'trigger failed_updates',
    'trigger failed_updates',
    'Ada',
  ])
  expect(new Set(rows.map(({ at }: { at: string }) => at)).size).toBeGreaterThan(5)
})

test('metrics count releases by state', async () => {
  const text = await running.monitor.registry.metrics()
  expect(text).toContain('andon_releases{state="live"} 2')
  expect(text).toContain('andon_decisions_total{decision="overridden",verdict=""} 1')
})

test('after a restart everything that was decided still stands', async () => {
  const before = incidents()
  await running.close()
  running = await start()
  expect(
    incidents()
      .map(({ incidentId }) => incidentId)
      .sort(),
  ).toEqual(before.map(({ incidentId }) => incidentId).sort())
  expect(incidentOf('r50')).toMatchObject({ orderedBy: { by: 'Ada' }, scope: [{ channel: 'whatsapp', queue: '' }] })
  expect((await andon(['release', 'show', 'order-status', 'r51'])).text).toContain('release notes 51')
})
