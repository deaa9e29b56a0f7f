import { promisify } from 'node:util'
import { zstdCompress, zstdDecompress } from 'node:zlib'
import kafkajs, { type KafkaConfig as ClientConfig, type Kafka, type Producer } from 'kafkajs'
import type { Clock } from '../lib/clock.ts'
import { type Closer, closeAll } from '../lib/close-all.ts'
import { AndonError } from '../lib/errors.ts'
import type { Log } from '../lib/log.ts'
import type { Bus, Membership } from './bus.ts'
import type { KafkaConfig } from './config.ts'
import { evenly, joinGroup, leaderOf, oneLeader } from './group.kafka.ts'
import { type Giving, givingAll, givingEach } from './seats.ts'

/** kafkajs brings gzip only; Node brings zstd. Topics in snappy or lz4 cannot be read. */
kafkajs.CompressionCodecs[kafkajs.CompressionTypes.ZSTD] = () => ({
  compress: ({ buffer }: { buffer: Buffer }) => promisify(zstdCompress)(buffer),
  decompress: (buffer: Buffer) => promisify(zstdDecompress)(buffer),
})

const COMPRESSION = {
  none: kafkajs.CompressionTypes.None,
  gzip: kafkajs.CompressionTypes.GZIP,
  zstd: kafkajs.CompressionTypes.ZSTD,
} as const

/** What the secrets of the configuration hold, read by whoever may read the environment. */
export type KafkaSecrets = Readonly<{ password?: string; ca?: string; cert?: string; key?: string }>

export type KafkaBusOptions = Readonly<{ config: KafkaConfig; secrets: KafkaSecrets; clock: Clock; log: Log }>

/** All replicas in sync hold the record before it counts as sent. */
const ACKS_ALL = -1
const SEND_TIMEOUT_MS = 10_000

/** The bus over Apache Kafka. Connects with the first use, so that a broker may start later than this process. */
export function createKafkaBus({ config, secrets, clock, log }: KafkaBusOptions): Bus {
  const kafka = new kafkajs.Kafka(clientConfig(config, secrets, log))
  const closers = new Set<Closer>()
  let connected: Promise<Producer> | null = null

  const producer = async (): Promise<Producer> => {
    connected ??= connect(kafka)
    try {
      return await connected
    } catch (error) {
      connected = null
      throw error
    }
  }

  const join = async (giving: Giving, assigner: typeof oneLeader): Promise<Membership> => {
    const membership = await reach(`the group ${giving.group} cannot be joined`, () =>
      joinGroup({ kafka, giving, assigner, sessionMs: config.sessionSeconds * 1000, clock, log }),
    )
    const closer: Closer = { what: `the group ${giving.group}`, close: membership.close }
    closers.add(closer)
    const close = async () => {
      closers.delete(closer)
      await membership.close()
    }
    return { ...membership, close }
  }

  return {
    send: (topic, records) =>
      reach(`${topic} did not take a record`, async () => {
        const sender = await producer()
        await sender.send({
          topic,
          acks: ACKS_ALL,
          timeout: SEND_TIMEOUT_MS,
          compression: COMPRESSION[config.compression],
          messages: records.map(({ value, headers, partition }) => ({
            key: null,
            value: bufferOf(value),
            ...(headers && { headers }),
            ...(partition !== undefined && { partition }),
          })),
        })
      }),
    lead: (options) => join(givingAll(options), oneLeader),
    share: (options) => join(givingEach(options), evenly),
    createTopics: (topics) =>
      withAdmin(kafka, async (admin) => {
        const existing = new Set(await admin.listTopics())
        const missing = topics.filter(({ topic }) => !existing.has(topic))
        if (missing.length === 0) return
        await admin.createTopics({
          waitForLeaders: true,
          topics: missing.map(({ topic, partitions }) => ({
            topic,
            numPartitions: partitions,
            replicationFactor: config.replicationFactor,
          })),
        })
        log.info({ topics: missing.map(({ topic }) => topic) }, 'topics were made')
      }),
    leaderOf: (group) => withAdmin(kafka, (admin) => leaderOf(admin, group)),
    bounds: (topic) =>
      withAdmin(kafka, async (admin) =>
        (await admin.fetchTopicOffsets(topic))
          .map(({ partition, low, high }) => ({ partition, first: Number(low), next: Number(high) }))
          .sort((a, b) => a.partition - b.partition),
      ),
    close: async () => {
      const sender = await connected?.catch(() => null)
      await closeAll([...(sender ? [{ what: 'the producer', close: sender.disconnect }] : []), ...closers])
    },
  }
}

async function connect(kafka: Kafka): Promise<Producer> {
  const producer = kafka.producer({ allowAutoTopicCreation: false, retry: { retries: 3 } })
  await producer.connect()
  return producer
}

async function withAdmin<T>(kafka: Kafka, work: (admin: ReturnType<Kafka['admin']>) => Promise<T>): Promise<T> {
  const admin = kafka.admin()
  return reach('the brokers do not answer', async () => {
    try {
      await admin.connect()
      return await work(admin)
    } finally {
      await admin.disconnect().catch(() => {})
    }
  })
}

function clientConfig(config: KafkaConfig, secrets: KafkaSecrets, log: Log): ClientConfig {
  const { ca, cert, key } = secrets
  const certificates = { ...(ca && { ca: [ca] }), ...(cert && { cert }), ...(key && { key }) }
  const { sasl } = config
  return {
    clientId: config.clientId,
    brokers: [...config.brokers],
    ssl: config.tls === false ? false : Object.keys(certificates).length > 0 ? certificates : true,
    ...(sasl && {
      sasl: { mechanism: sasl.mechanism as 'plain', username: sasl.username, password: secrets.password ?? '' },
    }),
    connectionTimeout: 3_000,
    requestTimeout: 15_000,
    retry: { initialRetryTime: 200, maxRetryTime: 5_000, retries: 5 },
    logLevel: kafkajs.logLevel.WARN,
    logCreator: () => (entry) => logged(log, entry),
  }
}

/** What the client library says, for those who ask for details: what matters of it comes back as an error, and is told once there. */
function logged(log: Log, { namespace, log: entry }: { namespace: string; log: { message: string } }): void {
  const { message, error, groupId, broker } = entry as Record<string, unknown> & { message: string }
  log.debug({ from: `kafkajs ${namespace}`, error, groupId, broker }, message)
}

/** Types of broker answers that no retry changes. */
const TOO_LARGE = new Set(['MESSAGE_TOO_LARGE', 'RECORD_LIST_TOO_LARGE'])

async function reach<T>(what: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work()
  } catch (cause) {
    const type = typeOf(cause)
    if (TOO_LARGE.has(type))
      throw new AndonError(
        'too_large',
        'the request is larger than a record of the topic may be (max.message.bytes of the topic): send smaller batches',
        { cause },
      )
    throw new AndonError('unavailable', `${what}: ${(cause as Error).message}`, { retryable: true, cause })
  }
}

function typeOf(error: unknown): string {
  const { type, cause } = error as { type?: string; cause?: unknown }
  return type ?? (cause ? typeOf(cause) : '')
}

const bufferOf = (bytes: Uint8Array): Buffer =>
  Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
