import { spawnSync } from 'node:child_process'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { createKafkaBus } from '../../bus/bus.kafka.ts'
import { kafkaConfig } from '../../bus/config.ts'
import { wallClock } from '../../lib/clock.ts'
import { silentLog } from '../../lib/log.ts'
import { type Broker, hasKafka, LOGIN, startBroker } from './kafka/broker.ts'

const hasOpenssl = spawnSync('openssl', ['version'], { stdio: 'ignore' }).status === 0
if (process.env.KAFKA_BROKERS || !hasOpenssl)
  console.warn(
    'SKIPPED: TLS and login of Kafka are NOT tested here: they need openssl, and a broker of our own (no KAFKA_BROKERS)',
  )

describe.skipIf(process.env.KAFKA_BROKERS || !hasOpenssl || !hasKafka())('Kafka over TLS with login', () => {
  let broker: Broker
  beforeAll(async () => {
    broker = await startBroker({ secure: true })
  }, 400_000)
  afterAll(() => broker?.close())

  const busWith = (mechanism: string, password: string, ca: string | undefined) =>
    createKafkaBus({
      config: kafkaConfig.parse({
        brokers: broker.secure!.brokers,
        tls: true,
        sasl: { mechanism, username: LOGIN.username, password: { env: 'PASSWORD' } },
      }),
      secrets: { password, ...(ca && { ca }) },
      clock: wallClock,
      log: silentLog,
    })

  test.each(['plain', 'scram-sha-512'])('%s: records are sent and read', async (mechanism) => {
    const bus = busWith(mechanism, LOGIN.password, broker.secure!.ca)
    const topic = `secure-${mechanism}`
    await bus.createTopics([{ topic, partitions: 1 }])
    await bus.send(topic, [{ value: Buffer.from('hello') }])
    const read = Promise.withResolvers<string>()
    const membership = await bus.lead({
      group: topic,
      topics: [topic],
      run: async (term) => {
        await term.seek({})
        for (const record of await term.poll({ maxBytes: 1_000, waitMs: 5_000 }))
          read.resolve(Buffer.from(record.value).toString())
      },
    })
    expect(await read.promise).toBe('hello')
    await membership.close()
    await bus.close()
  })

  test('a wrong password and an authority that nobody trusts are refused, with words that say which', async () => {
    const wrong = busWith('scram-sha-512', 'wrong', broker.secure!.ca)
    await expect(wrong.bounds('t')).rejects.toThrow(/[Aa]uthentication/)
    await wrong.close()
    const strange = busWith('scram-sha-512', LOGIN.password, undefined)
    await expect(strange.bounds('t')).rejects.toThrow(/certificate/)
    await strange.close()
  })
})
