import type { LeadOptions, Term } from '../bus/bus.ts'
import { triggersOf } from '../config.ts'
import { createDetector } from '../detectors/detector.clickhouse.ts'
import { createHistory } from '../detectors/history.clickhouse.ts'
import { wallClock } from '../lib/clock.ts'
import { isMigrated } from '../store/store.clickhouse.ts'
import type { Shared } from './roles.ts'

/** New batches are looked for so often; the cost of a look that finds none is one small statement. */
const TICK_MS = 500
const SAVE_EVERY_MS = 30_000

/**
 * The active detector judges new batches and tells the alerter over a topic. What it told before its evidence was stored it tells again
 * after a takeover, in the same words: the alerter knows a finding by its facts.
 */
export function leadDetector({ config, kafka, store, bus, metrics, active, log }: Shared): LeadOptions {
  return {
    group: `${kafka.groupPrefix}-detector`,
    topics: [kafka.topics.leases],
    run: async (term) => {
      await untilMigrated(store, term)
      const detector = await createDetector({
        store,
        triggers: triggersOf(config),
        judgedEnvironments: config.judge.environments,
        clock: wallClock,
        clockMode: 'wall',
        onBreach: async (finding) => {
          await bus.send(kafka.topics.findings, [{ value: Buffer.from(JSON.stringify(finding)) }])
          metrics.finding()
        },
        history: createHistory(store),
        log,
      })
      active.detector = detector
      metrics.show(detector.views)
      let savedMs = wallClock.nowMs()
      try {
        while (term.isCurrent()) {
          const startedMs = wallClock.nowMs()
          const { more } = await detector.tick()
          metrics.tick(wallClock.nowMs() - startedMs)
          if (wallClock.nowMs() - savedMs > SAVE_EVERY_MS) {
            await detector.save()
            savedMs = wallClock.nowMs()
          }
          if (!more) await wallClock.sleep(TICK_MS, term.signal)
        }
        // Evidence is a fold over batches: saving it a moment late only repeats what the successor computes too.
        await detector.save()
      } catch (error) {
        metrics.tickFailed()
        throw error
      } finally {
        active.detector = null
        metrics.show(() => [])
      }
    },
  }
}

/** Waits until the active pipeline has made the tables. */
export async function untilMigrated(store: Shared['store'], term: Term): Promise<void> {
  while (!term.signal.aborted && !(await isMigrated(store))) await wallClock.sleep(TICK_MS, term.signal)
}
