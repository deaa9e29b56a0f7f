import { readdirSync, readFileSync } from 'node:fs'
import {
  colorManipulator,
  createTheme,
  fieldColorModeRegistry,
  getValueFormats,
  standardTransformersRegistry,
} from '@grafana/data'
import { beforeAll, expect, test } from 'vitest'
import { type Claim, complaintsAbout } from './types.ts'

/** The parts of a board that Grafana's packages can say something about. */
type Properties = readonly Readonly<{ id: string; value: unknown }>[]
type Panel = Readonly<{
  type: string
  title: string
  options?: Record<string, unknown>
  fieldConfig?: Readonly<{
    defaults: Readonly<Record<string, unknown> & { custom?: Record<string, unknown> }>
    overrides: readonly Readonly<{ matcher: Readonly<{ options: string }>; properties: Properties }>[]
  }>
  transformations?: readonly Readonly<{ id: string }>[]
  panels?: readonly Panel[]
}>
type Board = Readonly<{ title: string; panels: readonly Panel[] }>

const folders = ['../../grafana/', '../src/dashboards/'].map((path) => new URL(path, import.meta.url))
const boards = folders.flatMap((folder) =>
  readdirSync(folder).map((name) => JSON.parse(readFileSync(new URL(name, folder), 'utf8')) as Board),
)
const panels = boards.flatMap((board) =>
  board.panels.flatMap((panel) => [panel, ...(panel.panels ?? [])]).map((panel) => ({ board, panel })),
)
const where = ({ board, panel }: (typeof panels)[number]): string => `${board.title}, ${panel.title}`

/** Where @grafana/schema has the options of a panel; rows and panels of other plugins have none there. */
const MODULES: Readonly<Record<string, string>> = {
  stat: 'stat/panelcfg/x/StatPanelCfg',
  table: 'table/panelcfg/x/TablePanelCfg',
  text: 'text/panelcfg/x/TextPanelCfg',
  timeseries: 'timeseries/panelcfg/x/TimeSeriesPanelCfg',
  'state-timeline': 'statetimeline/panelcfg/x/StateTimelinePanelCfg',
}
const WITHOUT = new Set(['row', 'andon-releasetimeline-panel'])

/** One program for all claims, those about boards and those that must fail: starting TypeScript is what takes the time. */
let complaints: readonly string[]
beforeAll(() => {
  const ofBoards = boards.map((board) => ({
    about: board.title,
    module: '/dist/esm/raw/dashboard/x/Dashboard_types.gen',
    type: 'Dashboard',
    value: typed(board),
  }))
  const ofPanels = panels.filter(({ panel }) => !WITHOUT.has(panel.type)).flatMap(claimsOf)
  expect(ofPanels.length).toBeGreaterThan(100)
  const module = '/dist/esm/raw/composable/table/panelcfg/x/TablePanelCfg_types.gen'
  const mistakes = MISTAKES.map((value) => ({ about: 'mistake', module, type: 'Options', value }))
  complaints = complaintsAbout([...ofBoards, ...ofPanels, ...mistakes])
})

test('boards, options of panels and how fields are drawn are what the schema of Grafana 13.2 knows', () => {
  expect(complaints.filter((one) => !one.startsWith('mistake'))).toEqual([])
})

const MISTAKES = [
  { showHeaders: true },
  { cellHeight: 'huge' },
  { showHeader: 'yes' },
  { sortBy: [{ displayname: 'a' }] },
]

test('the types see a mistake: a key, a value of an enumeration, a type', () => {
  expect(complaints.filter((one) => one.startsWith('mistake'))).toHaveLength(MISTAKES.length)
})

/** What Grafana reads and its generated types leave out: the query of an annotation, and how Prometheus' answers become marks. */
const UNTYPED_OF_MARKS = ['target', 'titleFormat', 'textFormat', 'useValueForTime']

