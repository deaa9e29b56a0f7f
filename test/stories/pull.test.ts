import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { OFREPProvider } from '@openfeature/ofrep-provider'
import { OpenFeature } from '@openfeature/server-sdk'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { watchPause } from '../../agent/index.ts'
import { type Running, startMonitor } from '../../app/serve.ts'
import { configSchema } from '../../config.ts'
import { wallClock } from '../../lib/clock.ts'
import { silentLog } from '../../lib/log.ts'
import { rowsOf } from '../../store/store.clickhouse.ts'
import { typed } from '../fixtures/cli.ts'
import { postTraces, type TestContact } from '../fixtures/otlp.ts'
import { until } from '../fixtures/until.ts'

/** A deployment that is told nothing: its agents ask the stop switch, and obey. */

const OPERATE = 'token-of-on-call-0123456789'
const AGENTS = 'token-of-all-agents-0123456789'
const READ = 'token-of-a-reader-0123456789'
const agent = 'order-status'
const environment = 'production'

let folder: string
let running: Running
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'andon-pull-'))
  const token = (name: string, role: string, env: string) => ({ name, role, secret: { env } })
  running = await startMonitor({
    config: configSchema.parse({
      receive: { port: 0 },
      page: { port: 0 },
      store: { path: join(folder, 'store') },
      api: {
        tokens: [
          token('on-call', 'operate', 'OPERATE'),
          token('agents', 'read', 'AGENTS'),
          token('reader', 'read', 'READ'),
        ],
      },
      stopSwitch: { enforcedBy: [{ token: 'agents', match: { agent } }] },
      triggers: [
        { name: 'failed_updates', signal: 'failed_updates', baseline: 0.02, action: 'pause', trafficGoesTo: 'people' },
      ],
    }),
    env: { OPERATE, AGENTS, READ },
    log: silentLog,
    clockMode: 'wall',
  })
}, 60_000)

afterAll(async () => {
  await OpenFeature.clearProviders()
  await running.close()
  rmSync(folder, { recursive: true, force: true })
})

const contacts = (release: string, n: number, failEvery: number): TestContact[] =>
  Array.from({ length: n }, (_, i) => ({
    conversation: `${release}-${i}`,
    agent,
    release,
    startedAtMs: wallClock.nowMs() - 60_000 + i,
    customer: `customer-${i}`,
    channel: i % 2 === 0 ? 'whatsapp' : 'voice',
    queue: 'orders',
    writes: [i % failEvery === 0 ? 'failed' : 'ok'],
  }))

const andon = (...args: string[]) =>
  typed([...args, '--by', 'Ada', '--reason', 'because'], {
    store: join(folder, 'store'),
    pageUrl: running.pageUrl,
    token: OPERATE,
  })
const incidentOf = (release: string) =>
  running.monitor.incidents().findLast((incident) => incident.release.release === release)!
const asking = (release: string, token: string) =>
  watchPause({ endpoint: running.pageUrl, token, agent, release, environment, whenUnknown: 'serve', refreshMs: 0 })

