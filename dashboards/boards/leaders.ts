import { CustomVariableBuilder, type Dashboard, DashboardBuilder } from '@grafana/grafana-foundation-sdk/dashboard'
import { KPIS, type Kpi, type KpiUnit } from '../kpis.ts'
import { pauses } from './annotations.ts'
import { board } from './board.ts'
import { days, inRange, kpiOf, VALUE } from './kpi-sql.ts'
import { boardUrl, ofRow } from './links.ts'
import {
  BAD,
  CAREFUL,
  cellLink,
  FEW,
  GOOD,
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
import { JUDGED_COLUMNS, valuesOf } from './sql.ts'
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
  for (const panel of [total('rollback_events', 4), precision(), ...TIMES.map(median), recovery()])
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
  for (const panel of [byChannel(), byRelease(), money()]) builder.withPanel(panel)
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
    height: 4,
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
    width: 4,
    height: 4,
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
    width: 4,
    height: 4,
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
    width: 4,
    height: 4,
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
    ...(isCount && { draw: 'bars' as const, stacked: true }),
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
        SELECT opened_at, agent, release, channel, signal, seconds_to_detect, seconds_from_first_harm, seconds_to_pause, seconds_to_stop,
          seconds_to_drain, seconds_to_acknowledge, contacts_exposed, contacts_after_pause, verdict
        FROM kpi_incidents
        WHERE ${inRange()}
        ORDER BY opened_at DESC
        LIMIT 200`,
        'table',
      ),
    ],
    overrides: {
      opened_at: named('Opened', [width(WHEN)]),
      agent: named('Agent'),
      release: named('Release', [
        cellLink(
          'Compare this release',
          boardUrl('releases', { agent: ofRow('agent'), release: ofRow('release') }, WHERE),
        ),
      ]),
      channel: named('Channel'),
      signal: named('Signal'),
      seconds_to_detect: named('To detect'),
      seconds_from_first_harm: named('From first harm'),
      seconds_to_pause: named('To pause'),
      seconds_to_stop: named('To stop'),
      seconds_to_drain: named('To drain'),
      seconds_to_acknowledge: named('To acknowledge'),
      contacts_exposed: named('Exposed', unit('short')),
      contacts_after_pause: named('After pause', unit('short')),
      verdict: named('Verdict'),
    },
  })

/** KPIs that a table shows side by side, what customers went through first; money has a table of its own, as it must not be summed over currencies. */
const TABLED = KPIS.filter((kpi) => kpi.unit !== 'money').sort(
  (a, b) => Number(a.view !== 'kpi_contact_parts') - Number(b.view !== 'kpi_contact_parts'),
)

const pivot = (by: string, byName: string): string => sql`
        SELECT ${byName},
          ${TABLED.map(({ name }) => `maxIf(value, kpi = '${name}') AS ${name}`).join(',\n          ')}
        FROM (
          SELECT ${by} AS ${byName}, kpi, toNullable(${VALUE}) AS value
          FROM ${days(TABLED.map(({ name }) => name))}
          GROUP BY ${byName}, kpi
        )
        GROUP BY ${byName}
        ORDER BY contacts DESC NULLS LAST
        LIMIT 200`

const kpiColumns = () =>
  Object.fromEntries(
    TABLED.map((kpi) => [
      kpi.name,
      named(kpi.title, [width(140), ...unit(UNITS[kpi.unit], kpi.unit === 'share' ? 1 : undefined)]),
    ]),
  )

const byChannel = (): PanelSource =>
  table({
    title: 'By channel',
    description:
      'Every KPI per channel over the range; docs/kpis.md has the formulas. An empty cell: nothing was counted, which is not zero.',
    unit: 'short',
    width: 24,
    height: 7,
    whenEmpty: NO_CONTACTS,
    queries: [clickhouse(pivot("if(channel = '', 'all channels', channel)", 'channel_name'), 'table')],
    overrides: { channel_name: named('Channel', [width(130)]), ...kpiColumns() },
  })

const byRelease = (): PanelSource =>
  table({
    title: 'By release',
    description:
      'Every KPI per release over the range; docs/kpis.md has the formulas. An empty cell: nothing was counted, which is not zero.',
    unit: 'short',
    width: 24,
    height: 9,
    whenEmpty: NO_CONTACTS,
    queries: [clickhouse(pivot("concat(agent, ' ', release)", 'release_name'), 'table')],
    overrides: { release_name: named('Release', [width(220)]), ...kpiColumns() },
  })

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
    overrides: { currency_name: named('Currency'), amount: named('Amount') },
  })
}
