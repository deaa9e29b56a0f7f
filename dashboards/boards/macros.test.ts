import { expect, test } from 'vitest'
import { ALL, browserHalf, expanded, type Selection } from './macros.fixtures.ts'
import { serverHalf } from './server-macros.fixtures.ts'

// Ranges, queries and what becomes of them: cases of the data source's own tests (grafana/clickhouse-datasource 4.20).
const RANGE = { fromMs: 1_415_792_726_123, toMs: 1_447_328_726_456, intervalMs: 60_000 }
const FROM = 'toDateTime(1415792726)'
const TO = 'toDateTime(1447328726)'
const [FROM_MS, TO_MS] = ['fromUnixTimestamp64Milli(1415792726123)', 'fromUnixTimestamp64Milli(1447328726456)']
const DAYS = "d >= toDate('2014-11-12') AND d <= toDate('2015-11-12')"

test.each([
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
  ["`a--b`, `c/*d`, `it's` and $__fromTime", `\`a--b\`, \`c/*d\`, \`it's\` and ${FROM}`],
  ['$doc$a--b$doc$ AS x and $__toTime', `$doc$a--b$doc$ AS x and ${TO}`],
  ["'$__fromTime'", `'${FROM}'`],
  // comments become as many spaces
  ['1 -- $__nothing\n+ 2', `1${' '.repeat(14)}\n+ 2`],
  ['1 /* $__timeFilter( */ + 2', `1${' '.repeat(22)}+ 2`],
])('the server makes %s into %s', (sql, filled) => {
  expect(serverHalf(sql, RANGE)).toBe(filled)
})

test('points are never shorter than a second, and a second that has begun does not count', () => {
  const at = (intervalMs: number) => serverHalf('$__interval_s', { ...RANGE, intervalMs })
  expect([at(0), at(999), at(1999), at(2000)]).toEqual(['1', '1', '1', '2'])
})

test.each(['$__timeFilter', '$__timeFilter()', '$__dateTimeFilter(d)', '$__timeInterval(a, b)', '$__timeFilter(a'])(
  '%s is an error, as in Grafana',
  (sql) => {
    expect(() => serverHalf(sql, RANGE)).toThrow('takes')
  },
)

test.each(['$__conditionalAll(x = 1, $agent)', '$agent', '${agent:raw}', '$__timeFilters(a)', '$__columns(t, k, v)'])(
  'in an alert rule nothing expands %s',
  (sql) => {
    expect(() => serverHalf(sql, RANGE)).toThrow('nothing expands')
  },
)

const agents = (value: string | readonly string[]): Selection => ({ agent: { value, options: ['a', "o'b \\"] } })
const CONDITION = "WHERE $__conditionalAll(has(splitByChar('&', '${agent:customqueryparam:v}'), agent), $agent);"
const condition = (values: string) => `WHERE has(splitByChar('&', '${values}'), agent);`

test.each([
  ['All', ALL, 'WHERE 1=1;'],
  ['All in a list', [ALL], 'WHERE 1=1;'],
  ['nothing', [], 'WHERE 1=1;'],
  ['an empty text', '', 'WHERE 1=1;'],
  ['one', 'a', condition('v=a')],
  ['several', ['a', 'b'], condition('v=a&v=b')],
  ['quotes, brackets and a backslash', ['o\'b ("\\)'], condition('v=o%27b%20%28%22%5C%29')],
  ['what JavaScript replaces', ['$&', "$'"], condition('v=%24%26&v=%24%27')],
  ['a macro', ['$__toTime'], condition('v=%24__toTime')],
  ['a comment', ['a -- b'], condition('v=a%20--%20b')],
  ['beyond ASCII', ['東'], condition('v=%E6%9D%B1')],
])('the browser narrows to %s', (_, value, narrowed) => {
  expect(browserHalf(CONDITION, agents(value))).toBe(narrowed)
  expect(expanded(CONDITION, agents(value), RANGE)).toBe(narrowed)
})

test('without a condition All stands for every option', () => {
  expect(browserHalf("'${agent:customqueryparam:v}'", agents([ALL]))).toBe("'v=a&v=o%27b%20%5C'")
})

test('a selection of other variables and other names is left to the server', () => {
  expect(browserHalf('$__timeFilter(at) $other ${other:csv}', agents('a'))).toBe(
    '$__timeFilter(at) $other ${other:csv}',
  )
})

test.each([
  '$agent',
  '${agent}',
  '[[agent]]',
  '${agent:csv}',
  '${agent:singlequote}',
  '${agent:sqlstring}',
  '${agent[0]}',
])('a value that would reach SQL unescaped is refused: %s', (sql) => {
  expect(() => browserHalf(sql, agents('a'))).toThrow()
})
