import { spawnSync } from 'node:child_process'
import { cpSync, existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join, normalize } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'
import { parse } from 'yaml'
import { parseConfig } from '../config.ts'
import { VERSION } from './live/collector/collector.ts'
import { haveTools, runs } from './tools.ts'

/** No Docker engine runs in the tests: what a composition would do is checked by reading it, and each of its files by what reads that file. */
const ROOT = fileURLToPath(new URL('..', import.meta.url))
const text = (path: string): string => readFileSync(join(ROOT, path), 'utf8')

type Service = {
  image?: string
  build?: string
  command?: string | string[]
  entrypoint?: string[]
  ports?: string[]
  volumes?: string[]
  environment?: Record<string, unknown>
  depends_on?: Record<string, { condition: string }>
  healthcheck?: { test?: string[]; disable?: boolean }
}
const compose = parse(text('docker-compose.yml'), { merge: true }) as {
  services: Record<string, Service>
  volumes: Record<string, null>
}
const services = Object.entries(compose.services)

test('every image is pinned to an exact version, or built here', () => {
  for (const [name, { image = '', build }] of services)
    if (build) expect(image, name).toBe('andon:local')
    else expect(image, name).toMatch(/^[a-z0-9./-]+:v?\d+(\.\d+){2,3}$/)
})

test('nothing is published beyond loopback', () => {
  for (const [name, { ports = [] }] of services)
    for (const port of ports) expect(port, name).toMatch(/^127\.0\.0\.1:\d+:\d+$/)
})

test('no password stands in the composition: each comes from a file of the secrets volume, which is made once', () => {
  const made = new Set([...text('deploy/make-secrets.ts').matchAll(/^ {2}([a-z_]+):/gm)].map((match) => match[1]))
  const all = [
    text('docker-compose.yml'),
    text('deploy/andon.yaml'),
    text('deploy/prometheus.yml'),
    text('deploy/clickhouse/users.sh'),
  ].join('\n')
  const used = [...all.matchAll(/\/secrets\/([a-z_]+)(\$\$?(?:ROLE|role))?/g)].flatMap(([, name, role]) =>
    role ? ['pipeline', 'detector', 'alerter'].map((each) => `${name}${each}`) : [name],
  )
  expect(used.length).toBeGreaterThan(8)
  expect(used.filter((name) => name !== 'clickhouse_' && !made.has(name))).toEqual([])
  for (const [name, { environment = {} }] of services)
    for (const [variable, value] of Object.entries(environment))
      if (/PASSWORD|SECRET|TOKEN/.test(variable)) expect(String(value), `${name} ${variable}`).toMatch(/^\/secrets\//)
})

test('start is gated by health: who is waited for says how it is, who says nothing is not waited for', () => {
  for (const [name, { depends_on = {} }] of services)
    for (const [other, { condition }] of Object.entries(depends_on)) {
      const service = compose.services[other]
      expect(service, `${name} waits for ${other}`).toBeDefined()
      if (condition === 'service_healthy')
        expect(
          service!.build ? !service!.healthcheck?.disable : service!.healthcheck?.test,
          `${name} waits for ${other}`,
        ).toBeTruthy()
    }
})

test('volumes are named, and every file that is mounted is here', () => {
  for (const [name, { volumes = [] }] of services)
    for (const volume of volumes) {
      const [source] = volume.split(':') as [string]
      if (source.startsWith('./')) expect(existsSync(join(ROOT, source)), `${name}: ${source}`).toBe(true)
      else expect(Object.keys(compose.volumes), name).toContain(source)
    }
})

test('Grafana gets every variable that its provisioning asks for', () => {
  const { environment = {}, entrypoint = [] } = compose.services.grafana!
  const provisioning = ['datasources/andon.yaml', 'alerting/andon-contact-points.yaml', 'alerting/andon-rules.yaml']
  const asked = provisioning.flatMap((file) => [
    ...text(`dashboards/provisioning/${file}`).matchAll(/\$\{(ANDON_[A-Z_]+)\}/g),
  ])
  const given = new Set([
    ...Object.keys(environment),
    ...[...entrypoint.join(' ').matchAll(/(ANDON_[A-Z_]+)=/g)].map((match) => match[1]!),
  ])
  expect(asked.map((match) => match[1]!).filter((name) => !given.has(name))).toEqual([])
})

test('alerts of Grafana go to a service that listens there and knows the key that they are signed with', () => {
  const { environment = {}, entrypoint = [] } = compose.services.grafana!
  const to = new URL(String(environment.ANDON_ALERT_WEBHOOK_URL))
  const receiver = compose.services[to.hostname]
  const given = new Map(
    [receiver?.command ?? []].flat().map((part) => part.replace(/^--/, '').split('=') as [string, string]),
  )
  const port =
    given.get('pager-port') ?? /'--pager-port <n>'.*, (\d+)\)/.exec(text('app/contact-centre-command.ts'))![1]
  expect(to.port).toBe(port)
  expect(to.pathname).toBe(/const PATH = '(.+)'/.exec(text('simulator/pager.http.ts'))![1])
  const key = /ANDON_ALERT_WEBHOOK_SECRET="\$\$\(cat (\S+)\)"/.exec(entrypoint.join(' '))![1]
  expect(given.get('pager-secret-file')).toBe(key)
  expect(given.get('platform-host'), 'other containers reach it').toBe('0.0.0.0')
})

