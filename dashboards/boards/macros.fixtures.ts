/**
 * What Grafana's browser makes of the text of a query before the data source's server sees it: $__conditionalAll of the ClickHouse data source
 * (4.20), then variables by their formats (scenes 7 and later). Only what the boards use; anything else throws, so that a board cannot use what was
 * never checked. The server's half is server-macros.fixtures.ts.
 */
import { type Range, serverHalf } from './server-macros.fixtures.ts'

export const ALL = '$__all'

/** What is selected, and what could be: All stands for every option. A variable of one value holds a text, one of several a list. */
export type Selection = Readonly<
  Record<string, Readonly<{ value: string | readonly string[]; options: readonly string[] }>>
>

/** A variable of one value. */
export const chosenOne = (value: string): Selection[string] => ({ value, options: [value] })

export const expanded = (sql: string, selection: Selection, range: Range): string =>
  serverHalf(browserHalf(sql, selection), range)

const isAll = (value: string | readonly string[]): boolean => value === ALL || value[0] === ALL

/** Conditions first: they look at what is selected, not at what it expands to. */
export const browserHalf = (sql: string, selection: Selection): string =>
  interpolated(withoutConditions(sql, selection), selection)

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

/** $name, [[name]], [[name:format]], and in braces a name with a path (.field, ["key"], [0]) and a format. */
const VARIABLE =
  /\$(\w+)|\[\[(\w+?)(?::(\w+))?\]\]|\$\{(\w+)((?:\.[^:^{}[\]]+|\["[^"]*"\]|\['[^']*'\]|\[[^\]"']*\])*)(?::([^}]+))?\}/g

/** Variables by their formats; what is no variable of the board is left as it is, as Grafana does. */
export function interpolated(text: string, selection: Selection): string {
  return text.replace(
    VARIABLE,
    (match, bare: string, square: string, squareFormat: string, braced: string, path: string, format: string) => {
      const name = bare ?? square ?? braced
      const current = selection[name]
      if (!current) return match
      if (path) throw new Error(`no variable of a board has parts: ${match}`)
      const value = isAll(current.value) ? current.options : current.value
      return formatted(match, value, format ?? squareFormat)
    },
  )
}

const strictlyEncoded = (value: string): string =>
  encodeURIComponent(value).replace(/[!'()*]/g, (c) => `%${c.charCodeAt(0).toString(16).toUpperCase()}`)

/**
 * The one format that is safe in SQL. Without a format the plugin puts quotes around what stands in a list and none around a single text, and
 * escapes neither.
 */
function formatted(match: string, value: string | readonly string[], format: string | undefined): string {
  const [kind, ...args] = (format ?? '').split(':')
  if (kind !== 'customqueryparam' || args.length !== 1)
    throw new Error(`${match} would reach SQL as it is: use the format customqueryparam with a name`)
  const values = typeof value === 'string' ? [value] : value
  return values.map((one) => `${args[0]}=${strictlyEncoded(one)}`).join('&')
}
