import { createKafkaBus } from '../bus/bus.kafka.ts'
import type { Bus } from '../bus/bus.ts'
import type { KafkaConfig } from '../bus/config.ts'
import type { Config } from '../config.ts'
import { wallClock } from '../lib/clock.ts'
import { AndonError } from '../lib/errors.ts'
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

/**
 * Makes the topics that are missing: telemetry in partitions, what has one reader in one, a partition for every lane.
 * @throws AndonError `config` when the topic of the lanes has too few partitions
 */
export async function ensureTopics(bus: Bus, config: KafkaConfig): Promise<void> {
  const { topics, partitions, lanes } = config
  const { spans, metrics, logs, outcomes, deadLetters, findings, answers, requests } = topics
  if (config.createTopics)
    await bus.createTopics([
      ...[spans, metrics, logs].map((topic) => ({ topic, partitions })),
      ...[outcomes, deadLetters, findings, answers, requests].map((topic) => ({ topic, partitions: 1 })),
      ...(lanes > 1 ? [{ topic: topics.lanes, partitions: lanes }] : []),
    ])
  if (lanes === 1) return
  const { length } = await bus.bounds(topics.lanes)
  if (length < lanes)
    throw new AndonError(
      'config',
      `kafka.lanes is ${lanes}, but the topic ${topics.lanes} has ${length} partition${length === 1 ? '' : 's'}: add partitions to it (kafka-topics.sh --alter), or use fewer lanes`,
    )
}
