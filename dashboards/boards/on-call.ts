import { type Dashboard, DashboardBuilder } from '@grafana/grafana-foundation-sdk/dashboard'
import { FOUR_SIGNALS } from '../../detectors/signals/library.ts'
import { REPLY_WINDOW_MS, WHATSAPP } from '../../facts/reply-window.ts'
import { releaseAnnotations } from './annotations.ts'
import { board } from './board.ts'
import {
  atLeast,
  BAD,
  cellLink,
  cellLinks,
  colouredText,
  hidden,
  LASTED,
  named,
  STATES,
  unit,
  WHEN,
  WHEN_ON_ONE_LINE,
  width,
} from './fields.ts'
import { compareUrl, ofRow, SHARED } from './links.ts'
import { harm } from './on-call-charts.ts'
import { shown, standing, touched } from './on-call-numbers.ts'
import { onCallPause } from './on-call-pause.ts'
import { NO_INCIDENT, type PanelSource, row, table, text } from './panels.ts'
import { clickhouse } from './query.ts'
import { RELEASE_KEY, releaseName, selected, share } from './sql.ts'
import { sql } from './text.ts'

/** For on-call: what is going on, how far each pause has got, whom it touches, and what to do next. */
export function onCall(): Dashboard {
  const builder = board(new DashboardBuilder('On-call'), {
    name: 'onCall',
    description:
      'Incidents with their clocks, what they touch, how the order to pause travels, and what to do next. For those who are paged.',
    shows: SHARED,
    annotations: releaseAnnotations(),
    from: 'now-24h',
    refresh: '10s',
  })
  // In the order in which a phone shows them: whether to act, what to do, then how bad it is, then why.
  for (const panel of [...standing(), incidents(), firstMinutes()]) builder.withPanel(panel)
  builder.withRow(row('What was found, and how fast'))
  for (const panel of [...touched(), findings(), clocks()]) builder.withPanel(panel)
  builder.withRow(row('What is affected'))
  for (const panel of [affected(), harm(), recovery()]) builder.withPanel(panel)
  builder.withRow(row('The pause'))
  for (const panel of onCallPause()) builder.withPanel(panel)
  return builder.build()
}

/** What a person does next, by state. The words of docs/runbooks/release-paused.md. */
const NEXT = `multiIf(
          escalated AND state IN ('pausing', 'paused'), 'Escalated: stop the release at its entrance, then find out why',
          state = 'pausing', 'Stop the release by hand, then look at the delivery below',
          state = 'paused' AND contacts_after_pause IS NULL, 'Watch contacts after the pause: nobody has counted them yet',
          state = 'paused', 'Watch contacts after the pause: still within a minute?',
          state = 'stopped', 'Nothing: contacts under way end on their own',
          state = 'closed', 'Nothing: closed by a person',
          state = 'resumed', 'Nothing: a person let it go on; close it with a verdict',
          state = 'drained', 'Correct what it did, then resume, roll back or close',
          reason = 'notify_only', 'Decide: this trigger asks people',
          reason = 'pause_budget_exhausted', 'Look for a shared cause before stopping another agent',
          reason = 'observe_only', 'The switch is on: decide by hand',
          reason = 'unknown_release', 'Find the sender: its telemetry names no release',
          'Read the reason and decide')`

/** The release of a row by its whole name, which leads to where it is compared. */
const RELEASE_LINK = {
  release_name: named('Release', [width(110), cellLink('Compare this release', compareUrl())]),
  agent: hidden,
  release: hidden,
  environment: hidden,
  release_key: hidden,
}

/** The runbook of what was breached; signals of your own have none here. */
const RUNBOOK = `transform(signal, [${FOUR_SIGNALS.map(({ name }) => `'${name}'`).join(', ')}], [${FOUR_SIGNALS.map(({ runbook }) => `'${runbook.replace(/^docs\/runbooks\//, '')}'`).join(', ')}], 'release-paused.md')`

const incidents = (): PanelSource =>
  table({
    title: 'Incidents and what to do next',
    description:
      'Incidents found in the range, and older ones that are not drained. The links of a next step open the page of the monitor at this incident, the runbooks of pauses and of the signal, and the incident in the API. After pause: counted so far, empty while nobody has counted.',
    unit: 'short',
    width: 16,
    height: 10,
    whenEmpty: NO_INCIDENT,
    queries: [
      clickhouse(
        sql`
        SELECT ${releaseName} AS release_name, state, ${NEXT} AS next_step, traffic_goes_to, detected_at, acknowledged_by,
          agent, release, environment, incident_id, ${RUNBOOK} AS signal_runbook, ${RELEASE_KEY} AS release_key
        FROM incident_clock
        WHERE ${shown()}
        ORDER BY state IN ('drained', 'resumed', 'closed'), detected_at DESC
        LIMIT 200`,
        'table',
      ),
    ],
    overrides: {
      ...RELEASE_LINK,
      state: named('State', [width(78), ...colouredText(STATES)]),
      next_step: named('Next step', [
        atLeast(168),
        cellLinks(
          [
            ['Open the incident', `\${page}/incidents/${ofRow('incident_id')}`],
            ['Runbook: a release was paused', '${page}/docs/runbooks/release-paused.md'],
            ['Runbook of the signal', `\${page}/docs/runbooks/${ofRow('signal_runbook')}`],
            ['The incident as JSON', `\${page}/api/v1/incidents/${ofRow('incident_id')}`],
          ],
          true,
        ),
      ]),
      traffic_goes_to: named('Traffic goes to', [width(118)]),
      detected_at: named('Detected', WHEN),
      acknowledged_by: named('Acknowledged by', [width(120)]),
      incident_id: hidden,
      signal_runbook: hidden,
    },
  })

