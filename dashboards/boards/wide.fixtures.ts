import { type Frame, isNumber, isText, isTime, type Row } from './frame.fixtures.ts'

/** A frame as Grafana's browser gets it: columns of values; a line of a time series has labels. Times in ms since 1970, UTC. */
export type WideFrame = Readonly<{
  refId: string
  fields: readonly Readonly<{
    name: string
    type: 'time' | 'number' | 'string'
    values: readonly unknown[]
    labels?: Readonly<Record<string, string>>
  }>[]
}>

const timeOf = (value: unknown): number | null =>
  value === null ? null : Date.parse(`${String(value).replace(' ', 'T')}Z`)

export function tableOf(refId: string, { columns, rows }: Frame): WideFrame {
  return {
    refId,
    fields: columns.map(({ name, type }) => ({
      name,
      type: isTime(type) ? 'time' : isNumber(type) ? 'number' : 'string',
      values: rows.map((row) => (isTime(type) ? timeOf(row[name]) : row[name])),
    })),
  }
}

/**
 * What the data source's server makes of a time series: a row per time, and a field per number and combination of texts, in the order of these;
 * no rows, no frame.
 */
export function seriesOf(refId: string, { columns, rows }: Frame): WideFrame {
  if (rows.length === 0) return { refId, fields: [] }
  const [time, ...others] = columns
  const texts = others.filter(({ type }) => isText(type)).map(({ name }) => name)
  const numbers = others
    .filter(({ type }) => isNumber(type))
    .map(({ name }) => name)
    .sort()
  const times = [...new Set(rows.map((row) => row[time!.name]))]
  const byLabels = [...Map.groupBy(rows, (row) => texts.map((name) => String(row[name] ?? '')).join('\u001f'))]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([, mine]) => mine)
  return {
    refId,
    fields: [
      { name: time!.name, type: 'time', values: times.map(timeOf) },
      ...numbers.flatMap((name) => byLabels.map((mine) => lineOf(name, texts, mine, time!.name, times))),
    ],
  }
}

function lineOf(
  name: string,
  texts: readonly string[],
  rows: readonly Row[],
  time: string,
  times: readonly unknown[],
): WideFrame['fields'][number] {
  const values = new Map(rows.map((row) => [row[time], row[name]]))
  return {
    name,
    type: 'number',
    values: times.map((at) => values.get(at) ?? null),
    ...(texts.length > 0 && { labels: Object.fromEntries(texts.map((text) => [text, String(rows[0]![text] ?? '')])) }),
  }
}
