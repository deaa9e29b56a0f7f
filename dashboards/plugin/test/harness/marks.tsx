import type { GrafanaTheme2 } from '@grafana/data'
import type { UPlotConfigBuilder } from '@grafana/ui'
import type React from 'react'
import { useLayoutEffect } from 'react'
import type uPlot from 'uplot'

/** One mark over time: a moment, or a stretch of it. Times in ms since 1970 UTC, the colour by its name in Grafana. */
export type Mark = Readonly<{ fromMs: number; untilMs: number | null; color: string; text: string }>

const TRIANGLE_PX = 5

/** Marks as Grafana draws them over a plot: a dashed line with a triangle below it, and a shade over a stretch. */
export function Marks({
  config,
  marks,
  theme,
}: {
  config: UPlotConfigBuilder
  marks: readonly Mark[]
  theme: GrafanaTheme2
}): React.ReactNode {
  // Before the plot is made: its hooks are read once.
  useLayoutEffect(() => {
    config.addHook('draw', (plot) => {
      for (const mark of marks) draw(plot, mark, theme.visualization.getColorByName(mark.color))
    })
  }, [config, marks, theme])
  return null
}

function draw(plot: uPlot, { fromMs, untilMs }: Mark, color: string): void {
  const { ctx, bbox } = plot
  const { min, max } = plot.scales.x!
  const ends = [fromMs, ...(untilMs === null ? [] : [untilMs])]
  const [left, right] = [Math.max(fromMs, min!), Math.min(untilMs ?? fromMs, max!)].map((ms) =>
    plot.valToPos(ms, 'x', true),
  )
  ctx.save()
  ctx.fillStyle = color
  ctx.strokeStyle = color
  ctx.lineWidth = devicePixelRatio
  ctx.setLineDash([5 * devicePixelRatio, 5 * devicePixelRatio])
  for (const ms of ends.filter((end) => end >= min! && end <= max!)) {
    const x = plot.valToPos(ms, 'x', true)
    ctx.beginPath()
    ctx.moveTo(x, bbox.top)
    ctx.lineTo(x, bbox.top + bbox.height)
    ctx.stroke()
  }
  const [bottom, size] = [bbox.top + bbox.height, TRIANGLE_PX * devicePixelRatio]
  if (untilMs !== null) {
    ctx.fillRect(left!, bottom, Math.max(right! - left!, size), size)
    ctx.globalAlpha = 0.1
    ctx.fillRect(left!, bbox.top, right! - left!, bbox.height)
  } else if (fromMs >= min! && fromMs <= max!) {
    ctx.beginPath()
    ctx.moveTo(left!, bottom)
    ctx.lineTo(left! - size, bottom + size)
    ctx.lineTo(left! + size, bottom + size)
    ctx.fill()
  }
  ctx.restore()
}
