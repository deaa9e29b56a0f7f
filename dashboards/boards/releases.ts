import { type Dashboard, DashboardBuilder } from '@grafana/grafana-foundation-sdk/dashboard'
import { type Signal, windowMsOf } from '../../detectors/signals/definition.ts'
import { FOUR_SIGNALS } from '../../detectors/signals/library.ts'
import { releaseAnnotations } from './annotations.ts'
import { board } from './board.ts'
import {
  asBand,
  asLimit,
  atLeast,
  cellLinks,
  colouredText,
  FINDINGS,
  filterable,
  hidden,
  LASTED,
  named,
  STATES,
  unit,
  WHEN_WIDE,
  width,
} from './fields.ts'
import { boardUrl, ofRow } from './links.ts'
import { EVIDENCE_LOOK, NO_CONTACTS, type PanelSource, row, SHARE_POINTS, series, table } from './panels.ts'
import { clickhouse } from './query.ts'
import {
  COUNTED_SECONDS,
  COUNTS,
  difference,
  isOneOf,
  RELEASE_KEY,
  releaseName,
  SLICE_COLUMNS,
  share,
  sliceSelected,
  wilson,
} from './sql.ts'
import { sql } from './text.ts'
import { comparedRelease } from './variables.ts'

/** The two releases that are compared, each with its colour and the end of its columns' names wherever it is drawn. */
const SIDES = [
  { variable: 'left', color: 'blue', end: '_a' },
  { variable: 'right', color: 'dark-orange', end: '_b' },
] as const
const EITHER = isOneOf('left', 'right')

/** The history of releases, and two of them side by side. */
export function releases(): Dashboard {
  const builder = board(new DashboardBuilder('Releases'), {
    name: 'releases',
    description:
      'Every release with its outcome, and two releases compared: each signal with its interval, evidence and decision.',
    shows: ['clickhouse', ...SLICE_COLUMNS],
    own: [comparedRelease('left', 'Compare', null), comparedRelease('right', 'with', 'left')],
    annotations: releaseAnnotations(),
    from: 'now-14d',
    refresh: '5m',
  })
  builder.withPanel(history())
  builder.withRow(row('${left} compared with ${right}'))
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
      'Every release of the agents selected that had a contact in the range, the latest first: when it served, how many contacts, and what became of it. The links of a row compare the release chosen above as *Compare* with it, or take it as the one to compare.',
    unit: 'short',
    width: 24,
    height: 9,
    whenEmpty: NO_CONTACTS,
    queries: [
      clickhouse(
        sql`
        SELECT ${releaseName} AS release_name, if(any(state_now) = '', 'live', any(state_now)) AS state, sum(contacts) AS all_contacts,
          toDateTime(max(last_at)) AS last_contact, toDateTime(min(first_at)) AS first_contact, any(incident_signals) AS incident_signals,
          any(to_detect) AS to_detect, any(exposed) AS exposed, environment, agent, release, ${RELEASE_KEY} AS release_key
        FROM slice_times
        LEFT JOIN (
          SELECT agent, release, environment, argMax(state, detected_at) AS state_now,
            argMax(arrayStringConcat(signals, ', '), detected_at) AS incident_signals,
            argMax(date_diff('second', onset_at, detected_at), detected_at) AS to_detect,
            toNullable(sum(contacts_exposed)) AS exposed
          FROM incident_clock WHERE detected_at <= $__toTime GROUP BY agent, release, environment
        ) AS incidents USING (agent, release, environment)
        WHERE release != '' AND ${sliceSelected()}
        GROUP BY agent, release, environment
        HAVING first_contact <= $__toTime AND last_contact >= $__fromTime
        ORDER BY last_contact DESC, first_contact DESC
        LIMIT 1000`,
        'table',
      ),
    ],
    overrides: {
      release_name: named('Release', [
        atLeast(104),
        cellLinks([
          ['Compare with this', boardUrl('releases', { right: ofRow('release_key') }, ['left'])],
          ['Compare this', boardUrl('releases', { left: ofRow('release_key') })],
        ]),
      ]),
      state: named('State', [width(78), filterable, ...colouredText(STATES)]),
      all_contacts: named('Contacts', [width(76)]),
      last_contact: named('Last contact', WHEN_WIDE),
      first_contact: named('First contact', WHEN_WIDE),
      incident_signals: named('Incident', [atLeast(130)]),
      to_detect: named('To detect', [LASTED, ...unit('s')]),
      exposed: named('Exposed', [width(80)]),
      environment: named('Environment', [atLeast(110)]),
      agent: hidden,
      release: hidden,
      release_key: hidden,
    },
  })

