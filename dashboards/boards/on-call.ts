import { type Dashboard, DashboardBuilder } from '@grafana/grafana-foundation-sdk/dashboard'
import { FOUR_SIGNALS } from '../../detectors/signals/library.ts'
import { REPLY_WINDOW_MS } from '../../facts/reply-window.ts'
import { releaseAnnotations } from './annotations.ts'
import { board } from './board.ts'
import { boardUrl, ofRow } from './links.ts'
import { harm, lives } from './on-call-charts.ts'
import { onCallNumbers, shown } from './on-call-numbers.ts'
import {
  BAD,
  cellLink,
  cellLinks,
  colouredText,
  hidden,
  NO_INCIDENT,
  named,
  type PanelSource,
  row,
  STATES,
  table,
  text,
  unit,
  WHEN,
  width,
} from './panels.ts'
import { clickhouse } from './query.ts'
import { selected, share } from './sql.ts'
import { sql } from './text.ts'
import { clickhouseSource, documents, monitorPage, sliceVariables } from './variables.ts'

/** For on-call: what is going on, how far each pause has got, whom it touches, and what to do next. */
export function onCall(): Dashboard {
  const builder = board(new DashboardBuilder('On-call'), {
    name: 'onCall',
    description:
      'Incidents with their clocks, what they touch, how the order to pause travels, and what to do next. For those who are paged.',
    variables: [clickhouseSource(), ...sliceVariables(), monitorPage(), documents()],
    annotations: releaseAnnotations(),
    from: 'now-24h',
    refresh: '10s',
  })
  for (const panel of onCallNumbers()) builder.withPanel(panel)
  builder.withPanel(firstMinutes())
  builder.withPanel(incidents())
  builder.withPanel(clocks())
  builder.withRow(row('What is affected'))
  for (const panel of [affected(), harm(), recovery()]) builder.withPanel(panel)
  builder.withRow(row('The pause'))
  for (const panel of [lives(), deliveries()]) builder.withPanel(panel)
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

/** The runbook of what was breached; signals of your own have none here. */
const RUNBOOK = `transform(signal, [${FOUR_SIGNALS.map(({ name }) => `'${name}'`).join(', ')}], [${FOUR_SIGNALS.map(({ runbook }) => `'${runbook.replace(/^docs\/runbooks\//, '')}'`).join(', ')}], 'release-paused.md')`

const incidents = (): PanelSource =>
  table({
    title: 'Incidents and what to do next',
    description:
      'Incidents found in the range, and older ones that are not drained. The links of a next step open the page of the monitor at this incident, the runbooks of pauses and of the signal, and the incident in the API. After pause: counted so far, empty while nobody has counted.',
    unit: 'short',
    width: 24,
    height: 8,
    whenEmpty: NO_INCIDENT,
    queries: [
      clickhouse(
        sql`
        SELECT state, agent, release, environment, arrayStringConcat(signals, ', ') AS signal_names, detected_at,
          ${NEXT} AS next_step, acknowledged_by, traffic_goes_to, contacts_exposed, contacts_after_pause, writes_after_pause,
          ${share('hits', 'trials')} AS rate, baseline, finding_reason, reason, incident_id, ${RUNBOOK} AS signal_runbook
        FROM incident_clock
        WHERE ${shown()}
        ORDER BY state IN ('drained', 'resumed', 'closed'), detected_at DESC
        LIMIT 200`,
        'table',
      ),
    ],
    overrides: {
      state: named('State', [width(100), ...colouredText(STATES)]),
      agent: named('Agent'),
      release: named('Release', [
        cellLink('Compare this release', boardUrl('releases', { agent: ofRow('agent'), release: ofRow('release') })),
      ]),
      environment: hidden,
      signal_names: named('Signals'),
      detected_at: named('Detected', [width(WHEN)]),
      next_step: named('Next step', [
        width(390),
        cellLinks(
          [
            ['Open the incident', `\${page}/incidents/${ofRow('incident_id')}`],
            ['Runbook: a release was paused', '${docs}/runbooks/release-paused.md'],
            ['Runbook of the signal', `\${docs}/runbooks/${ofRow('signal_runbook')}`],
            ['The incident as JSON', `\${page}/api/v1/incidents/${ofRow('incident_id')}`],
          ],
          true,
        ),
      ]),
      acknowledged_by: named('Acknowledged by'),
      traffic_goes_to: named('Traffic goes to'),
      contacts_exposed: named('Exposed'),
      contacts_after_pause: named('After pause'),
      writes_after_pause: named('Writes after pause'),
      rate: named('Rate', unit('percentunit', 2)),
      baseline: named('Baseline', unit('percentunit', 2)),
      finding_reason: named('Why'),
      reason: named('Decision'),
      incident_id: named('Incident'),
      signal_runbook: hidden,
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
        SELECT agent, release, onset_at, detected_at, accepted_at,
          date_diff('millisecond', onset_at, detected_at) / 1000 AS to_detect,
          date_diff('millisecond', first_harm_at, detected_at) / 1000 AS since_harm,
          date_diff('millisecond', detected_at, accepted_at) / 1000 AS to_pause,
          date_diff('millisecond', accepted_at, stopped_at) / 1000 AS to_stop,
          date_diff('millisecond', accepted_at, drained_at) / 1000 AS to_drain,
          date_diff('millisecond', onset_low_at, onset_high_at) / 1000 AS onset_range
        FROM incident_clock
        WHERE ${shown()}
        ORDER BY detected_at DESC
        LIMIT 200`,
        'table',
      ),
    ],
    overrides: {
      agent: named('Agent'),
      release: named('Release'),
      onset_at: named('Onset', [width(WHEN)]),
      detected_at: named('Detected', [width(WHEN)]),
      accepted_at: named('Accepted', [width(WHEN)]),
      to_detect: named('Time to detect'),
      since_harm: named('Since first harm'),
      to_pause: named('Time to pause'),
      to_stop: named('Time to stop'),
      to_drain: named('Time to drain'),
      onset_range: named('Onset known within'),
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
        SELECT agent, release, channel, queue,
          sumIf(n, measure = 'contacts') AS contacts, sumIf(n, measure = 'writes') AS writes,
          sumIf(n, measure = 'failed_writes') AS failed_writes, sumIf(n, measure = 'duplicate_writes') AS duplicate_writes,
          any(slice_evidence) AS evidence_ratio
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
      agent: named('Agent', [width(110)]),
      release: named('Release', [width(90)]),
      channel: named('Channel', [width(90)]),
      queue: named('Queue', [width(110)]),
      contacts: named('Contacts', [width(85)]),
      writes: named('Writes', [width(75)]),
      failed_writes: named('Failed', [width(75)]),
      duplicate_writes: named('Duplicated', [width(90)]),
      evidence_ratio: named('Evidence', [width(85), ...unit('percentunit', 0)]),
    },
  })

/** Customers who wait for an answer on WhatsApp, as facts/reply-window.ts knows the channel. */
const REPLY_OWED = `kind = 'customer' AND need = 'recontact' AND NOT is_done AND match(channel, '(?i)whats *app')`
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
    height: 6,
    whenEmpty: 'Nothing is listed: no pause in this range and selection touched anything, as far as counted.',
    queries: [
      clickhouse(
        sql`
        SELECT agent, release, kind, if(need = '', 'listed only', need) AS need_name, count() AS items, countIf(is_done) AS done,
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
      agent: named('Agent'),
      release: named('Release'),
      kind: named('Kind'),
      need_name: named('Needs'),
      items: named('Items'),
      done: named('Done'),
      done_share: named('Share done', unit('percentunit', 0)),
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

const deliveries = (): PanelSource =>
  table({
    title: 'How the order travelled',
    description:
      'Every attempt to tell a target, newest first. `accepted` is a 2xx of a target that enforces, or an agent that was told to stop when it asked; `told` is a notification.',
    unit: 'short',
    width: 12,
    height: 8,
    whenEmpty: 'Nothing was sent in this range: no incident, or none that orders a pause or tells anybody.',
    queries: [
      clickhouse(
        sql`
        SELECT at, concat(agent, ' ', release) AS release_name, target, step, outcome, attempt, status, elapsed_ms
        FROM incident_deliveries
        INNER JOIN (SELECT incident_id, agent, release FROM incident_clock WHERE ${shown()}) AS incidents USING (incident_id)
        WHERE at <= $__toTime AND outcome != 'sending'
        ORDER BY at DESC, version DESC
        LIMIT 200`,
        'table',
      ),
    ],
    overrides: {
      at: named('At', [width(WHEN)]),
      release_name: named('Release'),
      target: named('Target'),
      step: named('Step'),
      outcome: named('Outcome'),
      attempt: named('Attempt', [width(80)]),
      status: named('HTTP', [{ id: 'unit', value: 'none' }, width(70)]),
      elapsed_ms: named('Took', unit('ms')),
    },
  })

const firstMinutes = (): PanelSource =>
  text(
    'First five minutes',
    'The beginning of the runbook docs/runbooks/release-paused.md.',
    24,
    5,
    `1. **Has it stopped?** Look at *State* below. *pausing*: nobody has accepted; stop the release by hand where traffic is routed.
2. **Where do customers go now?** *Traffic goes to* names it. Tell whoever staffs that queue.
3. **Is it only this release?** Several agents at once point to something shared: a model, a tool, a system of record.
4. **Was it right?** Look at *Rate* against *Baseline* and at the evidence: did it climb at one point in time?

[The whole runbook](\${docs}/runbooks/release-paused.md) · [the page of the monitor](\${page}) · [everything as JSON](\${page}/api/v1/overview)`,
  )
