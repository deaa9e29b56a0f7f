import { createKafkaBus } from '../bus/bus.kafka.ts'
import type { Bus } from '../bus/bus.ts'
import type { KafkaConfig } from '../bus/config.ts'
import type { Config } from '../config.ts'
import { wallClock } from '../lib/clock.ts'
import type { Log } from '../lib/log.ts'
import type { SecretRef } from '../lib/secret-ref.ts'
import type { StoreOptions } from '../store/store.clickhouse.ts'
import { type Environment, readSecret } from './secrets.ts'

/** Which ClickHouse the configuration means. Throws AndonError `secret`. */
export function storeOptionsOf({ store }: Config, env: Environment): StoreOptions {
  const { server } = store
  if (!server) return { kind: 'embedded', path: store.path, memoryBytes: store.memoryMiB * 2 ** 20 }
  const { url, username, database } = server
  return {
    kind: 'server',
    url,
    username: typeof username === 'string' ? username : readSecret(username, env),
    database,
    password: server.password ? readSecret(server.password, env) : '',
    ...(server.ca && { ca: readSecret(server.ca, env) }),
  }
}

/** The bus of the configuration. Throws AndonError `secret`. */
export function busOf(kafka: KafkaConfig, env: Environment, log: Log): Bus {
  const given = (name: string, ref: SecretRef | undefined) => (ref ? { [name]: readSecret(ref, env) } : {})
  const tls = typeof kafka.tls === 'object' ? kafka.tls : {}
  return createKafkaBus({
    config: kafka,
    secrets: {
      ...given('password', kafka.sasl?.password),
      ...given('ca', tls.ca),
      ...given('cert', tls.cert),
      ...given('key', tls.key),
    },
    clock: wallClock,
    log,
  })
}

/** Makes the topics that are missing: telemetry in partitions, what has one reader in one. */
export async function ensureTopics(bus: Bus, { createTopics, topics, partitions }: KafkaConfig): Promise<void> {
  if (!createTopics) return
  const { spans, metrics, logs, outcomes, deadLetters, findings, answers, leases } = topics
  await bus.createTopics([
    ...[spans, metrics, logs].map((topic) => ({ topic, partitions })),
    ...[outcomes, deadLetters, findings, answers, leases].map((topic) => ({ topic, partitions: 1 })),
  ])
}
