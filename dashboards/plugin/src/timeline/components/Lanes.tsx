import { cx } from '@emotion/css'
import { useStyles2 } from '@grafana/ui'
import React from 'react'
import { counted } from '../duration.ts'
import { namesOf } from '../model.ts'
import type { Row } from '../rows.ts'
import { laneInWords } from '../words.ts'
import { LaneRow } from './LaneRow.tsx'
import { stylesOf } from './styles.ts'
import type { View } from './use-view.ts'

/** The rows in sight. */
export function Lanes({
  view,
  rows,
  prefix,
  activeKey,
  hoveredKey,
}: {
  view: View
  rows: readonly Row[]
  prefix: string
  activeKey: string | null
  hoveredKey: string | null
}) {
  const styles = useStyles2(stylesOf)
  const { scale, geometry, palette, nowMs, lanes, grouped, format } = view
  return rows.map((row) =>
    row.kind === 'agent' ? (
      <div
        key={`agent${row.key}`}
        role="presentation"
        className={cx(styles.row, styles.agent)}
        style={{ top: row.y, height: row.height }}
      >
        <b>
          <bdi>{namesOf(row).agent}</bdi>
        </b>
        <span>
          <bdi>{namesOf(row).environment}</bdi> · {counted(row.releases, 'release')}
        </span>
      </div>
    ) : (
      <LaneRow
        key={row.key}
        row={row}
        id={laneId(prefix, row.index)}
        words={laneInWords(row.lane, format, nowMs)}
        count={lanes.length}
        {...{ scale, geometry, palette, nowMs, grouped }}
        patterns={prefix}
        active={row.key === activeKey}
        hovered={row.key === hoveredKey}
      />
    ),
  )
}

export const laneId = (prefix: string, index: number): string => `${prefix}-lane-${index}`
