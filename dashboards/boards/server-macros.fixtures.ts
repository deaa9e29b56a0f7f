/**
 * The macros of the ClickHouse data source's server (4.20, pkg/macros), which are all that an alert rule gets. Its statement macros ($__columns and
 * its kin), $__table and $__column are not used by boards: what nothing expands throws.
 */

/** intervalMs: how much time a point of the panel stands for. */
export type Range = Readonly<{ fromMs: number; toMs: number; intervalMs: number }>

const seconds = (ms: number): string => `toDateTime(${Math.floor(ms / 1000)})`
const millis = (ms: number): string => `fromUnixTimestamp64Milli(${Math.floor(ms)})`
const day = (ms: number): string => `toDate('${new Date(ms).toISOString().slice(0, 10)}')`
const within = (column: string, { fromMs, toMs }: Range, literal: (ms: number) => string): string =>
  `${column} >= ${literal(fromMs)} AND ${column} <= ${literal(toMs)}`
const wholeSeconds = (ms: number): number => Math.floor(Math.max(ms / 1000, 1))
const interval = (column: string, count: number, unit: string): string =>
  `toStartOfInterval(${column}, INTERVAL ${count} ${unit})`

/** By name without $__; what it takes, and what it becomes. A macro of no arguments swallows those that follow it. */
const MACROS: Readonly<Record<string, readonly [takes: number, (range: Range, ...given: string[]) => string]>> = {
  fromTime: [0, ({ fromMs }) => seconds(fromMs)],
  toTime: [0, ({ toMs }) => seconds(toMs)],
  fromTime_ms: [0, ({ fromMs }) => millis(fromMs)],
  toTime_ms: [0, ({ toMs }) => millis(toMs)],
  timeFilter: [1, (range, column) => within(column!, range, seconds)],
  timeFilter_ms: [1, (range, column) => within(column!, range, millis)],
  dateFilter: [1, (range, column) => within(column!, range, day)],
  dateTimeFilter: [2, (range, date, time) => `(${within(date!, range, day)}) AND (${within(time!, range, seconds)})`],
  dt: [2, (range, date, time) => `(${within(date!, range, day)}) AND (${within(time!, range, seconds)})`],
  timeFrom: [1, ({ fromMs }, column) => `${column} >= ${seconds(fromMs)}`],
  timeTo: [1, ({ toMs }, column) => `${column} <= ${seconds(toMs)}`],
  timeInterval: [1, ({ intervalMs }, column) => interval(`toDateTime(${column})`, wholeSeconds(intervalMs), 'second')],
  timeInterval_ms: [
    1,
    ({ intervalMs }, column) =>
      interval(`toDateTime64(${column}, 3)`, Math.floor(Math.max(intervalMs, 1)), 'millisecond'),
  ],
  interval_s: [0, ({ intervalMs }) => String(wholeSeconds(intervalMs))],
  interval_ms: [0, ({ intervalMs }) => String(Math.floor(intervalMs))],
}

/** Comments go, then macros are filled from the inside out. Throws where Grafana would show an error, or send a macro on to ClickHouse. */
export function serverHalf(sql: string, range: Range): string {
  const filled = filledIn(withoutComments(sql), range)
  const left = /\$\w+|\$\{\w+/.exec(filled)
  if (left)
    throw new Error(`nothing expands ${left[0]} in: ${filled.slice(Math.max(0, left.index - 80), left.index + 80)}`)
  return filled
}

/** Texts in single and double quotes, and comments outside them. Backticks keep no comment: versions after 4.20.0 respect them. */
const LEXED = new RegExp(
  [
    String.raw`'(?:\\[\s\S]|''|[^'\\])*'`,
    String.raw`"(?:\\[\s\S]|""|[^"\\])*"`,
    String.raw`(?<comment>--[^\n\r]*|/\*[\s\S]*?(?:\*/|$))`,
  ].join('|'),
  'g',
)

const withoutComments = (sql: string): string =>
  sql.replace(LEXED, (match, ...rest) => {
    const { comment } = rest.at(-1) as { comment?: string }
    return comment === undefined ? match : ' '.repeat(match.length)
  })

/** Quotes hide no macro: a value that reaches the SQL as it is could bring one. */
function filledIn(text: string, range: Range): string {
  let filled = ''
  let from = 0
  for (const { 0: token, 1: name, index } of text.matchAll(/\$__(\w+)/g)) {
    const macro = MACROS[name!]
    if (index < from || macro === undefined) continue
    const [takes, become] = macro
    const end = index + token.length
    const closing = text[end] === '(' ? closingOf(text, end) : -1
    const given = closing < 0 ? [] : argumentsOf(filledIn(text.slice(end + 1, closing), range))
    if (takes > 0 && given.length !== takes) throw new Error(`${token} takes ${takes} arguments, not ${given.length}`)
    filled += text.slice(from, index) + become(range, ...given)
    from = closing < 0 ? end : closing + 1
  }
  return filled + text.slice(from)
}

const QUOTED = /'(?:''|[^'])*'?|"(?:""|[^"])*"?/y

/** Characters of a text with their depth in brackets, quoted stretches as one. */
function* lexed(text: string, start: number): Generator<readonly [at: number, char: string, depth: number]> {
  let depth = 0
  for (let at = start; at < text.length; at++) {
    QUOTED.lastIndex = at
    const quoted = QUOTED.exec(text)
    if (quoted) {
      at += quoted[0].length - 1
      continue
    }
    if (text[at] === '(') depth++
    if (text[at] === ')') depth--
    yield [at, text[at]!, depth]
  }
}

/** Where the bracket that opens at `start` closes; -1 when it does not. */
function closingOf(text: string, start: number): number {
  for (const [at, char, depth] of lexed(text, start)) if (char === ')' && depth === 0) return at
  return -1
}

function argumentsOf(text: string): string[] {
  if (text.trim() === '') return []
  const found: string[] = []
  let from = 0
  for (const [at, char, depth] of lexed(text, 0))
    if (char === ',' && depth === 0) {
      found.push(text.slice(from, at).trim())
      from = at + 1
    }
  return [...found, text.slice(from).trim()]
}
