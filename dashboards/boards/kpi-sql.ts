import { KPIS, type Kpi } from '../kpis.ts'
import { concerned, incidentSelected, releaseSelected, selected, wilson } from './sql.ts'
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
          WHERE day >= toDate($__fromTime, 'UTC') AND day <= toDate($__toTime, 'UTC') AND kpi IN (${namesOf(kpis)})
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

/** True for rollback events that were opened on a day of the range, as for the figures that are summed by day. */
export const openedInRange = (): string =>
  "toDate(opened_at) >= toDate($__fromTime, 'UTC') AND toDate(opened_at) <= toDate($__toTime, 'UTC')"

/** True for rollback events of the range and selection; one whose channel or queue is not told concerns each. */
export const inRange = (): string => `${openedInRange()}\nAND ${incidentSelected()}`

/** Hits among trials for people: "9 of 10". */
export const outOf = (hits: string, trials: string): string =>
  `concat(toString(toUInt64(${hits})), ' of ', toString(toUInt64(${trials})))`

/** The same with the 95 % interval of the share (Wilson): "9 of 10 (60 to 98 %)"; null where nothing was counted. */
export const shareOutOf = (hits: string, trials: string): string =>
  `if(${trials} > 0, concat(${outOf(hits, trials)}, ' (', ${percent(wilson('low', hits, trials))}, ' to ', ${percent(wilson('high', hits, trials))}, ' %)'), NULL)`

const percent = (share: string): string => `toString(round(100 * assumeNotNull(${share})))`

/** A stretch of time for people, in the unit that suits it. */
export const duration = (seconds: string): string =>
  `multiIf(${[
    [60, 1, 's'],
    [3600, 60, 'min'],
    [86_400, 3600, 'h'],
  ]
    .map(([below, per, unit]) => `${seconds} < ${below}, concat(toString(round(${seconds} / ${per}, 1)), ' ${unit}')`)
    .join(', ')}, concat(toString(round(${seconds} / 86400, 1)), ' d'))`

/** The median of what happened, which lies between the two in the middle of an even number; null where nothing did. */
export const median = (column: string, where: string = '1'): string =>
  `quantileExactInclusiveIf(0.5)(${column}, ${where})`

/** Amounts by currency, as rows (currency, amount), for people: "EUR 1250, USD 40 k"; currencies are never summed. */
export const amounts = (rows: string): string =>
  `arrayStringConcat(arrayMap(row -> concat(if(row.1 = '', 'no currency', row.1), ' ', multiIf(row.2 < 1e4, toString(round(row.2)),
            row.2 < 1e7, concat(toString(round(row.2 / 1e3)), ' k'), concat(toString(round(row.2 / 1e6, 1)), ' M'))), ${rows}), ', ')`
