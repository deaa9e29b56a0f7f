/** Pieces of SQL that the queries of boards share. Grafana fills the macros ($__…) and variables; docs/grafana.md tells how. */

import { DRILL } from '../../facts/drill.ts'
import { sql } from './text.ts'

/** Releases drawn as series of their own: more cannot be told apart. */
export const MOST_SERIES = 6
/** What stands for all that have no series of their own. */
export const OTHERS = 'other releases'
/** What stands before the name of a series, so that its place gives it a colour and a dash (PLACES in panels.ts). */
export const MARKS = ['①', '②', '③', '④', '⑤', '⑥'] as const

/** Columns of a slice that a board can be narrowed to, each by the variable of the same name. */
export const SLICE_COLUMNS = ['environment', 'agent', 'release', 'channel', 'queue', 'region'] as const
export type SliceColumn = (typeof SLICE_COLUMNS)[number]

/**
 * Values of a variable as an array of texts. They travel percent-encoded, because no format of Grafana escapes a backslash: names
 * come from telemetry, and one that ends with a backslash would end the quotes around every other format.
 */
export const valuesOf = (variable: string): string =>
  `arrayMap(v -> decodeURLComponent(substring(v, 3)), splitByChar('&', '\${${variable}:customqueryparam:v}'))`

/** True where a column holds one of the selected values, or always when All is selected. */
export const selected = (column: string, variable: string = column): string =>
  `$__conditionalAll(has(${valuesOf(variable)}, ${column}), $${variable})`

/** True for incidents of a selected slice; one whose evidence stands over all of them has an empty channel or queue, and concerns each. */
export const concerned = (column: 'channel' | 'queue'): string => `(${column} = '' OR ${selected(column)})`

/** Agent, release and environment in one text that people can read and nothing else yields: spaces and percent signs inside a name are encoded. */
export const RELEASE_KEY =
  "arrayStringConcat(arrayMap(name -> replaceAll(replaceAll(name, '%', '%25'), ' ', '%20'), [toString(agent), toString(release), toString(environment)]), ' ')"

/** True for the releases that these variables hold, each by its key. */
export const isOneOf = (...variables: string[]): string => sql`
  (agent, release, environment) IN (
    SELECT names[1], names[2], names[3]
    FROM (SELECT arrayMap(name -> decodeURLComponent(name), splitByChar(' ', arrayJoin(arrayConcat(${variables.map(valuesOf).join(', ')})))) AS names)
    WHERE names[3] != '${DRILL.environment}'
  )`

/** Drills are told on the board of the monitor only: nobody was harmed. */
export const NO_DRILLS = `environment != '${DRILL.environment}'`

export const sliceSelected = (columns: readonly SliceColumn[] = SLICE_COLUMNS): string =>
  [NO_DRILLS, ...columns.map((column) => selected(column))].join('\nAND ')

/** What is judged apart: region is a dimension of boards only. */
export const JUDGED_COLUMNS: readonly SliceColumn[] = ['environment', 'agent', 'release', 'channel', 'queue']
const RELEASE_COLUMNS: readonly SliceColumn[] = ['environment', 'agent', 'release']
export const releaseSelected = (): string => sliceSelected(RELEASE_COLUMNS)
/** For incidents: of the releases selected, and concerning the channels and queues selected. */
export const incidentSelected = (): string =>
  `${releaseSelected()} AND ${concerned('channel')} AND ${concerned('queue')}`

/** True for incidents whose release may still take contacts at the end of the range: not drained, not resumed, not closed. */
export const IS_OPEN =
  'detected_at <= $__toTime AND ifNull(coalesce(drained_at, resumed_at, closed_at) > $__toTime, true)'

/** What a release is called in legends and tables. */
export const releaseName = "concat(agent, ' ', release)"
/** What a slice of a release is called. */
export const sliceName =
  "concat(agent, ' ', release, ': ', if(channel = '', 'no channel', channel), ', ', if(queue = '', 'no queue', queue))"

const COUNTED = 'signal, measure, environment, agent, release, channel, queue'
/** Totals per day know no region. */
const BY_DAY = '($__interval_s >= 86400 AND $__conditionalAll(1 = 0, $region))'

/**
 * Counts of the range, as a table (signal, measure, slice columns, at, n): by minute, by hour where a point of the panel is an hour or longer, by
 * day (UTC) where it is a day or longer and no region is selected. What began before the range does not count, so a first hour or day that the
 * range cuts is left out. Only one part is ever read, and ClickHouse takes the conditions around it into that part.
 */
export const COUNTS = sql`
  (
    SELECT ${COUNTED}, region, minute AS at, n
    FROM rollup_minutes
    WHERE $__interval_s < 3600 AND $__timeFilter(minute)
    UNION ALL
    SELECT ${COUNTED}, region, hour AS at, n
    FROM rollup_hours
    WHERE $__interval_s >= 3600 AND NOT ${BY_DAY} AND $__timeFilter(hour)
    UNION ALL
    SELECT ${COUNTED}, '' AS region, toDateTime(day, 'UTC') AS at, n
    FROM rollup_days
    WHERE ${BY_DAY} AND day >= toDate($__fromTime, 'UTC') + 1 AND day <= toDate($__toTime, 'UTC')
  )`

/** How much time one row of the counts stands for. */
export const COUNTED_SECONDS = `if($__interval_s < 3600, 60, if(${BY_DAY}, 86400, 3600))`

