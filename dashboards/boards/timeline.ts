import { type Dashboard, DashboardBuilder } from '@grafana/grafana-foundation-sdk/dashboard'
import { board } from './board.ts'
import { cellLink } from './fields.ts'
import { compareUrl } from './links.ts'
import { NO_CONTACTS, type PanelSource, pluginPanel } from './panels.ts'
import { clickhouse } from './query.ts'
import { RELEASE_KEY, releaseSelected, sliceSelected } from './sql.ts'

/** Lanes that a reader may scroll through; the latest releases win. */
const MOST_LANES = 1000
/** Points of evidence per lane: a lane is about so many pixels wide, halved. */
const MOST_POINTS = 300

/** The board of the app plugin: it needs the plugin's panel, so it is no file under dashboards/grafana/. docs/plugin.md lists the columns. */
export function timeline(): Dashboard {
  const builder = board(new DashboardBuilder('Release timeline'), {
    name: 'timeline',
    description:
      'Every release as a lane: when it was live, being paused, paused, recovering or rolled back, how harm began, and how long each step took.',
    shows: ['clickhouse', 'environment', 'agent', 'release', 'page'],
    from: 'now-7d',
    refresh: '1m',
  })
  builder.withPanel(lanes())
  return builder.build()
}

const lanes = (): PanelSource =>
  pluginPanel('andon-releasetimeline-panel', {
    mostPoints: MOST_POINTS,
    title: 'Releases',
    description:
      'Lanes of the releases that were active in the range, with the clock of every incident and, below, evidence of harm up to the line at which a release is paused. Drag to zoom, double click to zoom out, click for the card with links; with the keyboard: arrows, Enter, plus and minus.',
    unit: 'short',
    width: 24,
    height: 22,
    whenEmpty: NO_CONTACTS,
    queries: [clickhouse(releases(), 'table'), clickhouse(incidents(), 'table'), clickhouse(evidence(), 'table')],
    overrides: {
      release_key: [cellLink('Compare this release', compareUrl())],
      incident_id: [
        cellLink('Open the incident', '${page}/incidents/${__data.fields["incident_id"]:percentencode}', true),
      ],
    },
  })

/**
 * A lane each: from the first to the last contact, to the minute. A release that ended before the range may be paused in it still. The list is cut last, and
 * releases_found says what it was cut from.
 */
const releases = (): string => `
    SELECT environment, agent, release, toDateTime(began) AS first_at, toDateTime(ended) AS last_at, total AS contacts, ${RELEASE_KEY} AS release_key, count() OVER () AS releases_found
    FROM (
      SELECT environment, agent, release, min(slice_times.first_at) AS began, max(slice_times.last_at) AS ended, sum(slice_times.contacts) AS total
      FROM slice_times
      WHERE release != '' AND ${sliceSelected(['environment', 'agent', 'release'])}
      GROUP BY environment, agent, release
    )
    WHERE began <= $__toTime AND (
      ended >= $__fromTime
      OR (environment, agent, release) IN (SELECT environment, agent, release FROM incident_clock WHERE detected_at <= $__toTime AND ${releaseSelected()})
    )
    ORDER BY ended DESC
    LIMIT ${MOST_LANES}`

/**
 * The clock of each incident. Recovered: when the last thing that needed something was dealt with or the rest was waived; where nothing needed anything,
 * with the drain.
 */
const incidents = (): string => `
    SELECT incident_id, environment, agent, release, state, arrayStringConcat(signals, ', ') AS signal_names, finding_reason,
      onset_at, onset_low_at, onset_high_at, first_harm_at, detected_at, sent_at, accepted_at, stopped_at, drained_at,
      multiIf(waived_ms > 0, fromUnixTimestamp64Milli(waived_ms, 'UTC'),
        items = 0 OR open > 0, NULL,
        done_ms > 0, fromUnixTimestamp64Milli(done_ms, 'UTC'),
        drained_at) AS recovered_at,
      rolled_back_at, resumed_at, closed_at, ordered,
      contacts_exposed, contacts_after_pause, writes_after_pause
    FROM incident_clock
    LEFT JOIN (
      SELECT incident_id, count() AS items, countIf(need != '' AND NOT is_done) AS open,
        maxIf(toUnixTimestamp64Milli(done_at), need != '' AND is_done) AS done_ms
      FROM affected_now GROUP BY incident_id
    ) AS repairs USING (incident_id)
    LEFT JOIN (
      SELECT incident_id, toUnixTimestamp64Milli(min(at)) AS waived_ms
      FROM recovery_entries WHERE step = 'waived' GROUP BY incident_id
    ) AS waivers USING (incident_id)
    WHERE detected_at <= $__toTime AND ${releaseSelected()}
    ORDER BY detected_at DESC
    LIMIT ${MOST_LANES}`

/** Joint evidence of each release over its line: what a pause needs. Evidence for health is none of harm. */
const evidence = (): string => `
    SELECT $__timeInterval(minute) AS time, environment, agent, release, greatest(0, argMax(log_e / log_threshold, (at, seq))) AS evidence
    FROM evidence_history
    WHERE trigger = '' AND $__timeFilter(minute) AND ${releaseSelected()}
    GROUP BY time, environment, agent, release
    ORDER BY time`
