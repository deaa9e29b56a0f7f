/**
 * What Grafana and the ClickHouse data source (4.20.0) make of the text of a query before ClickHouse sees it, as their sources do it:
 * scenes/formatRegistry.ts and CHDatasource.applyConditionalAll in the browser, pkg/macros/macros.go on the server. Only what the boards use;
 * anything else throws, so that a board cannot use what was never checked.
 */

export const ALL = '$__all'

/** What is selected, and what could be: All stands for every option. */
export type Selection = Readonly<
  Record<string, Readonly<{ value: string | readonly string[]; options: readonly string[] }>>
>

export type Range = Readonly<{ fromMs: number; toMs: number; intervalMs: number }>

export const expanded = (sql: string, selection: Selection, range: Range): string =>
  serverHalf(browserHalf(sql, selection), range)

const isAll = (value: string | readonly string[]): boolean => value === ALL || value[0] === ALL

/** Variables and $__conditionalAll. */
export function browserHalf(sql: string, selection: Selection): string {
  return interpolated(withoutConditions(sql, selection), selection)
}

/** The last call first, as the plugin does it; a selection of nothing or of All makes the condition true. */
function withoutConditions(sql: string, selection: Selection): string {
  const macro = '$__conditionalAll('
  let text = sql
  for (let at = text.lastIndexOf(macro); at !== -1; at = text.lastIndexOf(macro)) {
    const params = macroArguments(text, at + macro.length - 1)
    if (params.length !== 2) throw new Error(`$__conditionalAll takes two arguments: ${text.slice(at, at + 200)}`)
    const name = /(?<=\$\{)[\w\d]+(?=\})|(?<=\$)[\w\d]+/.exec(params[1]!.trim())?.[0]
    const current = name === undefined ? undefined : selection[name]
    if (!current) throw new Error(`$__conditionalAll names no variable of the board: ${params[1]}`)
    const value = current.value.toString()
    const phrase = value === '' || value === ALL ? '1=1' : params[0]!
    text = text.replace(`${macro}${params[0]},${params[1]})`, phrase) // a plain string, as the plugin has it: $& and its kin would act
  }
  return text
}

/** Arguments of the call whose bracket opens at `at`; brackets and commas inside quotes count, as they do in the plugin. */
function macroArguments(text: string, at: number): string[] {
  const found: string[] = []
  let depth = 0
  let from = at + 1
  for (let i = at; i < text.length; i++) {
    if (text[i] === '(') depth++
    else if (text[i] === ')') depth--
    if ((text[i] === ',' && depth === 1) || depth === 0) {
      found.push(text.slice(from, i))
      from = i + 1
    }
    if (depth === 0) return found
  }
  return []
}

const VARIABLE = /\$(\w+)|\[\[(\w+?)(?::(\w+))?\]\]|\${(\w+)(?:\.([^:^}]+))?(?::([^}]+))?}/g

/** Variables by their formats; what is no variable of the board is left as it is, as Grafana does. */
export function interpolated(text: string, selection: Selection): string {
  return text.replace(
    VARIABLE,
    (match, bare: string, square: string, squareFormat: string, braced: string, path: string, format: string) => {
      const name = bare ?? square ?? braced
      const current = selection[name]
      if (!current || path !== undefined) return match
      const value = isAll(current.value) ? current.options : current.value
      return formatted(name, value, current.value, format ?? squareFormat)
    },
  )
}

const strictlyEncoded = (value: string): string =>
  encodeURIComponent(value).replace(/[!'()*]/g, (c) => `%${c.charCodeAt(0).toString(16).toUpperCase()}`)

function formatted(
  name: string,
  value: string | readonly string[],
  raw: string | readonly string[],
  format: string | undefined,
): string {
  const values = Array.isArray(value) ? (value as readonly string[]) : [String(value)]
  const [kind, ...args] = (format ?? 'glob').split(':')
  switch (kind) {
    case 'customqueryparam':
      return values.map((one) => `${args[0]}=${args[1] ?? ''}${strictlyEncoded(one)}`).join('&')
    case 'queryparam':
      return (isAll(raw) ? [ALL] : values).map((one) => `var-${name}=${strictlyEncoded(one)}`).join('&')
    case 'percentencode':
      return strictlyEncoded(Array.isArray(value) ? `{${values.join(',')}}` : String(value))
    case 'glob':
      return Array.isArray(value) && values.length > 1 ? `{${values.join(',')}}` : values.join(',')
    default:
      throw new Error(`boards use no format '${kind}'; add it here with its meaning in Grafana`)
  }
}

const seconds = (ms: number): string => `toDateTime(${Math.floor(ms / 1000)})`
const intervalSeconds = (ms: number): number => Math.max(1, Math.floor(ms / 1000))

/** The macros of the data source's backend: all that an alert rule gets. */
export function serverHalf(sql: string, { fromMs, toMs, intervalMs }: Range): string {
  const text = sql.replace(/\$__(timeFilter|timeInterval)\(([^()]*)\)/g, (_, macro: string, column: string) =>
    macro === 'timeFilter'
      ? `${column} >= ${seconds(fromMs)} AND ${column} <= ${seconds(toMs)}`
      : `toStartOfInterval(toDateTime(${column}), INTERVAL ${intervalSeconds(intervalMs)} second)`,
  )
  const filled = text
    .replace(/\$__fromTime\b/g, seconds(fromMs))
    .replace(/\$__toTime\b/g, seconds(toMs))
    .replace(/\$__interval_s\b/g, String(intervalSeconds(intervalMs)))
  const left = /\$__\w+|\$\{\w+|\$\w+/.exec(filled)
  if (left)
    throw new Error(`nothing expands ${left[0]} in: ${filled.slice(Math.max(0, left.index - 80), left.index + 80)}`)
  return filled
}
