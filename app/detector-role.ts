import { type LeadOptions, partitionKey, type Term } from '../bus/bus.ts'
import { triggersOf } from '../config.ts'
import { createDetector, type Detector } from '../detectors/detector.clickhouse.ts'
import { createHistory } from '../detectors/history.clickhouse.ts'
import { DRILL, isDrill } from '../facts/drill.ts'
import { wallClock } from '../lib/clock.ts'
import { fenced } from '../pipeline/fence.ts'
import { isMigrated } from '../store/store.clickhouse.ts'
import { drillTrigger } from './drill.ts'
import { readOn } from './read-on.ts'
import { restartEvidence } from './restart.ts'
import type { RestartAnswer, RestartRequest } from './restart-over-bus.ts'
import type { Shared } from './roles.ts'
import { saidIn } from './said.ts'

/** New batches are looked for so often; the cost of a look that finds none is one small statement. */
const TICK_MS = 500
const SAVE_EVERY_MS = 30_000
const MAX_BYTES = 1 << 20

/**
 * The active detector judges new batches and tells the alerter over a topic. What it told before its evidence was stored it tells again
 * after a takeover, in the same words: the alerter knows a finding by its facts. The alerter's requests come over another topic, whose
 * group says which detector is active.
 */
export function leadDetector({ config, kafka, store, bus, metrics, log }: Shared): LeadOptions {
  const tell = (said: object) => bus.send(kafka.topics.findings, [{ value: Buffer.from(JSON.stringify(said)) }])
  return {
    group: `${kafka.groupPrefix}-detector`,
    topics: [kafka.topics.requests],
    run: async (term) => {
      await untilMigrated(store, term)
      const held = fenced(store, term)
      const detector = await createDetector({
        store: held,
        triggers: [...triggersOf(config), drillTrigger(config)],
        judgedEnvironments: [...config.judge.environments, DRILL.environment],
        clock: wallClock,
        clockMode: 'wall',
        onBreach: async (finding) => {
          await tell(finding)
          metrics.finding()
        },
        history: createHistory(held),
        log,
      })
      metrics.show(() => detector.views().filter(({ release }) => !isDrill(release)))
      await readOn(term, { topics: [kafka.topics.requests], onLost: metrics.lost, log })
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
          for (const record of await term.poll({ maxBytes: MAX_BYTES, waitMs: more ? 0 : TICK_MS })) {
            const request = saidIn<RestartRequest>(record, log)
            if (request) await tell(await answerTo(detector, request))
            await term.commit({ [partitionKey(record.topic, record.partition)]: record.offset + 1 })
          }
        }
        // Nothing is stored at the end: a successor may have begun, and evidence is a fold over batches that it computes itself.
      } catch (error) {
        metrics.tickFailed()
        throw error
      } finally {
        metrics.show(() => [])
      }
    },
  }
}

async function answerTo(detector: Detector, { id, release, trigger }: RestartRequest): Promise<RestartAnswer> {
  return { kind: 'restarted', id, restart: await restartEvidence(detector, release, trigger) }
}

/** Waits until the active pipeline has made the tables. */
export async function untilMigrated(store: Shared['store'], term: Term): Promise<void> {
  while (!term.signal.aborted && !(await isMigrated(store))) await wallClock.sleep(TICK_MS, term.signal)
}
