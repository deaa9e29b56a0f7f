import { type Dashboard, DashboardBuilder } from '@grafana/grafana-foundation-sdk/dashboard'
import type { Signal } from '../../detectors/signals/definition.ts'
import { FOUR_SIGNALS } from '../../detectors/signals/library.ts'
import { releaseAnnotations } from './annotations.ts'
import { board } from './board.ts'
import { boardUrl, ofRow } from './links.ts'
import {
  asBand,
  asLimit,
  atLeast,
  BAD,
  cellLink,
  colouredText,
  EVIDENCE_AXIS,
  FINDINGS,
  filterable,
  hidden,
  LASTED,
  NO_CONTACTS,
  named,
  type PanelSource,
  row,
  SHARE_POINTS,
  STATES,
  series,
  table,
  unit,
  WHEN_WIDE,
  width,
} from './panels.ts'
import { clickhouse } from './query.ts'
import { COUNTS, chosen, releaseName, selected, share, sliceSelected, wilson } from './sql.ts'
import { sql } from './text.ts'
import { clickhouseSource, oneRelease, sliceVariables } from './variables.ts'

const WHERE = ['environment', 'agent', 'channel', 'queue', 'region'] as const
/** The two releases that are compared, each with its colour wherever it is drawn. */
const SIDES = [
  { variable: 'release', color: 'blue' },
  { variable: 'compared', color: 'dark-orange' },
] as const

/** The history of releases, and two of them side by side. */
export function releases(): Dashboard {
  const builder = board(new DashboardBuilder('Releases'), {
    name: 'releases',
    description:
      'Every release with its outcome, and two releases compared: each signal with its interval, evidence and decision.',
    variables: [
      clickhouseSource(),
      ...sliceVariables(['environment', 'agent']),
      oneRelease('release', 'Release', null),
      oneRelease('compared', 'Compared with', 'release'),
      ...sliceVariables(['channel', 'queue', 'region']),
    ],
    annotations: releaseAnnotations(),
    from: 'now-14d',
    refresh: '5m',
  })
  builder.withPanel(history())
  builder.withRow(row('${release} compared with ${compared}'))
  builder.withPanel(comparison())
  for (const signal of FOUR_SIGNALS) builder.withPanel(sideBySide(signal))
  builder.withPanel(evidence())
  builder.withPanel(decisions())
  return builder.build()
}

const history = (): PanelSource =>
  table({
    title: 'Releases in the range',
    description:
      'Every release of the agents selected that had a contact in the range, the latest first: when it served, how many contacts, and what became of it. The link of a row compares it with the release chosen above.',
    unit: 'short',
    width: 24,
    height: 9,
    whenEmpty: NO_CONTACTS,
    queries: [
      clickhouse(
        sql`
        SELECT ${releaseName} AS release_name, if(any(state_now) = '', 'live', any(state_now)) AS state, sum(contacts) AS all_contacts,
          toDateTime(max(last_at)) AS last_contact, toDateTime(min(first_at)) AS first_contact,
          any(incident_signals) AS incident_signals, any(to_detect) AS to_detect, any(exposed) AS exposed, agent, release, environment
        FROM slice_times
        LEFT JOIN (
          SELECT agent, release, environment, argMax(state, detected_at) AS state_now,
            argMax(arrayStringConcat(signals, ', '), detected_at) AS incident_signals,
            argMax(date_diff('second', onset_at, detected_at), detected_at) AS to_detect,
            toNullable(sum(contacts_exposed)) AS exposed
          FROM incident_clock WHERE detected_at <= $__toTime GROUP BY agent, release, environment
        ) AS incidents USING (agent, release, environment)
        WHERE release != '' AND ${sliceSelected(WHERE)}
        GROUP BY agent, release, environment
        HAVING first_contact <= $__toTime AND last_contact >= $__fromTime
        ORDER BY last_contact DESC, first_contact DESC
        LIMIT 1000`,
        'table',
      ),
    ],
    overrides: {
      release_name: named('Release', [
        atLeast(100),
        cellLink('Compare with this', boardUrl('releases', { agent: ofRow('agent'), release: ofRow('release') })),
      ]),
      state: named('State', [width(82), filterable, ...colouredText(STATES)]),
      all_contacts: named('Contacts', [width(78)]),
      last_contact: named('Last contact', WHEN_WIDE),
      first_contact: named('First contact', WHEN_WIDE),
      incident_signals: named('Incident', [atLeast(130)]),
      to_detect: named('To detect', [LASTED, ...unit('s')]),
      exposed: named('Exposed', [width(80)]),
      agent: hidden,
      release: hidden,
      environment: named('Environment', [atLeast(110)]),
    },
  })

