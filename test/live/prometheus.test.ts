import { type ChildProcess, spawn } from 'node:child_process'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, expect, test } from 'vitest'
import { createRoleMetrics } from '../../app/role-metrics.ts'
import { allBoards } from '../../dashboards/boards/all.ts'
import { promqlOf } from '../../dashboards/boards/read.fixtures.ts'
import { wallClock } from '../../lib/clock.ts'
import { postTraces } from '../fixtures/otlp.ts'
import { haveTools, runs } from '../tools.ts'
import { freePort } from './ports.ts'
import { startServing } from './serving.ts'

/** `node bench/composition.ts` is the long form: the composition's files as they are, its processes by role. */
const missing = ['prometheus', 'prometheus-alertmanager'].filter((name) => !runs(name))
const canRun = haveTools(missing, { packages: missing.join(' '), unchecked: 'no rule and no panel meets real metrics' })

const ROOT = fileURLToPath(new URL('../..', import.meta.url))
const TOKEN = 'the-page-token-of-these-tests'
const folder = mkdtempSync(join(tmpdir(), 'andon-prometheus-'))
const running: ChildProcess[] = []
const start = (command: string, ...args: string[]) => {
  const child = spawn(command, args, { stdio: 'ignore', cwd: folder })
  running.push(child)
  process.once('exit', () => child.kill('SIGKILL'))
}
afterAll(async () => {
  for (const child of running) {
    const ended = new Promise((resolve) => child.once('exit', resolve))
    child.kill('SIGKILL')
    await ended
  }
  rmSync(folder, { recursive: true, force: true })
})

/** A server that keeps the JSON it is sent. */
async function listener(): Promise<{ url: string; bodies: unknown[] }> {
  const bodies: unknown[] = []
  const server = createServer(async (request, response) => {
    const chunks: Buffer[] = []
    for await (const chunk of request) chunks.push(chunk as Buffer)
    const body = Buffer.concat(chunks).toString()
    if (body !== '') bodies.push(JSON.parse(body))
    response.end()
  })
  return { url: await listening(server), bodies }
}

async function listening(server: Server): Promise<string> {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  server.unref()
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}/`
}

/** /metrics of a process that runs every role over Kafka, is active in all of them, counts three lanes, and lost and put aside some records. */
function rolesOverKafka(): Promise<string> {
  const member = (lag: Record<string, number>, terms = 1) => ({
    isLeading: () => true,
    terms: () => terms,
    isMember: () => true,
    lag: () => lag,
    close: async () => {},
  })
  const [pipeline, lanes] = ['andon-pipeline', 'andon-lanes']
  const members = new Map([
    [pipeline, member({ otlp_spans: 7, otlp_logs: 0 })],
    [lanes, member({ andon_lanes: 2 }, 3)],
    ['andon-detector', member({ andon_requests: 0 })],
    ['andon-alerter', member({ andon_findings: 0, andon_answers: 0 })],
  ])
  const metrics = createRoleMetrics({ members: () => members, pipeline, lanes, ready: async () => true })
  metrics.lost(3)
  metrics.deadLetter('otlp_spans')
  void metrics
    .countFailures('andon-detector', () => Promise.reject(new Error('once')))()
    .catch(() => {})
  return listening(createServer(async (_, response) => response.end(await metrics.registry.metrics())))
}

/** The composition's configuration and rules, with addresses of loopback, an Alertmanager, and a clock that ticks every second. */
function configure(scraped: readonly string[], alertmanager: number): string {
  const read = (path: string) => readFileSync(join(ROOT, path), 'utf8').replace(/interval: \d+s/g, 'interval: 1s')
  const targets = /targets:\n( +- andon-\w+:4320\n)+/
  const config = read('deploy/prometheus.yml')
  expect(config).toMatch(targets)
  writeFileSync(join(folder, 'token'), TOKEN)
  writeFileSync(join(folder, 'andon.rules.yml'), read('dashboards/prometheus/andon.rules.yml'))
  const file = join(folder, 'prometheus.yml')
  writeFileSync(
    file,
    `${config
      .replace('/secrets/page_token', join(folder, 'token'))
      .replace('http://127.0.0.1:4320', scraped[0]!)
      .replace(targets, `targets: ${JSON.stringify(scraped.map((url) => new URL(url).host))}\n`)}
