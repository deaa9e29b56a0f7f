import { type Dashboard, DashboardBuilder } from '@grafana/grafana-foundation-sdk/dashboard'
import type { Signal } from '../../detectors/signals/definition.ts'
import { FOUR_SIGNALS } from '../../detectors/signals/library.ts'
import { releaseAnnotations } from './annotations.ts'
import { board } from './board.ts'
import { rateOf, standings, states } from './evidence.ts'
import { compareUrl, SHARED } from './links.ts'
import { missing } from './live-coverage.ts'
import { liveNumbers, plain, plainTotal } from './live-numbers.ts'
import {
  asBand,
  asLimit,
  BAD,
  BAR_POINTS,
  CALM,
  CAREFUL,
  cellLink,
  colouredText,
  EVIDENCE_AXIS,
  FINDINGS,
  gaugeCell,
  hidden,
  link,
  NO_CONTACTS,
  NO_INCIDENT,
  named,
  type PanelSource,
  row,
  SHARE_POINTS,
  STATES,
  series,
  table,
  unit,
  width,
} from './panels.ts'
import { clickhouse } from './query.ts'
import {
  COUNTS,
  JUDGED_COLUMNS,
  latestReleases,
  MOST_SERIES,
  RELEASE_KEY,
  releaseName,
  share,
  sliceName,
  sliceSelected,
  wilson,
} from './sql.ts'
import { sql } from './text.ts'

const signalList = FOUR_SIGNALS.map((signal) => `'${signal.name}'`).join(', ')
const titles = `transform(signal, [${signalList}], [${FOUR_SIGNALS.map((signal) => `'${signal.title}'`).join(', ')}], signal)`

/** For SREs: what every release does to customers now, and how far it is from being paused. */
export function live(): Dashboard {
  const builder = board(new DashboardBuilder('Live'), {
    name: 'live',
    description:
      'The four signals of every release against their limits, the evidence towards a pause, traffic and coverage. For those who run the agents.',
    shows: SHARED.filter((name) => name !== 'page'),
    annotations: releaseAnnotations(),
    from: 'now-24h',
    refresh: '30s',
  })
  for (const panel of liveNumbers()) builder.withPanel(panel)
  builder.withPanel(limits())
  builder.withRow(row('The four signals'))
  for (const signal of FOUR_SIGNALS) builder.withPanel(rate(signal))
  builder.withRow(row('Evidence and traffic'))
  for (const panel of [evidence(), evidenceBySlice(), traffic(), coverage(), ...missing(), silence()])
    builder.withPanel(panel)
  return builder.build()
}

/** Releases in the table: its evidence is read per release. */
const MOST_ROWS = 100

/** Hits and trials of the range per release and signal, with limits and evidence as the detector left them. */
const limits = (): PanelSource =>
  table({
    title: 'Releases against their limits',
    description: `The ${MOST_ROWS} latest releases: hits among trials in the range and selection, with the 95 % interval (Wilson; for reading, not for deciding). Limit, evidence and finding are those of the whole release, as the detector last said: evidence reaches 100 % at the line of its trigger. A limit that is empty: no trigger reads this signal.`,
    unit: 'short',
    width: 24,
    height: 10,
    mostPoints: SHARE_POINTS,
    whenEmpty: NO_CONTACTS,
    sortBy: 'Evidence',
    queries: [
      clickhouse(
        sql`
        SELECT counted.agent AS agent, counted.release AS release, counted.environment AS environment,
          if(state_now = '', 'live', state_now) AS state, ${titles} AS signal_title,
          trials, hits, ${share('hits', 'trials')} AS rate, ${wilson('low', 'hits', 'trials')} AS low, ${wilson('high', 'hits', 'trials')} AS high,
          nullIf(limit_share, 0) AS limit_rate, if(limit_share > 0, greatest(0, evidence), NULL) AS evidence_ratio, finding_now AS finding,
          ${RELEASE_KEY} AS release_key
        FROM (
          SELECT environment, agent, release, signal, sumIf(n, measure = 'trials') AS trials, sumIf(n, measure = 'hits') AS hits
          FROM ${COUNTS}
          WHERE signal IN (${signalList}) AND measure IN ('trials', 'hits')
            AND ${latestReleases(MOST_ROWS)}
            AND ${sliceSelected()}
          GROUP BY environment, agent, release, signal
          HAVING trials > 0
        ) AS counted
        LEFT JOIN (${standings()}) AS judged USING (environment, agent, release, signal)
        LEFT JOIN (${states()}) AS incidents USING (environment, agent, release)
        ORDER BY evidence_ratio DESC NULLS LAST, agent, release, signal
        LIMIT 400`,
        'table',
      ),
    ],
    overrides: {
      agent: named('Agent'),
      release: named('Release', [cellLink('Compare this release', compareUrl())]),
      environment: hidden,
      state: named('State', [width(90), ...colouredText(STATES)]),
      signal_title: named('Signal', [width(165)]),
      trials: named('Trials', [width(80)]),
      hits: named('Hits', [width(70)]),
      rate: named('Rate', [width(85), ...unit('percentunit', 2)]),
      low: named('Low', [width(85), ...unit('percentunit', 2)]),
      high: named('High', [width(85), ...unit('percentunit', 2)]),
      limit_rate: named('Limit', [width(85), ...unit('percentunit', 2)]),
      evidence_ratio: named('Evidence', [
        ...unit('percentunit', 0),
        ...gaugeCell([
          { value: null, color: CALM },
          { value: 0.5, color: CAREFUL },
          { value: 1, color: BAD },
        ]),
      ]),
      finding: named('Finding', colouredText(FINDINGS)),
      release_key: hidden,
    },
  })

