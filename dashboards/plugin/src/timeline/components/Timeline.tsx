import { cx } from '@emotion/css'
import type { DataFrame, EventBus } from '@grafana/data'
import { Portal, useStyles2, VizTooltipContainer } from '@grafana/ui'
import React, { useLayoutEffect, useRef, useState } from 'react'
import { wishOf } from '../keys.ts'
import { namesOf } from '../model.ts'
import { incidentAt } from '../pick.ts'
import { type Row, rowsInSight, scrolledTo } from '../rows.ts'
import { Grid } from './Axis.tsx'
import { Card } from './Card.tsx'
import { flagOffset } from './geometry.ts'
import { MARK_PX } from './LaneGraphic.tsx'
import { Lanes, laneId } from './Lanes.tsx'
import { linksOf } from './links.ts'
import { stylesOf } from './styles.ts'
import { type Place, useGestures } from './use-gestures.ts'
import type { RangeControl } from './use-range.ts'
import { shareCrosshair, useSharedCrosshair } from './use-shared-crosshair.ts'
import type { View } from './use-view.ts'

type Props = Readonly<{
  view: View
  control: RangeControl
  eventBus: EventBus
  prefix: string
  frames: readonly DataFrame[]
}>

const SPARE_PX = 200

const HINT =
  'Arrow keys up and down choose a release, left and right step through its moments, Enter opens its card, plus and minus zoom, Shift with an arrow key moves in time, F fits its latest incident.'

/** The lanes, and what pointer and keys do with them. */
export function Timeline({ view, control, eventBus, prefix, frames }: Props) {
  const styles = useStyles2(stylesOf)
  const { rows, lanes, scale, geometry } = view
  const list = useRef<HTMLDivElement>(null)
  const [{ top, height }, setSight] = useState({ top: 0, height: 600 })
  const [hovered, setHovered] = useState<Place | null>(null)
  const [cursorMs, setCursorMs] = useState<number | null>(null)
  const [active, setActive] = useState<Place | null>(null)
  const [pinned, setPinned] = useState<Place | null>(null)
  const elsewhereMs = useSharedCrosshair(eventBus)

  useLayoutEffect(() => {
    const element = list.current!
    const observer = new ResizeObserver(() => setSight((sight) => ({ ...sight, height: element.clientHeight })))
    observer.observe(element)
    return () => observer.disconnect()
  }, [])

  const onHover = (place: Place | null, atMs: number | null) => {
    setHovered(place)
    setCursorMs(atMs)
    shareCrosshair(eventBus, atMs)
  }
  const onPick = (place: Place | null) => {
    setPinned(place)
    setActive(place)
  }
  const { brush, handlers } = useGestures({ list, rows, scale, gutter: geometry.gutter, control, onHover, onPick })

  const rowOf = (key: string | undefined) =>
    rows.rows.find((row): row is LaneOf => row.kind === 'lane' && row.key === key)
  const activeRow = rowOf(active?.key)

  /** Chooses a lane by key and stands on one of its moments, in sight. */
  const choose = (row: LaneOf | undefined, atMs: number | null): Place | null => {
    if (!row) return null
    const element = list.current!
    const scrollTop = scrolledTo(row, element.scrollTop, element.clientHeight, row.index === 0 ? row.y : 0)
    element.scrollTop = scrollTop
    const box = element.getBoundingClientRect()
    const ms = atMs ?? row.lane.marks.at(-1)?.atMs ?? row.lane.launch.firstMs
    const x = Math.min(scale.width, Math.max(0, scale.xOf(ms)))
    const place = {
      key: row.key,
      atMs: ms,
      x: box.left + geometry.gutter + x,
      y: box.top + row.y - scrollTop + geometry.barTop + geometry.barHeight,
    }
    setActive(place)
    setHovered(null)
    return place
  }

  const onKeyDown = (event: React.KeyboardEvent) => {
    if (event.target !== list.current) return
    const lanesInSight = Math.max(1, Math.floor(height / geometry.lane) - 1)
    const atMs = cursorMs ?? active?.atMs ?? null
    const wish = wishOf(event, {
      lanes,
      index: activeRow?.index ?? -1,
      atMs: hovered ? atMs : (active?.atMs ?? null),
      range: control.range,
      lanesInSight,
    })
    if (wish === null) return
    event.preventDefault()
    if (wish.kind === 'lane') setPinned(null)
    if (wish.kind === 'lane') choose(rowOf(lanes[wish.index]?.key), null)
    if (wish.kind === 'moment') choose(activeRow, wish.atMs)
    if (wish.kind === 'range') control.glide(wish.range)
    if (wish.kind === 'open') setPinned(choose(activeRow, active?.atMs ?? null))
    if (wish.kind === 'close') onPick(null)
  }

  const close = () => {
    setPinned(null)
    list.current?.focus({ preventScroll: true })
  }
  const shown = pinned ?? hovered ?? (document.activeElement === list.current ? active : null)
  const lineMs = brush ? null : (cursorMs ?? (shown === active ? active?.atMs : null) ?? elsewhereMs)
  const lineX = lineMs === null || lineMs === undefined ? null : scale.xOf(lineMs)
  const inSight = withRow(rowsInSight(rows, top, height, SPARE_PX), activeRow)
  return (
    <div className={styles.body}>
      <Grid {...{ scale, ticks: view.ticks, nowMs: view.nowMs, gutter: geometry.gutter, notes: view.notes }} />
      <div
        ref={list}
        role="listbox"
        tabIndex={0}
        aria-label="Releases over time"
        aria-describedby={`${prefix}-hint`}
        aria-activedescendant={activeRow ? laneId(prefix, activeRow.index) : undefined}
        className={cx(styles.list, styles.plotCursor)}
        onScroll={({ currentTarget }) => setSight({ top: currentTarget.scrollTop, height: currentTarget.clientHeight })}
        onKeyDown={onKeyDown}
        onBlur={() => setHovered(null)}
        {...handlers}
      >
        <div style={{ position: 'relative', height: rows.height }}>
          <Lanes
            view={view}
            rows={inSight}
            prefix={prefix}
            activeKey={active?.key ?? null}
            hoveredKey={hovered?.key ?? null}
          />
        </div>
      </div>
      <span id={`${prefix}-hint`} hidden>
        {HINT}
      </span>
      {lineX !== null && lineX >= 0 && lineX <= scale.width && (
        <div className={styles.crosshair} style={{ left: geometry.gutter + lineX }}>
          {/* A card says its moment itself, and might lie over this. */}
          {!shown && (
            <span className={styles.timeFlag} style={{ left: flagOffset(geometry, lineX) }}>
              {view.format(scale.msOf(lineX))}
            </span>
          )}
        </div>
      )}
      {brush && <Brush x1={brush.x1} x2={brush.x2} gutter={geometry.gutter} />}
      {shown && <ShownCard place={shown} {...{ view, frames, prefix, close }} isPinned={shown === pinned} />}
    </div>
  )
}

