import { CustomVariableBuilder, type Dashboard, DashboardBuilder } from '@grafana/grafana-foundation-sdk/dashboard'
import { KPIS, type Kpi, type KpiUnit } from '../kpis.ts'
import { pauses } from './annotations.ts'
import { board } from './board.ts'
import { days, inRange, kpiOf, VALUE } from './kpi-sql.ts'
import { boardUrl, ofRow } from './links.ts'
import {
  atLeast,
  BAD,
  CAREFUL,
  cellLink,
  FEW,
  GOOD,
  hidden,
  LASTED,
  NO_CONTACTS,
  NO_INCIDENT,
  named,
  type PanelSource,
  row,
  series,
  stat,
  table,
  unit,
  WHEN,
  width,
} from './panels.ts'
import { clickhouse } from './query.ts'
import { JUDGED_COLUMNS, releaseName, valuesOf } from './sql.ts'
import { sql } from './text.ts'
import { clickhouseSource, sliceVariables, type Variable } from './variables.ts'

/** Slices of the KPIs: the views know no region. */
const WHERE = JUDGED_COLUMNS

/** For leaders: how often releases are taken back, how fast, how rightly, and what it cost customers. */
export function leaders(): Dashboard {
  const builder = board(new DashboardBuilder('Leaders'), {
    name: 'leaders',
    description:
      'Rollbacks, how fast and how rightly they were made, what customers went through, and how far recovery is; per channel and period. For those who answer for the agents.',
    variables: [clickhouseSource(), period(), ...sliceVariables(WHERE)],
    annotations: [pauses()],
    from: 'now-90d',
    refresh: '15m',
  })
  for (const panel of [total('rollback_events', 8), precision(), ...TIMES.map(median), recovery()])
    builder.withPanel(panel)
  builder.withRow(row('Rollbacks and how fast they were'))
  for (const panel of [perPeriod('rollback_events', 'short'), timesPerPeriod(), clocks()]) builder.withPanel(panel)
  builder.withRow(row('What customers went through'))
  for (const name of [
    'repeat_contact_rate',
    'complaint_rate',
    'reopened_rate',
    'update_success_rate',
    'duplicate_rate',
    'review_minutes_per_action',
  ])
    builder.withPanel(perPeriod(name, UNITS[kpiOf(name).unit]))
  builder.withRow(row('All figures'))
  for (const slice of ['channel', 'release'] as const)
    for (const group of GROUPS) builder.withPanel(allFigures(slice, group))
  builder.withPanel(money())
  return builder.build()
}

const UNITS: Readonly<Record<KpiUnit, string>> = {
  count: 'short',
  share: 'percentunit',
  seconds: 's',
  minutes: 'm',
  money: 'none',
}

const descriptionOf = ({ numerator, denominator, note }: Kpi): string =>
  `${denominator === '' ? `Sum: ${numerator}.` : `${numerator} / ${denominator}.`}${note && ` ${note}`}`

const period = (): Variable =>
  new CustomVariableBuilder('period')
    .label('Period')
    .description('Length of one bar or point. Weeks begin on Monday; all in UTC.')
    .values('day,week,month')
    .current({ text: 'week', value: 'week' })
    .options(['day', 'week', 'month'].map((value) => ({ text: value, value, selected: value === 'week' })))

const PERIOD_START = `multiIf(has(${valuesOf('period')}, 'day'), day, has(${valuesOf('period')}, 'month'), toStartOfMonth(day), toMonday(day))`

function total(name: string, width: number): PanelSource {
  const kpi = kpiOf(name)
  return stat({
    title: kpi.title,
    description: descriptionOf(kpi),
    unit: UNITS[kpi.unit],
    width,
    height: 3,
    whenEmpty: '0',
    queries: [clickhouse(sql`SELECT ${VALUE} AS value FROM ${days([name])} HAVING count() > 0`, 'table')],
  })
}

const precision = (): PanelSource => {
  const kpi = kpiOf('pause_precision')
  return stat({
    title: kpi.title,
    description: descriptionOf(kpi),
    unit: 'percentunit',
    width: 8,
    height: 3,
    decimals: 0,
    whenEmpty: FEW.noVerdict,
    thresholds: [
      { value: null, color: BAD },
      { value: 0.8, color: CAREFUL },
      { value: 0.95, color: GOOD },
    ],
    queries: [clickhouse(sql`SELECT ${VALUE} AS value FROM ${days(['pause_precision'])} HAVING count() > 0`, 'table')],
  })
}

