import React, { memo } from 'react'
import { duration } from '../duration.ts'
import type { Lane } from '../lanes.ts'
import { type Cluster, clustersOf } from '../marks.ts'
import type { Incident } from '../model.ts'
import { isOrdered, PHASE_WORDS, type Phase } from '../phases.ts'
import type { Scale } from '../scale.ts'
import { sparkOf, TOP_SHARE } from '../spark.ts'
import { Glyph } from './Glyph.tsx'
import type { Geometry } from './geometry.ts'
import { patternOf } from './Patterns.tsx'
import type { Palette } from './palette.ts'

/** Marks closer than this overlap. */
export const MARK_PX = 13
/** A span that is shorter than a pixel is still drawn: a pause is ordered within a second. */
const LEAST_SPAN_PX = 3
const CHARACTER_PX = 6.4

type Props = Readonly<{
  lane: Lane
  scale: Scale
  geometry: Geometry
  palette: Palette
  patterns: string
  nowMs: number
}>

/** Spans, marks and evidence of one release; drawn again only when one of them changes. */
export const LaneGraphic = memo(function LaneGraphic({ lane, scale, geometry, palette, patterns, nowMs }: Props) {
  const middle = geometry.barTop + geometry.barHeight / 2
  const clusters = clustersOf(lane.marks, scale, MARK_PX)
  const taken = takenBy(lane, clusters, scale)
  return (
    <svg width={scale.width} height={geometry.lane} style={{ display: 'block', overflow: 'visible' }} aria-hidden>
      {geometry.sparkHeight > 0 && (
        <Spark lane={lane} scale={scale} geometry={geometry} palette={palette} nowMs={nowMs} />
      )}
      {lane.phases.map((phase) => (
        <Span key={`${phase.kind}${phase.fromMs}`} {...{ phase, scale, geometry, palette, patterns, taken }} />
      ))}
      {lane.incidents.map((incident) => (
        <Harm key={incident.id} {...{ incident, scale, middle, palette, nowMs }} />
      ))}
      {clusters.map((cluster) => (
        <MarkGlyph key={`${cluster.shown.incident.id}${cluster.shown.moment}`} {...{ cluster, middle, palette }} />
      ))}
    </svg>
  )
})

/** Stretches that marks and ranges take on a lane, so that no word is written under them. */
function takenBy({ incidents }: Lane, clusters: readonly Cluster[], scale: Scale): Stretch[] {
  const half = MARK_PX / 2 + 2
  return [
    ...clusters.map(({ x }): Stretch => [x - half, x + half]),
    ...incidents.flatMap(({ at, onsetLowMs, onsetHighMs }): Stretch[] =>
      at.onset === null
        ? []
        : [
            [
              scale.xOf(onsetLowMs ?? at.onset) - 3,
              scale.xOf(Math.max(onsetHighMs ?? at.onset, at.accepted ?? at.detected!)) + 3,
            ],
          ],
    ),
  ]
}

type Stretch = readonly [from: number, to: number]

/** Where the longest free stretch of a span begins, and how long it is. */
function freeIn(from: number, to: number, taken: readonly Stretch[]): Readonly<{ x: number; width: number }> {
  let [best, start] = [{ x: from, width: 0 }, from]
  for (const [low, high] of [...taken, [to, to] as Stretch].sort((a, b) => a[0] - b[0])) {
    if (high < from) continue
    const width = Math.min(low, to) - start
    if (width > best.width) best = { x: start, width }
    start = Math.max(start, high)
  }
  return best
}

function Span({
  phase,
  scale,
  geometry,
  palette,
  patterns,
  taken,
}: Omit<Props, 'lane' | 'nowMs'> & { phase: Phase; taken: readonly Stretch[] }) {
  const [from, to] = [scale.xOf(phase.fromMs), scale.xOf(phase.toMs)]
  if (to < 0 || from > scale.width) return null
  const x = Math.max(0, from)
  const width = Math.max(LEAST_SPAN_PX, Math.min(scale.width, to) - x)
  const { barTop: y, barHeight: height } = geometry
  const paint = palette.phases[phase.kind]
  const free = freeIn(x, x + width, taken)
  const text = labelOf(phase, free.width)
  // What goes on beyond the picture, or had not ended, has no edge there.
  const startsHere = from >= 0
  const endsHere = to <= scale.width && !phase.open
  const edges = `M${x} ${y}H${x + width}${startsHere ? `M${x} ${y}V${y + height}` : ''}M${x} ${y + height}H${x + width}${endsHere ? `M${x + width} ${y}V${y + height}` : ''}`
  return (
    <g>
      <rect x={x} y={y} width={width} height={height} fill={patternOf(patterns, phase.kind)} />
      <path d={edges} stroke={paint.stroke} strokeWidth={1} fill="none" />
      {phase.open && to <= scale.width && (
        <path d={`M${x + width} ${y}l6 ${height / 2}l-6 ${height / 2}Z`} fill={paint.stroke} />
      )}
      {text !== '' && (
        <text
          x={free.x + 6}
          y={y + height / 2}
          dy="0.36em"
          fontSize={11}
          fill={paint.text}
          stroke={paint.fill}
          strokeWidth={4}
          strokeLinejoin="round"
          paintOrder="stroke"
        >
          {text}
        </text>
      )}
    </g>
  )
}

