import { randomUUID } from 'node:crypto'
import kafkajs from 'kafkajs'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { createKafkaBus } from '../../bus/bus.kafka.ts'
import type { Term } from '../../bus/bus.ts'
import { kafkaConfig } from '../../bus/config.ts'
import { busContract } from '../../bus/contract.fixtures.ts'
import { wallClock } from '../../lib/clock.ts'
import { silentLog } from '../../lib/log.ts'
import { type Broker, hasKafka, startBroker } from './kafka/broker.ts'

describe.skipIf(!hasKafka())('the bus over Apache Kafka', () => {
  let broker: Broker
  beforeAll(async () => {
    broker = await startBroker()
  }, 400_000)
  afterAll(() => broker?.close())

  busContract(
    `contract-${randomUUID()}`,
    async () =>
      createKafkaBus({
        config: kafkaConfig.parse({ brokers: [...broker.brokers] }),
        secrets: {},
        clock: wallClock,
        log: silentLog,
      }),
    {
      takeoverMs: 10_000,
      dropBefore: async (topic, partition, offset) => {
        const admin = new kafkajs.Kafka({ brokers: [...broker.brokers], logLevel: kafkajs.logLevel.NOTHING }).admin()
        await admin.connect()
        await admin.fetchTopicOffsets(topic) // makes the topic known to the client
        await admin.deleteTopicRecords({ topic, partitions: [{ partition, offset: String(offset) }] })
        await admin.disconnect()
      },
    },
  )

  test('records in a compression that cannot be read make the member unfit, and are said in the log', async () => {
    const topic = `snappy-${randomUUID()}`
    const errors: string[] = []
    const log = { ...silentLog, error: (_: object, text: string) => void errors.push(text) }
    const config = kafkaConfig.parse({ brokers: [...broker.brokers] })
    const bus = createKafkaBus({ config, secrets: {}, clock: wallClock, log })
    await bus.createTopics([{ topic, partitions: 1 }])
    await produceInSnappy(broker.brokers, topic)
    const run = async (term: Term) => {
      await term.seek({})
      while (!term.signal.aborted) await term.poll({ maxBytes: 1, waitMs: 200 })
    }
    const member = await bus.lead({ group: topic, topics: [topic], run })
    await expect.poll(() => errors.join(), { timeout: 20_000 }).toContain('none, gzip or zstd')
    expect([member.isMember(), member.isLeading()]).toEqual([false, false])
    await bus.close()
  })
})

/** What a Collector with `compression: snappy` writes; the client has no codec for it, so it is lent one for as long as it sends. */
async function produceInSnappy(brokers: readonly string[], topic: string): Promise<void> {
  const { CompressionCodecs, CompressionTypes } = kafkajs
  const none = CompressionCodecs[CompressionTypes.Snappy]
  CompressionCodecs[CompressionTypes.Snappy] = () => ({
    compress: async ({ buffer }: { buffer: Buffer }) => literalSnappy(buffer),
    decompress: async (buffer: Buffer) => buffer,
  })
  const producer = new kafkajs.Kafka({ brokers: [...brokers], logLevel: kafkajs.logLevel.NOTHING }).producer()
  await producer.connect()
  await producer.send({ topic, compression: CompressionTypes.Snappy, messages: [{ key: null, value: 'span' }] })
  await producer.disconnect()
  CompressionCodecs[CompressionTypes.Snappy] = none
}

/** The Snappy format (google/snappy, format_description.txt) without compressing anything: the length, and one literal of up to 60 bytes after another. */
function literalSnappy(bytes: Buffer): Buffer {
  const length: number[] = []
  for (let rest = bytes.length; ; rest >>= 7) {
    if (rest < 0x80) {
      length.push(rest)
      break
    }
    length.push((rest & 0x7f) | 0x80)
  }
  const parts: Uint8Array[] = [Buffer.from(length)]
  for (let at = 0; at < bytes.length; at += 60) {
    const literal = bytes.subarray(at, at + 60)
    parts.push(Buffer.from([(literal.length - 1) << 2]), literal)
  }
  return Buffer.concat(parts)
}
