/**
 * `node bench/composition.ts [--seconds 120]`: docker-compose.yml without Docker. Every service with a file of its own here runs as the composition says (entrypoint,
 * command, environment, mounted files, names of hosts, ports) in a network namespace of its own: the four roles, the contact centre, the Collector, Prometheus,
 * and Kafka with the image's settings. ClickHouse is the server of the live tests, with the composition's users. Prints which alerts fired and which releases were paused.
 *
 * Wants Linux, root, ip (iproute2), prometheus, Java 17, Maven and a built Collector (npm run collector).
 */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join, resolve } from 'node:path'
import { parseArgs } from 'node:util'
import { parse } from 'yaml'
import { wallClock } from '../lib/clock.ts'
import { serverCommand } from '../test/live/clickhouse/server.ts'
import { findCollector } from '../test/live/collector/collector.ts'
import { format, hasKafka, java } from '../test/live/kafka/broker.ts'

const { values } = parseArgs({ options: { seconds: { type: 'string', default: '120' } } })
const ROOT = resolve(import.meta.dirname, '..')
const compose = parse(readFileSync(join(ROOT, 'docker-compose.yml'), 'utf8'), { merge: true }) as {
  services: Record<string, Service>
}
type Service = { entrypoint?: string[]; command?: string[]; environment?: Record<string, unknown>; volumes?: string[] }

const NAMES = Object.keys(compose.services).filter((name) => name !== 'secrets' && name !== 'grafana')
const SUBNET = '10.88.0'
const ipOf = (name: string) => `${SUBNET}.${NAMES.indexOf(name) + 2}`
const spaceOf = (name: string) => `andon-${name}`
const folder = mkdtempSync(join(tmpdir(), 'andon-composition-'))
const binary = findCollector() ?? process.exit(1)
if (!hasKafka()) process.exit(1)

const run = (command: string, ...args: string[]) => {
  const { status, stderr, error } = spawnSync(command, args, { encoding: 'utf8', cwd: ROOT })
  if (status !== 0) throw new Error(`${command} ${args.join(' ')}: ${error?.message ?? stderr}`)
}
const undo: (() => void)[] = []

function network(): void {
  run('ip', 'link', 'add', 'andon0', 'type', 'bridge')
  undo.push(() => run('ip', 'link', 'del', 'andon0'))
  run('ip', 'addr', 'add', `${SUBNET}.1/24`, 'dev', 'andon0')
  run('ip', 'link', 'set', 'andon0', 'up')
  const hosts = ['127.0.0.1 localhost', ...NAMES.map((name) => `${ipOf(name)} ${name}`)].join('\n')
  NAMES.forEach((name, i) => {
    const space = spaceOf(name)
    run('ip', 'netns', 'add', space)
    mkdirSync(`/etc/netns/${space}`, { recursive: true })
    writeFileSync(`/etc/netns/${space}/hosts`, `${hosts}\n`) // `ip netns exec` puts it over /etc/hosts
    undo.push(() => {
      run('ip', 'netns', 'del', space)
      rmSync(`/etc/netns/${space}`, { recursive: true })
    })
    run('ip', 'link', 'add', `andon-h${i}`, 'type', 'veth', 'peer', 'name', `andon-c${i}`)
    undo.push(() => run('ip', 'link', 'del', `andon-h${i}`))
    run('ip', 'link', 'set', `andon-h${i}`, 'master', 'andon0', 'up')
    run('ip', 'link', 'set', `andon-c${i}`, 'netns', space)
    run('ip', '-n', space, 'addr', 'add', `${ipOf(name)}/24`, 'dev', `andon-c${i}`)
    run('ip', '-n', space, 'link', 'set', `andon-c${i}`, 'up')
    run('ip', '-n', space, 'link', 'set', 'lo', 'up')
  })
}

/** Where a volume lies: a file of the repository, or a folder of this run. */
const sourceOf = (source: string) => (source.startsWith('./') ? join(ROOT, source) : join(folder, source))

/** Places to mount at, made where they are not there and taken away at the end. */
function mountPoint(source: string, target: string): void {
  if (existsSync(target)) return
  const parents: string[] = []
  for (let path = dirname(target); !existsSync(path); path = dirname(path)) parents.unshift(path)
  mkdirSync(dirname(target), { recursive: true })
  if (source.startsWith('./')) writeFileSync(target, '')
  else mkdirSync(target)
  undo.push(() => rmSync(parents[0] ?? target, { recursive: true, force: true }))
}

const running: ChildProcess[] = []
const logs = new Map<string, string>()

/** A process in the namespace of a service, with its volumes where they belong and its working directory in the repository. */
function start(name: string, command: readonly string[], env: NodeJS.ProcessEnv = {}): void {
  const { volumes = [], environment = {} } = compose.services[name]!
  const mounts = volumes.map((volume) => volume.split(':') as [string, string])
  for (const [source, target] of mounts) mountPoint(source, target)
  const script = [...mounts.map(([source, target]) => `mount --bind ${sourceOf(source)} ${target}`), 'exec "$@"'].join(
    ' && ',
  )
  const child = spawn('ip', ['netns', 'exec', spaceOf(name), 'sh', '-c', script, 'sh', ...command], {
    cwd: ROOT,
    env: { ...process.env, ...(environment as NodeJS.ProcessEnv), ...env },
    stdio: ['pipe', 'pipe', 'pipe'],
  })
  running.push(child)
  for (const stream of [child.stdout, child.stderr])
    stream
      .setEncoding('utf8')
      .on('data', (text: string) => logs.set(name, ((logs.get(name) ?? '') + text).slice(-20_000)))
  child.once('exit', (code) => console.error(`${name} ended with ${code}`))
}