const NAMES = FOUR_SIGNALS.map((signal) => `'${signal.name}'`).join(', ')
const perSignal = (values: readonly (string | number)[], otherwise: string): string =>
  `transform(signal, [${NAMES}], [${values.join(', ')}], ${otherwise})`

/** Hits and trials of both releases per signal, and their difference. */
const comparison = (): PanelSource => {
  const windows = perSignal(
    FOUR_SIGNALS.map((signal) => (windowMsOf(signal) ?? 0) / 1000),
    '0',
  )
  const columns = SIDES.map(({ end }) => ({ rate: `rate${end}`, low: `low${end}`, high: `high${end}` }))
  const [left, right] = [columns[0]!, columns[1]!]
  const rates = SIDES.map(({ end }) => `${share(`hits${end}`, `trials${end}`)} AS rate${end}`).join(', ')
  const intervals = SIDES.map(({ end }) => {
    const counts = [`hits${end}`, `trials${end}`] as const
    return `${wilson('low', ...counts)} AS low${end}, ${wilson('high', ...counts)} AS high${end}, trials${end}`
  }).join(',\n')
  const sides = SIDES.map(({ variable, end }) => `${isOneOf(variable)} AS is${end}`).join(',\n')
  const counted = SIDES.map(
    ({ end }) => sql`
      sumIf(n, measure = 'trials' AND is${end}) AS all_trials${end}, sumIf(n, measure = 'trials' AND is${end} AND is_old) AS trials${end},
      sumIf(n, measure = 'hits' AND is${end} AND is_old) AS hits${end}`,
  ).join(',\n')
  return table({
    title: 'Signal by signal',
    description:
      'Rate of each signal for both releases in the range and selection, with 95 % intervals (Wilson), and their difference with its 95 % interval (Newcombe’s hybrid score), which decides the last column. Of a signal whose hits come later only contacts count whose window is over (72 h for repeat contacts, 7 days for complaints); until then it is too young. The interval is right at one look, for releases that served the same customers at the same time: whoever looks until something shows will find something. What pauses a release is the evidence below, not this table.',
    unit: 'short',
    width: 24,
    height: 8,
    mostPoints: SHARE_POINTS,
    whenEmpty: NO_CONTACTS,
    queries: [
      clickhouse(
        sql`
        SELECT ${perSignal(
          FOUR_SIGNALS.map((signal) => `'${signal.title}'`),
          'signal',
        )} AS signal_title,
          ${rates},
          multiIf(all_trials_a = 0 OR all_trials_b = 0, 'no data', trials_a = 0 OR trials_b = 0, 'too young',
            difference_low > 0, 'higher', difference_high < 0, 'lower', 'not told apart') AS verdict,
          rate_a - rate_b AS difference, ${difference('low', left, right)} AS difference_low, ${difference('high', left, right)} AS difference_high,
          ${intervals}
        FROM (
          SELECT signal,
            ${counted}
          FROM (
            SELECT signal, measure, n, ${sides},
              ${windows} AS window_s,
              window_s = 0 OR at + window_s + ${COUNTED_SECONDS} <= (SELECT max(clock_at) FROM batches) AS is_old
            FROM ${COUNTS}
            WHERE signal IN (${NAMES}) AND measure IN ('trials', 'hits')
              AND ${EITHER}
              AND ${sliceSelected(['channel', 'queue', 'region'])}
          )
          GROUP BY signal
        )
        ORDER BY indexOf([${NAMES}], signal)`,
        'table',
      ),
    ],
    overrides: {
      signal_title: named('Signal', [atLeast(96)]),
      rate_a: named('${left}', [width(92), ...unit('percentunit', 2)]),
      rate_b: named('${right}', [width(92), ...unit('percentunit', 2)]),
      verdict: named('Verdict', [width(112)]),
      difference: named('Difference', [width(86), ...unit('percentunit', 2)]),
      difference_low: named('at least', [width(72), ...unit('percentunit', 2)]),
      difference_high: named('at most', [width(72), ...unit('percentunit', 2)]),
      low_a: named('Low, ${left}', [width(92), ...unit('percentunit', 2)]),
      high_a: named('High, ${left}', [width(92), ...unit('percentunit', 2)]),
      trials_a: named('Trials, ${left}', [width(92)]),
      low_b: named('Low, ${right}', [width(92), ...unit('percentunit', 2)]),
      high_b: named('High, ${right}', [width(92), ...unit('percentunit', 2)]),
      trials_b: named('Trials, ${right}', [width(92)]),
    },
  })
}