/** The figures of the finding that opened each incident, and what came of it. */
const findings = (): PanelSource =>
  table({
    title: 'What was found',
    description:
      'The finding that opened each incident: rate against baseline when it was found, contacts begun between onset and detection (exposed), contacts and writes begun after the pause was accepted, what was decided, and why.',
    unit: 'short',
    width: 24,
    height: 9,
    whenEmpty: NO_INCIDENT,
    queries: [
      clickhouse(
        sql`
        SELECT ${releaseName} AS release_name, ${share('hits', 'trials')} AS rate, baseline, contacts_exposed, contacts_after_pause,
          writes_after_pause, arrayStringConcat(signals, ', ') AS signal_names, reason, finding_reason, agent, release, environment,
          ${RELEASE_KEY} AS release_key
        FROM incident_clock
        WHERE ${shown()}
        ORDER BY detected_at DESC
        LIMIT 200`,
        'table',
      ),
    ],
    overrides: {
      ...RELEASE_LINK,
      rate: named('Rate', [width(78), ...unit('percentunit', 2)]),
      baseline: named('Baseline', [width(80), ...unit('percentunit', 2)]),
      contacts_exposed: named('Exposed', [width(80)]),
      contacts_after_pause: named('After pause', [width(75)]),
      writes_after_pause: named('Writes after pause', [width(112)]),
      signal_names: named('Signals', [width(158)]),
      reason: named('Decision', [width(110)]),
      finding_reason: named('Why', [atLeast(400)]),
    },
  })

const clocks = (): PanelSource =>
  table({
    title: 'The clock of each incident',
    description:
      'Seconds from onset (estimated) to detection, from detection to the acceptance of the pause, and from there to the last contact begun (stopped) and the last span ended (drained). Empty: it has not happened yet.',
    unit: 's',
    width: 24,
    height: 7,
    whenEmpty: NO_INCIDENT,
    queries: [
      clickhouse(
        sql`
        SELECT ${releaseName} AS release_name,
          date_diff('millisecond', onset_at, detected_at) / 1000 AS to_detect,
          date_diff('millisecond', detected_at, accepted_at) / 1000 AS to_pause,
          date_diff('millisecond', accepted_at, drained_at) / 1000 AS to_drain,
          date_diff('millisecond', accepted_at, stopped_at) / 1000 AS to_stop,
          date_diff('millisecond', first_harm_at, detected_at) / 1000 AS since_harm,
          date_diff('millisecond', onset_low_at, onset_high_at) / 1000 AS onset_range,
          onset_at, detected_at, accepted_at
        FROM incident_clock
        WHERE ${shown()}
        ORDER BY detected_at DESC
        LIMIT 200`,
        'table',
      ),
    ],
    overrides: {
      release_name: named('Release', [atLeast(104)]),
      to_detect: named('To detect', [LASTED]),
      to_pause: named('To pause', [LASTED]),
      to_drain: named('To drain', [LASTED]),
      to_stop: named('To stop', [LASTED]),
      since_harm: named('Since first harm', [LASTED]),
      onset_range: named('Onset known within', [width(110)]),
      onset_at: named('Onset', WHEN_ON_ONE_LINE),
      detected_at: named('Detected', WHEN_ON_ONE_LINE),
      accepted_at: named('Accepted', WHEN_ON_ONE_LINE),
    },
  })