test('a pause counts as accepted when an agent that obeys has asked, and is timed like any other in clock, KPIs, audit and metrics', async () => {
  await postTraces(running.receiverUrl, contacts('r43', 60, 3))
  await until(() => incidentOf('r43')?.state, Boolean)
  expect(await asking('r43', READ).isPaused()).toBe(true)
  await wallClock.sleep(200)
  expect(incidentOf('r43')).toMatchObject({ state: 'pausing', clock: { acceptedMs: null } }) // a board that looks obeys nothing

  expect(await asking('r43', AGENTS).ask({ channel: 'whatsapp' })).toMatchObject({
    paused: true,
    trafficGoesTo: 'people',
  })
  await until(
    () => incidentOf('r43').state,
    (state) => state !== 'pausing',
  )
  const { incidentId, acceptedBy, clock } = incidentOf('r43')
  expect(acceptedBy).toEqual(['stop switch (agents)'])
  expect(clock.sentMs).toBe(clock.acceptedMs)
  const [kpi] = await rowsOf<{ seconds: number }>(
    running.monitor.store,
    'SELECT seconds_to_pause AS seconds FROM kpi_incidents WHERE incident_id = {incidentId:String}',
    { incidentId },
  )
  expect(kpi!.seconds).toBeCloseTo((clock.acceptedMs! - clock.detectedMs) / 1000, 6)
  const { rows } = JSON.parse(
    (
      await typed(['audit', '--format', 'json'], {
        store: join(folder, 'store'),
        pageUrl: running.pageUrl,
        token: OPERATE,
      })
    ).text,
  )
  expect(rows.filter(({ what }: { what: string }) => what === 'accepted')).toMatchObject([
    { actor: 'stop switch', via: 'agents', reason: expect.stringContaining('asked'), release: 'r43' },
  ])
  expect(await running.monitor.registry.metrics()).toMatch(/andon_time_to_pause_seconds_count\{[^}]*\} 1/)
})

test('one of two channels goes on: agents of that channel are told to serve, those of the other are not', async () => {
  await postTraces(running.receiverUrl, contacts('r50', 40, 1_000))
  await running.monitor.settle()
  await andon('pause', agent, 'r50', '--channel', 'whatsapp')
  await andon('pause', agent, 'r50', '--channel', 'voice')
  const { incidentId } = incidentOf('r50')
  const early = await andon('resume', incidentId, '--channel', 'voice')
  expect(early).toMatchObject({ code: 1, text: expect.stringContaining('nobody has accepted the order yet') })

  await OpenFeature.setProviderAndWait(
    new OFREPProvider({ baseUrl: running.pageUrl, headers: [['authorization', `Bearer ${AGENTS}`]] }),
  )
  const mayServe = (channel: string) =>
    OpenFeature.getClient().getBooleanValue('andon.serving', true, { agent, release: 'r50', environment, channel })
  expect([await mayServe('whatsapp'), await mayServe('voice'), await mayServe('email')]).toEqual([false, false, true])
  await until(
    () => incidentOf('r50').state,
    (state) => state !== 'pausing',
  )

  await until(
    () => running.monitor.recovery.state(incidentId),
    ({ snapshot }) => snapshot !== null,
  )
  const unrecovered = await andon('resume', incidentId, '--channel', 'voice')
  expect(unrecovered).toMatchObject({ code: 1, text: expect.stringMatching(/still open: 20 cases;/) }) // those of voice, and no audit entry
  expect(await andon('recover', incidentId, 'waived')).toMatchObject({ code: 0 })
  const resumed = await andon('resume', incidentId, '--channel', 'voice')
  expect(resumed).toMatchObject({ code: 0, text: expect.stringContaining('paused, only whatsapp') })
  await wallClock.sleep(60) // what the stop switch answers is at most 50 ms old
  expect([await mayServe('whatsapp'), await mayServe('voice')]).toEqual([false, true])
  const again = await andon('resume', incidentId, '--channel', 'email')
  expect(again).toMatchObject({ code: 1, text: expect.stringContaining('what is stopped: whatsapp') })
  const shown = await typed(['release', 'show', agent, 'r50'], {
    store: join(folder, 'store'),
    pageUrl: running.pageUrl,
    token: OPERATE,
  })
  expect(shown.text).toMatch(/State\s+live; whatsapp paused/)
  expect(shown.text).toMatch(/paused → resumed \(voice\) {2}Ada: because/)

  expect(await andon('resume', incidentId, '--channel', 'whatsapp')).toMatchObject({ code: 0 })
  await wallClock.sleep(60)
  expect(await mayServe('whatsapp')).toBe(true)
  await until(
    () => incidentOf('r50').resumed!.acceptedMs,
    (acceptedMs) => acceptedMs !== null,
  )
  expect(incidentOf('r50')).toMatchObject({ state: 'resumed', resumed: { acceptedMs: expect.any(Number) } })
})
