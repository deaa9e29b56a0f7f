import { shown } from './on-call-numbers.ts'
import {
  BAD,
  codeOf,
  EVIDENCE_AXIS,
  EVIDENCE_BRIDGED_MS,
  NO_INCIDENT,
  type PanelSource,
  STATE_CODES,
  series,
  stateTimeline,
} from './panels.ts'
import { clickhouse } from './query.ts'
import { isAmong, linesOf, MOST_SERIES, releaseName } from './sql.ts'
import { sql } from './text.ts'

const latestIncidents = (): string => sql`
  SELECT agent, release, environment
  FROM incident_clock
  WHERE ${shown()}
  GROUP BY agent, release, environment
  ORDER BY max(detected_at) DESC
  LIMIT ${MOST_SERIES}`

export const harm = (): PanelSource =>
  series({
    title: 'Evidence of the affected releases',
    description:
      'Joint evidence of the six releases with the latest incidents, over its line: how fast the harm showed. 100 % is a pause; what lies beyond 150 % leaves the picture.',
    unit: 'percentunit',
    width: 10,
    height: 8,
    ...EVIDENCE_AXIS,
    bridgedMs: EVIDENCE_BRIDGED_MS,
    places: true,
    lines: true,
    thresholds: [
      { value: null, color: 'transparent' },
      { value: 1, color: BAD },
    ],
    whenEmpty: NO_INCIDENT,
    queries: [
      clickhouse(
        linesOf(
          sql`
        SELECT $__timeInterval(minute) AS time, ${releaseName} AS name, toNullable(argMax(log_e / log_threshold, (at, seq))) AS evidence_ratio
        FROM evidence_history
        WHERE trigger = '' AND $__timeFilter(minute)
          AND ${isAmong(latestIncidents())}
        GROUP BY time, name`,
          'evidence_ratio',
        ),
        'series',
      ),
    ],
  })

/** One lane per release: each step of its incidents, and the state at the beginning of the range. */
export const lives = (): PanelSource =>
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
          (detected_at, if(ordered, ${codeOf('pausing')}, ${codeOf('observed')})), (accepted_at, ${codeOf('paused')}),
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
