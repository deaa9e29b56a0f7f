/** How columns and lines look: what an override of a panel gives one field. */

import { TableCellDisplayMode, VisibilityMode } from '@grafana/grafana-foundation-sdk/common'
import {
  DashboardLinkBuilder,
  type DashboardLinkType,
  type DynamicConfigValue,
  FieldColorModeId,
  MappingType,
  type Threshold,
  ThresholdsMode,
  type ValueMapping,
} from '@grafana/grafana-foundation-sdk/dashboard'

/** Colours by their names in Grafana, which adapts them to its themes: these can be read in the light and the dark one. */
export const GOOD = 'semi-dark-green'
export const CAREFUL = 'dark-orange'
export const BAD = 'red'
export const CALM = 'blue'
/** What calls for nobody: a state that is over, a line that is only a reference. */
export const QUIET = '#808080'

/** Overrides of one column or series: what it is called, its unit, and how it looks. */
export const named = (displayName: string, more: readonly DynamicConfigValue[] = []): DynamicConfigValue[] => [
  { id: 'displayName', value: displayName },
  ...more,
]
export const unit = (value: string, decimals?: number): DynamicConfigValue[] => [
  { id: 'unit', value },
  ...(decimals === undefined ? [] : [{ id: 'decimals', value: decimals }]),
]
/** A column that only links read. */
export const hidden: DynamicConfigValue[] = [
  { id: 'custom.hideFrom', value: { legend: true, tooltip: true, viz: true } },
]
export const width = (pixels: number): DynamicConfigValue => ({ id: 'custom.width', value: pixels })
/** Takes its part of what the columns with a width leave, and no less than these pixels. */
export const atLeast = (pixels: number): DynamicConfigValue => ({ id: 'custom.minWidth', value: pixels })
/** A time, never with milliseconds: without a unit Grafana adds them where the first and the last row are close. */
const TIME: DynamicConfigValue = { id: 'unit', value: 'dateTimeAsIso' }
/** Wide enough for a date above its time. */
export const WHEN = [width(96), TIME] as const
/** Wide enough for both on one line. */
export const WHEN_ON_ONE_LINE = [width(168), TIME] as const
/** On one line where there is room. */
export const WHEN_WIDE = [atLeast(96), TIME] as const
/** Wide enough for "13.6 hours" on one line. */
export const LASTED = width(94)
/** A column that people may narrow a long table by. */
export const filterable: DynamicConfigValue = { id: 'custom.filterable', value: true }
export const colouredText = (mappings: readonly ValueMapping[]): DynamicConfigValue[] => [
  { id: 'custom.cellOptions', value: { type: TableCellDisplayMode.ColorText } },
  { id: 'mappings', value: mappings },
]
export const gaugeCell = (steps: readonly Threshold[]): DynamicConfigValue[] => [
  { id: 'custom.cellOptions', value: { type: TableCellDisplayMode.Gauge, mode: 'basic', valueDisplayMode: 'text' } },
  { id: 'min', value: 0 },
  { id: 'max', value: 1 },
  { id: 'thresholds', value: { mode: ThresholdsMode.Absolute, steps } },
]
/** A reference line: dashed, in one colour, over the data. */
export const asLimit = (displayName: string, color: string = BAD): DynamicConfigValue[] => [
  { id: 'displayName', value: displayName },
  { id: 'color', value: { mode: FieldColorModeId.Fixed, fixedColor: color } },
  { id: 'custom.lineStyle', value: { fill: 'dash', dash: [8, 6] } },
  { id: 'custom.lineWidth', value: 2 },
  { id: 'custom.fillOpacity', value: 0 },
  { id: 'custom.showPoints', value: VisibilityMode.Never },
]
/** The two ends of an interval: the lower one without a line, the upper one filled down to it. */
export const asBand = (
  low: string,
  high: string,
  color: string,
): Readonly<Record<string, readonly DynamicConfigValue[]>> => {
  const edge: DynamicConfigValue[] = [
    { id: 'color', value: { mode: FieldColorModeId.Fixed, fixedColor: color } },
    { id: 'custom.lineWidth', value: 0 },
    { id: 'custom.showPoints', value: VisibilityMode.Never },
    { id: 'custom.hideFrom', value: { legend: true, tooltip: false, viz: false } },
  ]
  return {
    [low]: named(low, edge),
    [high]: [...named(high, edge), { id: 'custom.fillBelowTo', value: low }, { id: 'custom.fillOpacity', value: 18 }],
  }
}

/** Words with a colour, so that neither alone carries the meaning. */
export const words = (colors: Readonly<Record<string, readonly [text: string, color: string]>>): ValueMapping[] => [
  {
    type: MappingType.ValueToText,
    options: Object.fromEntries(
      Object.entries(colors).map(([value, [label, color]], index) => [value, { text: label, color, index }]),
    ),
  },
]

/** What people read in place of a name. */
export const called = (names: Readonly<Record<string, string>>): DynamicConfigValue => ({
  id: 'mappings',
  value: words(Object.fromEntries(Object.entries(names).map(([name, text]) => [name, [text, 'text']]))),
})

export const FINDINGS = words({
  breach: ['breach', BAD],
  watching: ['watching', CALM],
  clear: ['clear', GOOD],
  insufficient: ['too few yet', 'text'],
  no_data: ['no data', CAREFUL],
  sampled: ['sampled', CAREFUL],
})

const STATE_WORDS = {
  live: ['live', GOOD],
  observed: ['observed', CALM],
  pausing: ['pausing', CAREFUL],
  paused: ['paused', BAD],
  stopped: ['stopped', 'purple'],
  drained: ['drained', QUIET],
  resumed: ['resumed', GOOD],
  closed: ['closed', QUIET],
} as const
type StateWord = keyof typeof STATE_WORDS

export const STATES = words(STATE_WORDS)

/** A lane over time needs numbers: the data source makes series of numbers only, and texts name them. */
export const codeOf = (state: StateWord): number => Object.keys(STATE_WORDS).indexOf(state)
export const STATE_CODES = words(
  Object.fromEntries(Object.entries(STATE_WORDS).map(([state, word]) => [codeOf(state as StateWord), word])),
)

/** A link from a cell or panel to another address. */
export const link = (title: string, url: string, isElsewhere = false) =>
  new DashboardLinkBuilder(title)
    .type('link' as DashboardLinkType)
    .url(url)
    .targetBlank(isElsewhere)

export const cellLinks = (
  links: readonly (readonly [title: string, url: string])[],
  isElsewhere = false,
): DynamicConfigValue => ({
  id: 'links',
  value: links.map(([title, url]) => ({ title, url, targetBlank: isElsewhere })),
})
export const cellLink = (title: string, url: string, isElsewhere = false): DynamicConfigValue =>
  cellLinks([[title, url]], isElsewhere)
