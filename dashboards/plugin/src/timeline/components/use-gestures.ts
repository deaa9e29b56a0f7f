import type React from 'react'
import { type RefObject, useEffect, useRef, useState } from 'react'
import { laneAt, type Rows } from '../rows.ts'
import { dragged, type Range, type Scale, zoomed } from '../scale.ts'
import type { RangeControl } from './use-range.ts'

/** A place on a lane, by the pointer or the keys. x, y: of the window. */
export type Place = Readonly<{ key: string; atMs: number; x: number; y: number }>

type Given = Readonly<{
  list: RefObject<HTMLDivElement | null>
  rows: Rows
  scale: Scale
  gutter: number
  control: RangeControl
  onHover: (place: Place | null, atMs: number | null) => void
  onPick: (place: Place | null) => void
}>

/** What the pointer does: hovering, choosing, dragging a range, and the wheel with Ctrl to zoom. Fingers scroll and choose. */
export function useGestures({ list, rows, scale, gutter, control, onHover, onPick }: Given) {
  const [brush, setBrush] = useState<Readonly<{ x1: number; x2: number }> | null>(null)
  const wasDragged = useRef(false)

  const xOf = (event: { clientX: number }) => event.clientX - (list.current?.getBoundingClientRect().left ?? 0) - gutter
  const placeOf = (event: React.PointerEvent | React.MouseEvent): Place | null => {
    const box = list.current!.getBoundingClientRect()
    const row = laneAt(rows, event.clientY - box.top + list.current!.scrollTop)
    if (row?.kind !== 'lane') return null
    const x = Math.min(scale.width, Math.max(0, xOf(event)))
    return { key: row.key, atMs: Math.round(scale.msOf(x)), x: event.clientX, y: event.clientY }
  }
  const isInPlot = (event: React.PointerEvent) => xOf(event) >= 0 && xOf(event) <= scale.width

  useWheelZoom(list, (event) => {
    const range: Range = zoomed(control.range, scale.msOf(xOf(event)), event.deltaY > 0 ? 1.25 : 0.8)
    control.glide(range)
  })

  const handlers = {
    onPointerDown: (event: React.PointerEvent) => {
      wasDragged.current = false
      if (event.button !== 0 || event.pointerType === 'touch' || !isInPlot(event)) return
      event.currentTarget.setPointerCapture(event.pointerId)
      setBrush({ x1: xOf(event), x2: xOf(event) })
    },
    onPointerMove: (event: React.PointerEvent) => {
      if (brush) setBrush({ ...brush, x2: xOf(event) })
      if (event.pointerType === 'touch') return
      onHover(brush ? null : placeOf(event), isInPlot(event) ? scale.msOf(xOf(event)) : null)
    },
    onPointerUp: () => {
      const range = brush && dragged(scale, brush.x1, brush.x2)
      setBrush(null)
      if (!range) return
      wasDragged.current = true
      control.go(range)
    },
    onPointerCancel: () => setBrush(null),
    onPointerLeave: () => onHover(null, null),
    onClick: (event: React.MouseEvent) => {
      if (!wasDragged.current) onPick(placeOf(event))
    },
    onDoubleClick: (event: React.MouseEvent) => {
      onPick(null)
      control.go(zoomed(control.range, scale.msOf(xOf(event)), 2))
    },
  }
  return { brush, handlers }
}

/** React listens to the wheel passively, and then the browser would zoom the page as well. */
function useWheelZoom(list: RefObject<HTMLDivElement | null>, onZoom: (event: WheelEvent) => void) {
  const latest = useRef(onZoom)
  latest.current = onZoom
  useEffect(() => {
    const element = list.current
    const onWheel = (event: WheelEvent) => {
      if (!event.ctrlKey && !event.metaKey) return
      event.preventDefault()
      latest.current(event)
    }
    element?.addEventListener('wheel', onWheel, { passive: false })
    return () => element?.removeEventListener('wheel', onWheel)
  }, [list])
}
