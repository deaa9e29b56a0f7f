import type { Builder, Dataquery } from '@grafana/grafana-foundation-sdk/cog'
import {
  BigValueColorMode,
  BigValueGraphMode,
  type DataSourceRef,
  GraphDrawStyle,
  GraphThresholdsStyleConfigBuilder,
  GraphThresholdsStyleMode,
  LegendDisplayMode,
  LegendPlacement,
  LineInterpolation,
  ReduceDataOptionsBuilder,
  SortOrder,
  StackingConfigBuilder,
  StackingMode,
  TooltipDisplayMode,
  VisibilityMode,
  VizLegendOptionsBuilder,
  VizTooltipOptionsBuilder,
} from '@grafana/grafana-foundation-sdk/common'
import {
  type DynamicConfigValue,
  FieldColorBuilder,
  FieldColorModeId,
  type Panel,
  PanelBuilder,
  RowBuilder,
  type Threshold,
  ThresholdsConfigBuilder,
  ThresholdsMode,
  type ValueMapping,
} from '@grafana/grafana-foundation-sdk/dashboard'
import { PanelBuilder as StatBuilder } from '@grafana/grafana-foundation-sdk/stat'
import { PanelBuilder as StateTimelineBuilder } from '@grafana/grafana-foundation-sdk/statetimeline'
import { PanelBuilder as TableBuilder } from '@grafana/grafana-foundation-sdk/table'
import { PanelBuilder as TextBuilder } from '@grafana/grafana-foundation-sdk/text'
import { PanelBuilder as TimeseriesBuilder } from '@grafana/grafana-foundation-sdk/timeseries'
import { BAD, CALM, type link } from './fields.ts'
import { CLICKHOUSE, PROMETHEUS } from './query.ts'
import { MARKS } from './sql.ts'

export type PanelSource = Builder<Panel>

/** What every panel says: nothing is shown without a title, an explanation, a unit, and what an empty panel means. */
export type Look = Readonly<{
  title: string
  description: string
  /** Grafana's name of the unit: `short`, `percentunit`, `s`, … */
  unit: string
  /** Columns of 24; on a phone every panel takes the whole width. */
  width: number
  height: number
  /** Shown in place of an empty panel: why it may be empty. */
  whenEmpty: string
  queries: readonly Builder<Dataquery>[]
  source?: 'clickhouse' | 'prometheus'
  links?: readonly ReturnType<typeof link>[]
  overrides?: Readonly<Record<string, readonly DynamicConfigValue[]>>
  decimals?: number
  /** Most points over the range: fewer are longer ones, with more counted in each. Default: as many as the panel is wide. */
  mostPoints?: number
  thresholds?: readonly Threshold[]
  mappings?: readonly ValueMapping[]
}>

/** Words in place of a number: a stat writes them as large as they fit, so they are few. */
export const FEW = {
  noContacts: 'no contacts',
  noIncident: 'no incident',
  noEvidence: 'no evidence yet',
  noVerdict: 'none closed yet',
  nothingToRecover: 'nothing to recover',
  noAmount: 'no amount told',
  noComplaint: 'no complaint',
  notScraped: 'no sample',
  notKnownYet: 'not known yet',
  nothingCounted: 'nothing counted',
} as const
export const NO_CONTACTS = 'No contact in this range and selection. Widen the range, or choose All.'
export const NO_INCIDENT = 'No incident in this range and selection, as far as counted.'
export const NOT_SCRAPED = 'No sample. Does Prometheus scrape /metrics of the monitor? See docs/grafana.md.'

/** What the builders of all kinds of panels have in common; the SDK gives it no type. */
type Common = {
  title(title: string): Common
  description(description: string): Common
  unit(unit: string): Common
  span(columns: number): Common
  height(rows: number): Common
  noValue(text: string): Common
  datasource(source: DataSourceRef): Common
  withTarget(query: Builder<Dataquery>): Common
  links(links: ReturnType<typeof link>[]): Common
  overrideByName(name: string, properties: DynamicConfigValue[]): Common
  decimals(decimals: number): Common
  maxDataPoints(points: number): Common
  thresholds(thresholds: ThresholdsConfigBuilder): Common
  mappings(mappings: ValueMapping[]): Common
}

