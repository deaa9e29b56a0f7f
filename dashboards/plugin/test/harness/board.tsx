import * as grafanaData from '@grafana/data'
import {
  createTheme,
  type DataFrame,
  type DataFrameDTO,
  type DisplayValue,
  type Field,
  type GrafanaTheme2,
  ThemeContext,
  type TimeRange,
} from '@grafana/data'
import type { TableSortByFieldState, VizLegendOptions } from '@grafana/schema'
import {
  BigValue,
  type BigValueColorMode,
  type BigValueGraphMode,
  GlobalStyles,
  PanelChrome,
  PortalContainer,
  TimeSeries,
} from '@grafana/ui'
import { TableNG } from '@grafana/ui/unstable'
import React, { useMemo } from 'react'

/** A panel as it stands in a board's JSON, with what its queries gave. */
export type DrawnPanel = Readonly<{
  id: number
  type: string
  title: string
  gridPos: Readonly<{ x: number; y: number; w: number; h: number }>
  options?: Record<string, unknown>
  fieldConfig?: grafanaData.FieldConfigSource
  frames: readonly DataFrameDTO[]
}>
export type DrawnBoard = Readonly<{
  title: string
  range: Readonly<{ fromMs: number; toMs: number }>
  panels: readonly DrawnPanel[]
}>

const ROW_PX = 38
const GAP_PX = 8

/** What Grafana fills into the name of a field. */
// biome-ignore lint/suspicious/noTemplateCurlyInString: Grafana's own names
const [LABEL, NAME] = ['${__field.labels.series}', '${__field.name}']

/** Options of fields that panels define, by their path: Grafana's panels register them, here they are named. */
const CUSTOM = [
  'lineWidth',
  'lineStyle',
  'fillOpacity',
  'fillBelowTo',
  'showPoints',
  'hideFrom',
  'cellOptions',
  'width',
  'drawStyle',
  'lineInterpolation',
  'spanNulls',
  'stacking',
  'thresholdsStyle',
  'axisPlacement',
  'pointSize',
]

function registry(): grafanaData.FieldConfigOptionsRegistry {
  const property = (id: string, isCustom: boolean) => ({
    id: isCustom ? `custom.${id}` : id,
    path: id,
    name: id,
    isCustom,
    editor: () => null,
    override: () => null,
    process: (value: unknown, { field }: grafanaData.FieldOverrideContext) =>
      typeof value === 'string'
        ? value.replace(LABEL, field?.labels?.series ?? '').replace(NAME, field?.name ?? '')
        : value,
    shouldApply: () => true,
    settings: {},
  })
  const standard = [
    'displayName',
    'unit',
    'min',
    'max',
    'decimals',
    'color',
    'thresholds',
    'mappings',
    'links',
    'noValue',
  ]
  return new grafanaData.FieldConfigOptionsRegistry(() => [
    ...standard.map((id) => property(id, false)),
    ...CUSTOM.map((id) => property(id, true)),
  ]) as never
}

/** A board of Grafana, drawn by the components that its panels draw with, outside Grafana; `width` in pixels. */
export function BoardStage({ board, dark, width }: { board: DrawnBoard; dark: boolean; width: number }) {
  const theme = useMemo(() => createTheme({ colors: { mode: dark ? 'dark' : 'light' } }), [dark])
  const { fromMs, toMs } = board.range
  const timeRange = grafanaData.makeTimeRange(grafanaData.dateTime(fromMs), grafanaData.dateTime(toMs))
  const column = (width + GAP_PX) / 24
  const bottom = Math.max(...board.panels.map(({ gridPos }) => gridPos.y + gridPos.h))
  return (
    <ThemeContext.Provider value={theme}>
      <GlobalStyles />
      <div
        style={{ background: theme.colors.background.canvas, padding: 16, width: width + 32, boxSizing: 'border-box' }}
      >
        <h1 style={{ fontSize: 18, margin: '0 0 12px', color: theme.colors.text.primary }}>{board.title}</h1>
        <div role="status" style={{ position: 'relative', height: bottom * ROW_PX }}>
          {board.panels.map((panel) => {
            const { x, y, w, h } = panel.gridPos
            const [panelWidth, panelHeight] = [w * column - GAP_PX, h * ROW_PX - GAP_PX]
            const place = {
              position: 'absolute',
              left: x * column,
              top: y * ROW_PX,
              width: panelWidth,
              height: panelHeight,
            } as const
            return (
              <div key={panel.id} style={place}>
                {panel.type === 'row' ? (
                  <h2 style={{ fontSize: 14, margin: '6px 0', color: theme.colors.text.primary }}>{panel.title}</h2>
                ) : (
                  <PanelChrome
                    title={panel.title}
                    width={panelWidth}
                    height={panelHeight}
                    padding={panel.type === 'table' ? 'none' : 'md'}
                  >
                    {(innerWidth, innerHeight) => (
                      <Drawn
                        panel={panel}
                        theme={theme}
                        timeRange={timeRange}
                        width={innerWidth}
                        height={innerHeight}
                      />
                    )}
                  </PanelChrome>
                )}
              </div>
            )
          })}
        </div>
      </div>
      <PortalContainer />
    </ThemeContext.Provider>
  )
}

