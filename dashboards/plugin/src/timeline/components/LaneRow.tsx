import { cx } from '@emotion/css'
import { useStyles2 } from '@grafana/ui'
import React, { memo } from 'react'
import { namesOf } from '../model.ts'
import type { Row } from '../rows.ts'
import type { Scale } from '../scale.ts'
import { STANDING_WORDS } from '../words.ts'
import { type Geometry, isNarrow } from './geometry.ts'
import { LaneGraphic } from './LaneGraphic.tsx'
import type { Palette } from './palette.ts'
import { StandingSwatch } from './Swatch.tsx'
import { stylesOf } from './styles.ts'

type LaneOf = Extract<Row, { kind: 'lane' }>

type Props = Readonly<{
  row: LaneOf
  id: string
  words: string
  count: number
  scale: Scale
  geometry: Geometry
  palette: Palette
  patterns: string
  nowMs: number
  /** Agent and environment stand in the heading above. */
  grouped: boolean
  active: boolean
  hovered: boolean
}>

/** A lane with its names. */
export const LaneRow = memo(function LaneRow(props: Props) {
  const { row, id, words, count, scale, geometry, palette, patterns, nowMs, active, hovered } = props
  const styles = useStyles2(stylesOf)
  return (
    <div
      id={id}
      role="option"
      tabIndex={-1}
      aria-selected={active}
      aria-label={words}
      aria-posinset={row.index + 1}
      aria-setsize={count}
      className={cx(styles.laneRow, hovered && styles.isHovered, active && styles.isActive)}
      style={{ top: row.y, height: row.height }}
    >
      <Names {...props} />
      <div className={styles.plot} style={{ width: scale.width }}>
        <LaneGraphic {...{ lane: row.lane, scale, geometry, palette, patterns, nowMs }} />
      </div>
    </div>
  )
})

function Names({ row: { lane }, geometry, patterns, grouped }: Props) {
  const styles = useStyles2(stylesOf)
  const { agent, release, environment } = namesOf(lane)
  const name = grouped ? <bdi>{release}</bdi> : <bdi>{`${agent} ${release}`}</bdi>
  const standing = (
    <span className={styles.under}>
      <StandingSwatch standing={lane.standing} patterns={patterns} />
      {STANDING_WORDS[lane.standing]}
      {!grouped && <bdi> · {environment}</bdi>}
    </span>
  )
  if (isNarrow(geometry))
    return (
      <>
        <div className={styles.labelAbove}>
          <span className={styles.name} title={release}>
            {name}
          </span>
          {standing}
        </div>
        <div style={{ width: geometry.gutter, flex: 'none' }} />
      </>
    )
  const isLow = geometry.lane < 36
  return (
    <div
      className={styles.label}
      style={{
        width: geometry.gutter,
        paddingTop: Math.max(0, geometry.barTop - (isLow ? 1 : 3)),
        alignItems: isLow ? 'center' : undefined,
        alignSelf: 'flex-start',
        flexDirection: isLow ? 'row' : 'column',
        gap: isLow ? 8 : 0,
        justifyContent: isLow ? 'space-between' : undefined,
      }}
    >
      <span className={styles.name} title={`${agent} ${release}, ${environment}`}>
        {name}
      </span>
      {standing}
    </div>
  )
}