test('with the app of Andon, Grafana loads what was built, and its boards come from the app alone', () => {
  const { services: own } = parse(text('docker-compose.plugin.yml')) as {
    services: Record<string, { environment: Record<string, string>; volumes: (string | Record<string, unknown>)[] }>
  }
  expect(Object.keys(own)).toEqual(['grafana'])
  const { environment, volumes } = own.grafana!
  const idOf = (path: string) => (JSON.parse(text(`dashboards/plugin/src/${path}`)) as { id: string }).id
  const app = idOf('plugin.json')
  expect(environment.GF_PLUGINS_ALLOW_LOADING_UNSIGNED_PLUGINS).toBe([app, idOf('timeline/plugin.json')].join())
  expect(volumes).toContainEqual({
    type: 'bind',
    source: './dashboards/plugin/dist',
    target: `/var/lib/grafana/plugins/${app}`,
    read_only: true,
    bind: { create_host_path: false },
  })
  const provisioning = 'dashboards/plugin/provisioning/plugins'
  expect(volumes).toContain(`./${provisioning}:/etc/grafana/provisioning/plugins:ro`)
  expect(parse(text(`${provisioning}/andon.yaml`))).toEqual({ apiVersion: 1, apps: [{ type: app, disabled: false }] })
  // Compose joins volumes by where they are mounted: the last one counts.
  const provider = compose.services.grafana!.volumes!.find((volume) => volume.includes('provisioning/dashboards'))!
  expect(volumes).toContainEqual({ type: 'tmpfs', target: provider.split(':')[1] })
})

test('the configuration of the roles is valid', () => {
  const config = parseConfig(text('deploy/andon.yaml'), 'deploy/andon.yaml')
  expect(config.kafka?.brokers).toEqual(['kafka:9092'])
  expect(config.store.server?.database).toBe('andon')
})

test('the Collector has an exporter of the records that Andon reads, in pipelines whose parts exist', () => {
  const collector = parse(text('deploy/otel-collector.yaml')) as Record<string, Record<string, unknown>> & {
    service: { extensions: string[]; pipelines: Record<string, Record<string, string[]>> }
  }
  for (const [signal, pipeline] of Object.entries(collector.service.pipelines))
    for (const [kind, names] of Object.entries(pipeline))
      for (const name of names) expect(Object.keys(collector[kind] ?? {}), `${signal} ${kind}`).toContain(name)
  expect(collector.exporters!.kafka).toMatchObject({ producer: { required_acks: -1, compression: 'zstd' } })
  expect(compose.services['otel-collector']!.image).toBe(`otel/opentelemetry-collector-contrib:${VERSION}`) // what the live tests run
})

test('whatever a role inserts into, its user may', () => {
  const grants = text('deploy/clickhouse/grants.sql')
  const tablesIn = (room: string): string[] =>
    readdirSync(join(ROOT, room))
      .filter((file) => file.endsWith('.clickhouse.ts'))
      .flatMap((file) =>
        [...text(`${room}/${file}`).matchAll(/(?:table: |const TABLE = )'(\w+)'/g)].map((match) => match[1]!),
      )
  const inserted = {
    andon_detector: tablesIn('detectors'),
    andon_alerter: [...tablesIn('alerts'), ...tablesIn('recovery'), ...tablesIn('releases')],
  }
  for (const [user, tables] of Object.entries(inserted)) {
    expect(tables.length, user).toBeGreaterThan(0)
    for (const table of tables) expect(grants).toContain(`GRANT INSERT ON andon.${table} TO ${user};`)
  }
})

