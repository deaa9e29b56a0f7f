import { CustomVariableBuilder, type Dashboard, DashboardBuilder } from '@grafana/grafana-foundation-sdk/dashboard'
import { pauses } from './annotations.ts'
import { board } from './board.ts'
import { named } from './fields.ts'
import { days, inRange, kpiOf, median, VALUE } from './kpi-sql.ts'
import { leadersNumbers } from './leaders-numbers.ts'
import { clocks, consequences, descriptionOf, kpiTables, UNITS } from './leaders-tables.ts'
import { NO_CONTACTS, NO_INCIDENT, type PanelSource, row, series } from './panels.ts'
import { clickhouse } from './query.ts'
import { JUDGED_COLUMNS, valuesOf } from './sql.ts'
import { sql } from './text.ts'
import type { Variable } from './variables.ts'

/** For leaders: how often releases are taken back, how fast, how rightly, and what it cost customers. */
export function leaders(): Dashboard {
  const builder = board(new DashboardBuilder('Leaders'), {
    name: 'leaders',
    description:
      'Rollbacks, how fast and how rightly they were made, what customers went through, and how far recovery is; per channel and period, in days of UTC. A region does not narrow it: the KPIs know none. For those who answer for the agents.',
    shows: ['clickhouse', ...JUDGED_COLUMNS],
    own: [period()],
    annotations: [pauses()],
    timezone: 'utc',
    from: 'now-90d',
    refresh: '15m',
  })
  for (const panel of leadersNumbers()) builder.withPanel(panel)
  builder.withRow(row('Rollbacks, how rightly and how fast'))
  for (const panel of [
    perPeriod('rollback_events'),
    perPeriod('pause_precision'),
    timeToDetect(),
    timeToPauseAndDrain(),
    clocks(),
  ])
    builder.withPanel(panel)
  builder.withRow(row('What customers went through'))
  for (const name of [
    'repeat_contact_rate',
    'complaint_rate',
    'reopened_rate',
    'update_success_rate',
    'duplicate_rate',
    'review_minutes_per_action',
  ])
    builder.withPanel(perPeriod(name))
  builder.withRow(row('Recovery'))
  for (const panel of [perPeriod('affected_contacts'), perPeriod('recovery_completeness'), consequences()])
    builder.withPanel(panel)
  builder.withRow(row('All figures by channel'))
  for (const panel of kpiTables('channel')) builder.withPanel(panel)
  builder.withRow(row('All figures by release'))
  for (const panel of kpiTables('release')) builder.withPanel(panel)
  return builder.build()
}

const period = (): Variable =>
  new CustomVariableBuilder('period')
    .label('Period')
    .description('Length of one bar or point. Weeks begin on Monday; all in UTC.')
    .values('day,week,month')
    .current({ text: 'week', value: 'week' })
    .options(['day', 'week', 'month'].map((value) => ({ text: value, value, selected: value === 'week' })))

const PERIOD_START = `toDateTime(multiIf(has(${valuesOf('period')}, 'day'), day, has(${valuesOf('period')}, 'month'), toStartOfMonth(day), toMonday(day)), 'UTC')`

/** One KPI per period and channel. A rollback event stands under the channel that carried most of its evidence. */
function perPeriod(name: string): PanelSource {
  const kpi = kpiOf(name)
  const isCount = kpi.denominator === ''
  const isOfContacts = kpi.countedAt === 'start of the contact'
  return series({
    title: `${kpi.title} by channel`,
    description: `${descriptionOf(kpi)}${kpi.view === 'kpi_incident_parts' ? ' Channel: that which carried most of the evidence.' : ''}`,
    unit: UNITS[kpi.unit],
    width: 12,
    height: 8,
    ...(name !== 'update_success_rate' && { min: 0 }),
    ...(['pause_precision', 'recovery_completeness'].includes(name) && { max: 1 }),
    ...(isCount ? { draw: 'bars' as const, stacked: true } : { marked: true }),
    interval: '1d',
    whenEmpty: isOfContacts ? `${NO_CONTACTS} ${kpi.note}`.trim() : NO_INCIDENT,
    queries: [
      clickhouse(
        sql`
        SELECT ${PERIOD_START} AS time, if(channel = '', '${isOfContacts ? 'no channel' : 'all channels'}', channel) AS series, ${VALUE} AS value
        FROM ${days([name])}
        GROUP BY time, series
        HAVING value IS NOT NULL
        ORDER BY time`,
        'series',
      ),
    ],
  })
}

const medians = (
  look: Readonly<{ title: string; description: string; columns: Readonly<Record<string, string>> }>,
  overrides: Parameters<typeof series>[0]['overrides'] & {},
): PanelSource =>
  series({
    title: look.title,
    description: look.description,
    unit: 's',
    width: 12,
    height: 8,
    min: 0,
    interval: '1d',
    marked: true,
    legend: '${__field.name}',
    whenEmpty: NO_INCIDENT,
    queries: [
      clickhouse(
        sql`
        SELECT ${PERIOD_START} AS time,
          ${Object.entries(look.columns)
            .map(([name, value]) => `${value} AS ${name}`)
            .join(',\n')}
        FROM (SELECT toDate(opened_at) AS day, * FROM kpi_incidents WHERE ${inRange()})
        GROUP BY time
        ORDER BY time`,
        'series',
      ),
    ],
    overrides,
  })

const asFloor = (displayName: string) =>
  named(displayName, [{ id: 'custom.lineStyle', value: { fill: 'dash', dash: [8, 6] } }])

const HAS_FLOOR = 'isNotNull(floor_seconds_to_detect) AND isNotNull(seconds_to_detect)'
const timeToDetect = (): PanelSource =>
  medians(
    {
      title: 'Time to detect and its floor',
      description:
        'Medians per period over the rollback events whose floor is known (a test of evidence found them). The floor: what any test with the same promise needs on average for a harm of this size, at the traffic of that time, log(1/α) over what one contact teaches (docs/statistics.md). It leans low by about a tenth, as the estimated size of the harm leans high.',
      columns: {
        to_detect: median('seconds_to_detect', HAS_FLOOR),
        floor_to_detect: median('floor_seconds_to_detect', HAS_FLOOR),
      },
    },
    { to_detect: named('Time to detect'), floor_to_detect: asFloor('Floor of any test') },
  )

const HAS_TRIP = 'isNotNull(floor_seconds_to_pause) AND isNotNull(seconds_to_pause)'
const timeToPauseAndDrain = (): PanelSource =>
  medians(
    {
      title: 'Time to pause and to drain',
      description:
        'Medians per period over rollback events. The floor of a pause is one round trip to the target that accepted it, and stands beside the pauses that a target was told of. A drain has no floor here: it is the longest contact under way at the acceptance, which is not kept.',
      columns: {
        to_pause: median('seconds_to_pause', HAS_TRIP),
        floor_to_pause: median('floor_seconds_to_pause', HAS_TRIP),
        to_pause_asked: median('seconds_to_pause', `NOT (${HAS_TRIP})`),
        to_drain: median('seconds_to_drain'),
      },
    },
    {
      to_pause: named('Time to pause'),
      floor_to_pause: asFloor('Floor: one round trip'),
      to_pause_asked: named('Time to pause, platform asked by itself or by hand'),
      to_drain: named('Time to drain'),
    },
  )
