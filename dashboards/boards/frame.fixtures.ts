import type { ClickHouseClient } from '@clickhouse/client'

export type Row = Readonly<Record<string, unknown>>
export type Frame = Readonly<{ columns: readonly Readonly<{ name: string; type: string }>[]; rows: readonly Row[] }>

/** What is no number (nan, inf) comes as a text. Queries that run once are not worth compiling, small ones no second thread. */
const SETTINGS =
  'SETTINGS output_format_json_quote_denormals = 1, max_threads = 1, compile_expressions = 0, compile_aggregate_expressions = 0, compile_sort_description = 0'

/** Runs a query as the data source would; throws what ClickHouse says. `more`: settings of the session. */
export async function frameOf(store: ClickHouseClient, sql: string, more = ''): Promise<Frame> {
  const result = await store.query({ query: `${sql}\n${SETTINGS}${more}`, format: 'JSON' })
  const { meta, data } = (await result.json()) as { meta: { name: string; type: string }[]; data: Row[] }
  return { columns: meta, rows: data }
}

const plainType = (type: string): string =>
  type.replace(/^(?:LowCardinality|Nullable)\((.*)\)$/, '$1').replace(/^Nullable\((.*)\)$/, '$1')
export const isTime = (type: string): boolean => /^DateTime/.test(plainType(type))
export const isNumber = (type: string): boolean => /^(?:U?Int\d+|Float\d+)$/.test(plainType(type))
export const isText = (type: string): boolean => plainType(type) === 'String'

export type Format = 'series' | 'table' | 'annotation' | 'variable'

/** Most lines that a panel may be asked to draw: a browser chokes on more, and nobody tells them apart. */
const MOST_LINES = 60

/**
 * What is wrong with a frame in the eyes of Grafana; empty when nothing is. The data source knows times, numbers and texts, LowCardinality and
 * Nullable ones too; lists and maps become JSON, which no panel of ours draws.
 */
export function faultsOf(frame: Frame, format: Format): string[] {
  const { columns, rows } = frame
  const odd = columns
    .filter(({ type }) => !isTime(type) && !isNumber(type) && !isText(type))
    .map(({ name, type }) => `column ${name} has the type ${type}, which no panel draws`)
  const names = columns.map(({ name }) => name)
  const doubled = names
    .filter((name, index) => names.indexOf(name) < index)
    .map((name) => `two columns are called ${name}`)
  const endless = columns
    .filter(({ name, type }) => isNumber(type) && rows.some((row) => typeof row[name] === 'string'))
    .map(({ name }) => `column ${name} holds what is no number`)
  return [...odd, ...doubled, ...endless, ...FAULTS[format](frame)]
}

const FAULTS: Readonly<Record<Format, (frame: Frame) => string[]>> = {
  table: () => [],
  series: seriesFaults,
  annotation: annotationFaults,
  variable: ({ columns }) =>
    columns.length === 1 && isText(columns[0]!.type) ? [] : ['a variable takes one column of texts'],
}

/**
 * A time series must come with its time first, not null and ascending (the data source's LongToWide refuses anything else), with no other time,
 * and with a number. Texts become labels: each combination of them, and each number, is a line.
 */
function seriesFaults({ columns, rows }: Frame): string[] {
  const faults: string[] = []
  const [time, ...others] = columns
  if (!time || !isTime(time.type) || time.type.startsWith('Nullable'))
    return [`a time series begins with its time, not with ${time?.name} ${time?.type}`]
  if (others.some(({ type }) => isTime(type))) faults.push('a time series has one time')
  const numbers = others.filter(({ type }) => isNumber(type))
  if (numbers.length === 0) faults.push('a time series needs a number')
  const times = rows.map((row) => String(row[time.name]))
  if (times.some((at, index) => index > 0 && at < times[index - 1]!)) faults.push('a time series must ascend in time')
  const labels = others.filter(({ type }) => isText(type)).map(({ name }) => name)
  const keysOf = (names: readonly string[]) => rows.map((row) => names.map((name) => String(row[name])).join('\u001f'))
  if (new Set(keysOf([time.name, ...labels])).size < rows.length) faults.push('two rows of a series share a time')
  const lines = new Set(keysOf(labels)).size * numbers.length
  if (lines > MOST_LINES) faults.push(`${lines} lines are more than anybody reads`)
  return faults
}

/** Grafana reads these columns of an annotation by their names, and no other. */
const ANNOTATION: Readonly<Record<string, (type: string) => boolean>> = {
  time: isTime,
  timeEnd: isTime,
  title: isText,
  text: isText,
  tags: isText,
}

function annotationFaults({ columns, rows }: Frame): string[] {
  const faults = columns
    .filter(({ name, type }) => !ANNOTATION[name]?.(type))
    .map(({ name, type }) => `an annotation has no column ${name} of the type ${type}`)
  for (const name of ['time', 'text'])
    if (!columns.some((column) => column.name === name)) faults.push(`an annotation needs its ${name}`)
  if (rows.some((row) => row.time === null)) faults.push('an annotation without a time')
  if (rows.some((row) => row.timeEnd !== undefined && String(row.timeEnd) < String(row.time)))
    faults.push('an annotation ends before it begins')
  return faults
}
