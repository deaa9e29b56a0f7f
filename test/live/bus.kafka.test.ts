import { randomUUID } from 'node:crypto'
import { afterAll, beforeAll, describe } from 'vitest'
import { createKafkaBus } from '../../bus/bus.kafka.ts'
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
    { takeoverMs: 10_000 },
  )
})
