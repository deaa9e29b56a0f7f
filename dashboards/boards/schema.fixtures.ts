import { z } from 'zod'

/**
 * The part of Grafana's dashboard JSON (schema version 42) that the boards use, closed: a key that is not here would be ignored by Grafana, so it is
 * a mistake. Grafana publishes no JSON Schema of it; names and values are those of the Foundation SDK's types and the data source's source.
 */
const source = (types: readonly [string, ...string[]]) =>
  z.strictObject({ type: z.enum(types), uid: z.string().regex(/^\$\{\w+\}$/) })
const clickhouseSource = source(['grafana-clickhouse-datasource'])
const prometheusSource = source(['prometheus'])

const clickhouseTarget = z
  .strictObject({
    refId: z.string().min(1),
    datasource: clickhouseSource,
    editorType: z.literal('sql'),
    format: z.union([z.literal(0), z.literal(1)]),
    queryType: z.enum(['timeseries', 'table']),
    pluginVersion: z.string().regex(/^4\.\d+\.\d+$/),
    rawSql: z.string().min(20),
  })
  .refine(({ format, queryType }) => (format === 0) === (queryType === 'timeseries'), 'format and queryType disagree')
const prometheusTarget = z.strictObject({
  refId: z.string().min(1),
  datasource: prometheusSource,
  expr: z.string().min(5),
  legendFormat: z.string(),
  range: z.boolean().optional(),
  instant: z.boolean().optional(),
})

const mapping = z.strictObject({
  type: z.literal('value'),
  options: z.record(z.string(), z.strictObject({ text: z.string(), color: z.string(), index: z.number().int() })),
})
const thresholds = z.strictObject({
  mode: z.literal('absolute'),
  steps: z
    .array(z.strictObject({ value: z.number().nullable(), color: z.string() }))
    .min(1)
    .refine(([first]) => first!.value === null, 'the first step has no value: it is the base')
    .refine(
      (steps) => steps.slice(2).every((step, index) => step.value! > steps[index + 1]!.value!),
      'steps must ascend',
    ),
})
const color = z.strictObject({ mode: z.string(), fixedColor: z.string().optional() })
/** Properties that an override may set, by id. */
const PROPERTIES: Readonly<Record<string, z.ZodType>> = {
  displayName: z.string().min(1),
  noValue: z.string().min(1),
  unit: z.string(),
  decimals: z.number().int(),
  min: z.number(),
  max: z.number(),
  color,
  thresholds,
  mappings: z.array(mapping),
  links: z.array(z.strictObject({ title: z.string().min(1), url: z.string().min(1), targetBlank: z.boolean() })),
  'custom.width': z.number(),
  'custom.minWidth': z.number(),
  'custom.wrapText': z.boolean(),
  'custom.wrapHeaderText': z.boolean(),
  'custom.filterable': z.boolean(),
  'custom.cellOptions': z.union([
    z.strictObject({ type: z.literal('color-text') }),
    z.strictObject({ type: z.literal('gauge'), mode: z.literal('basic'), valueDisplayMode: z.literal('text') }),
  ]),
  'custom.lineWidth': z.number(),
  'custom.lineStyle': z.strictObject({ fill: z.literal('dash'), dash: z.array(z.number()) }),
  'custom.fillOpacity': z.number(),
  'custom.fillBelowTo': z.string(),
  'custom.showPoints': z.enum(['auto', 'never', 'always']),
  'custom.hideFrom': z.strictObject({ legend: z.boolean(), tooltip: z.boolean(), viz: z.boolean() }),
}
const property = z
  .strictObject({ id: z.enum(Object.keys(PROPERTIES) as [string, ...string[]]), value: z.unknown() })
  .superRefine(({ id, value }, context) => {
    const { error } = PROPERTIES[id]!.safeParse(value)
    if (error) context.addIssue({ code: 'custom', message: `${id}: ${z.prettifyError(error)}` })
  })

const fieldConfig = z.strictObject({
  defaults: z.strictObject({
    custom: z.record(z.string(), z.unknown()).optional(),
    unit: z.string(),
    noValue: z.string(),
    decimals: z.number().int().optional(),
    min: z.number().optional(),
    max: z.number().optional(),
    displayName: z.string().optional(),
    thresholds,
    color: color.optional(),
    mappings: z.array(mapping).optional(),
  }),
  overrides: z.array(
    z.strictObject({
      matcher: z.strictObject({ id: z.enum(['byName', 'byRegexp']), options: z.string() }),
      properties: z.array(property).min(1),
    }),
  ),
})

