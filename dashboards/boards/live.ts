import { type Dashboard, DashboardBuilder } from '@grafana/grafana-foundation-sdk/dashboard'
import { FOUR_SIGNALS } from '../../detectors/signals/library.ts'
import { releaseAnnotations } from './annotations.ts'
import { board } from './board.ts'
import { joint, jointLines, standings, states } from './evidence.ts'
import {
  atLeast,
  BAD,
  CALM,
  CAREFUL,
  cellLink,
  colouredText,
  FINDINGS,
  filterable,
  gaugeCell,
  hidden,
  named,
  STATES,
  unit,
  WHEN_WIDE,
  width,
} from './fields.ts'
import { compareUrl, SHARED } from './links.ts'
import { missing } from './live-coverage.ts'
import { liveNumbers, plain, plainTotal } from './live-numbers.ts'
import { rate } from './live-signals.ts'
import {
  BAR_POINTS,
  EVIDENCE_BRIDGED_MS,
  EVIDENCE_LOOK,
  NO_CONTACTS,
  type PanelSource,
  row,
  SHARE_POINTS,
  series,
  table,
} from './panels.ts'
import { clickhouse } from './query.ts'
import {
  COUNTS,
  heldReleases,
  JUDGED_COLUMNS,
  latestReleases,
  linesOf,
  MOST_SERIES,
  nearest,
  OTHERS,
  RELEASE_KEY,
  releaseName,
  share,
  sliceName,
  sliceSelected,
  wilson,
  withMarks,
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
    shows: SHARED,
    annotations: releaseAnnotations(),
    from: 'now-24h',
    refresh: '30s',
  })
  for (const panel of liveNumbers()) builder.withPanel(panel)
  builder.withPanel(limits())
  builder.withRow(row('The four signals'))
  for (const signal of FOUR_SIGNALS) builder.withPanel(rate(signal))
  builder.withRow(row('Evidence and traffic'))
  for (const panel of [evidence(), evidenceBySlice(), traffic(), coverage(), silence(), ...missing()])
    builder.withPanel(panel)
  return builder.build()
}

/** Releases in the table: its evidence is read per release. */
const MOST_ROWS = 100

/** Hits and trials of the range per release and signal, with limits and evidence as the detector left them. */
const limits = (): PanelSource =>
  table({
    title: 'Releases against their limits',
    description: `The ${MOST_ROWS} latest releases, the one closest to a pause first: hits among trials in the range and selection, with the 95 % interval (Wilson; for reading, not for deciding). What follows is of the whole release, as the detector last said. Towards a pause: the joint evidence of all its signals, which alone pauses, at 100 %. Signal alone: how far this signal would be on a line of its own; it pauses nobody. Healthy at most: the baseline and its tolerance; a healthy release may lie above it half of the time where that is its true rate. Ceiling: the share that breaches at once, where one is configured. Empty: no trigger reads this signal.`,
    unit: 'short',
    width: 24,
    height: 10,
    mostPoints: SHARE_POINTS,
    whenEmpty: NO_CONTACTS,
    sortBy: 'Towards a pause',
    queries: [
      clickhouse(
        sql`
        SELECT ${releaseName} AS release_name, ${titles} AS signal_title,
          if(is_judged, greatest(0, joint_evidence), NULL) AS joint_ratio, if(limit_share > 0, greatest(0, evidence), NULL) AS evidence_ratio,
          nullIf(finding_now, '') AS finding, if(state_now = '', 'live', state_now) AS state,
          ${share('hits', 'trials')} AS rate, nullIf(limit_share, 0) AS limit_rate, nullIf(ceiling_share, 0) AS ceiling_rate,
          ${wilson('low', 'hits', 'trials')} AS low, ${wilson('high', 'hits', 'trials')} AS high, trials, hits,
          counted.agent AS agent, counted.release AS release, counted.environment AS environment, ${RELEASE_KEY} AS release_key
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
        LEFT JOIN (SELECT *, true AS is_judged FROM (${joint()})) AS joined USING (environment, agent, release)
        LEFT JOIN (${states()}) AS incidents USING (environment, agent, release)
        ORDER BY joint_ratio DESC NULLS LAST, agent, release, evidence_ratio DESC NULLS LAST, signal
        LIMIT 400`,
        'table',
      ),
    ],
    overrides: {
      release_name: named('Release', [atLeast(104), cellLink('Compare this release', compareUrl())]),
      agent: hidden,
      release: hidden,
      environment: hidden,
      signal_title: named('Signal', [atLeast(152), filterable]),
      joint_ratio: named('Towards a pause', [
        atLeast(92),
        ...unit('percentunit', 0),
        ...gaugeCell([
          { value: null, color: CALM },
          { value: 0.5, color: CAREFUL },
          { value: 1, color: BAD },
        ]),
      ]),
      evidence_ratio: named('Signal alone', [width(80), ...unit('percentunit', 0)]),
      rate: named('Rate', [width(72), ...unit('percentunit', 2)]),
      limit_rate: named('Healthy at most', [width(84), ...unit('percentunit', 2)]),
      ceiling_rate: named('Ceiling', [width(76), ...unit('percentunit', 2)]),
      finding: named('Finding', [width(100), filterable, ...colouredText(FINDINGS)]),
      state: named('State', [width(90), filterable, ...colouredText(STATES)]),
      low: named('Low', [width(72), ...unit('percentunit', 2)]),
      high: named('High', [width(72), ...unit('percentunit', 2)]),
      trials: named('Trials', [width(70)]),
      hits: named('Hits', [width(62)]),
      release_key: hidden,
    },
  })

