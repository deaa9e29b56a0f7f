import { type Dashboard, DashboardBuilder } from '@grafana/grafana-foundation-sdk/dashboard'
import { releaseAnnotations } from './annotations.ts'
import { board } from './board.ts'
import { compareUrl, ofRow, SHARED } from './links.ts'
import { onCallNumbers, shown } from './on-call-numbers.ts'
import {
  BAD,
  cellLink,
  cellLinks,
  codeOf,
  colouredText,
  EVIDENCE_AXIS,
  hidden,
  NO_INCIDENT,
  named,
  type PanelSource,
  row,
  STATE_CODES,
  STATES,
  series,
  stateTimeline,
  table,
  text,
  unit,
  WHEN,
  width,
} from './panels.ts'
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
  for (const panel of onCallNumbers()) builder.withPanel(panel)
  builder.withPanel(incidents())
  builder.withPanel(clocks())
  builder.withRow(row('What is affected'))
  for (const panel of [affected(), harm(), recovery()]) builder.withPanel(panel)
  builder.withRow(row('The pause'))
  for (const panel of [lives(), deliveries()]) builder.withPanel(panel)
  builder.withPanel(nextSteps())
  return builder.build()
}

/** What a person does next, by state. The words of docs/runbooks/release-paused.md. */
const NEXT = `multiIf(
          escalated AND state IN ('pausing', 'paused'), 'Escalated: stop the release at its entrance, then find out why',
          state = 'pausing', 'Stop the release by hand, then look at the delivery below',
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

const incidents = (): PanelSource =>
  table({
    title: 'Incidents and what to do next',
    description:
      'Incidents found in the range, and older ones that are not drained. The links of a next step open the page of the monitor at this incident, the runbook, and the incident in the API.',
    unit: 'short',
    width: 24,
    height: 8,
    whenEmpty: NO_INCIDENT,
    queries: [
      clickhouse(
        sql`
        SELECT state, agent, release, environment, arrayStringConcat(signals, ', ') AS signal_names, detected_at,
          ${NEXT} AS next_step, acknowledged_by, traffic_goes_to, contacts_exposed, contacts_after_pause, writes_after_pause,
          ${share('hits', 'trials')} AS rate, baseline, finding_reason, reason, incident_id, ${RELEASE_KEY} AS release_key
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
      release: named('Release', [cellLink('Compare this release', compareUrl())]),
      environment: hidden,
      signal_names: named('Signals'),
      detected_at: named('Detected', [width(WHEN)]),
      next_step: named('Next step', [
        width(390),
        cellLinks(
          [
            ['Open the incident', `\${page}/incidents/${ofRow('incident_id')}`],
            ['Runbook', '${docs}/runbooks/release-paused.md'],
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
      release_key: hidden,
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
      'Contacts of each affected release that began between the onset of the harm and the stop (or the end of the range), with what was written in them, and how far the evidence of this channel and queue carries the release to its pause: 100 % pauses it alone. Each incident counts its own stretch of time.',
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

/** The affected set of the pause, and how much of it is dealt with. */
const recovery = (): PanelSource =>
  table({
    title: 'What is to be put right',
    description:
      'The affected set that was listed at the pause, by what it needs: records to correct, customers to recontact, cases to route. Done: the ledger has an entry. `andon affected` and `andon recover` have the items.',
    unit: 'short',
    width: 24,
    height: 6,
    whenEmpty: 'Nothing is listed: no pause in this range and selection touched anything.',
    queries: [
      clickhouse(
        sql`
        SELECT agent, release, kind, if(need = '', 'listed only', need) AS need_name, count() AS items, countIf(is_done) AS done,
          ${share('done', 'items')} AS done_share
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
    },
  })

const harm = (): PanelSource =>
  series({
    title: 'Evidence of the affected releases',
    description:
      'Joint evidence of every release with an incident, over its line: how fast the harm showed. 100 % is a pause; what lies beyond 150 % leaves the picture.',
    unit: 'percentunit',
    width: 10,
    height: 8,
    ...EVIDENCE_AXIS,
    lines: true,
    thresholds: [
      { value: null, color: 'transparent' },
      { value: 1, color: BAD },
    ],
    whenEmpty: NO_INCIDENT,
    queries: [
      clickhouse(
        sql`
        SELECT $__timeInterval(minute) AS time, ${releaseName} AS series, argMax(log_e / log_threshold, (at, seq)) AS evidence_ratio
        FROM evidence_history
        WHERE trigger = '' AND $__timeFilter(minute)
          AND (agent, release, environment) IN (SELECT agent, release, environment FROM incident_clock WHERE ${shown()})
        GROUP BY time, series
        ORDER BY time`,
        'series',
      ),
    ],
  })

/** One lane per release: each step of its incidents, and the state at the beginning of the range. */
const lives = (): PanelSource =>
  stateTimeline({
    title: 'States over time',
    description:
      'One lane per release with an incident: pausing, paused, stopped, drained, resumed, closed, or observed. Before the first state it was live.',
    unit: 'none',
    width: 12,
    height: 8,
    whenEmpty: NO_INCIDENT,
    mappings: STATE_CODES,
    queries: [
      clickhouse(
        sql`
        SELECT greatest(toDateTime(assumeNotNull(step.1)), $__fromTime) AS time, ${releaseName} AS series, argMax(step.2, step.1) AS state_code
        FROM incident_clock
        ARRAY JOIN arrayFilter(s -> isNotNull(s.1), [
          (detected_at, if(state = 'observed', ${codeOf('observed')}, ${codeOf('pausing')})), (accepted_at, ${codeOf('paused')}),
          (stopped_at, ${codeOf('stopped')}), (drained_at, ${codeOf('drained')}),
          (resumed_at, ${codeOf('resumed')}), (closed_at, ${codeOf('closed')})
        ]) AS step
        WHERE ${shown()} AND step.1 <= $__toTime
        GROUP BY time, series
        ORDER BY time`,
        'series',
      ),
    ],
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

const nextSteps = (): PanelSource =>
  text(
    'First five minutes',
    'The beginning of the runbook docs/runbooks/release-paused.md.',
    24,
    7,
    `1. **Has it stopped?** Look at *State* above. *pausing*: nobody has accepted; stop the release by hand where traffic is routed.
2. **Where do customers go now?** *Traffic goes to* names it. Tell whoever staffs that queue.
3. **Is it only this release?** Several agents at once point to something shared: a model, a tool, a system of record.
4. **Was it right?** Look at *Rate* against *Baseline*, and at the evidence: did it climb at one point in time?

[The whole runbook](\${docs}/runbooks/release-paused.md) · [the page of the monitor](\${page}) · [everything as JSON](\${page}/api/v1/overview)`,
  )