const TIMES = [
  {
    title: 'Median time to detect',
    column: 'seconds_to_detect',
    what: 'From the estimated onset of the harm to its detection.',
  },
  { title: 'Median time to pause', column: 'seconds_to_pause', what: 'From detection to the acceptance of the pause.' },
  { title: 'Median time to drain', column: 'seconds_to_drain', what: 'From acceptance to the end of the last span.' },
] as const

const median = ({ title, column, what }: (typeof TIMES)[number]): PanelSource =>
  stat({
    title,
    description: `${what} Median over the rollback events of the range.`,
    unit: 's',
    width: 8,
    height: 3,
    whenEmpty: FEW.noIncident,
    queries: [
      clickhouse(
        sql`
        SELECT quantileExact(${column}) AS seconds
        FROM kpi_incidents
        WHERE ${column} IS NOT NULL AND ${inRange()}
        HAVING count() > 0`,
        'table',
      ),
    ],
  })

const recovery = (): PanelSource => {
  const kpi = kpiOf('recovery_completeness')
  return stat({
    title: kpi.title,
    description: descriptionOf(kpi),
    unit: 'percentunit',
    width: 8,
    height: 3,
    decimals: 0,
    whenEmpty: FEW.nothingToRecover,
    thresholds: [
      { value: null, color: BAD },
      { value: 0.9, color: CAREFUL },
      { value: 1, color: GOOD },
    ],
    queries: [clickhouse(sql`SELECT ${VALUE} AS value FROM ${days([kpi.name])} HAVING count() > 0`, 'table')],
  })
}

/** One KPI per period and channel. An incident stands under the channel where its evidence was strongest, or over all. */
function perPeriod(name: string, unitName: string): PanelSource {
  const kpi = kpiOf(name)
  const isCount = kpi.denominator === ''
  return series({
    title: `${kpi.title} by channel`,
    description: descriptionOf(kpi),
    unit: unitName,
    width: 12,
    height: 8,
    ...(name !== 'update_success_rate' && { min: 0 }),
    ...(isCount && { draw: 'bars' as const, stacked: true, decimals: 0 }),
    interval: '1d',
    marked: true,
    whenEmpty: kpi.countedAt === 'opening of the incident' ? NO_INCIDENT : `${NO_CONTACTS} ${kpi.note}`.trim(),
    queries: [
      clickhouse(
        sql`
        SELECT toDateTime(${PERIOD_START}) AS time, if(channel = '', 'all channels', channel) AS series, ${VALUE} AS value
        FROM ${days([name])}
        GROUP BY time, series
        HAVING value IS NOT NULL
        ORDER BY time`,
        'series',
      ),
    ],
  })
}

