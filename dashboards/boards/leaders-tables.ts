import { FOUR_SIGNALS } from '../../detectors/signals/library.ts'
import { VERDICTS } from '../../facts/incident.ts'
import { KPIS, type Kpi, type KpiUnit } from '../kpis.ts'
import { atLeast, called, cellLink, hidden, LASTED, named, unit, WHEN, width } from './fields.ts'
import { amounts, days, inRange, outOf, shareOutOf, VALUE } from './kpi-sql.ts'
import { compareUrl } from './links.ts'
import { NO_CONTACTS, NO_INCIDENT, type PanelSource, table } from './panels.ts'
import { clickhouse } from './query.ts'
import { RELEASE_KEY, releaseName } from './sql.ts'
import { sql } from './text.ts'

export const UNITS: Readonly<Record<KpiUnit, string>> = {
  count: 'short',
  share: 'percentunit',
  seconds: 's',
  minutes: 'm',
  money: 'none',
}

/** Default: three digits. */
const DECIMALS: Partial<Record<KpiUnit, number>> = { share: 1, minutes: 2 }

export const descriptionOf = ({ numerator, denominator, note }: Kpi): string =>
  `${denominator === '' ? `Sum: ${numerator}.` : `${numerator} / ${denominator}.`}${note && ` ${note}`}`

/** The KPIs side by side in three tables, each of one view; money must not be summed over currencies and stands elsewhere. */
const TABLES = [
  {
    title: 'Speed',
    view: 'kpi_incident_parts',
    orderBy: 'rollback_events',
    whenEmpty: NO_INCIDENT,
    columns: { count: width(78), other: LASTED },
  },
  {
    title: 'Customers',
    view: 'kpi_contact_parts',
    orderBy: 'contacts',
    whenEmpty: NO_CONTACTS,
    columns: { count: width(90), other: LASTED },
  },
  {
    title: 'Recovery',
    view: 'kpi_affected_parts',
    orderBy: 'affected_contacts',
    whenEmpty: NO_INCIDENT,
    columns: { count: atLeast(118), other: atLeast(118) },
  },
] as const

/** Of what holds more than a number, or a longer word above it. */
const WIDTHS: Readonly<Record<string, ReturnType<typeof width>>> = {
  pause_precision: width(160),
  time_to_acknowledge: width(108),
}

const BY = {
  channel: "if(channel = '', 'none or all', channel)",
  release: releaseName,
} as const

/** The tables of the KPIs per channel, or per release. */
export const kpiTables = (by: keyof typeof BY): PanelSource[] => TABLES.map((one) => kpiTable(one, by))

function kpiTable(
  { title, view, orderBy, whenEmpty, columns }: (typeof TABLES)[number],
  by: keyof typeof BY,
): PanelSource {
  const kpis = KPIS.filter((kpi) => kpi.view === view && kpi.unit !== 'money')
  const cells = kpis.map(({ name }) =>
    name === 'pause_precision'
      ? `maxIf(in_words, kpi = '${name}') AS ${name}`
      : `maxIf(value, kpi = '${name}') AS ${name}`,
  )
  return table({
    title: `${title} by ${by}`,
    description:
      'Sums and means over the range; docs/kpis.md has the formulas. A rollback event stands under the channel that carried most of its evidence. An empty cell: nothing was counted, which is not zero.',
    unit: 'short',
    width: 24,
    height: 8,
    whenEmpty,
    queries: [
      clickhouse(
        sql`
        SELECT group_name,
          ${cells.join(',\n')}
        FROM (
          SELECT ${BY[by]} AS group_name, kpi, toNullable(${VALUE}) AS value, sum(numerator) AS hits, sum(denominator) AS trials,
            if(kpi = 'pause_precision', ${shareOutOf('hits', 'trials')}, NULL) AS in_words
          FROM ${days(kpis.map(({ name }) => name))}
          GROUP BY group_name, kpi
        )
        GROUP BY group_name
        ORDER BY ${orderBy} DESC NULLS LAST
        LIMIT 200`,
        'table',
      ),
    ],
    overrides: {
      group_name: named(by === 'channel' ? 'Channel' : 'Release', [atLeast(104)]),
      ...Object.fromEntries(
        kpis.map((kpi) => [
          kpi.name,
          named(kpi.unit === 'seconds' ? `${kpi.title} (mean)` : kpi.title, [
            WIDTHS[kpi.name] ?? (kpi.unit === 'count' ? columns.count : columns.other),
            ...unit(UNITS[kpi.unit], DECIMALS[kpi.unit]),
          ]),
        ]),
      ),
    },
  })
}

