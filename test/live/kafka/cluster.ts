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
import { type Front, startFront } from '../clickhouse/front.http.ts'
import { startServing } from '../serving.ts'
import { type Broker, startBroker } from './broker.ts'

export const WEBHOOK_SECRET = 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw'

/** Broker, store and whatever processes a test starts, as a deployment has them. */
export type Cluster = Readonly<{
  broker: Broker
  /** Where the stores of its spaces lie. */
  folder: string
  bus: Bus
  /** A database and topics of its own: tests of one broker do not meet. */
  space: (config?: object) => Promise<Space>
  close: () => Promise<void>
}>

export type Space = Readonly<{
  store: ClickHouseClient
  /** Null where CLICKHOUSE_URL names a server. */
  front: Front | null
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
  /** Whether this process is the active member of a role. */
  isActive: (role: Role) => Promise<boolean>
}>

/** `parent`: where the stores lie. */
export async function startCluster({ parent = tmpdir() }: { parent?: string } = {}): Promise<Cluster> {
  const broker = await startBroker()
  const folder = mkdtempSync(join(parent, 'andon-cluster-'))
  const username = process.env.CLICKHOUSE_USER ?? 'default'
  const password = process.env.CLICKHOUSE_PASSWORD ?? ''
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
    space: async (config = {}) => {
      const name = `andon_${randomUUID().slice(0, 8)}`
      const existing = process.env.CLICKHOUSE_URL
      const front = existing ? null : await startFront(join(folder, name))
      const url = front?.url ?? existing!
      const database = front ? 'default' : name
      if (!front) {
        const admin = createClient({ url, username, password })
        await admin.command({ query: `CREATE DATABASE ${name}` })
        await admin.close()
      }
      const topics = Object.fromEntries(
        ['spans', 'metrics', 'logs', 'outcomes', 'deadLetters', 'findings', 'answers', 'leases'].map((topic) => [
          topic,
          `${name}.${topic}`,
        ]),
      )
      const kafka = { brokers: [...broker.brokers], topics, groupPrefix: name }
      const configFile = join(folder, `${name}.yaml`)
      writeFileSync(
        configFile,
        JSON.stringify({
          receive: { port: 0 },
          page: { port: 0 },
          store: { server: { url, username, password: { env: 'CLICKHOUSE_PASSWORD' }, database } },
          identity: { secret: { env: 'IDENTITY' } },
          kafka,
          ...config,
        }),
      )
      const instances: Instance[] = []
      const store = connectStore({ kind: 'server', url, username, password, database })
      let closed: Promise<void> | null = null
      const close = async () => {
        await Promise.all(instances.map((instance) => instance.end('SIGKILL')))
        await store.close()
        await front?.close()
      }
      const closeOnce = () => {
        closed ??= close()
        return closed
      }
      opened.push(closeOnce)
      return {
        store,
        front,
        topics: kafkaConfig.parse(kafka).topics,
        kafka: kafkaConfig.parse(kafka),
        configFile,
        start: async (...roles) => {
          const instance = await startInstance(configFile, roles, password)
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

async function startInstance(configFile: string, roles: readonly Role[], password: string): Promise<Instance> {
  const env = {
    IDENTITY: 'a secret of these tests only',
    SECRET: WEBHOOK_SECRET,
    CLICKHOUSE_PASSWORD: password || '-',
  }
  const { process: child, receive, page, log, ended } = await startServing(configFile, env, roles)
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
    isActive: async (role) => {
      try {
        const metrics = await (await fetch(`${page}/metrics`)).text()
        return new RegExp(`andon_role_active\\{group="[^"]*-${role}"\\} 1`).test(metrics)
      } catch {
        return false
      }
    },
  }
}