/** Contacts of the incidents' releases from onset to stop, by where they came in. */
const affected = (): PanelSource =>
  table({
    title: 'Contacts since the onset',
    description:
      'Contacts of each affected release that began between the onset of the harm and the stop (or the end of the range), with what was written in them, and how far the evidence of this channel and queue carries the release to its pause: 100 % pauses it alone. A release with several incidents counts once, from the first onset to the last stop.',
    unit: 'short',
    width: 14,
    height: 8,
    whenEmpty: NO_INCIDENT,
    queries: [
      clickhouse(
        sql`
        SELECT ${releaseName} AS release_name, channel, queue, sumIf(n, measure = 'contacts') AS contacts,
          any(slice_evidence) AS evidence_ratio, sumIf(n, measure = 'writes') AS writes,
          sumIf(n, measure = 'failed_writes') AS failed_writes, sumIf(n, measure = 'duplicate_writes') AS duplicate_writes
        FROM (
          SELECT agent, release, environment, channel, queue, measure, minute, n
          FROM rollup_minutes
          WHERE signal = '' AND measure IN ('contacts', 'writes', 'failed_writes', 'duplicate_writes') AND minute <= $__toTime
            AND ${selected('channel')} AND ${selected('queue')} AND ${selected('region')}
            AND (agent, release, environment) IN (SELECT agent, release, environment FROM incident_clock WHERE ${shown()})
        ) AS counted
        INNER JOIN (
          SELECT agent, release, environment, min(coalesce(onset_at, detected_at)) AS since, max(coalesce(stopped_at, $__toTime)) AS until
          FROM incident_clock
          WHERE ${shown()}
          GROUP BY agent, release, environment
        ) AS stretch USING (agent, release, environment)
        LEFT JOIN (
          SELECT agent, release, environment, channel, queue, toNullable(greatest(0, argMax(log_e / log_threshold, (at, seq)))) AS slice_evidence
          FROM evidence_slices
          WHERE minute <= $__toTime
            AND (agent, release, environment) IN (SELECT agent, release, environment FROM incident_clock WHERE ${shown()})
          GROUP BY agent, release, environment, channel, queue
        ) AS slices USING (agent, release, environment, channel, queue)
        WHERE minute >= toStartOfMinute(since) AND minute <= until
        GROUP BY agent, release, channel, queue
        ORDER BY contacts DESC
        LIMIT 200`,
        'table',
      ),
    ],
    overrides: {
      release_name: named('Release', [atLeast(104)]),
      channel: named('Channel', [width(76)]),
      queue: named('Queue', [width(106)]),
      contacts: named('Contacts', [width(76)]),
      evidence_ratio: named('Evidence', [width(78), ...unit('percentunit', 0)]),
      writes: named('Writes', [width(64)]),
      failed_writes: named('Failed', [width(64)]),
      duplicate_writes: named('Duplicated', [width(92)]),
    },
  })

/** Customers who wait for an answer on WhatsApp, as facts/reply-window.ts knows the channel. */
const REPLY_OWED = `kind = 'customer' AND need = 'recontact' AND NOT is_done AND match(channel, '(?i)${WHATSAPP}')`
/** Less than this is a matter of now. */
const REPLY_SOON_SECONDS = 4 * 3600

/** The affected set of the pause, and how much of it is dealt with. */
const recovery = (): PanelSource =>
  table({
    title: 'What is to be put right',
    description:
      'The affected set that was listed at the pause, by what it needs: records to correct, customers to recontact, cases to route. Done: the ledger has an entry. WhatsApp, left: how long a free-form reply may still be sent to the first of those to recontact (24 h after the contact; longer where the customer wrote again). `andon affected` and `andon recover` have the items.',
    unit: 'short',
    width: 24,
    height: 7,
    whenEmpty: 'Nothing is listed: no pause in this range and selection touched anything, as far as counted.',
    queries: [
      clickhouse(
        sql`
        SELECT ${releaseName} AS release_name, if(need = '', 'listed only', need) AS need_name, kind, count() AS items, countIf(is_done) AS done,
          ${share('done', 'items')} AS done_share,
          if(countIf(${REPLY_OWED}) > 0, greatest(0, ${REPLY_WINDOW_MS / 1000} - date_diff('second', minIf(ended_at, ${REPLY_OWED}), $__toTime)), NULL) AS reply_left
        FROM affected_now
        WHERE incident_id IN (SELECT incident_id FROM incident_clock WHERE ${shown()})
        GROUP BY agent, release, kind, need_name
        ORDER BY need_name = 'listed only', items DESC
        LIMIT 200`,
        'table',
      ),
    ],
    overrides: {
      release_name: named('Release', [atLeast(108)]),
      need_name: named('Needs', [atLeast(92)]),
      kind: named('Kind', [atLeast(86)]),
      items: named('Items', [atLeast(70)]),
      done: named('Done', [atLeast(66)]),
      done_share: named('Share done', [atLeast(70), ...unit('percentunit', 0)]),
      reply_left: named('WhatsApp, left', [
        ...unit('s'),
        { id: 'custom.cellOptions', value: { type: 'color-text' } },
        {
          id: 'thresholds',
          value: {
            mode: 'absolute',
            steps: [
              { value: null, color: 'text' },
              { value: 0, color: BAD },
              { value: REPLY_SOON_SECONDS, color: 'text' },
            ],
          },
        },
      ]),
    },
  })

const firstMinutes = (): PanelSource =>
  text(
    'First five minutes',
    'The beginning of the runbook docs/runbooks/release-paused.md.',
    8,
    10,
    `1. **Has it stopped?** Where *State* is *pausing*, nobody has accepted: stop the release by hand where traffic is routed.
2. **Where do customers go now?** *Traffic goes to* names it. Tell whoever staffs that queue.
3. **Is it only this release?** Several agents at once point to something shared: a model, a tool, a system of record.
4. **Was it right?** Look at *Rate* against *Baseline* and at the evidence: did it climb at one point in time?

[The whole runbook](\${page}/docs/runbooks/release-paused.md) · [the page of the monitor](\${page}) · [everything as JSON](\${page}/api/v1/overview)`,
  )
