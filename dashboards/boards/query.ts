import type { Builder, Dataquery } from '@grafana/grafana-foundation-sdk/cog'
import { DataqueryBuilder } from '@grafana/grafana-foundation-sdk/prometheus'

/** Version of the data source plugin whose query shape this is (its source is the reference: it publishes no schema). */
export const CLICKHOUSE_PLUGIN = { type: 'grafana-clickhouse-datasource', version: '4.20.0' } as const

/** Data sources are chosen by a variable of the board, never by uid: a board works wherever it is imported. */
export const CLICKHOUSE = { type: CLICKHOUSE_PLUGIN.type, uid: '${clickhouse}' } as const
export const PROMETHEUS = { type: 'prometheus', uid: '${prometheus}' } as const

/** series: the first column is the time, ascending; text columns name the series. table: rows as they are. */
export type Format = 'series' | 'table'

const FORMATS = { series: { format: 0, queryType: 'timeseries' }, table: { format: 1, queryType: 'table' } } as const

export const clickhouseQuery = (rawSql: string, format: Format) => ({
  datasource: CLICKHOUSE,
  editorType: 'sql',
  ...FORMATS[format],
  pluginVersion: CLICKHOUSE_PLUGIN.version,
  rawSql,
})

/** A query of a panel or annotation; refIds are given when the board is finished. */
export const clickhouse = (rawSql: string, format: Format): Builder<Dataquery> => ({
  build: () => clickhouseQuery(rawSql, format) as unknown as Dataquery,
})

export const prometheus = (expr: string, legend: string, at: 'range' | 'now' = 'range'): Builder<Dataquery> => {
  const query = new DataqueryBuilder().datasource(PROMETHEUS).expr(expr).legendFormat(legend)
  return at === 'range' ? query.range() : query.instant()
}
