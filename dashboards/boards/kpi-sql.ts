import { KPIS, type Kpi } from '../kpis.ts'
import { concerned, incidentSelected, releaseSelected, selected } from './sql.ts'
import { sql } from './text.ts'

/** Pieces of SQL over the views of KPIs (store/migrations/0008_recovery.sql). */

export function kpiOf(name: string): Kpi {
  const kpi = KPIS.find((candidate) => candidate.name === name)
  if (!kpi) throw new Error(`there is no KPI '${name}'; see dashboards/kpis.ts`)
  return kpi
}

/** Only the view that has them is read: the others would be computed in vain. */
const viewOf = (kpis: readonly string[]): string => {
  const views = new Set(kpis.map((name) => kpiOf(name).view))
  return views.size === 1 ? [...views][0]! : 'kpi_parts'
}

/** The parts of these KPIs in the range and selection, as a table. */
export const days = (kpis: readonly string[]): string => sql`
        (
          SELECT day, kpi, channel, queue, agent, release, environment, currency, numerator, denominator, is_ratio
          FROM ${viewOf(kpis)}
          WHERE day >= toDate($__fromTime) AND day <= toDate($__toTime) AND kpi IN (${namesOf(kpis)})
            AND ${releaseSelected()} AND ${ofSlice('channel', kpis)} AND ${ofSlice('queue', kpis)}
        )`

const namesOf = (kpis: readonly string[]): string => kpis.map((kpi) => `'${kpi}'`).join(', ')

/** Figures of a selected slice, and those of incidents that concern all slices. */
function ofSlice(column: 'channel' | 'queue', kpis: readonly string[]): string {
  const ofIncidents = kpis.filter((name) => kpiOf(name).view === 'kpi_incident_parts')
  if (ofIncidents.length === 0) return selected(column)
  if (ofIncidents.length === kpis.length) return concerned(column)
  return `(${selected(column)} OR ${column} = '' AND kpi IN (${namesOf(ofIncidents)}))`
}

/** Sums of both parts, then their quotient: KPIs are never averaged. */
export const VALUE =
  'if(max(is_ratio) = 1, if(sum(denominator) > 0, sum(numerator) / sum(denominator), NULL), sum(numerator))'

/** True for rollback events that were opened in the range and concern the selection. */
export const inRange = (): string => `opened_at >= $__fromTime AND opened_at <= $__toTime\nAND ${incidentSelected()}`
