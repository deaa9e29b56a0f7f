import type { ClickHouseClient } from '@clickhouse/client'
import { Gauge, type Registry } from 'prom-client'
import type { Log } from '../lib/log.ts'
import { rowsOf } from '../store/store.clickhouse.ts'
import { inTimeForScrape } from './scrape.ts'

/**
 * When telemetry was last accepted, by the monitor's clock, in seconds; 0 while nothing ever was. As the store has it: a process that was just started,
 * or stands by, says the same as the one that counts. While the store does not answer it is what was last known, and no sample where nothing was.
 */
export function createLastAcceptedMetric(edges: { registry: Registry; store: ClickHouseClient; log: Log }): void {
  let knownS: number | null = null
  new Gauge({
    name: 'andon_last_accepted_timestamp_seconds',
    help: 'When telemetry was last accepted; 0 while nothing ever was.',
    registers: [edges.registry],
    async collect() {
      try {
        knownS = await inTimeForScrape(lastAcceptedS(edges.store))
      } catch (error) {
        edges.log.warn({ err: (error as Error).message }, 'the last batch could not be read for the metrics')
      }
      if (knownS === null) this.remove()
      else this.set(knownS)
    },
  })
}

/** The last batch by its key: the table grows with the store and is never read as a whole. */
async function lastAcceptedS(store: ClickHouseClient): Promise<number> {
  const [last] = await rowsOf<{ acceptedMs: number }>(
    store,
    'SELECT toUnixTimestamp64Milli(accepted_at) AS acceptedMs FROM batches ORDER BY seq DESC LIMIT 1',
  )
  return (last?.acceptedMs ?? 0) / 1000
}
