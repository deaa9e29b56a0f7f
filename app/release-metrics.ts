import { Gauge, type Registry as Metrics } from 'prom-client'
import type { Log } from '../lib/log.ts'
import type { ReleaseState } from '../releases/life.ts'
import type { Registry } from '../releases/registry.ts'
import { inTimeForScrape } from './scrape.ts'

const NONE: Readonly<Record<ReleaseState, number>> = {
  live: 0,
  pausing: 0,
  paused: 0,
  recovering: 0,
  resumed: 0,
  rolled_back: 0,
  retired: 0,
}

/** Releases by state, read when asked; a scrape that cannot read them shows none rather than old ones. */
export function createReleaseMetrics(edges: { metrics: Metrics; releases: Registry['list']; log: Log }): void {
  new Gauge({
    name: 'andon_releases',
    help: 'Releases that were seen or registered, by state.',
    labelNames: ['state'],
    registers: [edges.metrics],
    async collect() {
      this.reset()
      try {
        const count = { ...NONE }
        for (const { state } of await inTimeForScrape(edges.releases())) count[state] += 1
        for (const [state, value] of Object.entries(count)) this.set({ state }, value)
      } catch (error) {
        edges.log.warn({ err: (error as Error).message }, 'releases could not be counted for the metrics')
      }
    },
  })
}