type DrawnProps = Readonly<{
  panel: DrawnPanel
  theme: GrafanaTheme2
  timeRange: TimeRange
  width: number
  height: number
}>

function Drawn({ panel, theme, timeRange, width, height }: DrawnProps) {
  const fieldConfig = useMemo(() => panel.fieldConfig ?? { defaults: {}, overrides: [] }, [panel])
  const frames = useMemo(() => {
    const data = panel.frames.filter(({ fields }) => fields.length > 0).map((frame) => grafanaData.toDataFrame(frame))
    const drawn = grafanaData.applyFieldOverrides({
      data,
      fieldConfig: {
        ...fieldConfig,
        defaults: { ...fieldConfig.defaults, custom: { pointSize: 5, ...fieldConfig.defaults.custom } },
      },
      replaceVariables: (text) => text,
      theme,
      timeZone: 'utc',
      fieldConfigRegistry: registry(),
    })
    grafanaData.cacheFieldDisplayNames(drawn)
    return drawn
  }, [panel, theme, fieldConfig])
  const isEmpty = frames.every(({ length }) => length === 0)
  const noValue = fieldConfig.defaults.noValue ?? 'No data'
  if (panel.type === 'text') return <TextPanel text={String(panel.options?.content ?? '')} theme={theme} />
  if (panel.type === 'stat')
    return <Stat frames={frames} panel={panel} noValue={noValue} theme={theme} width={width} height={height} />
  if (isEmpty) return <p style={{ color: theme.colors.text.secondary, textAlign: 'center', padding: 16 }}>{noValue}</p>
  if (panel.type === 'table')
    return (
      <TableNG
        data={frames[0]!}
        width={width}
        height={height}
        sortBy={(panel.options?.sortBy as TableSortByFieldState[]) ?? []}
        structureRev={1}
        fieldConfig={fieldConfig}
      />
    )
  if (panel.type === 'timeseries')
    return (
      <TimeSeries
        frames={drawable(frames)}
        timeRange={timeRange}
        timeZone="utc"
        width={width}
        height={height}
        legend={panel.options?.legend as VizLegendOptions}
        options={panel.options ?? {}}
      />
    )
  return (
    <p style={{ color: theme.colors.text.secondary, padding: 16 }}>
      Grafana draws states over time here ({panel.type}).
    </p>
  )
}

/** Lines are numbers over time; a line without a point has nothing to draw. */
const drawable = (frames: DataFrame[]): DataFrame[] =>
  frames.map((frame) => ({
    ...frame,
    fields: frame.fields.filter(({ type, values }: Field) => type === 'time' || values.some((value) => value !== null)),
  }))

function Stat({
  frames,
  panel,
  noValue,
  theme,
  width,
  height,
}: Omit<DrawnProps, 'timeRange'> & { frames: DataFrame[]; noValue: string }) {
  const field = frames[0]?.fields.find(({ type }) => type !== 'time') // a number, or words
  const last = field?.values.at(-1) ?? null
  const value: DisplayValue = last === null || !field ? { text: noValue, numeric: Number.NaN } : field.display!(last)
  return (
    <BigValue
      value={value}
      colorMode={panel.options?.colorMode as BigValueColorMode}
      graphMode={panel.options?.graphMode as BigValueGraphMode}
      theme={theme}
      width={width}
      height={height}
    />
  )
}

const TextPanel = ({ text, theme }: { text: string; theme: GrafanaTheme2 }) => (
  // The board's own text, through Grafana's renderer, which sanitizes it.
  <div
    className="markdown-html"
    style={{ color: theme.colors.text.primary, paddingLeft: 16 }}
    // biome-ignore lint/security/noDangerouslySetInnerHtml: Grafana's text panel does the same
    dangerouslySetInnerHTML={{ __html: grafanaData.renderMarkdown(text) }}
  />
)
