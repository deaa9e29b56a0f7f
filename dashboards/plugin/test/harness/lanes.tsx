import { type DataFrame, type Field, FieldType, type GrafanaTheme2, type TimeRange } from '@grafana/data'
import type { LegendDisplayMode, LegendPlacement } from '@grafana/schema'
import {
  AxisPlacement,
  ScaleDirection,
  ScaleOrientation,
  UPlotChart,
  UPlotConfigBuilder,
  VizLayout,
  VizLegend,
} from '@grafana/ui'
import React, { useMemo } from 'react'
import type uPlot from 'uplot'
import { type Mark, Marks } from './marks.tsx'

type LanesProps = Readonly<{
  frames: readonly DataFrame[]
  options: Readonly<Record<string, unknown>>
  marks: readonly Mark[]
  theme: GrafanaTheme2
  timeRange: TimeRange
  width: number
  height: number
}>

type Stretch = Readonly<{ fromMs: number; untilMs: number; text: string; color: string }>
type Lane = Readonly<{ name: string; stretches: readonly Stretch[] }>

/**
 * States over time: a lane per series, a box per state until the next one. @grafana/ui exports no such component, so this draws what Grafana's
 * state timeline draws on the same plot, from the same options.
 */
export function Lanes({ frames, options, marks, theme, timeRange, width, height }: LanesProps) {
  const untilMs = timeRange.to.valueOf()
  const lanes = useMemo(() => frames.flatMap((frame) => lanesOf(frame, untilMs)), [frames, untilMs])
  const config = useMemo(
    () => configOf(lanes, Number(options.rowHeight), theme, timeRange),
    [lanes, options, theme, timeRange],
  )
  const times = useMemo(
    () => [[timeRange.from.valueOf(), untilMs], ...lanes.map(() => [null, null])],
    [lanes, timeRange, untilMs],
  )
  const { showLegend, displayMode, placement } = options.legend as {
    showLegend: boolean
    displayMode: LegendDisplayMode
    placement: LegendPlacement
  }
  const states = new Map(lanes.flatMap(({ stretches }) => stretches.map(({ text, color }) => [text, color])))
  const items = [...states].map(([label, color]) => ({ label, color, yAxis: 1 }))
  const legend = showLegend ? (
    <VizLayout.Legend placement={placement}>
      <VizLegend placement={placement} items={items} displayMode={displayMode} readonly />
    </VizLayout.Legend>
  ) : null
  return (
    <VizLayout width={width} height={height} legend={legend}>
      {(innerWidth, innerHeight) => (
        <UPlotChart config={config} data={times as uPlot.AlignedData} width={innerWidth} height={innerHeight}>
          <Marks config={config} marks={marks} theme={theme} />
        </UPlotChart>
      )}
    </VizLayout>
  )
}

/** The lanes of one frame; states of the same text that follow one another are one. */
function lanesOf({ fields }: DataFrame, untilMs: number): Lane[] {
  const times = fields.find(({ type }) => type === FieldType.time)!.values
  return fields
    .filter(({ type }) => type === FieldType.number)
    .map((field) => ({ name: nameOf(field), stretches: stretchesOf(field, times, untilMs) }))
}

const nameOf = ({ state, config, name }: Field): string => state?.displayName ?? config.displayName ?? name

function stretchesOf({ values, display }: Field, times: readonly number[], untilMs: number): Stretch[] {
  const steps = values.flatMap((value, at) => (value === null ? [] : [{ fromMs: times[at]!, ...display!(value) }]))
  const changes = steps.filter(({ text }, at) => text !== steps[at - 1]?.text)
  return changes.map(({ fromMs, text, color }, at) => ({
    fromMs,
    untilMs: changes[at + 1]?.fromMs ?? untilMs,
    text,
    color: color ?? 'grey',
  }))
}

function configOf(
  lanes: readonly Lane[],
  rowHeight: number,
  theme: GrafanaTheme2,
  timeRange: TimeRange,
): UPlotConfigBuilder {
  const config = new UPlotConfigBuilder('utc')
  config.addScale({
    scaleKey: 'x',
    isTime: true,
    orientation: ScaleOrientation.Horizontal,
    direction: ScaleDirection.Right,
    range: () => [timeRange.from.valueOf(), timeRange.to.valueOf()],
  })
  config.addScale({
    scaleKey: 'y',
    isTime: false,
    orientation: ScaleOrientation.Vertical,
    direction: ScaleDirection.Down,
    range: () => [0, lanes.length],
  })
  config.addAxis({
    scaleKey: 'x',
    isTime: true,
    placement: AxisPlacement.Bottom,
    timeZone: 'utc',
    theme,
    grid: { show: true },
  })
  config.addAxis({
    scaleKey: 'y',
    isTime: false,
    placement: AxisPlacement.Left,
    splits: () => lanes.map((_, at) => at + 0.5),
    values: () => lanes.map(({ name }) => name),
    grid: { show: false },
    ticks: { show: false },
    gap: 16,
    theme,
  })
  for (const { name } of lanes)
    config.addSeries({ scaleKey: 'y', theme, pxAlign: false, lineWidth: 0, label: name } as never)
  config.addHook('drawClear', (plot) => {
    for (const [at, lane] of lanes.entries()) drawLane(plot, lane, at, rowHeight, theme)
  })
  return config
}

const INSET_PX = 4

function drawLane(plot: uPlot, { stretches }: Lane, at: number, rowHeight: number, theme: GrafanaTheme2): void {
  const { ctx } = plot
  const [top, bottom] = [at + (1 - rowHeight) / 2, at + (1 + rowHeight) / 2].map((y) => plot.valToPos(y, 'y', true))
  const inset = INSET_PX * devicePixelRatio
  ctx.save()
  ctx.font = `${12 * devicePixelRatio}px ${theme.typography.fontFamily}`
  ctx.textBaseline = 'middle'
  for (const { fromMs, untilMs, text, color } of stretches) {
    const [left, right] = [fromMs, untilMs].map((ms) => plot.valToPos(ms, 'x', true))
    ctx.fillStyle = color
    ctx.globalAlpha = 0.8
    ctx.fillRect(left!, top!, right! - left!, bottom! - top!)
    ctx.globalAlpha = 1
    ctx.fillStyle = theme.colors.getContrastText(color, theme.colors.contrastThreshold)
    if (ctx.measureText(text).width + 2 * inset < right! - left!)
      ctx.fillText(text, left! + inset, (top! + bottom!) / 2)
  }
  ctx.restore()
}
