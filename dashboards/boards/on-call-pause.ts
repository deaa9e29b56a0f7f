import { atLeast, codeOf, named, STATE_CODES, unit, WHEN, width } from './fields.ts'
import { shown } from './on-call-numbers.ts'
import { NO_INCIDENT, type PanelSource, stateTimeline, table } from './panels.ts'
import { clickhouse } from './query.ts'
import { releaseName } from './sql.ts'
import { sql } from './text.ts'

/** How the pauses of the board On-call fared: states over time, and how the orders travelled. */
export const onCallPause = (): PanelSource[] => [lives(), deliveries()]

/** One lane per release: each step of its incidents, and the state at the beginning of the range. Of steps at one time the last counts: codes ascend. */
const lives = (): PanelSource =>
  stateTimeline({
    title: 'States over time',
    description:
      'One lane per release with an incident: pausing, paused, stopped, drained, resumed, closed, or observed. Before the first state it was live.',
    unit: 'none',
    width: 10,
    height: 8,
    whenEmpty: NO_INCIDENT,
    mappings: STATE_CODES,
    queries: [
      clickhouse(
        sql`
        SELECT greatest(toDateTime(assumeNotNull(step.1)), $__fromTime) AS time, ${releaseName} AS series, argMax(step.2, (step.1, step.2)) AS state_code
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

const deliveries = (): PanelSource =>
  table({
    title: 'How the order travelled',
    description:
      'Every attempt to tell a target, newest first. `accepted` is a 2xx of a target that enforces, or an agent that was told to stop when it asked; `told` is a notification.',
    unit: 'short',
    width: 14,
    height: 8,
    whenEmpty: 'Nothing was sent in this range: no incident, or none that orders a pause or tells anybody.',
    queries: [
      clickhouse(
        sql`
        SELECT at, ${releaseName} AS release_name, target, outcome, step, attempt, status, elapsed_ms
        FROM incident_deliveries
        INNER JOIN (SELECT incident_id, agent, release FROM incident_clock WHERE ${shown()}) AS incidents USING (incident_id)
        WHERE at <= $__toTime AND outcome != 'sending'
        ORDER BY at DESC, version DESC
        LIMIT 200`,
        'table',
      ),
    ],
    overrides: {
      at: named('At', WHEN),
      release_name: named('Release', [atLeast(104)]),
      target: named('Target', [atLeast(76)]),
      outcome: named('Outcome', [width(80)]),
      step: named('Step', [width(90)]),
      attempt: named('Attempt', [width(74)]),
      status: named('HTTP', [{ id: 'unit', value: 'none' }, width(60)]),
      elapsed_ms: named('Took', [width(72), ...unit('ms')]),
    },
  })
