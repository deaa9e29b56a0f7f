import type { ClickHouseClient } from '@clickhouse/client'

export type Row = Readonly<Record<string, unknown>>
export type Frame = Readonly<{ columns: readonly Readonly<{ name: string; type: string }>[]; rows: readonly Row[] }>

/** Runs a query as the data source would; throws what ClickHouse says. */
export async function frameOf(store: ClickHouseClient, sql: string): Promise<Frame> {
  const result = await store.query({ query: sql, format: 'JSON' })
  const { meta, data } = (await result.json()) as { meta: { name: string; type: string }[]; data: Row[] }
  return { columns: meta, rows: data }
}

const plainType = (type: string): string =>
  type.replace(/^(?:LowCardinality|Nullable)\((.*)\)$/, '$1').replace(/^Nullable\((.*)\)$/, '$1')
export const isTime = (type: string): boolean => /^DateTime/.test(plainType(type))
export const isNumber = (type: string): boolean => /^(?:U?Int\d+|Float\d+)$/.test(plainType(type))
export const isText = (type: string): boolean => plainType(type) === 'String'

/**
 * What is wrong with a frame in the eyes of Grafana; empty when nothing is. A time series must come with its time first, not null and
 * ascending (the data source's LongToWide refuses anything else), and with a number; a table may hold times, numbers and texts.
 */
export function faultsOf(frame: Frame, format: 'series' | 'table'): string[] {
  const { columns, rows } = frame
  const odd = columns
    .filter(({ type }) => !isTime(type) && !isNumber(type) && !isText(type))
    .map(({ name, type }) => `column ${name} has the type ${type}, which no panel draws`)
  const names = columns.map(({ name }) => name)
  const doubled = names
    .filter((name, index) => names.indexOf(name) < index)
    .map((name) => `two columns are called ${name}`)
  const faults = [...odd, ...doubled]
  if (format === 'table') return faults
  const [time] = columns
  if (!time || !isTime(time.type) || time.type.startsWith('Nullable'))
    return [...faults, `a time series begins with its time, not with ${time?.name} ${time?.type}`]
  if (!columns.some(({ type }) => isNumber(type))) faults.push('a time series needs a number')
  const times = rows.map((row) => String(row[time.name]))
  if (times.some((at, index) => index > 0 && at < times[index - 1]!)) faults.push('a time series must ascend in time')
  const labels = columns.filter(({ type }) => isText(type)).map(({ name }) => name)
  const keys = rows.map((row) => [time.name, ...labels].map((name) => String(row[name])).join('\u001f'))
  if (new Set(keys).size < keys.length) faults.push('two rows of a series share a time')
  return faults
}
