import type { LeadOptions, ShareOptions } from '../bus/bus.ts'
import { countedSignals } from '../config.ts'
import { compileSignals } from '../detectors/signals/compile.ts'
import { wallClock } from '../lib/clock.ts'
import { countInLanes } from '../pipeline/counting.clickhouse.ts'
import { fenced } from '../pipeline/fence.ts'
import { driveLane } from '../pipeline/lane.clickhouse.ts'
import { orderBatches } from '../pipeline/order.clickhouse.ts'
import { WHY_BARE } from '../pipeline/readable.clickhouse.ts'
import { applyRetention } from '../store/retention.clickhouse.ts'
import { migrate } from '../store/store.clickhouse.ts'
import { untilMigrated } from './detector-role.ts'
import { finishForgetting } from './forget.clickhouse.ts'
import type { Shared } from './roles.ts'
import { createReader, setAside } from './telemetry-records.ts'

const HOUR_MS = 3_600_000

/** How every pipeline of this configuration counts. */
const countingOf = ({ config, store, metrics, log }: Shared) => ({
  store,
  statements: compileSignals(countedSignals(config)),
  judgedEnvironments: config.judge.environments,
  idleMs: config.contact.idleHours === null ? null : config.contact.idleHours * HOUR_MS,
  clock: wallClock,
  onBatch: metrics.batch,
  onUnreadable: (facts: number) => {
    metrics.rejected('unreadable', facts)
    log.error({ facts }, WHY_BARE)
  },
})

/** The active pipeline puts in order what stands in the telemetry topics, and counts it unless lanes do; it alone changes tables. */
export function leadPipeline(shared: Shared): LeadOptions {
  const { config, kafka, store, bus, namer, metrics, log } = shared
  const { spans, metrics: points, logs, outcomes, deadLetters, lanes: topic } = kafka.topics
  const countIn = countInLanes({ bus, topic, lanes: kafka.lanes, clock: wallClock })
  return {
    group: `${kafka.groupPrefix}-pipeline`,
    topics: [spans, points, logs, outcomes],
    run: async (term) => {
      const held = fenced(store, term)
      await migrate(held)
      await finishForgetting(held)
      await applyRetention(held, config.store.retentionDays)
      await orderBatches(
        {
          ...countingOf(shared),
          ...(kafka.lanes > 1 && { countIn }),
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
          onProgress: metrics.progress,
          onLost: metrics.lost,
          log,
        },
        term,
      )
    },
  }
}

/** Every pipeline counts some of the lanes. */
export function shareLanes(shared: Shared): ShareOptions {
  const { kafka, store, bus } = shared
  const { lanes: topic } = kafka.topics
  return {
    group: `${kafka.groupPrefix}-lanes`,
    topic,
    run: async (term, lane) => {
      await untilMigrated(store, term)
      if (term.isCurrent()) await driveLane({ ...countingOf(shared), bus, topic }, term, lane)
    },
  }
}
