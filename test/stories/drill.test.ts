import { mkdtempSync, rmSync } from 'node:fs'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { type Running, startMonitor } from '../../app/serve.ts'
import { configSchema } from '../../config.ts'
import { wallClock } from '../../lib/clock.ts'
import { silentLog } from '../../lib/log.ts'
import { rowsOf } from '../../store/store.clickhouse.ts'

const SECRET = 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw'

let folder: string
let running: Running
let outside: Server
/** What real targets and the dead man's switch received. */
let received: { path: string; type: string; summary: string }[]

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'andon-story-'))
  received = []
  outside = createServer(async (request, response) => {
    const chunks: Buffer[] = []
    for await (const chunk of request) chunks.push(chunk as Buffer)
    const body = JSON.parse(Buffer.concat(chunks).toString())
    received.push({ path: request.url ?? '', type: body.type ?? body.status, summary: body.data?.summary ?? '' })
    response.writeHead(200).end()
  })
  await new Promise<void>((resolve) => outside.listen(0, '127.0.0.1', resolve))
})
afterEach(async () => {
  await running.close()
  await new Promise((resolve) => outside.close(resolve))
  rmSync(folder, { recursive: true, force: true })
})

async function start(drill: object): Promise<void> {
  const url = `http://127.0.0.1:${(outside.address() as AddressInfo).port}`
  const target = { secret: { env: 'SECRET' }, allowPrivate: true }
  running = await startMonitor({
    config: configSchema.parse({
      receive: { port: 0, token: { env: 'TOKEN' } },
      page: { port: 0 },
      store: { path: join(folder, 'store') },
      // A drill must pass beside a trigger that judges every agent with the whole alpha.
      triggers: [
        { name: 'failures', signal: 'failed_updates', baseline: 0.02, action: 'pause', trafficGoesTo: 'people' },
      ],
      targets: [
        { ...target, name: 'platform', url: `${url}/platform`, enforces: true },
        { ...target, name: 'people', url: `${url}/people` },
      ],
      heartbeat: { url: `${url}/alive`, everySeconds: 5, allowPrivate: true },
      drill,
    }),
    env: { SECRET, TOKEN: 'let-me-in' },
    log: silentLog,
    clockMode: 'wall',
  })
}
const metric = async (pattern: RegExp) => pattern.exec(await running.monitor.registry.metrics())?.[1]
const messages = () => received.filter((one) => one.path !== '/alive')

test('a drill is detected and paused through the real receiver, by its own target; no real target hears of it, no list shows it', async () => {
  await start({ stopWithinSeconds: 0 })
  const result = await running.drill()

  expect(result).toMatchObject({ passed: true, reason: 'passed' })
  expect(result.onsetMs).toBeLessThanOrEqual(result.firstHarmMs!)
  expect(result.firstHarmMs).toBeLessThanOrEqual(result.detectedMs!)
  expect(result.detectedMs).toBeLessThanOrEqual(result.acceptedMs!)
  expect(messages()).toEqual([])
  expect(running.monitor.incidents()).toEqual([])
  expect((await running.monitor.overview()).releases).toEqual([])
  const { store } = running.monitor
  expect(await rowsOf(store, 'SELECT passed, reason, release FROM drills')).toEqual([
    { passed: 1, reason: 'passed', release: result.release },
  ])
  expect(await rowsOf(store, 'SELECT count() AS n FROM incident_events')).toEqual([{ n: 0 }])
  expect(await rowsOf(store, "SELECT count() AS n FROM kpis WHERE environment = 'andon-drill'")).toEqual([{ n: 0 }])
  expect(await metric(/andon_drills_total\{result="passed"\} (\d+)/)).toBe('1')
  expect(Number(await metric(/andon_drill_duration_seconds\{part="detect"\} ([\d.]+)/))).toBeGreaterThan(0)
  expect(received.filter((one) => one.path === '/alive').map((one) => one.type)).toContain('healthy')
})

test('a drill that fails pages people, once, and orders nothing', async () => {
  await start({ acceptWithinSeconds: 5 })
  // Nothing that the drill sends arrives: the receiver is somewhere else.
  const elsewhere = { endpoint: running.receiverUrl, token: 'wrong' }
  const result = await running.monitor.drills.run(elsewhere)

  expect(result).toMatchObject({ passed: false, detectedMs: null, acceptedMs: null })
  for (let turn = 0; turn < 100 && messages().length === 0; turn++) await wallClock.sleep(50)
  expect(messages()).toEqual([
    {
      path: '/people',
      type: 'andon.release.notify',
      summary: expect.stringContaining('Drill failed: Andon did not stop'),
    },
  ])
  expect(running.monitor.incidents()).toMatchObject([{ state: 'observed', reason: 'drill_failed' }])
  expect(await metric(/andon_drills_total\{result="failed"\} (\d+)/)).toBe('1')
}, 60_000)

test('two drills at once are refused, and one that is cut off by the end of the monitor leaves no result', async () => {
  await start({})
  const first = running.drill()
  await expect(running.drill()).rejects.toMatchObject({ code: 'drill_running' })
  await running.close()
  expect((await first).passed).toBe(false)
  await start({})
  expect(await rowsOf(running.monitor.store, 'SELECT count() AS n FROM drills')).toEqual([{ n: 0 }])
})