const dashboardLink = z.strictObject({
  title: z.string().min(1),
  type: z.enum(['link', 'dashboards']),
  icon: z.string(),
  tooltip: z.string(),
  url: z.string().optional(),
  tags: z.array(z.string()),
  asDropdown: z.boolean(),
  targetBlank: z.boolean(),
  includeVars: z.boolean(),
  keepTime: z.boolean(),
})

const gridPos = z.strictObject({
  x: z.number().int().min(0),
  y: z.number().int().min(0),
  w: z.number().int().min(1).max(24),
  h: z.number().int().min(1),
})
const place = { id: z.number().int().positive(), title: z.string().min(1), gridPos }
const shell = {
  ...place,
  description: z.string().min(1),
  transparent: z.boolean().optional(),
  repeatDirection: z.string().optional(),
  options: z.record(z.string(), z.unknown()).optional(),
  links: z.array(dashboardLink).optional(),
}
const dataPanel = z.strictObject({
  ...shell,
  type: z.union([
    z.enum(['stat', 'table', 'timeseries', 'state-timeline']),
    z.string().regex(/^andon-\w+-panel$/), // of the app plugin
  ]),
  maxDataPoints: z.number().int().positive().optional(),
  datasource: z.union([clickhouseSource, prometheusSource]),
  targets: z.array(z.union([clickhouseTarget, prometheusTarget])).min(1),
  interval: z
    .string()
    .regex(/^\d+[smhd]$/)
    .optional(),
  fieldConfig,
})
const panel = z.union([
  dataPanel,
  z.strictObject({
    ...shell,
    type: z.literal('text'),
    options: z.strictObject({ mode: z.literal('markdown'), content: z.string() }),
  }),
  z.strictObject({ ...place, type: z.literal('row'), collapsed: z.boolean(), panels: z.array(z.never()) }),
])

const option = z.strictObject({
  text: z.union([z.string(), z.array(z.string())]),
  value: z.union([z.string(), z.array(z.string())]),
  selected: z.boolean().optional(),
})
const variable = {
  name: z.string().regex(/^\w+$/),
  label: z.string().min(1),
  description: z.string().min(1),
  hide: z.literal(2).optional(), // the variable travels along unseen
  skipUrlSync: z.boolean().optional(),
  allowCustomValue: z.boolean().optional(),
  multi: z.boolean().optional(),
  includeAll: z.boolean().optional(),
  allValue: z.string().optional(),
  current: option.optional(),
}
const variables = z.discriminatedUnion('type', [
  z.strictObject({
    ...variable,
    type: z.literal('datasource'),
    query: z.enum(['grafana-clickhouse-datasource', 'prometheus']),
  }),
  z.strictObject({ ...variable, type: z.literal('textbox'), query: z.string() }),
  z.strictObject({ ...variable, type: z.literal('custom'), query: z.string(), options: z.array(option) }),
  z.strictObject({
    ...variable,
    type: z.literal('query'),
    datasource: z.union([clickhouseSource, prometheusSource]),
    query: z.union([
      z.strictObject({ refId: z.string(), queryType: z.literal('sql'), rawSql: z.string() }),
      z.strictObject({ refId: z.string(), qryType: z.literal(1), query: z.string() }),
    ]),
    definition: z.string(),
    refresh: z.literal(2),
  }),
])

const mark = {
  name: z.string(),
  enable: z.boolean(),
  hide: z.boolean(),
  iconColor: z.string(),
  builtIn: z.literal(0),
}

export const boardSchema = z.strictObject({
  uid: z.string().regex(/^[a-z0-9-]{1,40}$/),
  title: z.string().min(1),
  description: z.string().min(1),
  tags: z.array(z.string()),
  timezone: z.enum(['browser', 'utc']),
  editable: z.boolean(),
  graphTooltip: z.literal(1),
  fiscalYearStartMonth: z.number(),
  schemaVersion: z.literal(42),
  time: z.strictObject({ from: z.string().regex(/^now-\d+[hd]$/), to: z.literal('now') }),
  refresh: z.string().regex(/^\d+[smh]$/),
  links: z.array(dashboardLink.extend({ type: z.literal('dashboards') })),
  templating: z.strictObject({ list: z.array(variables) }),
  annotations: z.strictObject({
    list: z.array(
      z.union([
        z.strictObject({ ...mark, datasource: clickhouseSource, target: clickhouseTarget }),
        z.strictObject({
          ...mark,
          datasource: prometheusSource,
          target: prometheusTarget,
          titleFormat: z.string(),
          textFormat: z.string(),
          useValueForTime: z.literal(true),
        }),
      ]),
    ),
  }),
  panels: z.array(panel),
})
