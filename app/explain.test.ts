import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test, vi } from 'vitest'
import { configSchema } from '../config.ts'
import { silentLog } from '../lib/log.ts'
import { seededRandom } from '../lib/random.ts'
import { openStore, rowsOf } from '../store/store.clickhouse.ts'
import { type TestContact, traceRequest } from '../test/fixtures/otlp.ts'
import { check } from './check-command.ts'
import { explain, explainIncident } from './explain.ts'
import { explanationSvg } from './explain-picture.ts'
import { explanationText } from './explain-text.ts'
import { replayFiles } from './replay.ts'
import { startMonitor } from './serve.ts'

const START_MS = Date.UTC(2026, 0, 5)
const PAUSING = { action: 'pause', trafficGoesTo: 'people' }
const folder = mkdtempSync(join(tmpdir(), 'andon-explain-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))
const config = configSchema.parse({
  store: { path: join(folder, 'store') },
  page: { port: 4399 }, // where nobody answers
  triggers: [
    { name: 'failed', signal: 'failed_updates', baseline: { mode: 'auto', rate: 0.03 }, ...PAUSING },
    { name: 'repeats', signal: 'repeat_contacts', baseline: 0.2, ...PAUSING },
  ],
})

/** Two days of r1, then half a day beside r2, whose updates fail from its sixth hour on. */
beforeAll(async () => {
  const random = seededRandom('explain')
  const contacts: TestContact[] = []
  for (let minute = 0; minute < 60 * 60; minute += 1) {
    const hour = minute / 60
    const release = hour >= 48 && random.chance(0.5) ? 'r2' : 'r1'
    const share = release === 'r2' && hour >= 54 ? 0.25 : 0.02
    contacts.push({
      conversation: `c${minute}`,
      agent: 'orders',
      release,
      startedAtMs: START_MS + minute * 60_000,
      customer: `customer ${random.integer(20_000)}`,
      intent: 'order status',
      channel: random.chance(0.5) ? 'chat' : 'voice',
      queue: 'first line',
      writes: [random.chance(share) ? 'failed' : 'ok'],
    })
  }
  const lines = Array.from({ length: contacts.length / 20 }, (_, i) =>
    JSON.stringify(traceRequest(contacts.slice(20 * i, 20 * i + 20))),
  )
  const file = join(folder, 'traces.jsonl')
  writeFileSync(file, lines.join('\n'))
  const options = { config, env: {}, log: silentLog, slices: false, skipBad: false, storePath: config.store.path }
  const { incidents } = await replayFiles({ ...options, files: [file] })
  expect(incidents).toHaveLength(1)
}, 120_000)

const freePort = (): Promise<number> =>
  new Promise((resolve) => {
    const server = createServer().listen(0, '127.0.0.1', () => {
      const { port } = server.address() as { port: number }
      server.close(() => resolve(port))
    })
  })

const withStore = async <T>(look: (store: Awaited<ReturnType<typeof openStore>>) => Promise<T>): Promise<T> => {
  const store = await openStore({ kind: 'embedded', path: config.store.path })
  return look(store).finally(() => store.close())
}
const idOfIncident = () => withStore(idOf)

test('an incident is computed again from the store to the very same decision, step by step', async () => {
  const explained = await withStore(async (store) => explainIncident(store, await idOf(store)))
  expect(explained.retraced.differences).toEqual([])
  expect(explained).toMatchObject({
    same: true,
    finding: { release: { release: 'r2' }, trigger: 'failed', baselineMode: 'concurrent' },
  })
  const { steps } = explained.retraced
  expect(steps.length).toBeGreaterThan(5)
  expect(steps.at(-1)).toMatchObject({ jointLogE: explained.finding.logE, note: 'failed crossed its line' })
  expect(steps.slice(0, -1).every((step) => step.jointLogE < step.jointLine)).toBe(true)
  const text = explanationText(explained)
  expect(text).toContain('Replayed from the store: the same decision')
  expect(text).toContain('compared with r1, which runs at the same time')
  const svg = explanationSvg(explained)
  for (const part of ['pause line', 'began here (90 %)', '95 % intervals', '<polyline']) expect(svg).toContain(part)
  expect(svg).not.toContain('NaN')
})

test('check measures the traffic of the store and says with what a release that began now would be compared', async () => {
  const words = await check({ config, env: {}, perHour: null, life: 2, measure: true, json: false })
  expect(words).toContain('Compares with a release that began now: compared with r1, which runs at the same time')
  expect(words).toMatch(/With (5\d(\.\d)?|60) contacts an hour, (5\d(\.\d)?|60) of them trials/)
  await expect(check({ config, env: {}, perHour: 3, life: 2, measure: true, json: false })).rejects.toThrow(
    'use one of them',
  )
})

test('a running monitor explains its incidents itself', async () => {
  const port = await freePort()
  const running = { ...config, receive: { ...config.receive, port: 0 }, page: { ...config.page, port } }
  const id = await idOfIncident()
  const printed = vi.spyOn(console, 'log').mockImplementation(() => {})
  const monitor = await startMonitor({ config: running, env: {}, log: silentLog, clockMode: 'event' })
  try {
    const asked = { config: running, env: {}, trigger: null, json: false, svg: null }
    expect(await explain({ ...asked, incident: id })).toBe(true)
    expect(String(printed.mock.calls[0]![0])).toContain('the same decision')
    await expect(explain({ ...asked, incident: 'zz' })).rejects.toThrow("there is no incident 'zz'")
    const picture = await fetch(`${monitor.pageUrl}/api/v1/incidents/${id}/explanation?as=svg`)
    expect(picture.headers.get('content-type')).toContain('image/svg+xml')
    expect(await picture.text()).toContain('pause line')
  } finally {
    await monitor.close()
    printed.mockRestore()
  }
})

test('a record that the store does not bear out is said to differ', async () => {
  const id = await idOfIncident()
  await withStore(async (store) => {
    await store.command({
      query: `ALTER TABLE deltas DELETE WHERE signal = 'failed_updates' AND release = 'r2' AND measure != 'trials' AND seq % 5 = 0 SETTINGS mutations_sync = 2`,
    })
    const explained = await explainIncident(store, id)
    expect(explained.same).toBe(false)
    expect(explained.retraced.differences.join()).toContain('was recorded as')
    expect(explanationText(explained)).toContain('REPLAYED DIFFERENTLY')
  })
})

test('the command writes the picture, and names what it cannot find', async () => {
  const svg = join(folder, 'incident.svg')
  const options = { config, env: {}, trigger: null, json: true, svg }
  const printed = vi.spyOn(console, 'log').mockImplementation(() => {})
  expect(await explain({ ...options, incident: (await idOfIncident()).slice(0, 6) })).toBe(false)
  expect(JSON.parse(String(printed.mock.calls[0]![0]))).toMatchObject({
    same: false,
    retraced: { trigger: { name: 'failed' } },
  })
  expect(readFileSync(svg, 'utf8')).toContain('</svg>')
  await expect(explain({ ...options, incident: 'zz' })).rejects.toThrow("there is no incident 'zz'")
  await expect(explain({ ...options, incident: await idOfIncident(), trigger: 'x' })).rejects.toThrow(
    'there are failed',
  )
  await expect(
    explain({ ...options, incident: await idOfIncident(), svg: join(folder, 'no', 'x.svg') }),
  ).rejects.toThrow('cannot be written')
})

async function idOf(store: Awaited<ReturnType<typeof openStore>>): Promise<string> {
  return (await rowsOf<{ id: string }>(store, 'SELECT incident_id AS id FROM incident_events'))[0]!.id
}
