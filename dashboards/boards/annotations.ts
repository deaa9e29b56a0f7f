import { AnnotationQueryBuilder } from '@grafana/grafana-foundation-sdk/dashboard'
import { CLICKHOUSE, clickhouse, PROMETHEUS, prometheus } from './query.ts'
import { incidentSelected, sliceSelected } from './sql.ts'
import { sql } from './text.ts'

/** Marks more than these would hide the data behind them. */
const MOST_MARKS = 100

const annotation = (name: string, iconColor: string, rawSql: string) =>
  new AnnotationQueryBuilder()
    .name(name)
    .datasource(CLICKHOUSE)
    .enable(true)
    .hide(false)
    .iconColor(iconColor)
    .target(clickhouse(rawSql, 'table'))

/** First contact of every release of the selection. */
export const launches = () =>
  annotation(
    'Releases',
    'blue',
    sql`
    SELECT toDateTime(min(first_at)) AS time, 'Release' AS title, concat(agent, ' ', release, ' launched') AS text, agent AS tags
    FROM slice_times
    WHERE release != '' AND ${sliceSelected()}
    GROUP BY environment, agent, release
    HAVING time >= $__fromTime AND time <= $__toTime
    ORDER BY time DESC
    LIMIT ${MOST_MARKS}`,
  )

/** From the acceptance of a pause to its drain, or to whatever ended it, or to the end of the range. */
export const pauses = () =>
  annotation(
    'Pauses',
    'red',
    sql`
    SELECT accepted_at AS time, coalesce(drained_at, resumed_at, closed_at, $__toTime) AS timeEnd, 'Paused' AS title,
      concat(agent, ' ', release, ' paused for ', arrayStringConcat(signals, ', '), ': ', finding_reason) AS text,
      concat(agent, ',', state) AS tags
    FROM incident_clock
    WHERE accepted_at IS NOT NULL AND accepted_at <= $__toTime AND coalesce(drained_at, resumed_at, closed_at, $__toTime) >= $__fromTime
      AND ${incidentSelected()}
    ORDER BY time DESC
    LIMIT ${MOST_MARKS}`,
  )

/** When a breach was found that nobody was ordered to stop. */
export const breaches = () =>
  annotation(
    'Breaches without a pause',
    'dark-orange',
    sql`
    SELECT detected_at AS time, 'Breach' AS title, concat(agent, ' ', release, ': ', finding_reason) AS text,
      concat(agent, ',', reason) AS tags
    FROM incident_clock
    WHERE NOT ordered AND $__timeFilter(detected_at) AND ${incidentSelected()}
    ORDER BY time DESC
    LIMIT ${MOST_MARKS}`,
  )

/** Drills from their first contact to their verdict. */
export const drillMarks = () =>
  annotation(
    'Drills',
    'purple',
    sql`
    SELECT started_at AS time, ended_at AS timeEnd, 'Drill' AS title,
      concat('Drill of ', agent, ', ', signal, ': ', if(passed = 1, 'passed', concat('failed: ', reason))) AS text, agent AS tags
    FROM drills
    WHERE ended_at >= $__fromTime AND started_at <= $__toTime
    ORDER BY time DESC
    LIMIT ${MOST_MARKS}`,
  )

/** When the processes of Andon were started; the value is the time, in milliseconds. */
export const restartMarks = (labels: string) =>
  new AnnotationQueryBuilder()
    .name('Starts of processes')
    .datasource(PROMETHEUS)
    .enable(true)
    .hide(false)
    .iconColor('blue')
    .target(prometheus(`process_start_time_seconds${labels} * 1000`, ''))
    .titleFormat('Start')
    .textFormat('{{instance}} was started')
    .useValueForTime(true)

export const releaseAnnotations = () => [launches(), pauses(), breaches()]
