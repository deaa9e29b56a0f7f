import type { DataFrame, DisplayValue, Field, GrafanaTheme2, TimeRange } from '@grafana/data'
import * as grafanaData from '@grafana/data'
import type { TableSortByFieldState, VizLegendOptions } from '@grafana/schema'
import { BigValue, type BigValueColorMode, type BigValueGraphMode, TimeSeries } from '@grafana/ui'
import { TableNG } from '@grafana/ui/unstable'
import React, { useMemo } from 'react'
import type { DrawnPanel } from './board.tsx'
import { fieldOptions } from './fields.ts'
import { Lanes } from './lanes.tsx'
import { type Mark, Marks } from './marks.tsx'

type DrawnProps = Readonly<{
  panel: DrawnPanel
  marks: readonly Mark[]
  theme: GrafanaTheme2
  timeRange: TimeRange
  width: number
  height: number
}>

/** The inside of a panel: what Grafana's panel of its type hands to the components of @grafana/ui. */
export function Drawn({ panel, marks, theme, timeRange, width, height }: DrawnProps) {
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
      fieldConfigRegistry: fieldOptions(),
    })
    grafanaData.cacheFieldDisplayNames(drawn)
    return drawn
  }, [panel, theme, fieldConfig])
  const isEmpty = frames.every(({ length }) => length === 0)
  const noValue = fieldConfig.defaults.noValue ?? 'No data'
  const options = panel.options ?? {}
  if (panel.type === 'text') return <TextPanel text={String(options.content ?? '')} theme={theme} />
  if (panel.type === 'stat')
    return <Stat frames={frames} panel={panel} noValue={noValue} theme={theme} width={width} height={height} />
  if (isEmpty)
    return (
      <p data-empty style={{ color: theme.colors.text.secondary, textAlign: 'center', padding: 16 }}>
        {noValue}
      </p>
    )
  if (panel.type === 'table')
    return (
      <TableNG
        data={frames[0]!}
        width={width}
        height={height}
        sortBy={(options.sortBy as TableSortByFieldState[]) ?? []}
        frozenColumns={(options.frozenColumns as { left?: number })?.left ?? 0}
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
        legend={options.legend as VizLegendOptions}
        options={options}
      >
        {(config) => <Marks config={config} marks={marks} theme={theme} />}
      </TimeSeries>
    )
  return <Lanes frames={frames} {...{ options, marks, theme, timeRange, width, height }} />
}

/** Lines are numbers over time; a line without a point has nothing to draw. */
const drawable = (frames: DataFrame[]): DataFrame[] =>
  frames.map((frame) => ({
    ...frame,
    fields: frame.fields.filter(({ type, values }: Field) => type === 'time' || values.some((value) => value !== null)),
  }))

type StatProps = Omit<DrawnProps, 'timeRange' | 'marks'> & { frames: DataFrame[]; noValue: string }

function Stat({ frames, panel, noValue, theme, width, height }: StatProps) {
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
  <div data-scrolls style={{ height: '100%', overflow: 'auto' }}>
    <div
      className="markdown-html"
      style={{ color: theme.colors.text.primary }}
      // The board's own text, through Grafana's renderer, which sanitizes it.
      // biome-ignore lint/security/noDangerouslySetInnerHtml: Grafana's text panel does the same
      dangerouslySetInnerHTML={{ __html: grafanaData.renderMarkdown(text) }}
    />
  </div>
)
