import { IconButton, useStyles2 } from '@grafana/ui'
import React from 'react'
import { fitted } from '../keys.ts'
import type { Lane } from '../lanes.ts'
import { zoomed } from '../scale.ts'
import { stylesOf } from './styles.ts'
import type { RangeControl } from './use-range.ts'

const ZOOM_FACTOR = 0.5

/** What a finger cannot do on the lanes, where it scrolls: zoom around the middle, and fit the latest incident. */
export function ZoomButtons({ control, lanes }: { control: RangeControl; lanes: readonly Lane[] }) {
  const styles = useStyles2(stylesOf)
  const { range } = control
  const zoom = (factor: number) => control.go(zoomed(range, (range.fromMs + range.toMs) / 2, factor))
  const fit = fitted(latestHurt(lanes))
  return (
    <div className={styles.zoom}>
      <IconButton name="search-minus" size="lg" tooltip="Zoom out" onClick={() => zoom(1 / ZOOM_FACTOR)} />
      <IconButton name="search-plus" size="lg" tooltip="Zoom in" onClick={() => zoom(ZOOM_FACTOR)} />
      <IconButton
        name="arrows-h"
        size="lg"
        tooltip="Fit the latest incident"
        disabled={fit?.kind !== 'range'}
        onClick={() => fit?.kind === 'range' && control.go(fit.range)}
      />
    </div>
  )
}

/** The lane of the incident that was detected last. */
const latestHurt = (lanes: readonly Lane[]): Lane | undefined =>
  lanes.reduce<Lane | undefined>((latest, lane) => (detectedMs(lane) > detectedMs(latest) ? lane : latest), undefined)
const detectedMs = (lane: Lane | undefined): number => lane?.incidents.at(-1)?.at.detected ?? Number.NEGATIVE_INFINITY