/** Without what is not typed, and without the text of a variable's query. */
function typed(board: Board): unknown {
  const { templating, annotations, ...rest } = structuredClone(board) as unknown as Record<string, { list: object[] }>
  for (const variable of templating!.list) Reflect.deleteProperty(variable, 'definition')
  for (const annotation of annotations!.list)
    for (const key of UNTYPED_OF_MARKS) Reflect.deleteProperty(annotation, key)
  return { ...rest, templating, annotations }
}

function claimsOf(one: (typeof panels)[number]): Claim[] {
  const { type, options, fieldConfig } = one.panel
  const name = MODULES[type]
  if (name === undefined) throw new Error(`${where(one)}: no types are known of the panel ${type}`)
  const module = `/dist/esm/raw/composable/${name}_types.gen`
  const claim = (about: string, type: string, value: unknown) => ({
    about: `${where(one)}, ${about}`,
    module,
    type,
    value,
  })
  const drawn = (fieldConfig?.overrides ?? []).map(({ matcher, properties }) => ({
    about: matcher.options,
    custom: Object.fromEntries(
      properties.flatMap(({ id, value }) => (id.startsWith('custom.') ? [[id.slice('custom.'.length), value]] : [])),
    ),
  }))
  const customs = [{ about: 'defaults', custom: customOf(one.panel) }, ...drawn].filter(
    ({ custom }) => Object.keys(custom).length > 0,
  )
  return [
    ...(options ? [claim('options', 'Options', options)] : []),
    ...customs.map(({ about, custom }) => claim(about, 'FieldConfig', custom)),
  ]
}

/** Without what the panel takes beyond its generated types: a state timeline connects states over gaps. */
function customOf({ type, fieldConfig }: Panel): Record<string, unknown> {
  const { spanNulls, ...custom } = fieldConfig?.defaults.custom ?? {}
  return type === 'state-timeline' || spanNulls === undefined ? custom : { ...custom, spanNulls }
}

/** Every setting of a field, of all fields of a panel and of those that are picked out. */
const settings = panels.flatMap((one) =>
  [
    ...Object.entries(one.panel.fieldConfig?.defaults ?? {}).map(([id, value]) => ({ id, value })),
    ...(one.panel.fieldConfig?.overrides ?? []).flatMap(({ properties }) => properties),
  ].map(({ id, value }) => ({ about: where(one), id, value })),
)

test('every unit stands in the list of Grafana', () => {
  const known = new Set(getValueFormats().flatMap(({ submenu }) => submenu!.map(({ value }) => value!)))
  const units = settings.filter(({ id }) => id === 'unit')
  expect(units.length).toBeGreaterThan(50)
  expect(units.filter(({ value }) => !known.has(value as string))).toEqual([])
})

/** What letters as large as a number's, and lines, need of their background (WCAG 2.2, 1.4.3 and 1.4.11). */
const LEAST_CONTRAST = 3

test('every colour is a name that both themes know and can be read in both, and every way of colouring exists', () => {
  const names = [...JSON.stringify(boards).matchAll(/"(?:fixedColor|color|iconColor)":"([^"]+)"/g)].map(
    ([, name]) => name!,
  )
  expect(names.length).toBeGreaterThan(50)
  for (const mode of ['light', 'dark'] as const) {
    const { visualization, colors } = createTheme({ colors: { mode } })
    const seen = [...new Set(names)].filter((name) => name !== 'transparent')
    expect(seen.filter((name) => !/^(#|rgb)/.test(visualization.getColorByName(name)))).toEqual([])
    const contrastOf = (name: string) =>
      colorManipulator.getContrastRatio(visualization.getColorByName(name), colors.background.primary)
    expect(seen.filter((name) => contrastOf(name) < LEAST_CONTRAST)).toEqual([])
    expect(contrastOf('yellow') < LEAST_CONTRAST).toBe(mode === 'light')
  }
  for (const { about, id, value } of settings)
    if (id === 'color')
      expect(fieldColorModeRegistry.getIfExists((value as { mode: string }).mode)?.id, about).toBeDefined()
})

test('every transformation exists', () => {
  for (const { panel } of panels)
    for (const { id } of panel.transformations ?? [])
      expect(standardTransformersRegistry.getIfExists(id), id).toBeDefined()
})