test('Dockerfile: pinned base, packages from the lock file, an unprivileged user, a health check, no secrets', () => {
  const lines = text('Dockerfile')
    .split('\n')
    .filter((line) => line !== '' && !line.startsWith('#'))
  const instructions = lines.map((line) => line.split(' ', 1)[0]!)
  expect(lines[0]).toMatch(/^ARG NODE=\d+\.\d+\.\d+-[a-z]+-slim$/)
  expect(lines.filter((line) => line.startsWith('FROM')).every((line) => line.startsWith(`FROM node:\${NODE}`))).toBe(
    true,
  )
  expect(text('Dockerfile')).toContain('npm ci')
  expect(instructions).not.toContain('ADD')
  const last = (name: string) => instructions.lastIndexOf(name)
  expect(lines[last('USER')]).toBe('USER node')
  expect(last('USER')).toBeGreaterThan(last('RUN'))
  expect(last('USER')).toBeLessThan(last('ENTRYPOINT'))
  expect(last('HEALTHCHECK')).toBeGreaterThan(0)
  expect(lines[last('ENTRYPOINT')]).toMatch(/^ENTRYPOINT \[/)
  expect(text('Dockerfile')).not.toMatch(/password|secret=|token=/i)
})

test('ClickHouse leaves room on its disk', () => {
  expect(text('deploy/clickhouse/storage.xml')).toMatch(/<keep_free_space_bytes>\d{10}<\/keep_free_space_bytes>/)
  const mounts = compose.services.clickhouse!.volumes ?? []
  expect(mounts).toContain('./deploy/clickhouse/storage.xml:/etc/clickhouse-server/config.d/andon.xml:ro')
})

test('the image holds what runs and nothing else', () => {
  const allowed = text('.dockerignore')
    .split('\n')
    .filter((line) => line.startsWith('!'))
    .map((line) => line.slice(1))
  for (const path of allowed) expect(existsSync(join(ROOT, path)), path).toBe(true)
  const development = new Set(['bench', 'docs', 'test', 'node_modules'])
  const rooms = readdirSync(ROOT, { withFileTypes: true })
    .filter((entry) => entry.isDirectory() && !entry.name.startsWith('.') && !development.has(entry.name))
    .map((entry) => entry.name)
    .filter((room) => readdirSync(join(ROOT, room)).some((file) => file.endsWith('.ts')))
  for (const room of rooms) expect(allowed, room).toContain(room)
  expect(text('.dockerignore').startsWith('**\n')).toBe(true)
  const missing = [...reachedFrom(['main.ts', 'deploy/healthcheck.ts'])].filter(
    (file) =>
      !allowed.some((path) => file === path || file.startsWith(`${path}/`)) || /(\.test|fixtures)\.ts$/.test(file),
  )
  expect(missing).toEqual([])
})

/** Files of the project that these import, at once or later. */
function reachedFrom(entries: readonly string[]): Set<string> {
  const reached = new Set<string>()
  const open = [...entries]
  for (let file = open.pop(); file !== undefined; file = open.pop()) {
    if (reached.has(file)) continue
    reached.add(file)
    for (const [, target] of text(file).matchAll(/(?:from|import)\s*\(?\s*'(\.{1,2}\/[^']+\.ts)'/g))
      open.push(normalize(join(dirname(file), target!)))
  }
  return reached
}

test('secrets are made once and never overwritten', () => {
  const folder = mkdtempSync(join(tmpdir(), 'andon-secrets-'))
  try {
    writeFileSync(join(folder, 'identity_key'), 'kept')
    for (let run = 0; run < 2; run++)
      expect(spawnSync(process.execPath, [join(ROOT, 'deploy/make-secrets.ts'), folder]).status).toBe(0)
    expect(readFileSync(join(folder, 'identity_key'), 'utf8')).toBe('kept')
    expect(readFileSync(join(folder, 'platform_secret'), 'utf8')).toMatch(/^whsec_[A-Za-z0-9+/]{32}$/)
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
})

const hasCompose = spawnSync('docker', ['compose', 'version'], { stdio: 'ignore' }).status === 0
if (!hasCompose) console.warn('SKIPPED: no docker compose: whether it takes docker-compose.yml is NOT checked here')

test.skipIf(!hasCompose)('Docker Compose takes the composition', () => {
  for (const files of [['docker-compose.yml'], ['docker-compose.yml', 'docker-compose.plugin.yml']]) {
    const named = files.flatMap((file) => ['--file', file])
    const { status, stderr } = spawnSync('docker', ['compose', ...named, 'config', '--quiet'], {
      cwd: ROOT,
      encoding: 'utf8',
    })
    expect(status, stderr).toBe(0)
  }
})

const hasPromtool = haveTools(runs('promtool') ? [] : ['promtool'], {
  packages: 'prometheus',
  unchecked: 'deploy/prometheus.yml is NOT checked',
})

test.skipIf(!hasPromtool)('promtool takes the configuration of Prometheus', () => {
  const folder = mkdtempSync(join(tmpdir(), 'andon-prometheus-'))
  try {
    writeFileSync(join(folder, 'token'), 'x')
    writeFileSync(
      join(folder, 'prometheus.yml'),
      text('deploy/prometheus.yml').replace('/secrets/page_token', join(folder, 'token')),
    )
    cpSync(join(ROOT, 'dashboards/prometheus/andon.rules.yml'), join(folder, 'andon.rules.yml'))
    const { status, stdout, stderr } = spawnSync('promtool', ['check', 'config', join(folder, 'prometheus.yml')], {
      encoding: 'utf8',
    })
    expect(status, `${stdout}${stderr}`).toBe(0)
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
})
