import { z } from 'zod'
import { secretRefConfig } from '../lib/secret-ref.ts'

const topicName = (name: string, what: string) =>
  z
    .string()
    .regex(/^[a-zA-Z0-9._-]{1,249}$/, 'letters, digits, ., _ and -, at most 249')
    .default(name)
    .describe(`${what} Default ${name}.`)

const tlsConfig = z.strictObject({
  ca: secretRefConfig
    .optional()
    .describe("Where the PEM of the authority that signed the brokers' certificates is kept. Default: the system's."),
  cert: secretRefConfig
    .optional()
    .describe("Where the PEM of this client's own certificate is kept, for brokers that ask for one."),
  key: secretRefConfig.optional().describe('Where the PEM key of that certificate is kept.'),
})

const saslConfig = z.strictObject({
  mechanism: z.enum(['plain', 'scram-sha-256', 'scram-sha-512']).describe('How to log in. plain only over TLS.'),
  username: z.string().min(1).describe('Name of the user.'),
  password: secretRefConfig.describe('Where the password is kept.'),
})

export const kafkaConfig = z
  .strictObject({
    brokers: z
      .array(z.string().regex(/^[^\s/]+:\d{1,5}$/, 'is host:port, as in broker-1:9092'))
      .min(1)
      .describe('Brokers to begin with, host:port.'),
    clientId: z
      .string()
      .min(1)
      .default('andon')
      .describe('Name of this client in the logs of the brokers. Default andon.'),
    tls: z
      .union([z.boolean(), tlsConfig])
      .default(false)
      .describe('true, or certificates. Default false: not encrypted.'),
    sasl: saslConfig.optional().describe('Login. Default: none.'),
    groupPrefix: z
      .string()
      .regex(/^[a-zA-Z0-9._-]{1,100}$/, 'letters, digits, ., _ and -')
      .default('andon')
      .describe(
        'Consumer groups are called <prefix>-pipeline, -lanes, -detector, -alerter, -dead-letters. Default andon.',
      ),
    topics: z
      .strictObject({
        spans: topicName('otlp_spans', 'OTLP traces, as the OpenTelemetry Collector writes them.'),
        metrics: topicName('otlp_metrics', 'OTLP metrics, likewise.'),
        logs: topicName('otlp_logs', 'OTLP logs, likewise.'),
        outcomes: topicName('andon_outcomes', 'Outcomes as CloudEvents.'),
        deadLetters: topicName('andon_dead_letters', 'Records that could not be read, with the reason.'),
        findings: topicName('andon_findings', 'What the detector tells the alerter; one partition.'),
        answers: topicName('andon_answers', 'What the stop switch told whom, for the alerter; one partition.'),
        requests: topicName('andon_requests', 'What the alerter asks the detector; one partition.'),
        lanes: topicName('andon_lanes', 'What lanes hand to each other; a partition for every lane.'),
      })
      .prefault({})
      .describe('Names of the topics.'),
    createTopics: z.boolean().default(true).describe('Make topics that do not exist. Default true.'),
    partitions: z
      .int()
      .min(1)
      .max(1000)
      .default(6)
      .describe('Partitions of a telemetry topic that is made. Default 6.'),
    lanes: z
      .int()
      .min(1)
      .max(64)
      .default(1)
      .describe(
        'Parts in which a batch is counted, divided among all processes with the role pipeline. 1: the active one counts alone. The same in every process. Default 1.',
      ),
    replicationFactor: z
      .int()
      .min(-1)
      .max(10)
      .default(-1)
      .describe('Copies of a topic that is made; -1 leaves it to the brokers. Default -1.'),
    compression: z
      .enum(['none', 'gzip', 'zstd'])
      .default('zstd')
      .describe('Of records that Andon writes. Default zstd.'),
    sessionSeconds: z
      .number()
      .min(6)
      .max(60)
      .default(9)
      .describe('How long a role may be silent before another takes over. The brokers allow 6 and more. Default 9.'),
  })
  .describe('Apache Kafka between the roles. Default: none, everything runs in one process.')

export type KafkaConfig = z.output<typeof kafkaConfig>