type LaneOf = Extract<Row, { kind: 'lane' }>

/** The chosen row is always drawn: assistive technology follows it. */
const withRow = (rows: readonly Row[], row: LaneOf | undefined): readonly Row[] =>
  !row || rows.includes(row) ? rows : [...rows, row]

function Brush({ x1, x2, gutter }: { x1: number; x2: number; gutter: number }) {
  const styles = useStyles2(stylesOf)
  return <div className={styles.brush} style={{ left: gutter + Math.min(x1, x2), width: Math.abs(x2 - x1) }} />
}

type ShownProps = Readonly<{
  place: Place
  view: View
  frames: readonly DataFrame[]
  prefix: string
  close: () => void
  isPinned: boolean
}>

function ShownCard({ place, view, frames, prefix, close, isPinned }: ShownProps) {
  const lane = view.lanes.find(({ key }) => key === place.key)
  if (!lane) return null
  const { agent, release } = namesOf(lane)
  const incident = incidentAt(lane, place.atMs, view.scale, MARK_PX)
  return (
    <Portal>
      <VizTooltipContainer
        position={{ x: place.x, y: place.y }}
        offset={{ x: 14, y: 14 }}
        allowPointerEvents={isPinned}
        role={isPinned ? 'dialog' : 'tooltip'}
        aria-label={`${agent} ${release}`}
        onKeyDown={(event) => event.key === 'Escape' && close()}
      >
        <Card
          lane={lane}
          incident={incident}
          atMs={place.atMs}
          patterns={prefix}
          format={view.format}
          links={linksOf(frames, [incident?.row ?? null, lane.launch.row])}
          onClose={isPinned ? close : null}
        />
      </VizTooltipContainer>
    </Portal>
  )
}
