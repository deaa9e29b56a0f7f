import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { zstdCompressSync } from 'node:zlib'
import { createReader } from '../../../app/telemetry-records.ts'
import { createKafkaBus } from '../../../bus/bus.kafka.ts'
import { kafkaConfig } from '../../../bus/config.ts'
import { decodeRequest, PROTOBUF } from '../../../collector/decode.ts'
import { createNamer } from '../../../collector/name-span.ts'
import { PLAIN_NAMES } from '../../../collector/names.ts'
import { createPseudonymizer } from '../../../collector/pseudonym.ts'
import { compileSignals } from '../../../detectors/signals/compile.ts'
import { FOUR_SIGNALS } from '../../../detectors/signals/library.ts'
import { wallClock } from '../../../lib/clock.ts'
import { silentLog } from '../../../lib/log.ts'
import { orderBatches } from '../../../pipeline/order.clickhouse.ts'
import { createSequencer } from '../../../pipeline/sequencer.clickhouse.ts'
import { createLoadTemplate } from '../../../simulator/load.ts'
import { openStore, rowsOf } from '../../../store/store.clickhouse.ts'
import { startBroker } from './broker.ts'

/** Spans counted per second, handed over as decoded facts and read from Kafka, and their ratio. */
export type Throughput = Readonly<{ embedded: number; kafka: number; ratio: number }>

/**
 * Counts the same OTLP requests into a fresh embedded store, once handed over as `andon serve` does without Kafka, once read from six partitions
 * of a real broker, `rounds` times.
 */
export async function compareThroughput(options: {
  spans: number
  rounds: number
  onRound?: (round: Throughput) => void
}): Promise<{ rounds: Throughput[]; bytesPerSpan: Readonly<{ otlp: number; inKafka: number; inStore: number }> }> {
  const template = createLoadTemplate({ contactsPerRequest: 50, toolsPerContact: 3, agent: 'load', release: '1.0.0' })
  const requests = Array.from({ length: Math.ceil(options.spans / template.spans) }, (_, i) =>
    template.stamp(i, wallClock.nowMs()),
  )
  const spans = requests.length * template.spans
  const namer = createNamer(PLAIN_NAMES, createPseudonymizer({ secret: 'a secret of this bench only', keyVersion: 1 }))
  const common = {
    statements: compileSignals(FOUR_SIGNALS),
    idleMs: null,
    clock: wallClock,
    holdMs: 30_000,
    log: silentLog,
  }

  async function inStore<T>(work: (store: Awaited<ReturnType<typeof openStore>>) => Promise<T>): Promise<T> {
    const folder = mkdtempSync(join(tmpdir(), 'andon-bench-'))
    const store = await openStore({ kind: 'embedded', path: folder })
    try {
      return await work(store)
    } finally {
      await store.close()
      rmSync(folder, { recursive: true, force: true })
    }
  }

  const embedded = () =>
    inStore(async (store) => {
      const sequencer = await createSequencer({ ...common, store, clockMode: 'wall', onBatch: () => {} })
      const startedMs = wallClock.nowMs()
      const queue = [...requests]
      const sender = async () => {
        for (let body = queue.shift(); body; body = queue.shift())
          await sequencer.accept(decodeRequest('traces', PROTOBUF, body, namer))
      }
      await Promise.all(Array.from({ length: 16 }, sender))
      await sequencer.settle()
      const elapsedMs = wallClock.nowMs() - startedMs
      await sequencer.close()
      return elapsedMs
    })

  const broker = await startBroker()
  const kafka = kafkaConfig.parse({ brokers: [...broker.brokers] })
  const bus = createKafkaBus({ config: kafka, secrets: {}, clock: wallClock, log: silentLog })

  let storeBytes = 0
  const overKafka = (round: number) =>
    inStore(async (store) => {
      const topic = `spans-${round}`
      await bus.createTopics([{ topic, partitions: 6 }])
      for (let i = 0; i < requests.length; i += 20)
        await bus.send(
          topic,
          requests.slice(i, i + 20).map((value) => ({ value })),
        )
      const read = createReader({ ...kafka.topics, spans: topic }, namer, () => {})
      let counted = 0
      let startedMs = 0
      const done = Promise.withResolvers<number>()
      const membership = await bus.lead({
        group: topic,
        topics: [topic],
        run: (term) => {
          startedMs = wallClock.nowMs()
          return orderBatches(
            {
              ...common,
              store,
              factsOf: read,
              setAside: async () => {},
              onLost: () => {},
              onBatch: (batch) => {
                counted += batch.spans
                if (counted >= spans) done.resolve(wallClock.nowMs() - startedMs)
              },
            },
            term,
          )
        },
      })
      const elapsedMs = await done.promise
      await membership.close()
      const [size] = await rowsOf<{ n: number }>(
        store,
        'SELECT sum(bytes_on_disk) AS n FROM system.parts WHERE active AND database = currentDatabase()',
      )
      storeBytes = size?.n ?? 0
      return elapsedMs
    })

  const rate = (elapsedMs: number) => Math.round((spans / elapsedMs) * 1000)
  const rounds: Throughput[] = []
  try {
    for (let round = 0; round < options.rounds; round++) {
      const [direct, kafkaMs] = [await embedded(), await overKafka(round)]
      const measured = {
        embedded: rate(direct),
        kafka: rate(kafkaMs),
        ratio: Math.round((direct / kafkaMs) * 100) / 100,
      }
      rounds.push(measured)
      options.onRound?.(measured)
    }
  } finally {
    await bus.close()
    await broker.close()
  }
  const raw = Buffer.concat(requests)
  const sample = raw.subarray(0, 1 << 20)
  const otlp = raw.length / spans
  return {
    rounds,
    bytesPerSpan: {
      otlp: Math.round(otlp),
      inKafka: Math.round((zstdCompressSync(sample).length / sample.length) * otlp),
      inStore: Math.round(storeBytes / spans),
    },
  }
}
