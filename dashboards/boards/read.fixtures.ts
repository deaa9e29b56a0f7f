import type { Release } from '../../facts/slice.ts'
import type { BoardJson } from './finish.ts'
import type { Format } from './frame.fixtures.ts'
import { CLICKHOUSE_PLUGIN } from './query.ts'

/** The parts of a board's JSON that the gates read. */
export type PanelJson = Readonly<{
  id: number
  type: string
  title: string
  description?: string
  datasource?: Readonly<{ type: string; uid: string }>
  gridPos: Readonly<{ x: number; y: number; w: number; h: number }>
  maxDataPoints?: number
  interval?: string
  targets?: readonly TargetJson[]
  panels?: readonly PanelJson[]
  fieldConfig?: Readonly<{
    defaults: Readonly<Record<string, unknown>>
    overrides: readonly Readonly<{
      matcher: Readonly<{ id: string; options: string }>
      properties: readonly Readonly<{ id: string; value?: unknown }>[]
    }>[]
  }>
}>
export type TargetJson = Readonly<{
  refId: string
  datasource: Readonly<{ type: string; uid: string }>
  rawSql?: string
  format?: number
  expr?: string
}>
type VariableJson = Readonly<{ name: string; type: string; hide?: number; query?: unknown; datasource?: unknown }>

/** A query of ClickHouse, and where it stands. */
export type Query = Readonly<{
  where: string
  refId: string
  rawSql: string
  format: Format
  /** The query as it stands in the board's JSON. */
  model: Readonly<Record<string, unknown>>
  /** Most points that its panel asks for, and the shortest in text ('1d'); undefined: by the width of the panel. */
  mostPoints?: number | undefined
  shortest?: string | undefined
}>

/** What the variables of the comparison hold for a release: written apart from the SQL that makes it (sql.ts). */
export const keyOfRelease = ({ agent, release, environment }: Release): string =>
  [agent, release, environment].map((name) => name.replaceAll('%', '%25').replaceAll(' ', '%20')).join(' ')

export const panelsOf = (board: BoardJson): PanelJson[] =>
  (board.panels as PanelJson[]).flatMap((panel) => [panel, ...(panel.panels ?? [])])

export const variablesOf = (board: BoardJson): { name: string; rawSql: string; model: Query['model'] }[] =>
  allVariablesOf(board).flatMap(({ name, query }) =>
    typeof query === 'object' && query !== null && 'rawSql' in query
      ? [{ name, rawSql: String(query.rawSql), model: { ...query } }]
      : [],
  )

export const allVariablesOf = (board: BoardJson): VariableJson[] => (board.templating as { list: VariableJson[] }).list

/** Queries of Prometheus as Grafana sends them when everything is selected, of panels and annotations. */
export const promqlOf = (board: BoardJson): { where: string; expr: string }[] =>
  [
    ...panelsOf(board).flatMap(({ title, targets = [] }) => targets.map((target) => ({ where: title, target }))),
    ...annotationsOf(board).map(({ name, target }) => ({ where: name, target })),
  ].flatMap(({ where, target: { expr } }) =>
    expr === undefined
      ? []
      : [
          {
            where,
            expr: expr.replaceAll('$__rate_interval', '1m').replaceAll('$__range', '6h').replaceAll('$instance', '.*'),
          },
        ],
  )

export const annotationsOf = (board: BoardJson): { name: string; target: TargetJson }[] =>
  (board.annotations as { list: { name: string; target: TargetJson }[] }).list

/** Every query of panels, annotations and variables that goes to ClickHouse. */
export function clickhouseQueriesOf(board: BoardJson): Query[] {
  const ofPanels = panelsOf(board).flatMap((panel) =>
    (panel.targets ?? []).map((target) => ({
      where: panel.title,
      target,
      isMark: false,
      mostPoints: panel.maxDataPoints,
      shortest: panel.interval,
    })),
  )
  const ofAnnotations = annotationsOf(board).map(({ name, target }) => ({
    where: name,
    target,
    isMark: true,
    mostPoints: undefined,
    shortest: undefined,
  }))
  const found = [...ofPanels, ...ofAnnotations]
    .filter(({ target }) => target.datasource?.type === CLICKHOUSE_PLUGIN.type || target.rawSql !== undefined)
    .map(
      ({ where, target, isMark, mostPoints, shortest }): Query => ({
        mostPoints,
        shortest,
        where,
        refId: target.refId,
        model: target,
        rawSql: target.rawSql ?? '',
        format: isMark ? 'annotation' : target.format === 0 ? 'series' : 'table',
      }),
    )
  const ofVariables = variablesOf(board).map(({ name, rawSql, model }) => ({
    where: `variable ${name}`,
    refId: 'var',
    model,
    rawSql,
    format: 'variable' as const,
  }))
  return [...found, ...ofVariables]
}
