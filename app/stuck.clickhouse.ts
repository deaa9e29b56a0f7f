import type { ClickHouseClient } from '@clickhouse/client'
import { createPatience, type Patience } from '../pipeline/patience.ts'
import { lastWhole } from '../pipeline/stored.clickhouse.ts'

/** A batch at which a pipeline over Kafka fails again and again, in the same way: it drives it for ever, and says so. */
export type StuckBatch = Readonly<{ seq: number; error: string }>

export type StuckBatches = Readonly<{
  /** Takes note of how the terms of a pipeline, or of a lane, end. */
  watched: <Given extends readonly unknown[]>(
    run: (...given: Given) => Promise<void>,
  ) => (...given: Given) => Promise<void>
  /** The batch at which this process fails; null when there is none, or it is whole by now. Rejects while the store is away. */
  find: () => Promise<StuckBatch | null>
}>

export function createStuckBatches(store: ClickHouseClient): StuckBatches {
  let stuck: StuckBatch | null = null

  const note = async (patience: Patience, error: unknown): Promise<void> => {
    const seq = (await lastWhole(store)).seq + 1
    if (patience.verdictOn(seq, error) === 'hopeless') stuck = { seq, error: (error as Error).message }
  }
  return {
    watched: (run) => {
      const patience = createPatience()
      return async (...given) => {
        try {
          await run(...given)
        } catch (error) {
          await note(patience, error).catch(() => {}) // where the store is away no batch is at fault
          throw error
        }
      }
    },
    find: async () => {
      if (stuck !== null && (await lastWhole(store)).seq >= stuck.seq) stuck = null
      return stuck
    },
  }
}
