import type { AbsoluteTimeRange, TimeRange } from '@grafana/data'
import { useEffect, useMemo, useRef, useState } from 'react'
import type { Range } from '../scale.ts'

/** Queries run again once zooming and moving have rested for so long. */
const REST_MS = 300

export type RangeControl = Readonly<{
  /** What is shown: the dashboard's range, or where the reader is zooming to. */
  range: Range
  /** Shows a range at once, and makes it that of the dashboard a little later. */
  glide: (range: Range) => void
  /** Makes a range that of the dashboard. */
  go: (range: Range) => void
}>

export function useRange(timeRange: TimeRange, onChange: (range: AbsoluteTimeRange) => void): RangeControl {
  const [fromMs, toMs] = [timeRange.from.valueOf(), timeRange.to.valueOf()]
  const [ahead, setAhead] = useState<Range | null>(null)
  const timer = useRef<number | undefined>(undefined)
  // biome-ignore lint/correctness/useExhaustiveDependencies: when the dashboard's range has changed, it counts again
  useEffect(() => setAhead(null), [fromMs, toMs])
  useEffect(() => () => window.clearTimeout(timer.current), [])
  const range = useMemo(() => ahead ?? { fromMs, toMs }, [ahead, fromMs, toMs])
  const go = (wanted: Range) => {
    window.clearTimeout(timer.current)
    setAhead(wanted)
    onChange({ from: wanted.fromMs, to: wanted.toMs })
  }
  const glide = (wanted: Range) => {
    window.clearTimeout(timer.current)
    setAhead(wanted)
    timer.current = window.setTimeout(() => onChange({ from: wanted.fromMs, to: wanted.toMs }), REST_MS)
  }
  return { range, glide, go }
}