function dressed<B extends Common>(builder: B, look: Look): B {
  builder
    .title(look.title)
    .description(look.description)
    .unit(look.unit)
    .span(look.width)
    .height(look.height)
    .noValue(look.whenEmpty)
    .datasource(look.source === 'prometheus' ? PROMETHEUS : CLICKHOUSE)
  for (const query of look.queries) builder.withTarget(query)
  if (look.links) builder.links([...look.links])
  if (look.decimals !== undefined) builder.decimals(look.decimals)
  if (look.mostPoints !== undefined) builder.maxDataPoints(look.mostPoints)
  if (look.mappings) builder.mappings([...look.mappings])
  builder.thresholds(
    new ThresholdsConfigBuilder()
      .mode(ThresholdsMode.Absolute)
      .steps([...(look.thresholds ?? [{ value: null, color: CALM }])]),
  )
  for (const [name, properties] of Object.entries(look.overrides ?? {})) builder.overrideByName(name, [...properties])
  return builder
}

export type SeriesLook = Look &
  Readonly<{
    /** Name of a series; default: its value of the column `series`. */
    legend?: string
    draw?: 'line' | 'bars'
    stacked?: boolean
    /** Draws the thresholds as dashed lines. */
    lines?: boolean
    min?: number
    max?: number
    /** Shortest point, as its data has it. Default a minute. */
    interval?: string
    /** Marks every point: where a line may have one only. */
    marked?: boolean
    /** A line goes on over rows without a value where its points lie closer than this; else it breaks there. Default: it breaks. */
    bridgedMs?: number
    /** Series carry the marks of sql.ts: each place has its colour and its dash. */
    places?: boolean
    /** The legend has the last value of each series. */
    values?: boolean
  }>

/**
 * Colours and dashes of series by their place, in an order in which neighbours differ in hue and in brightness, also for those who cannot tell red from
 * green; the dash says the same without colour.
 */
export const PLACES: readonly Readonly<{ color: string; dash: readonly number[] | null }>[] = [
  { color: 'blue', dash: null },
  { color: 'dark-orange', dash: [14, 4] },
  { color: 'purple', dash: [2, 4] },
  { color: 'text', dash: [10, 4, 2, 4] },
  { color: 'dark-green', dash: [5, 5] },
  { color: '#CC5A92', dash: [18, 4, 2, 4, 2, 4] },
]
const asPlace = ({ color, dash }: (typeof PLACES)[number]): DynamicConfigValue[] => [
  { id: 'color', value: { mode: FieldColorModeId.Fixed, fixedColor: color } },
  ...(dash ? [{ id: 'custom.lineStyle', value: { fill: 'dash', dash } }] : []),
]

export function series(look: SeriesLook): PanelSource {
  const isBars = look.draw === 'bars'
  const builder = dressed(new TimeseriesBuilder(), look)
    .displayName(look.legend ?? '${__field.labels.series}')
    .interval(look.interval ?? '1m')
    .drawStyle(isBars ? GraphDrawStyle.Bars : GraphDrawStyle.Line)
    .lineInterpolation(LineInterpolation.Linear)
    .lineWidth(isBars ? 0 : 2)
    .fillOpacity(isBars ? 80 : 0)
    .showPoints(look.marked ? VisibilityMode.Always : VisibilityMode.Auto)
    .spanNulls(look.bridgedMs ?? false)
    // By their order: colours by name are often the same for two lines.
    .colorScheme(new FieldColorBuilder().mode(FieldColorModeId.PaletteClassic))
    .stacking(new StackingConfigBuilder().mode(look.stacked ? StackingMode.Normal : StackingMode.None).group('A'))
    .legend(
      new VizLegendOptionsBuilder()
        .displayMode(LegendDisplayMode.List)
        .placement(LegendPlacement.Bottom)
        .showLegend(true)
        .calcs(look.values ? ['lastNotNull'] : []),
    )
    .tooltip(new VizTooltipOptionsBuilder().mode(TooltipDisplayMode.Multi).sort(SortOrder.Descending))
  if (look.places)
    for (const [index, place] of PLACES.entries()) builder.overrideByRegexp(`/${MARKS[index]!}/`, asPlace(place))
  if (look.lines) builder.thresholdsStyle(new GraphThresholdsStyleConfigBuilder().mode(GraphThresholdsStyleMode.Dashed))
  if (look.min !== undefined) builder.min(look.min)
  if (look.max !== undefined) builder.max(look.max)
  return builder
}

