import type { LeadOptions } from '../bus/bus.ts'
import { countedSignals } from '../config.ts'
import { compileSignals } from '../detectors/signals/compile.ts'
import { wallClock } from '../lib/clock.ts'
import { orderBatches } from '../pipeline/order.clickhouse.ts'
import { applyRetention } from '../store/retention.clickhouse.ts'
import { migrate } from '../store/store.clickhouse.ts'
import { finishForgetting } from './forget.clickhouse.ts'
import type { Shared } from './roles.ts'
import { createReader, setAside } from './telemetry-records.ts'

const HOUR_MS = 3_600_000

/** The active pipeline counts what stands in the telemetry topics; it alone changes tables. */
export function leadPipeline({ config, kafka, store, bus, namer, metrics, log }: Shared): LeadOptions {
  const { spans, metrics: points, logs, outcomes, deadLetters } = kafka.topics
  const statements = compileSignals(countedSignals(config))
  return {
    group: `${kafka.groupPrefix}-pipeline`,
    topics: [spans, points, logs, outcomes],
    run: async (term) => {
      await migrate(store)
      await finishForgetting(store)
      await applyRetention(store, config.store.retentionDays)
      if (!term.isCurrent()) return
      await orderBatches(
        {
          store,
          statements,
          judgedEnvironments: config.judge.environments,
          idleMs: config.contact.idleHours === null ? null : config.contact.idleHours * HOUR_MS,
          clock: wallClock,
          holdMs: config.inherit.holdSeconds * 1000,
          factsOf: createReader(kafka.topics, namer, metrics.rejected),
          setAside: async (poison) => {
            await setAside(bus, deadLetters, poison)
            for (const { poison: record, reason } of poison) {
              metrics.deadLetter(record.topic)
              log.warn(
                { topic: record.topic, partition: record.partition, offset: record.offset, reason },
                'a record cannot be read; it is a dead letter now',
              )
            }
          },
          onBatch: metrics.batch,
          onLost: metrics.lost,
          log,
        },
        term,
      )
    },
  }
}