/** The word for a phase and how long it took, as far as there is room. */
function labelOf({ kind, fromMs, toMs, open }: Phase, width: number): string {
  const room = (width - 12) / CHARACTER_PX
  const word = PHASE_WORDS[kind]
  const full = kind === 'rolled_back' ? word : `${word} ${duration(toMs - fromMs)}${open ? ' so far' : ''}`
  return [full, full.replace(' so far', ''), word].find((text) => text.length <= room) ?? ''
}

/** From onset to the end of harm, with the range in which the onset lies: the length that people want shorter. */
function Harm({
  incident,
  scale,
  middle,
  palette,
  nowMs,
}: Pick<Props, 'scale' | 'palette' | 'nowMs'> & { incident: Incident; middle: number }) {
  const { at, onsetLowMs, onsetHighMs, resumedMs, closedMs } = incident
  if (at.onset === null) return null
  const end = at.accepted ?? (isOrdered(incident) ? (resumedMs ?? closedMs ?? nowMs) : at.detected!)
  const inside = (ms: number) => Math.min(scale.width, Math.max(0, scale.xOf(ms)))
  const [from, to] = [inside(at.onset), inside(end)]
  const [low, high] = [inside(onsetLowMs ?? at.onset), inside(onsetHighMs ?? at.onset)]
  const line = { stroke: palette.harm, fill: 'none' }
  return (
    <g>
      {to > from && (
        <>
          <path d={`M${from} ${middle}H${to}`} stroke={palette.halo} strokeWidth={5} />
          <path d={`M${from} ${middle}H${to}`} strokeWidth={2.5} {...line} />
        </>
      )}
      {high - low > 2 && (
        <>
          <path
            d={`M${low} ${middle}H${high}M${low} ${middle - 5}v10M${high} ${middle - 5}v10`}
            stroke={palette.halo}
            strokeWidth={4}
          />
          <path
            d={`M${low} ${middle}H${high}M${low} ${middle - 4}v8M${high} ${middle - 4}v8`}
            strokeWidth={1.5}
            {...line}
          />
        </>
      )}
    </g>
  )
}

function MarkGlyph({ cluster, middle, palette }: { cluster: Cluster; middle: number; palette: Palette }) {
  const { x, shown, marks } = cluster
  return (
    <g transform={`translate(${Math.round(x * 10) / 10} ${middle})`}>
      <Glyph moment={shown.moment} palette={palette} hollow={!isOrdered(shown.incident)} />
      {marks.length > 1 && (
        <g transform="translate(8 -8)">
          <circle r={7} fill={palette.halo} stroke={palette.ink} strokeWidth={1} />
          <text textAnchor="middle" dy="0.36em" fontSize={11} fontWeight={600} fill={palette.ink}>
            {marks.length}
          </text>
        </g>
      )}
    </g>
  )
}

/** Evidence under the span, on the same axis of time; the dashed line is where the release is paused. */
function Spark({ lane, scale, geometry, palette, nowMs }: Omit<Props, 'patterns'>) {
  if (lane.evidence === null) return null
  const { sparkTop, sparkHeight } = geometry
  const { line, area, fromX, toX } = sparkOf(lane.evidence, scale, sparkHeight, Math.min(nowMs, lane.launch.lastMs))
  if (line === '') return null
  const y = sparkHeight - sparkHeight / TOP_SHARE
  return (
    <g transform={`translate(0 ${sparkTop})`}>
      <path d={area} fill={palette.evidence} opacity={0.18} />
      <path d={`M${fromX} ${y}H${toX}`} stroke={palette.harm} strokeWidth={1} strokeDasharray="2 3" opacity={0.6} />
      <path d={line} stroke={palette.evidence} strokeWidth={1.5} fill="none" />
    </g>
  )
}