/** Hits and trials of both releases per signal; ratio and difference with the limit that applies. */
const comparison = (): PanelSource => {
  const names = FOUR_SIGNALS.map((signal) => `'${signal.name}'`).join(', ')
  const of = (side: 0 | 1, measure: string): string =>
    `sumIf(n, measure = '${measure}' AND ${chosen('release', SIDES[side].variable)})`
  return table({
    title: 'Signal by signal',
    description:
      'Rate of each signal for both releases in the range and selection, with 95 % intervals (Wilson). Where the intervals do not overlap, the releases differ; a delayed signal is comparable only for stretches of the same age.',
    unit: 'short',
    width: 24,
    height: 7,
    mostPoints: SHARE_POINTS,
    whenEmpty: NO_CONTACTS,
    queries: [
      clickhouse(
        sql`
        SELECT transform(signal, [${names}], [${FOUR_SIGNALS.map((signal) => `'${signal.title}'`).join(', ')}], signal) AS signal_title,
          ${share('hits', 'trials')} AS rate, ${share('hits_b', 'trials_b')} AS rate_b,
          multiIf(low > high_b, 'higher', high < low_b, 'lower', rate IS NULL OR rate_b IS NULL, 'no data', 'not told apart') AS verdict,
          if(rate_b > 0, rate / rate_b, NULL) AS ratio,
          ${wilson('low', 'hits', 'trials')} AS low, ${wilson('high', 'hits', 'trials')} AS high, trials, hits,
          ${wilson('low', 'hits_b', 'trials_b')} AS low_b, ${wilson('high', 'hits_b', 'trials_b')} AS high_b, trials_b, hits_b
        FROM (
          SELECT signal, ${of(0, 'trials')} AS trials, ${of(0, 'hits')} AS hits, ${of(1, 'trials')} AS trials_b, ${of(1, 'hits')} AS hits_b
          FROM ${COUNTS}
          WHERE signal IN (${names}) AND measure IN ('trials', 'hits')
            AND (${chosen('release', 'release')} OR ${chosen('release', 'compared')})
            AND ${sliceSelected(WHERE)}
          GROUP BY signal
        )
        ORDER BY indexOf([${names}], signal)`,
        'table',
      ),
    ],
    overrides: {
      signal_title: named('Signal', [atLeast(96)]),
      rate: named('${release}', [width(84), ...unit('percentunit', 2)]),
      rate_b: named('${compared}', [width(84), ...unit('percentunit', 2)]),
      verdict: named('Difference', [atLeast(90)]),
      ratio: named('Ratio', [width(70), ...unit('none', 2)]),
      low: named('Low, ${release}', [width(84), ...unit('percentunit', 2)]),
      high: named('High, ${release}', [width(84), ...unit('percentunit', 2)]),
      trials: named('Trials, ${release}', [width(84)]),
      hits: named('Hits, ${release}', [width(84)]),
      low_b: named('Low, ${compared}', [width(84), ...unit('percentunit', 2)]),
      high_b: named('High, ${compared}', [width(84), ...unit('percentunit', 2)]),
      trials_b: named('Trials, ${compared}', [width(84)]),
      hits_b: named('Hits, ${compared}', [width(84)]),
    },
  })
}