const VERDICT_WORDS = Object.fromEntries(VERDICTS.map((verdict) => [verdict, verdict.replaceAll('_', ' ')]))
const SIGNAL_TITLES = Object.fromEntries(FOUR_SIGNALS.map(({ name, title }) => [name, title]))

const WHO = {
  release_name: named('Release', [width(110), cellLink('Compare this release', compareUrl())]),
  channel: named('Channel', [width(80)]),
  opened_at: named('Opened', WHEN),
  agent: hidden,
  release: hidden,
  release_key: hidden,
}

export const clocks = (): PanelSource =>
  table({
    title: 'Each rollback event',
    description:
      'Every rollback event of the range with its clock, the floor of its detection (what no test with the same promise finds sooner on average; one event may lie below it by luck), and the verdict. Empty times have not happened or are not known.',
    unit: 's',
    width: 24,
    height: 8,
    whenEmpty: NO_INCIDENT,
    queries: [
      clickhouse(
        sql`
        SELECT ${releaseName} AS release_name, seconds_to_detect, floor_seconds_to_detect, seconds_to_pause, seconds_to_drain, verdict, signal, channel,
          if(by_person, 'people', 'a trigger') AS found_by, seconds_from_first_harm, seconds_to_stop, seconds_to_acknowledge, opened_at,
          agent, release, ${RELEASE_KEY} AS release_key
        FROM kpi_incidents
        WHERE ${inRange()}
        ORDER BY opened_at DESC
        LIMIT 200`,
        'table',
      ),
    ],
    overrides: {
      ...WHO,
      seconds_to_detect: named('To detect', [LASTED]),
      floor_seconds_to_detect: named('Floor', [LASTED]),
      seconds_to_pause: named('To pause', [LASTED]),
      seconds_to_drain: named('To drain', [LASTED]),
      verdict: named('Verdict', [atLeast(88), called(VERDICT_WORDS)]),
      signal: named('Signal', [width(92), called(SIGNAL_TITLES)]),
      found_by: named('Found by', [width(78)]),
      seconds_from_first_harm: named('From first harm', [LASTED]),
      seconds_to_stop: named('To stop', [LASTED]),
      seconds_to_acknowledge: named('To acknowledge', [width(108)]),
    },
  })

export const consequences = (): PanelSource =>
  table({
    title: 'What each rollback event did',
    description:
      'Contacts begun before detection (and the fewest with which any test would have found it, on average), contacts and writes after the pause, then the affected set: conversations, customers, money, and how much of what needs something is dealt with.',
    unit: 'short',
    width: 24,
    height: 8,
    whenEmpty: NO_INCIDENT,
    queries: [
      clickhouse(
        sql`
        SELECT ${releaseName} AS release_name, customers, if(needing > 0, ${outOf('done', 'needing')}, NULL) AS recovered,
          if(amount_rows = [], NULL, ${amounts('amount_rows')}) AS at_risk, contacts_exposed, floor_contacts_exposed, contacts_after_pause,
          writes_after_pause, conversations, channel, opened_at, agent, release, ${RELEASE_KEY} AS release_key
        FROM kpi_incidents
        LEFT JOIN (
          SELECT incident_id, toNullable(sum(contacts)) AS conversations, toNullable(sum(customers_of)) AS customers, sum(needing_of) AS needing, sum(done_of) AS done,
            arrayFilter(row -> row.2 != 0, groupArray((toString(currency), amount_of))) AS amount_rows
          FROM (
            SELECT incident_id, currency, countIf(kind = 'contact') AS contacts, countIf(kind = 'customer') AS customers_of,
              countIf(need != '') AS needing_of, countIf(need != '' AND is_done) AS done_of, sumIf(amount, kind = 'record') AS amount_of
            FROM affected_now
            WHERE incident_id IN (SELECT incident_id FROM kpi_incidents WHERE ${inRange()})
            GROUP BY incident_id, currency
          )
          GROUP BY incident_id
        ) AS touched USING (incident_id)
        WHERE ${inRange()}
        ORDER BY opened_at DESC
        LIMIT 200`,
        'table',
      ),
    ],
    overrides: {
      ...WHO,
      customers: named('Customers', [width(90)]),
      recovered: named('Recovered', [atLeast(88)]),
      at_risk: named('At risk', [atLeast(96)]),
      contacts_exposed: named('Exposed', [width(78)]),
      floor_contacts_exposed: named('Floor', [width(70)]),
      contacts_after_pause: named('After pause', [width(75)]),
      writes_after_pause: named('Writes after pause', [width(112)]),
      conversations: named('Conversations', [width(118)]),
    },
  })
