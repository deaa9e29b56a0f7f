import { amounts, days, duration, inRange, kpiOf, median, openedInRange, outOf, shareOutOf, VALUE } from './kpi-sql.ts'
import { descriptionOf } from './leaders-tables.ts'
import { FEW, type PanelSource, stat, statOfText } from './panels.ts'
import { clickhouse } from './query.ts'
import { releaseSelected, selected } from './sql.ts'
import { sql } from './text.ts'

/** The numbers at the top of the board Leaders: how often and how rightly, how fast, and what it did to customers. */
export const leadersNumbers = (): PanelSource[] => [
  rollbacks(),
  foundByPeople(),
  precision(),
  recovery(),
  ...TIMES.map(medianOf),
  total('contacts_exposed', 6),
  total('affected_contacts', 6),
  customers(),
  money(),
]

const total = (name: string, width: number): PanelSource => {
  const kpi = kpiOf(name)
  return stat({
    title: kpi.title,
    description: descriptionOf(kpi),
    unit: 'short',
    width,
    height: 3,
    whenEmpty: '0',
    queries: [clickhouse(sql`SELECT ${VALUE} AS value FROM ${days([name])} HAVING count() > 0`, 'table')],
  })
}

const rollbacks = (): PanelSource => total('rollback_events', 5)

const foundByPeople = (): PanelSource =>
  statOfText({
    title: 'Found by people first',
    description:
      'Rollback events that a person ordered before any trigger did, of all: what the cord missed. Precision says nothing of these.',
    unit: 'none',
    width: 5,
    height: 3,
    whenEmpty: FEW.noIncident,
    queries: [
      clickhouse(
        sql`
        SELECT ${outOf('countIf(by_person)', 'count()')} AS found
        FROM kpi_incidents
        WHERE ${inRange()}
        HAVING count() > 0`,
        'table',
      ),
    ],
  })

const precision = (): PanelSource => {
  const kpi = kpiOf('pause_precision')
  return statOfText({
    title: kpi.title,
    description: `${descriptionOf(kpi)} In brackets the 95 % interval of the share (Wilson): few verdicts prove little.`,
    unit: 'none',
    width: 7,
    height: 3,
    whenEmpty: FEW.noVerdict,
    queries: [
      clickhouse(
        sql`
        SELECT ${shareOutOf('hits', 'trials')} AS confirmed
        FROM (SELECT sum(numerator) AS hits, sum(denominator) AS trials FROM ${days([kpi.name])} HAVING count() > 0)`,
        'table',
      ),
    ],
  })
}

const recovery = (): PanelSource => {
  const kpi = kpiOf('recovery_completeness')
  return statOfText({
    title: kpi.title,
    description: descriptionOf(kpi),
    unit: 'none',
    width: 7,
    height: 3,
    whenEmpty: FEW.nothingToRecover,
    queries: [
      clickhouse(
        sql`
        SELECT concat(${outOf('sum(numerator)', 'sum(denominator)')}, ' (', toString(floor(100 * sum(numerator) / sum(denominator))), ' %)') AS done
        FROM ${days([kpi.name])}
        HAVING sum(denominator) > 0`,
        'table',
      ),
    ],
  })
}

const TIMES = [
  {
    what: 'detect',
    floor: 'floor_seconds_to_detect',
    of: 'From the estimated onset of the harm to its detection. The floor is what any test with the same promise needs on average for a harm of this size, at the traffic of that time (docs/statistics.md): traffic sets it, not the monitor.',
  },
  {
    what: 'pause',
    floor: 'floor_seconds_to_pause',
    of: 'From detection to the acceptance of the pause. The floor is one round trip to the target that accepted it; a platform that asks by itself has none.',
  },
  {
    what: 'drain',
    floor: null,
    of: 'From acceptance to the end of the last span. No floor is told: it is the longest contact under way at the acceptance, which is not kept. Where no contact began after the pause, this time is that floor.',
  },
] as const

/** The factor is that of the events which have both, each over its own floor. */
const medianOf = ({ what, floor, of }: (typeof TIMES)[number]): PanelSource => {
  const column = `seconds_to_${what}`
  const factor = floor === null ? 'NULL' : median(`${column} / nullIf(${floor}, 0)`)
  return statOfText({
    title: `Median time to ${what}`,
    description: `${of} Median over the rollback events of the range, with their number.`,
    unit: 'none',
    width: 8,
    height: 3,
    whenEmpty: FEW.noIncident,
    queries: [
      clickhouse(
        sql`
        SELECT concat(${duration('seconds')}, ', n ', toString(events), ifNull(concat(', ', toString(round(factor, 1)), ' × floor'), '')) AS time_and_floor
        FROM (
          SELECT assumeNotNull(${median(column)}) AS seconds, count(${column}) AS events, ${factor} AS factor
          FROM kpi_incidents
          WHERE ${inRange()}
        )
        WHERE events > 0`,
        'table',
      ),
    ],
  })
}

/** Unlike the sum of the KPI, which counts a customer in each incident. */
const customers = (): PanelSource =>
  stat({
    title: 'Affected customers',
    description:
      'Different customers in the affected sets of the rollback events of the range, each once however many of them touched the same one. Channel and queue are those of their latest contact.',
    unit: 'short',
    width: 6,
    height: 3,
    whenEmpty: '0',
    queries: [
      clickhouse(
        sql`
        SELECT toFloat64(uniqExact(environment, item)) AS customers
        FROM affected_now
        WHERE kind = 'customer' AND incident_id IN (SELECT incident_id FROM kpi_incidents WHERE ${openedInRange()})
          AND ${releaseSelected()} AND ${selected('channel')} AND ${selected('queue')}`,
        'table',
      ),
    ],
  })

const money = (): PanelSource => {
  const kpi = kpiOf('amount_at_risk')
  return statOfText({
    title: kpi.title,
    description: `${descriptionOf(kpi)}`,
    unit: 'none',
    width: 6,
    height: 3,
    whenEmpty: FEW.noAmount,
    queries: [
      clickhouse(
        sql`
        SELECT ${amounts('arrayReverseSort(row -> row.2, groupArray((currency, amount)))')} AS at_risk
        FROM (
          SELECT currency, sum(numerator) AS amount
          FROM ${days([kpi.name])}
          GROUP BY currency
          HAVING amount != 0
        )
        HAVING count() > 0`,
        'table',
      ),
    ],
  })
}