/** The latest releases of the selection that had a contact in the range: rows of agent, release, environment. */
export const latest = (most: number = MOST_SERIES): string => sql`
  SELECT agent, release, environment
  FROM slice_times
  WHERE ${sliceSelected()}
  GROUP BY agent, release, environment
  HAVING min(first_at) <= $__toTime AND max(last_at) >= $__fromTime
  ORDER BY max(last_at) DESC, min(first_at) DESC
  LIMIT ${most}`

export const isAmong = (releases: string): string => sql`
  (agent, release, environment) IN (
    ${releases}
  )`
export const latestReleases = (most: number = MOST_SERIES): string => isAmong(latest(most))

/**
 * What the detector last said that still counts, as a table: the columns of evidence_latest. Of a release that people let go on nothing does that was
 * said before, since its evidence began anew then.
 */
export const current = (): string => sql`
  (
    SELECT latest.*
    FROM evidence_latest AS latest
    LEFT JOIN (
      SELECT environment, agent, release, max(resumed_at) AS begun_at
      FROM incident_clock
      WHERE resumed_at <= $__toTime
      GROUP BY environment, agent, release
    ) AS anew USING (environment, agent, release)
    WHERE ifNull(at > begun_at, true)
  )`

/**
 * Of the releases that had a contact in the range, those whose evidence is strongest, as the detector last said: rows of agent, release, environment.
 * Releases that nobody judges come last. `of` chooses the rows of evidence, e.g. the joint ones.
 */
export const nearest = (of: string, most: number = MOST_SERIES): string => sql`
  SELECT agent, release, environment
  FROM (
    ${latest(1000).replace('SELECT agent, release, environment', 'SELECT agent, release, environment, max(last_at) AS seen_at')}
  ) AS served
  LEFT JOIN (
    SELECT agent, release, environment, max(evidence) AS strongest, 1 AS is_judged
    FROM (
      SELECT agent, release, environment, trigger, argMax(log_e / log_threshold, seq) AS evidence
      FROM ${current()}
      WHERE ${of}
      GROUP BY agent, release, environment, trigger
    )
    GROUP BY agent, release, environment
  ) AS judged USING (agent, release, environment)
  ORDER BY is_judged DESC, strongest DESC, seen_at DESC, agent, release, environment
  LIMIT ${most}`

/**
 * Releases that are stopped as a whole at the end of the range: an order was accepted, and nobody has let them go on since. Where a part alone is
 * stopped, the release serves on.
 */
export const heldReleases = (): string => sql`
  SELECT agent, release, environment
  FROM incident_clock
  WHERE empty(scope) AND accepted_at <= $__toTime AND ${releaseSelected()}
  GROUP BY agent, release, environment
  HAVING ifNull(max(accepted_at) > maxIf(resumed_at, resumed_at <= $__toTime), true)`

/** The name of a series with the mark of its place, in order of names; what is no release of its own comes last and has none. */
const marked = sql`
  if(name = '${OTHERS}', name, concat([${MARKS.map((mark) => `'${mark}'`).join(', ')}][dense_rank() OVER (ORDER BY name = '${OTHERS}', name)], ' ', name)) AS series`

/** Series with marks, of rows of time, name and one value. */
export const withMarks = (rows: string, value: string): string => sql`
  SELECT time, ${marked}, ${value}
  FROM (
    ${rows}
  )
  ORDER BY time`

/**
 * The same for lines, with a row of nothing wherever a point is missing between the first and the last of a series: a line over an outage would be an
 * invention. The value is one that may be null.
 */
export const linesOf = (rows: string, value: string): string =>
  withMarks(
    sql`
    ${rows}
    ORDER BY name, time WITH FILL STEP toIntervalSecond($__interval_s)`,
    value,
  )

/** 97.5 % point of the normal distribution, as detectors/sequential/wilson.ts has it. */
const Z = 1.959963984540054

/** One end of the 95 % Wilson interval of a share, null without trials; the formula of detectors/sequential/wilson.ts. */
export function wilson(end: 'low' | 'high', hits: string, trials: string): string {
  const share = `(least(${hits}, ${trials}) / ${trials})`
  const spread = `${Z} * sqrt(${share} * (1 - ${share}) / ${trials} + ${Z ** 2 / 4} / (${trials} * ${trials}))`
  const value = `(${share} + ${Z ** 2 / 2} / ${trials} ${end === 'low' ? '-' : '+'} ${spread}) / (1 + ${Z ** 2} / ${trials})`
  return `if(${trials} > 0, ${end === 'low' ? `greatest(0, ${value})` : `least(1, ${value})`}, NULL)`
}

/** Columns with a share and both ends of its Wilson interval. */
type ShareColumns = Readonly<{ rate: string; low: string; high: string }>

/**
 * One end of the 95 % interval of the difference of two shares, null where either is: Newcombe's hybrid score, made of both Wilson intervals
 * (Statistics in Medicine 1998, method 10). Right at one look, as they are.
 */
export const difference = (end: 'low' | 'high', one: ShareColumns, other: ShareColumns): string =>
  end === 'low'
    ? `${one.rate} - ${other.rate} - sqrt(pow(${one.rate} - ${one.low}, 2) + pow(${other.high} - ${other.rate}, 2))`
    : `${one.rate} - ${other.rate} + sqrt(pow(${one.high} - ${one.rate}, 2) + pow(${other.rate} - ${other.low}, 2))`

/** A share that is null where nothing was counted: no data is never zero. */
export const share = (hits: string, trials: string): string => `if(${trials} > 0, ${hits} / ${trials}, NULL)`