/** One signal: each of the latest releases, the interval of the whole selection, and the strictest limit of them. */
function rate(signal: Signal): PanelSource {
  const where = `signal = '${signal.name}' AND measure IN ('trials', 'hits')`
  return series({
    title: signal.title,
    description: `${signal.description} Share of contacts by the time they began, for the ${MOST_SERIES} latest releases; the band is the 95 % interval of the whole selection, the dashed line the strictest limit of these releases, as it stands now. A delayed signal stays low for young contacts: their hits are still to come.`,
    unit: 'percentunit',
    width: 12,
    height: 8,
    min: 0,
    mostPoints: SHARE_POINTS,
    links: [link('Runbook', `\${docs}/${signal.runbook.replace(/^docs\//, '')}`, true)],
    whenEmpty: NO_CONTACTS,
    queries: [
      clickhouse(
        sql`
        SELECT $__timeInterval(at) AS time, ${releaseName} AS series, ${rateOf()} AS rate
        FROM ${COUNTS}
        WHERE ${where}
          AND ${latestReleases()}
          AND ${sliceSelected()}
        GROUP BY time, series
        ORDER BY time`,
        'series',
      ),
      clickhouse(
        sql`
        SELECT time, ${wilson('low', 'hits', 'trials')} AS low, ${wilson('high', 'hits', 'trials')} AS high
        FROM (
          SELECT $__timeInterval(at) AS time, sumIf(n, measure = 'hits') AS hits, sumIf(n, measure = 'trials') AS trials
          FROM ${COUNTS}
          WHERE ${where}
            AND ${sliceSelected()}
          GROUP BY time
        )
        ORDER BY time`,
        'series',
      ),
      clickhouse(
        sql`
        SELECT arrayJoin([$__fromTime, $__toTime]) AS time, min(trigger_limit) AS limit_rate
        FROM (
          SELECT argMax(limit, seq) AS trigger_limit
          FROM evidence_latest
          WHERE trigger != '' AND signal = '${signal.name}' AND ${latestReleases()}
          GROUP BY agent, release, environment, trigger
        )
        GROUP BY time
        HAVING count() > 0
        ORDER BY time`,
        'series',
      ),
    ],
    overrides: {
      ...asBand('low', 'high', 'text'),
      limit_rate: asLimit('Limit'),
    },
  })
}

const evidence = (): PanelSource =>
  series({
    title: 'Evidence towards a pause',
    description: `Joint evidence of each release over its line, for the ${MOST_SERIES} latest releases: logarithm of the e-value over the logarithm of 1/alpha. At 100 % the release is paused, and what lies beyond 150 % leaves the picture; below zero the data speak for it.`,
    unit: 'percentunit',
    width: 12,
    height: 9,
    ...EVIDENCE_AXIS,
    whenEmpty: 'No evidence in this range: no judged release had a contact.',
    lines: true,
    thresholds: [
      { value: null, color: 'transparent' },
      { value: 1, color: BAD },
    ],
    queries: [
      clickhouse(
        sql`
        SELECT $__timeInterval(minute) AS time, ${releaseName} AS series, argMax(log_e / log_threshold, (at, seq)) AS evidence_ratio
        FROM evidence_history
        WHERE trigger = '' AND $__timeFilter(minute) AND ${latestReleases()}
        GROUP BY time, series
        ORDER BY time`,
        'series',
      ),
    ],
  })

