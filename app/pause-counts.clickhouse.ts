import type { ClickHouseClient } from '@clickhouse/client'
import type { Incident } from '../facts/incident.ts'
import { rowsOf } from '../store/store.clickhouse.ts'

type Row = Readonly<{
  incidentId: string
  acceptedMs: number
  scope: readonly string[]
  contacts: number
  writes: number
}>

/** Names of what is stopped, as the view `incident_clock` writes them. */
const scopeOf = ({ scope }: Incident): string[] => scope.map(({ channel, queue }) => `${channel} ${queue}`)

/** Keeps what has begun so far after a pause whose stop is not proven: the journal counts only then. */
export const keepPauseCounts =
  (store: ClickHouseClient) =>
  async (incident: Incident): Promise<void> => {
    const row = {
      incident_id: incident.incidentId,
      accepted_ms: incident.clock.acceptedMs,
      scope: scopeOf(incident),
      contacts: incident.contactsAfterPause,
      writes: incident.writesAfterPause,
    }
    await store.insert({ table: 'pause_counts', values: [row], format: 'JSONEachRow' })
  }

/** Incidents of the journal with the latest counts that were kept, where the stop is not proven and what is stopped is still the same. */
export async function countedWith(
  store: ClickHouseClient,
  incidents: readonly Incident[],
): Promise<readonly Incident[]> {
  if (!incidents.some(({ state }) => state === 'paused')) return incidents
  const rows = await rowsOf<Row>(
    store,
    `SELECT incident_id AS incidentId, accepted_ms AS acceptedMs, scope, contacts, writes FROM pause_counts
     ORDER BY kept_at DESC LIMIT 1 BY incident_id`,
  )
  const latest = new Map(rows.map((row) => [row.incidentId, row]))
  return incidents.map((incident) => {
    const row = latest.get(incident.incidentId)
    const isAboutIt =
      row?.acceptedMs === incident.clock.acceptedMs && JSON.stringify(row.scope) === JSON.stringify(scopeOf(incident))
    if (incident.state !== 'paused' || !row || !isAboutIt) return incident
    return { ...incident, contactsAfterPause: row.contacts, writesAfterPause: row.writes }
  })
}
