import type { Options } from '../options.ts'

/** Where things stand, in pixels. */
export type Geometry = Readonly<{
  /** Room for names left of the lanes; 0 = there is none, names stand above the spans. */
  gutter: number
  plotWidth: number
  lane: number
  agent: number
  /** Height of the name above the span, 0 beside a gutter. */
  caption: number
  barTop: number
  barHeight: number
  sparkTop: number
  sparkHeight: number
}>

export const AXIS_HEIGHT = 26
export const HEAD_HEIGHT = 30
export const LEGEND_HEIGHT = 30
/** Of the time that goes with the crosshair. */
export const FLAG_WIDTH = 122
/** Right of the lanes: a scrollbar, and half a mark. */
const RIGHT = 16
const LEFT_WHEN_NARROW = 10
const NARROW = 560

export function geometryOf(width: number, { density, evidence }: Options): Geometry {
  const isNarrow = width < NARROW
  const gutter = isNarrow ? LEFT_WHEN_NARROW : Math.round(Math.min(230, width * 0.24))
  const caption = isNarrow ? 18 : 0
  const isCompact = density === 'compact'
  const barTop = caption + (isCompact ? 6 : 10)
  const barHeight = isCompact ? 14 : 16
  const hasSpark = evidence && !isCompact
  const sparkTop = barTop + barHeight + 6
  const sparkHeight = hasSpark ? 20 : 0
  return {
    gutter,
    plotWidth: Math.max(40, width - gutter - RIGHT),
    lane: hasSpark ? sparkTop + sparkHeight + 6 : barTop + barHeight + (isCompact ? 6 : 10),
    agent: isCompact ? 26 : 30,
    caption,
    barTop,
    barHeight,
    sparkTop,
    sparkHeight,
  }
}

/** How far left of the crosshair its time begins: in the middle of it, but never outside the panel. */
export const flagOffset = ({ gutter, plotWidth }: Geometry, x: number): number =>
  Math.max(-gutter - x, Math.min(-FLAG_WIDTH / 2, plotWidth + RIGHT - x - FLAG_WIDTH))

export const isNarrow = ({ caption }: Geometry): boolean => caption > 0
