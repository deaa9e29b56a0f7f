import type { ClickHouseClient } from '@clickhouse/client'
import { Gauge, type Registry } from 'prom-client'
import type { Log } from '../lib/log.ts'
import { rowsOf } from '../store/store.clickhouse.ts'
import { inTimeForScrape } from './scrape.ts'

type LastDrill = { agent: string; passed: number; startedS: number }

/** How the last drill of every agent went, as the store has it, so that a drill run by another process is told as well. */
export function createDrillMetrics(edges: { registry: Registry; store: ClickHouseClient; log: Log }): void {
  const perAgent = (name: string, help: string, pick: (drill: LastDrill) => number) =>
    new Gauge({
      name,
      help,
      labelNames: ['agent'],
      registers: [edges.registry],
      async collect() {
        const drills = await inTimeForScrape(lastDrills(edges.store)).catch((error: Error) => {
          edges.log.warn({ err: error.message }, 'the drills could not be read for the metrics')
          return null
        })
        if (drills === null) return
        this.reset()
        for (const drill of drills) this.set({ agent: drill.agent }, pick(drill))
      },
    })
  perAgent('andon_last_drill_timestamp_seconds', 'When the last drill of an agent began.', (drill) => drill.startedS)
  perAgent(
    'andon_last_drill_passed',
    '1 when the last drill of an agent was detected and its pause accepted in time, else 0.',
    (drill) => drill.passed,
  )
}

const lastDrills = (store: ClickHouseClient): Promise<LastDrill[]> =>
  rowsOf<LastDrill>(
    store,
    `SELECT agent, argMax(drills.passed, drills.started_at) AS passed, toUnixTimestamp(max(drills.started_at)) AS startedS
     FROM drills GROUP BY agent ORDER BY startedS DESC LIMIT 100`,
  )