async function until(what: string, ok: () => Promise<boolean>, seconds = 90): Promise<void> {
  for (let i = 0; i < seconds * 4; i++) {
    if (await ok().catch(() => false)) return console.error(`${what}: yes`)
    await wallClock.sleep(250)
  }
  throw new Error(
    `${what}: not within ${seconds} s\n${[...logs].map(([name, log]) => `--- ${name}\n${log.slice(-1_500)}`).join('\n')}`,
  )
}
const answers = async (url: string) => (await fetch(url)).ok
/** `$$` of a composition is `$` for the shell. */
const plain = (parts: readonly string[]) => parts.map((part) => part.replaceAll('$$', '$'))

/** The broker's properties, as the image makes them of its environment. */
function kafka(): void {
  const properties = join(folder, 'server.properties')
  const lines = Object.entries(compose.services.kafka!.environment!)
    .filter(([name]) => name !== 'KAFKA_HEAP_OPTS')
    .map(([name, value]) => `${name.replace('KAFKA_', '').toLowerCase().replaceAll('_', '.')}=${value}`)
  writeFileSync(properties, lines.join('\n').replace('/var/lib/kafka/data', join(folder, 'kafka-logs')))
  format(properties)
  start('kafka', ['java', ...java('kafka.Kafka', properties)])
}

const secret = (name: string) => readFileSync(join(folder, 'secrets', name), 'utf8')
const get = async (url: string, token?: string) =>
  (await (await fetch(url, token ? { headers: { authorization: `Bearer ${token}` } } : {})).json()) as never

async function tell(): Promise<void> {
  for (const volume of ['secrets', 'kafka', 'clickhouse', 'prometheus']) mkdirSync(join(folder, volume))
  run(process.execPath, 'deploy/make-secrets.ts', join(folder, 'secrets'))
  network()
  kafka()
  const users = (user: string) => secret(user.replace('andon', 'clickhouse'))
  start(
    'clickhouse',
    serverCommand(join(folder, 'clickhouse'), {
      host: '0.0.0.0',
      from: '::/0',
      port: 8123,
      nativePort: 9000,
      password: users,
    }),
  )
  await until('clickhouse is healthy', () => answers(`http://${ipOf('clickhouse')}:8123/ping`))
  const roles = NAMES.filter((name) => compose.services[name]!.environment?.ROLE)
  for (const name of roles) start(name, plain(compose.services[name]!.entrypoint!))
  for (const name of roles) await until(`${name} is healthy`, () => answers(`http://${ipOf(name)}:4320/readyz`))
  start('otel-collector', [binary, ...compose.services['otel-collector']!.command!])
  start('prometheus', ['prometheus', '--config.file=/etc/prometheus/prometheus.yml', '--storage.tsdb.path=/prometheus'])
  const story = [...compose.services['contact-centre']!.command!, `--seconds=${values.seconds}`]
  start('contact-centre', [process.execPath, 'main.ts', ...story])
  const prometheus = `http://${ipOf('prometheus')}:9090/api/v1`
  const fired = new Set<string>()
  const ends = () => (logs.get('contact-centre') ?? '').includes('the fortnight is told')
  for (let over = 0; over < 60; over += ends() ? 1 : 0) {
    const { data } = (await get(`${prometheus}/alerts`).catch(() => ({ data: { alerts: [] } }))) as {
      data: { alerts: { state: string; labels: Record<string, string> }[] }
    }
    for (const { state, labels } of data.alerts)
      if (state === 'firing')
        fired.add(
          [labels.alertname, labels.agent, labels.release, labels.state, labels.instance].filter(Boolean).join(' '),
        )
    await wallClock.sleep(1_000)
  }
  const { data } = (await get(`${prometheus}/targets`)) as {
    data: { activeTargets: { scrapeUrl: string; health: string }[] }
  }
  const overview = (await get(`http://${ipOf('andon-detector')}:4320/api/v1/overview`, secret('page_token'))) as {
    incidents: { release: { agent: string; release: string }; state: string; reason: string }[]
  }
  console.log(
    JSON.stringify(
      {
        targets: data.activeTargets.map(({ scrapeUrl, health }) => `${scrapeUrl} ${health}`),
        fired: [...fired].sort(),
        incidents: overview.incidents.map(
          ({ release, state, reason }) => `${release.agent} ${release.release} ${state} ${reason}`,
        ),
        told: /"contacts":\d+.*/.exec(logs.get('contact-centre') ?? '')?.[0],
      },
      null,
      2,
    ),
  )
}

const interrupted = new Promise<never>((_, reject) => process.once('SIGINT', () => reject(new Error('interrupted'))))
try {
  await Promise.race([tell(), interrupted])
} finally {
  for (const child of running) child.removeAllListeners('exit').kill('SIGKILL')
  await wallClock.sleep(500)
  for (const step of undo.reverse()) step()
  rmSync(folder, { recursive: true, force: true })
}
