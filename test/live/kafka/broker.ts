import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { wallClock } from '../../../lib/clock.ts'
import { freePort } from '../ports.ts'

const POM = fileURLToPath(new URL('pom.xml', import.meta.url))
const CACHE = fileURLToPath(new URL('../../../node_modules/.cache/andon-kafka-4.3.1', import.meta.url))
/** 44 MB. */
const FETCH_TIMEOUT_MS = 300_000
const JAVA_FLAGS = ['-Xms128m', '-Xmx256m', '-XX:+UseSerialGC', '-XX:TieredStopAtLevel=1', '-XX:-UsePerfData']
/** 16 bytes; every broker is a cluster of its own. */
const CLUSTER_ID = Buffer.from('a broker of test').toString('base64url')

export type Broker = Readonly<{
  brokers: readonly string[]
  /** A second door over TLS with login, where it was asked for. */
  secure: Readonly<{ brokers: readonly string[]; ca: string }> | null
  /** False for a broker that the tests did not start: it cannot be stopped either. */
  isOurs: boolean
  /** As in a crash of the machine: the process is killed and started again on the same data. */
  kill: () => Promise<void>
  start: () => Promise<void>
  close: () => Promise<void>
}>

/**
 * Whether the live tests can have a broker; says loudly what is skipped when they cannot. KAFKA_BROKERS names an existing one, else
 * Java 17 and Maven start a real one.
 */
export function hasKafka(): boolean {
  if (process.env.KAFKA_BROKERS) return true
  const missing: (string | false)[] = [
    !runs('java', ['-version']) && 'java (17 or newer)',
    !existsSync(join(CACHE, 'lib')) && !runs('mvn', ['-v']) && 'mvn',
  ].filter((name) => name !== false)
  if (missing.length === 0) {
    try {
      libraries()
      return true
    } catch (error) {
      missing.push(`Kafka itself (${(error as Error).message.trim().split('\n').at(-1)})`)
    }
  }
  console.warn(
    `SKIPPED: no ${missing.join(', no ')}: nothing of Kafka is tested here. Install Java 17 and Maven (apt-get install openjdk-17-jre-headless maven), or name a broker: KAFKA_BROKERS=host:9092 npx vitest run test/live`,
  )
  return false
}

const runs = (command: string, args: string[]): boolean => spawnSync(command, args, { stdio: 'ignore' }).status === 0

/** A broker on loopback with a small heap, or the one of KAFKA_BROKERS. */
export async function startBroker(options: { secure?: boolean } = {}): Promise<Broker> {
  const existing = process.env.KAFKA_BROKERS
  const fixed = async () => {
    throw new Error('the broker of KAFKA_BROKERS is not ours to stop')
  }
  if (existing)
    return {
      brokers: existing.split(','),
      secure: null,
      isOurs: false,
      kill: fixed,
      start: fixed,
      close: async () => {},
    }
  const folder = mkdtempSync(join(tmpdir(), 'andon-kafka-'))
  const [port, controller] = [await freePort(), await freePort()]
  const properties = join(folder, 'server.properties')
  const door = options.secure ? await secureDoor(folder) : null
  writeFileSync(properties, propertiesOf(folder, port, controller, door))
  format(properties, door?.scram)
  let server: ChildProcess | null = null
  const kill = async () => {
    const ending = server
    server = null
    if (!ending || ending.exitCode !== null) return
    const ended = new Promise((resolve) => ending.once('exit', resolve))
    ending.kill('SIGKILL')
    await ended
  }
  const start = async () => {
    const started = spawn('java', [`-Djava.io.tmpdir=${folder}`, ...java('kafka.Kafka', properties)], {
      stdio: 'ignore',
    })
    server = started
    process.once('exit', () => started.kill('SIGKILL'))
    for (let attempt = 0; attempt < 1_200; attempt++) {
      if (started.exitCode !== null) throw new Error(`Kafka ended with ${started.exitCode}`)
      if (await answers(port)) return
      await wallClock.sleep(100)
    }
    throw new Error('Kafka did not start within 2 minutes')
  }
  await start()
  return {
    brokers: [`127.0.0.1:${port}`],
    secure: door && { brokers: [`localhost:${door.port}`], ca: door.ca },
    isOurs: true,
    kill,
    start,
    close: async () => {
      await kill()
      rmSync(folder, { recursive: true, force: true })
    },
  }
}

/** Arguments of `java` for a class of Kafka. */
export const java = (main: string, ...args: string[]): string[] => [
  ...JAVA_FLAGS,
  '-cp',
  `${libraries()}/*`,
  main,
  ...args,
]

