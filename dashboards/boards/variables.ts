import type { Builder } from '@grafana/grafana-foundation-sdk/cog'
import {
  DatasourceVariableBuilder,
  QueryVariableBuilder,
  TextBoxVariableBuilder,
  VariableHide,
  type VariableModel,
  VariableRefresh,
} from '@grafana/grafana-foundation-sdk/dashboard'
import { SHARED, type Shared } from './links.ts'
import { CLICKHOUSE, CLICKHOUSE_PLUGIN, PROMETHEUS } from './query.ts'
import { NO_DRILLS, RELEASE_KEY, SLICE_COLUMNS, type SliceColumn, selected, valuesOf } from './sql.ts'
import { sql } from './text.ts'

export type Variable = Builder<VariableModel>

const clickhouseSource = (): Variable =>
  new DatasourceVariableBuilder('clickhouse')
    .type(CLICKHOUSE_PLUGIN.type)
    .label('ClickHouse')
    .description('The ClickHouse in which the monitor keeps its facts.')

export const prometheusSource = (): Variable =>
  new DatasourceVariableBuilder('prometheus')
    .type('prometheus')
    .label('Prometheus')
    .description('The Prometheus that scrapes the monitor.')

const clickhouseVariable = (name: string, rawSql: string) =>
  new QueryVariableBuilder(name)
    .datasource(CLICKHOUSE)
    .query({ refId: `var-${name}`, queryType: 'sql', rawSql })
    .definition(rawSql)
    .refresh(VariableRefresh.OnTimeRangeChanged)

const LABELS: Readonly<Record<SliceColumn, string>> = {
  environment: 'Environment',
  agent: 'Agent',
  release: 'Release',
  channel: 'Channel',
  queue: 'Queue',
  region: 'Region',
}

/** Releases in a list: the latest first, and no more than a list can hold. */
const MOST_OPTIONS = 1000

/** Any number of values of one slice column, All at first; what was seen in the range, narrowed by the variables before it. */
function sliceVariable(column: SliceColumn): Variable {
  const before = SLICE_COLUMNS.slice(0, SLICE_COLUMNS.indexOf(column)).filter((other) => other !== 'release')
  const order = column === 'release' ? 'max(last_at) DESC' : column
  return clickhouseVariable(
    column,
    sql`
    SELECT ${column} FROM slice_times
    WHERE ${[`${column} != ''`, NO_DRILLS, ...before.map((other) => selected(other))].join('\n      AND ')}
    GROUP BY ${column}
    HAVING min(first_at) <= $__toTime AND max(last_at) >= $__fromTime
    ORDER BY ${order}
    LIMIT ${MOST_OPTIONS}`,
  )
    .label(LABELS[column])
    .description(`${LABELS[column]}s with a contact in the range. All takes those without a name as well.`)
    .multi(true)
    .includeAll(true)
    .current({ text: ['All'], value: ['$__all'] })
}

/**
 * One release of the two that are compared, by its key. The first is the latest at first; the second the latest of the same agent that is not the
 * first.
 */
export function comparedRelease(name: string, label: string, beside: string | null): Variable {
  const first = beside === null ? '' : `${valuesOf(beside)}[1]`
  const others = beside === null ? '' : ` AND release_key != ${first}`
  const ofSameAgent = beside === null ? '' : `splitByChar(' ', release_key)[1] = splitByChar(' ', ${first})[1] DESC, `
  return clickhouseVariable(
    name,
    sql`
    SELECT ${RELEASE_KEY} AS release_key FROM slice_times
    WHERE release != '' AND ${NO_DRILLS} AND ${selected('environment')} AND ${selected('agent')}${others}
    GROUP BY agent, release, environment
    ORDER BY ${ofSameAgent}max(last_at) DESC, min(first_at) DESC
    LIMIT ${MOST_OPTIONS}`,
  )
    .label(label)
    .description(`${label}: agent, release and environment, the latest first. A space inside a name shows as %20.`)
}

/** Where the page of a monitor listens unless it is told otherwise. */
export const MONITOR_PAGE = 'http://127.0.0.1:4320'

/** Where links lead that Grafana cannot know; people set them once per board. */
const address = (name: string, label: string, value: string, description: string): Variable =>
  new TextBoxVariableBuilder(name)
    .label(label)
    .defaultValue(value)
    .current({ text: value, value })
    .description(description)

const monitorPage = (): Variable =>
  address(
    'page',
    'Monitor page',
    MONITOR_PAGE,
    'Address of the page of the monitor, for links to incidents and runbooks.',
  )

/** The variables that every board has, in their order; those that a board has no use for are hidden, and travel along in its links. */
export function sharedVariables(shown: readonly Shared[]): Variable[] {
  const variables: Readonly<Record<Shared, Variable>> = {
    clickhouse: clickhouseSource(),
    ...(Object.fromEntries(SLICE_COLUMNS.map((column) => [column, sliceVariable(column)])) as Record<
      SliceColumn,
      Variable
    >),
    page: monitorPage(),
  }
  return SHARED.map((name) => (shown.includes(name) ? variables[name] : hidden(variables[name])))
}

const hidden = (variable: Variable): Variable => ({
  build: () => ({ ...variable.build(), hide: VariableHide.HideVariable }),
})

export const prometheusInstance = (): Variable =>
  new QueryVariableBuilder('instance')
    .datasource(PROMETHEUS)
    .query({ refId: 'var-instance', qryType: 1, query: 'label_values(andon_up, instance)' })
    .definition('label_values(andon_up, instance)')
    .refresh(VariableRefresh.OnTimeRangeChanged)
    .label('Monitor')
    .description('Monitors that Prometheus scrapes.')
    .multi(true)
    .includeAll(true)
    .allValue('.*')
    .current({ text: ['All'], value: ['$__all'] })
