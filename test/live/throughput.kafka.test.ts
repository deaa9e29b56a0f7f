import { availableParallelism } from 'node:os'
import { describe, expect, test } from 'vitest'
import { hasKafka } from './kafka/broker.ts'
import { compareThroughput } from './kafka/throughput.ts'

/** On fewer cores the broker takes its share from what is measured: told, not required. */
const ENOUGH_CORES = 4

describe.skipIf(!hasKafka())('throughput over Kafka', { timeout: 300_000 }, () => {
  test('a pipeline that reads from Kafka counts at least 0.7 of what it counts when facts are handed over', async () => {
    const { rounds } = await compareThroughput({ spans: 20_000, rounds: 1 })
    const [{ embedded, kafka, ratio }] = rounds as [(typeof rounds)[number]]
    console.info(
      `from Kafka ${kafka} spans/s, handed over ${embedded} spans/s: ${ratio} on ${availableParallelism()} cores`,
    )
    expect(kafka).toBeGreaterThan(0)
    if (availableParallelism() >= ENOUGH_CORES) expect(ratio).toBeGreaterThanOrEqual(0.7)
  })
})