/** Shares need many contacts in a point: a day in half hours. A total over the range has no use for more points either. */
export const SHARE_POINTS = 48
/** Shares of single releases: a day in hours. */
export const RELEASE_SHARE_POINTS = 24
/** Evidence stands where it is until the next contact, which may take a while at night; over a longer gap nobody knows. */
export const EVIDENCE_BRIDGED_MS = 3 * 3_600_000
/** Bars that can be told apart. */
export const BAR_POINTS = 120
/** Evidence is drawn around the line at which a release is paused: how far beyond it somebody is decides nothing. */
export const EVIDENCE_LOOK = {
  unit: 'percentunit',
  min: -0.5,
  max: 1.5,
  lines: true,
  thresholds: [
    { value: null, color: 'transparent' },
    { value: 1, color: BAD },
  ],
} as const

/** One number. Its text stays readable whatever the theme: the value is coloured, not the background. */
export const stat = (look: Look & Readonly<{ graph?: boolean }>): PanelSource =>
  dressed(new StatBuilder(), look)
    .graphMode(look.graph ? BigValueGraphMode.Area : BigValueGraphMode.None)
    .colorMode(BigValueColorMode.Value)
    .reduceOptions(new ReduceDataOptionsBuilder().calcs(['lastNotNull']).fields('').values(false))

/** A number with what it rests on needs words: one column of text. */
export const statOfText = (look: Look): PanelSource =>
  dressed(new StatBuilder(), look)
    .graphMode(BigValueGraphMode.None)
    .colorMode(BigValueColorMode.Value)
    .reduceOptions(new ReduceDataOptionsBuilder().calcs(['lastNotNull']).fields('/.*/').values(false))

/**
 * What every column is given. Grafana writes the words for an empty panel into every empty cell, unless the column has its own; text and headers
 * are wrapped, so that columns can be narrow.
 */
const OF_EVERY_COLUMN: readonly DynamicConfigValue[] = [
  { id: 'noValue', value: '–' },
  { id: 'custom.wrapText', value: true },
  { id: 'custom.wrapHeaderText', value: true },
]

/** The columns that decide come first: on a phone the others are reached by a swipe, and the first one stays. */
export function table(look: Look & Readonly<{ sortBy?: string }>): PanelSource {
  const overrides = Object.entries(look.overrides ?? {}).map(
    ([name, more]) => [name, [...more, ...OF_EVERY_COLUMN]] as const,
  )
  const builder = dressed(new TableBuilder(), { ...look, overrides: Object.fromEntries(overrides) }).showHeader(true)
  if (look.sortBy) builder.sortBy([{ build: () => ({ displayName: look.sortBy!, desc: true }) }])
  return {
    build: () => {
      const panel = builder.build()
      return { ...panel, options: { ...panel.options, frozenColumns: { left: 1 } } }
    },
  }
}

export const stateTimeline = (look: Look): PanelSource =>
  dressed(new StateTimelineBuilder(), look)
    .displayName('${__field.labels.series}')
    .interval('1m')
    .showValue(VisibilityMode.Auto)
    .mergeValues(true)
    .spanNulls(true)
    .rowHeight(0.8)
    .fillOpacity(80)
    .legend(
      new VizLegendOptionsBuilder()
        .displayMode(LegendDisplayMode.List)
        .placement(LegendPlacement.Bottom)
        .showLegend(true)
        .calcs([]),
    )

/** A panel of a plugin, whose options are left at their defaults. */
export const pluginPanel = (type: string, look: Look): PanelSource =>
  dressed(new PanelBuilder(), look).type(type).interval('1m')

export const text = (
  title: string,
  description: string,
  width: number,
  height: number,
  markdown: string,
): PanelSource => new TextBuilder().title(title).description(description).span(width).height(height).content(markdown)

export const row = (title: string): RowBuilder => new RowBuilder(title)