/** The rate of the whole release so far, with its interval, as the detector saw it: both releases on one axis of time. */
function sideBySide(signal: Signal): PanelSource {
  return series({
    title: signal.title,
    description: `${signal.description} Share since the launch of each release, with its 95 % interval, as the detector saw it at the time; the dashed line is the limit.`,
    unit: 'percentunit',
    width: 12,
    height: 8,
    min: 0,
    whenEmpty: 'No trial of this signal by these releases in the range.',
    queries: [
      ...SIDES.map(({ variable }, index) => {
        const suffix = index === 0 ? '_a' : '_b'
        return clickhouse(
          sql`
          SELECT $__timeInterval(minute) AS time, argMax(rate, (at, seq)) AS rate${suffix},
            argMax(low, (at, seq)) AS low${suffix}, argMax(high, (at, seq)) AS high${suffix}
          FROM evidence_history
          WHERE trigger != '' AND signal = '${signal.name}' AND rate IS NOT NULL AND $__timeFilter(minute)
            AND ${chosen('release', variable)} AND ${selected('environment')} AND ${selected('agent')}
          GROUP BY time
          ORDER BY time`,
          'series',
        )
      }),
      clickhouse(
        sql`
        SELECT $__timeInterval(minute) AS time, min(limit) AS limit_rate
        FROM evidence_history
        WHERE trigger != '' AND signal = '${signal.name}' AND $__timeFilter(minute)
          AND (${chosen('release', 'release')} OR ${chosen('release', 'compared')}) AND ${selected('environment')} AND ${selected('agent')}
        GROUP BY time
        ORDER BY time`,
        'series',
      ),
    ],
    overrides: {
      rate_a: [...named('${release}'), { id: 'color', value: { mode: 'fixed', fixedColor: SIDES[0].color } }],
      ...asBand('low_a', 'high_a', SIDES[0].color),
      rate_b: [...named('${compared}'), { id: 'color', value: { mode: 'fixed', fixedColor: SIDES[1].color } }],
      ...asBand('low_b', 'high_b', SIDES[1].color),
      limit_rate: asLimit('Limit'),
    },
  })
}

const evidence = (): PanelSource =>
  series({
    title: 'Evidence',
    description:
      'Joint evidence of both releases over the line at which they are paused; beyond 150 % it leaves the picture.',
    unit: 'percentunit',
    width: 10,
    height: 8,
    ...EVIDENCE_AXIS,
    lines: true,
    thresholds: [
      { value: null, color: 'transparent' },
      { value: 1, color: BAD },
    ],
    whenEmpty: 'No evidence in this range for these releases.',
    queries: [
      clickhouse(
        sql`
        SELECT $__timeInterval(minute) AS time, ${releaseName} AS series, argMax(log_e / log_threshold, (at, seq)) AS evidence_ratio
        FROM evidence_history
        WHERE trigger = '' AND $__timeFilter(minute) AND (${chosen('release', 'release')} OR ${chosen('release', 'compared')})
          AND ${selected('environment')} AND ${selected('agent')}
        GROUP BY time, series
        ORDER BY time`,
        'series',
      ),
    ],
  })

const decisions = (): PanelSource =>
  table({
    title: 'What was found',
    description: 'What the detector last said of both releases, by trigger.',
    unit: 'short',
    width: 14,
    height: 8,
    whenEmpty: 'No trigger judged these releases.',
    queries: [
      clickhouse(
        sql`
        SELECT release, trigger, argMax(finding, seq) AS finding_now, argMax(log_e / log_threshold, seq) AS evidence_ratio,
          argMax(limit, seq) AS limit_rate, argMax(trials, seq) AS trials_now, argMax(hits, seq) AS hits_now, argMax(action, seq) AS action_now
        FROM evidence_latest
        WHERE trigger != '' AND (${chosen('release', 'release')} OR ${chosen('release', 'compared')})
          AND ${selected('environment')} AND ${selected('agent')}
        GROUP BY agent, environment, release, trigger
        ORDER BY evidence_ratio DESC
        LIMIT 200`,
        'table',
      ),
    ],
    overrides: {
      release: named('Release', [width(76)]),
      trigger: named('Trigger', [atLeast(158)]),
      finding_now: named('Finding', [width(100), ...colouredText(FINDINGS)]),
      evidence_ratio: named('Evidence', [width(82), ...unit('percentunit', 0)]),
      limit_rate: named('Limit', [width(72), ...unit('percentunit', 2)]),
      trials_now: named('Trials', [width(72)]),
      hits_now: named('Hits', [width(62)]),
      action_now: named('Action', [width(80)]),
    },
  })
