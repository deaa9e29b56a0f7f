/**
 * What the ClickHouse data source's server makes of macros, most of it out of its own tests (grafana/clickhouse-datasource 4.20.0). The fixtures are held
 * against these everywhere, the real server where there is one (test/live/datasource.clickhouse.test.ts).
 */

/** Over what the vectors are asked. */
export const VECTOR_RANGE = { fromMs: 1_415_792_726_123, toMs: 1_447_328_726_456, intervalMs: 60_000 }

const FROM = 'toDateTime(1415792726)'
const TO = 'toDateTime(1447328726)'
const [FROM_MS, TO_MS] = ['fromUnixTimestamp64Milli(1415792726123)', 'fromUnixTimestamp64Milli(1447328726456)']
const DAYS = "d >= toDate('2014-11-12') AND d <= toDate('2015-11-12')"

export const VECTORS: readonly (readonly [sql: string, filled: string])[] = [
  ['$__fromTime and $__toTime', `${FROM} and ${TO}`],
  ['$__fromTime_ms and $__toTime_ms', `${FROM_MS} and ${TO_MS}`],
  [
    '( date >= $__fromTime ) and ( date <= $__toTime ) limit 100',
    `( date >= ${FROM} ) and ( date <= ${TO} ) limit 100`,
  ],
  ['$__timeFilter(cast(sth as timestamp) )', `cast(sth as timestamp) >= ${FROM} AND cast(sth as timestamp) <= ${TO}`],
  ['$__timeFilter_ms(ts)', `ts >= ${FROM_MS} AND ts <= ${TO_MS}`],
  ['$__dateFilter(d)', DAYS],
  ['$__dateTimeFilter(d, t)', `(${DAYS}) AND (t >= ${FROM} AND t <= ${TO})`],
  ['$__dt(d, t)', `(${DAYS}) AND (t >= ${FROM} AND t <= ${TO})`],
  ['$__timeFrom(ts) and $__timeTo(ts)', `ts >= ${FROM} and ts <= ${TO}`],
  ['$__timeInterval(col)', 'toStartOfInterval(toDateTime(col), INTERVAL 60 second)'],
  ['$__timeInterval_ms(col)', 'toStartOfInterval(toDateTime64(col, 3), INTERVAL 60000 millisecond)'],
  ['$__interval_s < 3600 and $__interval_ms', '60 < 3600 and 60000'],
  // nested, innermost first
  ['$__timeInterval($__fromTime)', `toStartOfInterval(toDateTime(${FROM}), INTERVAL 60 second)`],
  [
    '$__timeFilter(coalesce(closed_at, $__toTime))',
    `coalesce(closed_at, ${TO}) >= ${FROM} AND coalesce(closed_at, ${TO}) <= ${TO}`,
  ],
  // quotes keep what looks like a comment, and hide no macro
  [String.raw`msg = 'it\'s -- fine' and $__fromTime`, String.raw`msg = 'it\'s -- fine' and ${FROM}`],
  [String.raw`msg = 'a\'/*x' and $__toTime`, String.raw`msg = 'a\'/*x' and ${TO}`],
  ["msg = 'it''s' and $__fromTime", `msg = 'it''s' and ${FROM}`],
  ['`a--b` and 1\n, $__fromTime', `\`a${' '.repeat(10)}\n, ${FROM}`],
  ["'$__fromTime'", `'${FROM}'`],
  // comments become as many spaces
  ['1 -- $__nothing\n+ 2', `1${' '.repeat(14)}\n+ 2`],
  ['1 /* $__timeFilter( */ + 2', `1${' '.repeat(22)}+ 2`],
]

/** What the server refuses. */
export const WRONG: readonly string[] = [
  '$__timeFilter',
  '$__timeFilter()',
  '$__dateTimeFilter(d)',
  '$__timeInterval(a, b)',
  '$__timeFilter(a',
]