const timesPerPeriod = (): PanelSource =>
  series({
    title: 'Time to detect, pause and drain',
    description:
      'Means per period over rollback events. The floor is the part of the time to detect before the first customer was harmed: no test can be faster than that; beyond it traffic sets the pace, not polling.',
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
        SELECT toDateTime(${PERIOD_START}) AS time,
          avg(seconds_to_detect) AS to_detect, avg(greatest(0, seconds_to_detect - seconds_from_first_harm)) AS floor_to_detect,
          avg(seconds_to_pause) AS to_pause, avg(seconds_to_drain) AS to_drain
        FROM (SELECT toDate(opened_at) AS day, * FROM kpi_incidents WHERE ${inRange()})
        GROUP BY time
        ORDER BY time`,
        'series',
      ),
    ],
    overrides: {
      to_detect: named('Time to detect'),
      floor_to_detect: named('Floor: before the first harm', [
        { id: 'custom.lineStyle', value: { fill: 'dash', dash: [8, 6] } },
      ]),
      to_pause: named('Time to pause'),
      to_drain: named('Time to drain'),
    },
  })

const clocks = (): PanelSource =>
  table({
    title: 'Each rollback event',
    description:
      'Every rollback event of the range with its clock, what it exposed, and the verdict. Empty times have not happened or are not known.',
    unit: 's',
    width: 24,
    height: 8,
    whenEmpty: NO_INCIDENT,
    queries: [
      clickhouse(
        sql`
        SELECT ${releaseName} AS release_name, seconds_to_detect, seconds_to_pause, seconds_to_drain, contacts_exposed, contacts_after_pause, verdict,
          signal, channel, seconds_from_first_harm, seconds_to_stop, seconds_to_acknowledge, opened_at, agent, release
        FROM kpi_incidents
        WHERE ${inRange()}
        ORDER BY opened_at DESC
        LIMIT 200`,
        'table',
      ),
    ],
    overrides: {
      release_name: named('Release', [
        width(98),
        cellLink(
          'Compare this release',
          boardUrl('releases', { agent: ofRow('agent'), release: ofRow('release') }, WHERE),
        ),
      ]),
      seconds_to_detect: named('To detect', [LASTED]),
      seconds_to_pause: named('To pause', [LASTED]),
      seconds_to_drain: named('To drain', [LASTED]),
      contacts_exposed: named('Exposed', [width(78), ...unit('short')]),
      contacts_after_pause: named('After pause', [width(68), ...unit('short')]),
      verdict: named('Verdict', [atLeast(80)]),
      signal: named('Signal', [width(158)]),
      channel: named('Channel', [width(80)]),
      seconds_from_first_harm: named('From first harm', [LASTED]),
      seconds_to_stop: named('To stop', [LASTED]),
      seconds_to_acknowledge: named('To acknowledge', [width(108)]),
      opened_at: named('Opened', WHEN),
      agent: hidden,
      release: hidden,
    },
  })

/**
 * KPIs that stand side by side in a table, by what they count, with the width of their columns. Money has a table of its own, as it
 * must not be summed over currencies.
 */
const GROUPS = [
  { about: 'contacts', wide: () => atLeast(94), kpis: KPIS.filter(({ view }) => view === 'kpi_contact_parts') },
  {
    about: 'rollbacks',
    wide: ({ unit }: Kpi) => (unit === 'count' ? width(82) : atLeast(102)),
    kpis: KPIS.filter(({ view }) => view === 'kpi_incident_parts'),
  },
  {
    about: 'what they touched',
    wide: () => atLeast(116),
    kpis: KPIS.filter(({ view, unit }) => view === 'kpi_affected_parts' && unit !== 'money'),
  },
] as const
type Group = (typeof GROUPS)[number]

const pivot = (by: string, { kpis }: Group): string => sql`
        SELECT sliced_by,
          ${kpis.map(({ name }) => `maxIf(value, kpi = '${name}') AS ${name}`).join(',\n          ')}
        FROM (
          SELECT ${by} AS sliced_by, kpi, toNullable(${VALUE}) AS value
          FROM ${days(kpis.map(({ name }) => name))}
          GROUP BY sliced_by, kpi
        )
        GROUP BY sliced_by
        ORDER BY ${kpis[0]!.name} DESC NULLS LAST
        LIMIT 200`

const SLICED = {
  channel: { title: 'Channel', by: "if(channel = '', 'all channels', channel)", height: 7 },
  release: { title: 'Release', by: releaseName, height: 9 },
} as const

const allFigures = (slice: keyof typeof SLICED, group: Group): PanelSource => {
  const { title, by, height } = SLICED[slice]
  return table({
    title: `By ${slice}: ${group.about}`,
    description: `Every KPI of ${group.about} per ${slice} over the range; docs/kpis.md has the formulas. An empty cell: nothing was counted, which is not zero.`,
    unit: 'short',
    width: 24,
    height,
    whenEmpty: group.about === 'contacts' ? NO_CONTACTS : NO_INCIDENT,
    queries: [clickhouse(pivot(by, group), 'table')],
    overrides: {
      sliced_by: named(title, [atLeast(94)]),
      ...Object.fromEntries(
        group.kpis.map((kpi) => [
          kpi.name,
          named(kpi.title, [group.wide(kpi), ...unit(UNITS[kpi.unit], kpi.unit === 'share' ? 1 : undefined)]),
        ]),
      ),
    },
  })
}

const money = (): PanelSource => {
  const kpi = kpiOf('amount_at_risk')
  return table({
    title: kpi.title,
    description: descriptionOf(kpi),
    unit: 'locale',
    width: 24,
    height: 5,
    whenEmpty: 'No write of an affected contact told its amount (andon.amount).',
    queries: [
      clickhouse(
        sql`
        SELECT if(currency = '', 'not told', currency) AS currency_name, sum(numerator) AS amount
        FROM ${days([kpi.name])}
        GROUP BY currency_name
        HAVING amount != 0
        ORDER BY amount DESC`,
        'table',
      ),
    ],
    overrides: { currency_name: named('Currency', [atLeast(100)]), amount: named('Amount', [atLeast(100)]) },
  })
}