/** A slice is told apart from its release: what a pause needs may come from one channel alone. */
const evidenceBySlice = (): PanelSource =>
  series({
    title: 'Evidence by slice',
    description: `The ${MOST_SERIES} slices (channel and queue) of the selection with the strongest evidence in the range: how far each carries its release towards the pause, over all signals. At 100 % the slice alone pauses the release; the release may reach its line earlier, from several slices together. A slice has a point only where it had something new; kept for 30 days.`,
    unit: 'percentunit',
    width: 12,
    height: 9,
    ...EVIDENCE_AXIS,
    min: 0,
    whenEmpty: 'No evidence for this selection in the range: no contact of a judged release, or more than 30 days ago.',
    lines: true,
    thresholds: [
      { value: null, color: 'transparent' },
      { value: 1, color: BAD },
    ],
    queries: [
      clickhouse(
        sql`
        SELECT $__timeInterval(minute) AS time, ${sliceName} AS series, greatest(0, argMax(log_e / log_threshold, (at, seq))) AS evidence_ratio
        FROM evidence_slices
        WHERE $__timeFilter(minute)
          AND (agent, release, environment, channel, queue) IN (
            SELECT agent, release, environment, channel, queue
            FROM evidence_slices
            WHERE $__timeFilter(minute) AND ${sliceSelected(JUDGED_COLUMNS)}
            GROUP BY agent, release, environment, channel, queue
            ORDER BY max(log_e / log_threshold) DESC, agent, release, environment, channel, queue
            LIMIT ${MOST_SERIES}
          )
        GROUP BY time, series
        ORDER BY time`,
        'series',
      ),
    ],
  })

const traffic = (): PanelSource =>
  series({
    title: 'Traffic',
    description: `Contacts by the time they began, for the ${MOST_SERIES} latest releases. A release whose traffic falls to nothing may be broken: silence is not health.`,
    unit: 'short',
    width: 12,
    height: 9,
    min: 0,
    draw: 'bars',
    stacked: true,
    mostPoints: BAR_POINTS,
    whenEmpty: NO_CONTACTS,
    queries: [
      clickhouse(
        sql`
        SELECT $__timeInterval(at) AS time, ${releaseName} AS series, sum(n) AS contacts
        FROM ${plain('contacts')}
          AND ${latestReleases()}
        GROUP BY time, series
        ORDER BY time`,
        'series',
      ),
    ],
  })

const coverage = (): PanelSource =>
  series({
    title: 'Coverage',
    description:
      'Per agent, the share of contacts with a known customer. What is not identified cannot be a repeat contact, so a fall here is itself a signal.',
    unit: 'percentunit',
    width: 12,
    height: 8,
    min: 0,
    max: 1,
    mostPoints: SHARE_POINTS,
    whenEmpty: NO_CONTACTS,
    queries: [
      clickhouse(
        sql`
        SELECT $__timeInterval(at) AS time, agent AS series, ${share(plainTotal('identified'), plainTotal('contacts'))} AS identified
        FROM ${plain('contacts', 'identified')}
        GROUP BY time, series
        ORDER BY time`,
        'series',
      ),
    ],
  })

const silence = (): PanelSource =>
  table({
    title: 'Last contact',
    description:
      'When each release of the selection last began a contact, the longest silence first. Stopped releases are left out.',
    unit: 'short',
    width: 24,
    height: 8,
    whenEmpty: NO_INCIDENT.replace('No incident', 'No release').replace(': nothing breached a limit', ''),
    queries: [
      clickhouse(
        sql`
        SELECT agent, release, toDateTime(max(last_at)) AS last_contact, date_diff('second', last_contact, $__toTime) AS silent_for, sum(contacts) AS all_contacts
        FROM slice_times
        WHERE ${sliceSelected()}
          AND (agent, release, environment) NOT IN (SELECT agent, release, environment FROM incident_clock WHERE accepted_at <= $__toTime)
        GROUP BY environment, agent, release
        HAVING last_contact >= $__fromTime AND last_contact <= $__toTime
        ORDER BY silent_for DESC
        LIMIT 100`,
        'table',
      ),
    ],
    overrides: {
      agent: named('Agent'),
      release: named('Release'),
      last_contact: named('Last contact'),
      silent_for: named('Silent for', unit('s')),
      all_contacts: named('Contacts ever', unit('short')),
    },
  })
