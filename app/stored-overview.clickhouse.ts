import type { ClickHouseClient } from '@clickhouse/client'
import { foldEvents } from '../alerts/incident.ts'
import { clickhouseJournal } from '../alerts/journal.clickhouse.ts'
import { type Config, triggersOf } from '../config.ts'
import { createDetector } from '../detectors/detector.clickhouse.ts'
import type { Incident } from '../facts/incident.ts'
import type { Overview } from '../facts/overview.ts'
import { wallClock } from '../lib/clock.ts'
import { silentLog } from '../lib/log.ts'
import { countSetAside } from '../pipeline/set-aside.clickhouse.ts'
import { rowsOf } from '../store/store.clickhouse.ts'
import { countedWith } from './pause-counts.clickhouse.ts'
import { shownViews } from './shown-views.clickhouse.ts'

/**
 * What a monitor would show of this store, as of the last batch that was counted: its evidence, caught up in memory, and its journal.
 * Nothing is written, nobody is told. `liveMs`: the wall clock, where a monitor is at work on the store; else its clock is the last batch's.
 */
export async function storedOverview(
  store: ClickHouseClient,
  config: Config,
  liveMs: number | null = null,
): Promise<Overview> {
  const detector = await createDetector({
    store,
    triggers: triggersOf(config),
    judgedEnvironments: config.judge.environments,
    clock: wallClock,
    clockMode: 'event',
    onBreach: async () => {},
    log: silentLog,
    write: false,
  })
  while ((await detector.tick()).batches > 0);
  const [last] = await rowsOf<{ clockMs: number }>(
    store,
    'SELECT toUnixTimestamp64Milli(max(clock_at)) AS clockMs FROM batches',
  )
  const incidents = [...(await storedIncidents(store))].sort((a, b) => b.openedAtMs - a.openedAtMs)
  const nowMs = liveMs ?? last?.clockMs ?? 0
  return {
    clock: liveMs === null ? 'event' : 'wall',
    nowMs,
    seq: detector.seq(),
    waitingRows: 0,
    ingestLagSeconds: 0,
    setAside: await countSetAside(store),
    releases: await shownViews(store, detector.views(), incidents, nowMs),
    incidents,
  }
}

/** The incidents alone, as the journal has them, with what was counted so far after pauses whose stop is not proven. */
export const storedIncidents = async (store: ClickHouseClient): Promise<readonly Incident[]> =>
  countedWith(store, [...foldEvents(await clickhouseJournal(store).load()).values()])