alerting: { alertmanagers: [{ static_configs: [{ targets: ["127.0.0.1:${alertmanager}"] }] }] }
`,
  )
  return file
}

test.skipIf(!canRun)(
  'a bad release pages through Prometheus and Alertmanager; every rule evaluates on real metrics, every panel finds its own',
  {
    timeout: 150_000,
  },
  async () => {
    const [platform, pager] = [await listener(), await listener()]
    const monitor = join(folder, 'andon.yaml')
    const trigger = {
      name: 'failed_updates',
      signal: 'failed_updates',
      baseline: 0.02,
      action: 'pause',
      trafficGoesTo: 'people',
    }
    const target = {
      name: 'platform',
      url: platform.url,
      secret: { env: 'SECRET' },
      enforces: true,
      allowPrivate: true,
    }
    writeFileSync(
      monitor,
      JSON.stringify({
        receive: { port: 0 },
        page: { port: 0, token: { env: 'TOKEN' } },
        store: { path: join(folder, 'store') },
        triggers: [trigger],
        targets: [target],
        heartbeat: { url: platform.url, everySeconds: 5, allowPrivate: true },
      }),
    )
    const serving = await startServing(monitor, { TOKEN, SECRET: 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw' })
    running.push(serving.process)
    const roles = await rolesOverKafka()
    const [port, alertmanager] = [await freePort(), await freePort()]
    const receivers = [{ name: 'pager', webhook_configs: [{ url: pager.url }] }]
    const route = { receiver: 'pager', group_by: ['alertname'], group_wait: '0s', group_interval: '1s' }
    writeFileSync(join(folder, 'alertmanager.yml'), JSON.stringify({ route, receivers }))
    mkdirSync(join(folder, 'data'))
    start(
      'prometheus-alertmanager',
      `--config.file=${join(folder, 'alertmanager.yml')}`,
      `--storage.path=${join(folder, 'alerts')}`,
      `--web.listen-address=127.0.0.1:${alertmanager}`,
      '--cluster.listen-address=',
    )
    start(
      'prometheus',
      `--config.file=${configure([serving.page, roles], alertmanager)}`,
      `--storage.tsdb.path=${join(folder, 'data')}`,
      `--web.listen-address=127.0.0.1:${port}`,
    )
    const bad = Array.from({ length: 200 }, (_, i) => ({
      conversation: `bad-${i}`,
      agent: 'orders',
      release: 'r43',
      startedAtMs: wallClock.nowMs(),
      writes: [i % 2 === 0 ? ('failed' as const) : ('ok' as const)],
    }))
    expect((await postTraces(serving.receive, bad)).status).toBe(200)
    type Alert = { status: string; labels: Record<string, string>; annotations: Record<string, string> }
    const paged = () => pager.bodies.flatMap((body) => (body as { alerts: Alert[] }).alerts)
    await expect
      .poll(() => paged().find(({ labels }) => labels.alertname === 'AndonReleasePaused'), { timeout: 45_000 })
      .toMatchObject({
        status: 'firing',
        labels: { severity: 'page', agent: 'orders', release: 'r43', signal: 'failed_updates' },
        annotations: { runbook_url: `${serving.page}/docs/runbooks/release-paused.md` },
      })
    expect((await fetch(`${serving.page}/docs/runbooks/release-paused.md`)).status).toBe(200)
    const api = async <T>(path: string) =>
      ((await (await fetch(`http://127.0.0.1:${port}/api/v1/${path}`)).json()) as { data: T }).data
    const { activeTargets } = await api<{ activeTargets: { health: string }[] }>('targets')
    expect(activeTargets.map(({ health }) => health)).toEqual(['up', 'up'])
    type Rule = { name: string; health: string; lastError?: string }
    const rules = async () =>
      (await api<{ groups: { rules: Rule[] }[] }>('rules')).groups.flatMap((group) => group.rules)
    await expect
      .poll(async () => (await rules()).filter(({ health }) => health !== 'ok'), { timeout: 10_000 })
      .toEqual([])
    expect((await rules()).length).toBeGreaterThan(25)
    // Rates and quantiles need work between two scrapes: a few contacts, and what nobody takes.
    const askAgain = async () => {
      const contact = { conversation: `after-${wallClock.nowMs()}`, agent: 'orders', release: 'r42' }
      await postTraces(serving.receive, [{ ...contact, startedAtMs: wallClock.nowMs(), writes: ['ok'] }])
      await fetch(`${serving.receive}/nowhere`, { method: 'POST', body: '{}' })
      return Promise.all(panels.map(async ({ where, expr }) => ({ where, values: await valuesOf(expr) })))
    }
    const panels = Object.values(allBoards()).flatMap(promqlOf)
    expect(panels.length).toBeGreaterThan(20)
    type Sample = { metric: Record<string, string>; value: [number, string] }
    const samplesOf = async (expr: string) =>
      (await api<{ result: Sample[] }>(`query?query=${encodeURIComponent(expr)}`)).result
    const valuesOf = async (expr: string) => (await samplesOf(expr)).map(({ value }) => Number(value[1]))
    const saysNothing = (values: readonly number[]) => !values.some(Number.isFinite)
    await expect
      .poll(async () => (await askAgain()).filter(({ values }) => saysNothing(values)).map(({ where }) => where), {
        timeout: 60_000,
        interval: 1_000,
      })
      .toEqual([])
    const found = new Map((await askAgain()).map(({ where, values }) => [where, values]))
    expect(found.get('Ready')).toEqual([1])
    expect(found.get('Active processes by group')).toEqual([1, 1, 1])
    expect(found.get('Lanes counted')).toEqual([3])
    const startedMs = found.get('Starts of processes')!
    for (const ms of startedMs) expect(Math.abs(wallClock.nowMs() - ms)).toBeLessThan(600_000)
    // Both are one deployment to the rules: no role is missing, and nothing pages but the incident and what was lost.
    const firing = (await samplesOf('ALERTS{alertstate="firing", severity="page"}')).map(
      ({ metric }) => metric.alertname,
    )
    expect(firing.filter((alertname) => alertname !== 'AndonReleasePaused')).toEqual(['AndonRecordsLost'])
  },
)
