import { DataHoverClearEvent, DataHoverEvent, type EventBus } from '@grafana/data'
import { useEffect, useState } from 'react'

/** The moment under the cursor in another panel of the dashboard, null = none. */
export function useSharedCrosshair(eventBus: EventBus): number | null {
  const [atMs, setAtMs] = useState<number | null>(null)
  useEffect(() => {
    const hover = eventBus.getStream(DataHoverEvent).subscribe(({ payload, origin }) => {
      if (origin !== eventBus) setAtMs(payload.point.time ?? null)
    })
    const clear = eventBus.getStream(DataHoverClearEvent).subscribe(() => setAtMs(null))
    return () => {
      hover.unsubscribe()
      clear.unsubscribe()
    }
  }, [eventBus])
  return atMs
}

/** Tells the other panels of the dashboard where the cursor stands; null = it has left. */
export const shareCrosshair = (eventBus: EventBus, atMs: number | null): void =>
  eventBus.publish(atMs === null ? new DataHoverClearEvent() : new DataHoverEvent({ point: { time: atMs } }))
