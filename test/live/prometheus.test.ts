import { type ChildProcess, spawn } from 'node:child_process'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, expect, test } from 'vitest'
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
    bodies.push(JSON.parse(Buffer.concat(chunks).toString()))
    response.end()
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  server.unref()
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/`, bodies }
}

/** The composition's configuration and rules, with addresses of loopback, an Alertmanager, and a clock that ticks every second. */
function configure(page: string, alertmanager: number): string {
  const read = (path: string) => readFileSync(join(ROOT, path), 'utf8').replace(/interval: \d+s/g, 'interval: 1s')
  const targets = /targets:\n( +- andon-\w+:4320\n)+/
  const config = read('deploy/prometheus.yml')
  expect(config).toMatch(targets)
  writeFileSync(join(folder, 'token'), TOKEN)
  writeFileSync(join(folder, 'andon.rules.yml'), read('dashboards/prometheus/andon.rules.yml'))
  const file = join(folder, 'prometheus.yml')
  writeFileSync(
    file,
    `${config.replace('/secrets/page_token', join(folder, 'token')).replace(targets, `targets: ["${new URL(page).host}"]\n`)}
alerting: { alertmanagers: [{ static_configs: [{ targets: ["127.0.0.1:${alertmanager}"] }] }] }
`,
  )
  return file
}

test.skipIf(!canRun)(
  'a bad release pages through Prometheus and Alertmanager; every rule evaluates on real metrics',
  {
    timeout: 90_000,
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
      }),
    )
    const serving = await startServing(monitor, { TOKEN, SECRET: 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw' })
    running.push(serving.process)
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
      `--config.file=${configure(serving.page, alertmanager)}`,
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
        annotations: { runbook_url: 'https://andon.example/docs/runbooks/release-paused.md' },
      })
    const api = async <T>(path: string) =>
      ((await (await fetch(`http://127.0.0.1:${port}/api/v1/${path}`)).json()) as { data: T }).data
    const { activeTargets } = await api<{ activeTargets: { health: string }[] }>('targets')
    expect(activeTargets.map(({ health }) => health)).toEqual(['up'])
    type Rule = { name: string; health: string; lastError?: string }
    const rules = async () =>
      (await api<{ groups: { rules: Rule[] }[] }>('rules')).groups.flatMap((group) => group.rules)
    await expect
      .poll(async () => (await rules()).filter(({ health }) => health !== 'ok'), { timeout: 10_000 })
      .toEqual([])
    expect((await rules()).length).toBeGreaterThan(15)
  },
)
