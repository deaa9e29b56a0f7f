import type { ClickHouseClient } from '@clickhouse/client'
import { isDrill } from '../facts/drill.ts'
import type { Incident } from '../facts/incident.ts'
import { openStatesOf, type ReleaseView } from '../facts/overview.ts'
import { releaseKeyOf } from '../facts/slice.ts'
import { rowsOf } from '../store/store.clickhouse.ts'
import { withSilence } from './silence.ts'

const HOUR_MS = 3_600_000
const HOURS_SHOWN = 24

/** Releases as people see them: what the detector knows, with the state of their incidents, their contacts per hour, and whether they fell silent. */
export async function shownViews(
  store: ClickHouseClient,
  known: readonly ReleaseView[],
  incidents: readonly Incident[],
  nowMs: number,
): Promise<ReleaseView[]> {
  const states = openStatesOf(incidents)
  const fromHour = Math.floor(nowMs / HOUR_MS) - HOURS_SHOWN + 1
  const hourly = await rowsOf<{ environment: string; agent: string; release: string; hour: number; n: number }>(
    store,
    `SELECT environment, agent, release, intDiv(toUnixTimestamp(minute), 3600) AS hour, sum(rollup_minutes.n) AS n FROM rollup_minutes
     WHERE signal = '' AND measure = 'contacts' AND minute >= toDateTime({from:UInt32}) GROUP BY environment, agent, release, hour`,
    { from: Math.max(0, fromHour * 3600) },
  )
  const perHour = Map.groupBy(hourly, (row) => releaseKeyOf(row))
  return known
    .filter(({ release }) => !isDrill(release))
    .map((view) => {
      const key = releaseKeyOf(view.release)
      const counts = new Map((perHour.get(key) ?? []).map((row) => [row.hour, row.n]))
      const contactsPerHour = Array.from({ length: HOURS_SHOWN }, (_, hour) => counts.get(fromHour + hour) ?? 0)
      return withSilence({ ...view, state: states.get(key) ?? 'live', contactsPerHour }, nowMs)
    })
}