const evidence = (): PanelSource =>
  series({
    title: 'Evidence towards a pause',
    description: `Joint evidence over its line, for the ${MOST_SERIES} releases that are closest to it: logarithm of the e-value over the logarithm of 1/alpha. At 100 % the release is paused, and what lies beyond 150 % leaves the picture; below zero the data speak for it.`,
    width: 12,
    height: 13,
    ...EVIDENCE_LOOK,
    bridgedMs: EVIDENCE_BRIDGED_MS,
    places: true,
    values: true,
    whenEmpty: 'No evidence in this range: no judged release had a contact.',
    queries: [clickhouse(jointLines(nearest("trigger = ''")), 'series')],
  })

/** A slice is told apart from its release: what a pause needs may come from one channel alone. */
const evidenceBySlice = (): PanelSource =>
  series({
    title: 'Evidence by slice',
    description: `The ${MOST_SERIES} slices (channel and queue) of the selection with the strongest evidence in the range: how far each carries its release towards the pause, over all signals. At 100 % the slice alone pauses the release; the release may reach its line earlier, from several slices together. A slice has a point only where it had something new; kept for 30 days.`,
    width: 12,
    height: 13,
    ...EVIDENCE_LOOK,
    min: 0,
    bridgedMs: EVIDENCE_BRIDGED_MS,
    places: true,
    values: true,
    whenEmpty: 'No evidence for this selection in the range: no contact of a judged release, or more than 30 days ago.',
    queries: [
      clickhouse(
        linesOf(
          sql`
        SELECT $__timeInterval(minute) AS time, ${sliceName} AS name, toNullable(greatest(0, argMax(log_e / log_threshold, (at, seq)))) AS evidence_ratio
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
        GROUP BY time, name`,
          'evidence_ratio',
        ),
        'series',
      ),
    ],
  })

const traffic = (): PanelSource =>
  series({
    title: 'Traffic',
    description: `Contacts by the time they began, of the ${MOST_SERIES} latest releases, and of all others together. A release whose traffic falls to nothing may be broken: silence is not health.`,
    unit: 'short',
    width: 24,
    height: 8,
    min: 0,
    draw: 'bars',
    stacked: true,
    places: true,
    mostPoints: BAR_POINTS,
    whenEmpty: NO_CONTACTS,
    queries: [
      clickhouse(
        withMarks(
          sql`
        SELECT $__timeInterval(at) AS time, if(${latestReleases()}, ${releaseName}, '${OTHERS}') AS name, sum(n) AS contacts
        FROM ${plain('contacts')}
        GROUP BY time, name`,
          'contacts',
        ),
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
    height: 9,
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
      'When each release that served in the range last began a contact, and of each agent the latest release however long ago, the longest silence first. Releases that are stopped now are left out.',
    unit: 'short',
    width: 12,
    height: 9,
    whenEmpty: NO_CONTACTS,
    queries: [
      clickhouse(
        sql`
        SELECT ${releaseName} AS release_name, last_contact, date_diff('second', last_contact, $__toTime) AS silent_for, all_contacts
        FROM (
          SELECT environment, agent, release, toDateTime(max(last_at)) AS last_contact, sum(contacts) AS all_contacts,
            max(last_contact) OVER (PARTITION BY environment, agent) AS latest_of_agent
          FROM slice_times
          WHERE ${sliceSelected()}
            AND (agent, release, environment) NOT IN (
              ${heldReleases()}
            )
          GROUP BY environment, agent, release
          HAVING last_contact <= $__toTime
        )
        WHERE last_contact >= $__fromTime OR last_contact = latest_of_agent
        ORDER BY silent_for DESC
        LIMIT 100`,
        'table',
      ),
    ],
    overrides: {
      release_name: named('Release', [atLeast(98)]),
      last_contact: named('Last contact', WHEN_WIDE),
      silent_for: named('Silent for', [width(78), ...unit('s')]),
      all_contacts: named('Contacts ever', [width(78), ...unit('short')]),
    },
  })
