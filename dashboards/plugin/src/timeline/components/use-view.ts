import { dateTimeFormat, dateTimeForTimeZone, type PanelData } from '@grafana/data'
import { useTheme2 } from '@grafana/ui'
import { useMemo } from 'react'
import { readFrames } from '../frames.ts'
import { type Lane, lanesOf } from '../lanes.ts'
import type { Timeline } from '../model.ts'
import { type Note, notesOf } from '../notes.ts'
import type { Options } from '../options.ts'
import { type Rows, rowsOf } from '../rows.ts'
import { type Range, type Scale, scaleOf, type Tick, ticksOf } from '../scale.ts'
import { type Geometry, geometryOf } from './geometry.ts'
import { type Palette, paletteOf } from './palette.ts'

/** All that drawing needs, computed from data and size; each part only when what it rests on has changed. */
export type View = Readonly<{
  timeline: Timeline
  lanes: readonly Lane[]
  total: number
  rows: Rows
  scale: Scale
  ticks: readonly Tick[]
  geometry: Geometry
  palette: Palette
  nowMs: number
  grouped: boolean
  format: (ms: number) => string
  notes: readonly Note[]
}>

type Given = Readonly<{ data: PanelData; range: Range; width: number; options: Options; timeZone: string }>

const MINUTE_MS = 60_000

export function useView({ data, range, width, options, timeZone }: Given): View {
  const theme = useTheme2()
  const palette = useMemo(() => paletteOf(theme), [theme])
  const timeline = useMemo(() => readFrames(data.series), [data.series])
  const nowMs = useMemo(() => nowOf(data, timeline), [data, timeline])
  const geometry = useMemo(() => geometryOf(width, options), [width, options])
  const scale = useMemo(() => scaleOf(range, geometry.plotWidth), [range, geometry.plotWidth])
  const ticks = useMemo(() => ticksOf(scale, (ms) => dateTimeForTimeZone(timeZone, ms).utcOffset()), [scale, timeZone])
  const { lanes, total } = useMemo(() => {
    const silentAfterMs = Math.max(1, options.silentAfterMinutes) * MINUTE_MS
    return lanesOf(timeline, range, { nowMs, silentAfterMs }, options.order)
  }, [timeline, range, nowMs, options.silentAfterMinutes, options.order])
  const grouped = options.order === 'agent'
  const rows = useMemo(() => rowsOf(lanes, geometry, grouped), [lanes, geometry, grouped])
  const format = useMemo(
    () => (ms: number) => dateTimeFormat(ms, { timeZone, format: 'YYYY-MM-DD HH:mm:ss' }),
    [timeZone],
  )
  const notes = useMemo(() => notesOf(data.annotations ?? []), [data.annotations])
  return { timeline, lanes, total, rows, scale, ticks, geometry, palette, nowMs, grouped, format, notes }
}

/** When the data was read; a monitor on event time may be ahead of the browser, and its latest contact is now. */
const nowOf = ({ request, timeRange }: PanelData, { releases }: Timeline): number =>
  releases.reduce(
    (latest, { lastMs }) => Math.max(latest, lastMs),
    request?.endTime ?? request?.startTime ?? timeRange.to.valueOf(),
  )
