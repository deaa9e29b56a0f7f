import { expect, test } from 'vitest'
import { VECTOR_RANGE, VECTORS, WRONG } from './macro-vectors.fixtures.ts'
import { ALL, browserHalf, expanded, type Selection } from './macros.fixtures.ts'
import { serverHalf } from './server-macros.fixtures.ts'

test.each(VECTORS)('the server makes %s into %s', (sql, filled) => {
  expect(serverHalf(sql, VECTOR_RANGE)).toBe(filled)
})

test('points are never shorter than a second, and a second that has begun does not count', () => {
  const at = (intervalMs: number) => serverHalf('$__interval_s', { ...VECTOR_RANGE, intervalMs })
  expect([at(0), at(999), at(1999), at(2000)]).toEqual(['1', '1', '1', '2'])
})

test.each(WRONG)('%s is an error, as in Grafana', (sql) => {
  expect(() => serverHalf(sql, VECTOR_RANGE)).toThrow('takes')
})

test.each(['$__conditionalAll(x = 1, $agent)', '$agent', '${agent:raw}', '$__timeFilters(a)', '$__columns(t, k, v)'])(
  'in an alert rule nothing expands %s',
  (sql) => {
    expect(() => serverHalf(sql, VECTOR_RANGE)).toThrow('nothing expands')
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
  expect(expanded(CONDITION, agents(value), VECTOR_RANGE)).toBe(narrowed)
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