/** Makes the storage that a broker's properties name. */
export function format(properties: string, options: readonly string[] = []): void {
  const args = java('kafka.tools.StorageTool', 'format', '-t', CLUSTER_ID, '-c', properties, ...options)
  const { status, stderr } = spawnSync('java', args, { encoding: 'utf8' })
  if (status !== 0) throw new Error(`the storage of Kafka could not be made: ${stderr}`)
}

/** The jars of the pom, fetched once. */
function libraries(): string {
  const lib = join(CACHE, 'lib')
  if (existsSync(lib)) return lib
  mkdirSync(CACHE, { recursive: true })
  const own = mkdtempSync(join(CACHE, 'fetch-'))
  const { status, stdout } = spawnSync(
    'mvn',
    ['-q', '-B', '-f', POM, 'dependency:copy-dependencies', `-DoutputDirectory=${own}`],
    { encoding: 'utf8', timeout: FETCH_TIMEOUT_MS },
  )
  if (status !== 0) throw new Error(`Maven could not fetch Kafka:\n${stdout.slice(-2_000)}`)
  if (!existsSync(lib)) renameSync(own, lib) // another test file may have been faster
  return lib
}

/** Login at the secure door. */
export const LOGIN = { username: 'andon', password: 'a password of these tests' } as const

type Door = Readonly<{
  port: number
  ca: string
  scram: readonly string[]
  properties: Readonly<Record<string, string>>
}>

/** A certificate for localhost by an authority of its own, and users for both ways to log in. */
async function secureDoor(folder: string): Promise<Door> {
  const openssl = (...args: string[]) => {
    const { status, stderr } = spawnSync('openssl', args, { cwd: folder, encoding: 'utf8' })
    if (status !== 0) throw new Error(`openssl ${args[0]}: ${stderr}`)
  }
  const key = ['-newkey', 'rsa:2048', '-nodes', '-days', '2']
  openssl('req', '-x509', ...key, '-keyout', 'ca.key', '-out', 'ca.pem', '-subj', '/CN=andon tests')
  openssl('req', ...key.slice(0, 3), '-keyout', 'server.key', '-out', 'server.csr', '-subj', '/CN=localhost')
  writeFileSync(join(folder, 'names'), 'subjectAltName=DNS:localhost')
  openssl(
    ...'x509 -req -in server.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 2 -extfile names -out server.crt'.split(
      ' ',
    ),
  )
  const read = (name: string) => readFileSync(join(folder, name), 'utf8')
  writeFileSync(join(folder, 'server.pem'), `${read('server.key')}${read('server.crt')}`)
  const { username, password } = LOGIN
  const login = 'org.apache.kafka.common.security'
  return {
    port: await freePort(),
    ca: read('ca.pem'),
    scram: ['--add-scram', `SCRAM-SHA-512=[name=${username},password=${password}]`],
    properties: {
      'ssl.keystore.type': 'PEM',
      'ssl.keystore.location': join(folder, 'server.pem'),
      'sasl.enabled.mechanisms': 'PLAIN,SCRAM-SHA-512',
      'listener.name.sasl_ssl.plain.sasl.jaas.config': `${login}.plain.PlainLoginModule required user_${username}="${password}";`,
      'listener.name.sasl_ssl.scram-sha-512.sasl.jaas.config': `${login}.scram.ScramLoginModule required;`,
    },
  }
}

const propertiesOf = (folder: string, port: number, controller: number, door: Door | null): string =>
  Object.entries({
    ...door?.properties,
    'process.roles': 'broker,controller',
    'node.id': 1,
    'controller.quorum.voters': `1@127.0.0.1:${controller}`,
    listeners: `PLAINTEXT://127.0.0.1:${port},CONTROLLER://127.0.0.1:${controller}${door ? `,SASL_SSL://127.0.0.1:${door.port}` : ''}`,
    'advertised.listeners': `PLAINTEXT://127.0.0.1:${port}${door ? `,SASL_SSL://localhost:${door.port}` : ''}`,
    'controller.listener.names': 'CONTROLLER',
    'listener.security.protocol.map': 'PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT,SASL_SSL:SASL_SSL',
    'log.dirs': join(folder, 'data'),
    'offsets.topic.replication.factor': 1,
    'offsets.topic.num.partitions': 1,
    'transaction.state.log.replication.factor': 1,
    'transaction.state.log.min.isr': 1,
    'share.coordinator.state.topic.replication.factor': 1,
    'share.coordinator.state.topic.min.isr': 1,
    'group.initial.rebalance.delay.ms': 0,
    'auto.create.topics.enable': false,
  })
    .map(([name, value]) => `${name}=${value}`)
    .join('\n')

const answers = (port: number): Promise<boolean> =>
  new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1')
    socket.once('connect', () => resolve(true)).once('error', () => resolve(false))
    socket.once('close', () => socket.destroy())
    socket.once('connect', () => socket.end())
  })
