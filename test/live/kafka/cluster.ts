import type { ChildProcess } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { ClickHouseClient } from '@clickhouse/client'
import { createClient } from '@clickhouse/client'
import type { Role } from '../../../app/roles.ts'
import { createKafkaBus } from '../../../bus/bus.kafka.ts'
import type { Bus } from '../../../bus/bus.ts'
import { kafkaConfig } from '../../../bus/config.ts'
import { wallClock } from '../../../lib/clock.ts'
import { silentLog } from '../../../lib/log.ts'
import { connectStore } from '../../../store/store.clickhouse.ts'
import { type Server, startServer, type User } from '../clickhouse/server.ts'
import { startServing } from '../serving.ts'
import { type Broker, startBroker } from './broker.ts'

export const WEBHOOK_SECRET = 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw'

/** Broker, store and whatever processes a test starts, as a deployment has them. */
export type Cluster = Readonly<{
  broker: Broker
  /** Where the stores of its spaces lie. */
  folder: string
  bus: Bus
  /** A database and topics of its own: tests of one broker do not meet. `bus`: more of the section `kafka`. */
  space: (config?: object, bus?: Readonly<{ lanes?: number }>) => Promise<Space>
  close: () => Promise<void>
}>

export type Space = Readonly<{
  store: ClickHouseClient
  /** Whose store it is: one who may do everything. */
  login: Login
  /** Null where CLICKHOUSE_URL names one, which is not ours to stop. */
  server: Server | null
  topics: ReturnType<typeof kafkaConfig.parse>['topics']
  kafka: ReturnType<typeof kafkaConfig.parse>
  configFile: string
  start: (...roles: Role[]) => Promise<Instance>
  close: () => Promise<void>
}>

export type Instance = Readonly<{
  process: ChildProcess
  receive: string
  page: string
  log: () => string
  end: (signal: 'SIGTERM' | 'SIGKILL') => Promise<void>
  /** Roles of which this process is the active member. */
  activeRoles: () => Promise<ReadonlySet<string>>
  /** Whether this process is the active member of a role. */
  isActive: (role: Role) => Promise<boolean>
}>

/** `parent`: where the stores lie. */
export async function startCluster({ parent = tmpdir() }: { parent?: string } = {}): Promise<Cluster> {
  const broker = await startBroker()
  const folder = mkdtempSync(join(parent, 'andon-cluster-'))
  const clients: Bus[] = []
  const opened: (() => Promise<void>)[] = []
  const busFor = (config: object): Bus => {
    const bus = createKafkaBus({
      config: kafkaConfig.parse({ brokers: [...broker.brokers], ...config }),
      secrets: {},
      clock: wallClock,
      log: silentLog,
    })
    clients.push(bus)
    return bus
  }
  return {
    broker,
    folder,
    bus: busFor({}),
    space: async (config = {}, more = {}) => {
      const name = `andon_${randomUUID().slice(0, 8)}`
      const server = process.env.CLICKHOUSE_URL ? null : await startServer(join(folder, name))
      const admin = server ? server.as('andon_admin') : await databaseOf(process.env.CLICKHOUSE_URL!, name)
      const topics = Object.fromEntries(
        ['spans', 'metrics', 'logs', 'outcomes', 'deadLetters', 'findings', 'answers', 'requests', 'lanes'].map(
          (topic) => [topic, `${name}.${topic}`],
        ),
      )
      const kafka = { brokers: [...broker.brokers], topics, groupPrefix: name, ...more }
      const configFile = join(folder, `${name}.yaml`)
      writeFileSync(
        configFile,
        JSON.stringify({
          receive: { port: 0 },
          page: { port: 0 },
          store: {
            server: {
              url: admin.url,
              username: { env: 'CLICKHOUSE_USER' },
              password: { env: 'CLICKHOUSE_PASSWORD' },
              database: admin.database,
            },
          },
          identity: { secret: { env: 'IDENTITY' } },
          kafka,
          ...config,
        }),
      )
      const instances: Instance[] = []
      const store = connectStore(admin)
      let closed: Promise<void> | null = null
      const close = async () => {
        await Promise.all(instances.map((instance) => instance.end('SIGKILL')))
        await store.close()
        await server?.close()
      }
      const closeOnce = () => {
        closed ??= close()
        return closed
      }
      opened.push(closeOnce)
      return {
        store,
        login: admin,
        server,
        topics: kafkaConfig.parse(kafka).topics,
        kafka: kafkaConfig.parse(kafka),
        configFile,
        start: async (...roles) => {
          const instance = await startInstance(configFile, roles, server ? server.as(userOf(roles)) : admin)
          instances.push(instance)
          return instance
        },
        close: closeOnce,
      }
    },
    close: async () => {
      for (const close of opened) await close() // also what a failed test left
      for (const bus of clients) await bus.close()
      await broker.close()
      rmSync(folder, { recursive: true, force: true })
    },
  }
}

/** Each role has the user of its own; several in one process take the one who may do what all of them do. */
const userOf = (roles: readonly Role[]): User =>
  roles.includes('pipeline') ? 'andon_pipeline' : roles.includes('detector') ? 'andon_detector' : 'andon_alerter'

type Login = ReturnType<Server['as']>

/** A database of its own on the server of CLICKHOUSE_URL. */
async function databaseOf(url: string, database: string): Promise<Login> {
  const username = process.env.CLICKHOUSE_USER ?? 'default'
  const password = process.env.CLICKHOUSE_PASSWORD ?? ''
  const client = createClient({ url, username, password })
  await client.command({ query: `CREATE DATABASE ${database}` })
  await client.close()
  return { kind: 'server', url, username, password, database }
}

async function startInstance(configFile: string, roles: readonly Role[], login: Login): Promise<Instance> {
  const env = {
    IDENTITY: 'a secret of these tests only',
    SECRET: WEBHOOK_SECRET,
    CLICKHOUSE_USER: login.username,
    CLICKHOUSE_PASSWORD: login.password || '-',
  }
  const { process: child, receive, page, log, ended } = await startServing(configFile, env, roles)
  const activeRoles = async () => {
    try {
      const metrics = await (await fetch(`${page}/metrics`)).text()
      return new Set([...metrics.matchAll(/andon_role_active\{group="[^"]*-(\w+)"\} 1/g)].map(([, role]) => role!))
    } catch {
      return new Set<string>()
    }
  }
  return {
    process: child,
    receive,
    page,
    log,
    end: async (signal) => {
      if (child.exitCode !== null || child.signalCode !== null) return
      child.kill('SIGCONT')
      child.kill(signal)
      await ended
    },
    activeRoles,
    isActive: async (role) => (await activeRoles()).has(role),
  }
}