/** Several triggers may read a signal, some of them a part of the traffic only: of each release the one that saw the most trials. */
const widestTrigger = (signal: Signal, releases: string): string => sql`
  (agent, release, environment, trigger) IN (
    SELECT agent, release, environment, argMax(trigger, (trials, trigger))
    FROM evidence_latest
    WHERE trigger != '' AND signal = '${signal.name}' AND ${releases}
    GROUP BY agent, release, environment
  )`

const inColour = (displayName: string, color: string) => [
  ...named(displayName),
  { id: 'color', value: { mode: 'fixed', fixedColor: color } },
]

/** The rate of the whole release so far, with its interval, as the detector saw it: both releases on one axis of time. */
function sideBySide(signal: Signal): PanelSource {
  return series({
    title: signal.title,
    description: `${signal.description} Share since the launch of each release, with its 95 % interval, as the detector saw it at the time; the dashed line is the limit. Where several triggers read the signal, that with the most trials.`,
    unit: 'percentunit',
    width: 12,
    height: 8,
    min: 0,
    whenEmpty: 'No trial of this signal by these releases in the range.',
    queries: [
      ...SIDES.map(({ variable, end }) =>
        clickhouse(
          sql`
          SELECT $__timeInterval(minute) AS time, argMax(rate, (at, seq)) AS rate${end},
            argMax(low, (at, seq)) AS low${end}, argMax(high, (at, seq)) AS high${end}
          FROM evidence_history
          WHERE signal = '${signal.name}' AND rate IS NOT NULL AND $__timeFilter(minute)
            AND ${widestTrigger(signal, isOneOf(variable))}
          GROUP BY time
          ORDER BY time`,
          'series',
        ),
      ),
      clickhouse(
        sql`
        SELECT $__timeInterval(minute) AS time, min(limit) AS limit_rate
        FROM evidence_history
        WHERE signal = '${signal.name}' AND $__timeFilter(minute)
          AND ${widestTrigger(signal, EITHER)}
        GROUP BY time
        ORDER BY time`,
        'series',
      ),
    ],
    overrides: {
      rate_a: inColour('${left}', SIDES[0].color),
      ...asBand('low_a', 'high_a', SIDES[0].color),
      rate_b: inColour('${right}', SIDES[1].color),
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
    width: 9,
    height: 8,
    ...EVIDENCE_LOOK,
    whenEmpty: 'No evidence in this range for these releases.',
    queries: SIDES.map(({ variable, end }) =>
      clickhouse(
        sql`
        SELECT $__timeInterval(minute) AS time, argMax(log_e / log_threshold, (at, seq)) AS evidence${end}
        FROM evidence_history
        WHERE trigger = '' AND $__timeFilter(minute)
          AND ${isOneOf(variable)}
        GROUP BY time
        ORDER BY time`,
        'series',
      ),
    ),
    overrides: {
      evidence_a: inColour('${left}', SIDES[0].color),
      evidence_b: inColour('${right}', SIDES[1].color),
    },
  })

const decisions = (): PanelSource =>
  table({
    title: 'What was found',
    description: 'What the detector last said of both releases, by trigger.',
    unit: 'short',
    width: 15,
    height: 8,
    whenEmpty: 'No trigger judged these releases.',
    queries: [
      clickhouse(
        sql`
        SELECT ${releaseName} AS release_name, trigger, argMax(finding, seq) AS finding_now, argMax(trials, seq) AS trials_now, argMax(hits, seq) AS hits_now,
          argMax(limit, seq) AS limit_rate, argMax(log_e / log_threshold, seq) AS evidence_ratio, argMax(action, seq) AS action_now
        FROM evidence_latest
        WHERE trigger != ''
          AND ${EITHER}
        GROUP BY agent, environment, release, trigger
        ORDER BY evidence_ratio DESC
        LIMIT 200`,
        'table',
      ),
    ],
    overrides: {
      release_name: named('Release', [atLeast(104)]),
      trigger: named('Trigger', [atLeast(154)]),
      finding_now: named('Finding', [width(96), ...colouredText(FINDINGS)]),
      trials_now: named('Trials', [width(68)]),
      hits_now: named('Hits', [width(58)]),
      limit_rate: named('Limit', [width(75), ...unit('percentunit', 2)]),
      evidence_ratio: named('Evidence', [width(80), ...unit('percentunit', 0)]),
      action_now: named('Action', [width(80)]),
    },
  })
