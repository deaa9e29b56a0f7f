import type { ClickHouseClient } from '@clickhouse/client'
import type { Alerter } from '../alerts/alerter.ts'
import { type Config, signalsOf } from '../config.ts'
import { type Clock, wallClock } from '../lib/clock.ts'
import type { Log } from '../lib/log.ts'
import { scopesOf } from '../pipeline/places.ts'
import { createRecovery, type Recovery } from '../recovery/recovery.clickhouse.ts'

const HOUR_MS = 3_600_000
const FOLLOW_EVERY_MS = 5_000

/** The recovery of a store, by the rules of its configuration. */
export function recoveryOf(store: ClickHouseClient, config: Config, clock: Pick<Clock, 'nowMs'>): Recovery {
  const duplicates = signalsOf(config).find((signal) => signal.name === 'duplicate_creations')
  return createRecovery({
    store,
    clock,
    scopeOf: scopesOf(config.judge.environments),
    caseIdleMs: config.recovery.caseIdleHours * HOUR_MS,
    ...(duplicates?.evaluator === 'recurrence' && { duplicateWindowMs: duplicates.windowHours * HOUR_MS }),
  })
}

/** Lists what pauses touched and reads what systems report about it, until told to stop; a failed turn is tried again. */
export async function followRecovery(edges: {
  recovery: Recovery
  alerter: Alerter
  log: Log
  signal: AbortSignal
}): Promise<void> {
  const { recovery, alerter, log, signal } = edges
  while (!signal.aborted) {
    await wallClock.sleep(FOLLOW_EVERY_MS, signal)
    if (signal.aborted) return
    try {
      await recovery.tick(alerter.incidents())
    } catch (error) {
      log.error({ err: (error as Error).message }, 'the recovery could not be followed; trying again')
    }
  }
}
