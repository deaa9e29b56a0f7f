import type { PanelProps } from '@grafana/data'
import { Alert, useStyles2 } from '@grafana/ui'
import React, { useId } from 'react'
import type { Options } from '../options.ts'
import { summaryOf } from '../words.ts'
import { Axis } from './Axis.tsx'
import { Legend } from './Legend.tsx'
import { Patterns } from './Patterns.tsx'
import { stylesOf } from './styles.ts'
import { Timeline } from './Timeline.tsx'
import { useRange } from './use-range.ts'
import { useView } from './use-view.ts'
import { ZoomButtons } from './ZoomButtons.tsx'

/** Below this height lanes need the room more than the legend does. */
const LEAST_HEIGHT_FOR_LEGEND = 240

/** Releases as lanes over time. */
export function TimelinePanel({
  data,
  timeRange,
  timeZone,
  options,
  width,
  height,
  eventBus,
  onChangeTimeRange,
}: PanelProps<Options>) {
  const styles = useStyles2(stylesOf)
  const prefix = `andon${useId().replace(/\W/g, '')}`
  const control = useRange(timeRange, onChangeTimeRange)
  const view = useView({ data, range: control.range, width, options, timeZone })
  const { timeline, lanes, total, scale, ticks, geometry, nowMs, palette } = view
  return (
    <div className={styles.panel} style={{ width, height }}>
      <Patterns prefix={prefix} palette={palette} />
      <div className={styles.head}>
        <span className={styles.summary} role="status">
          {summaryOf(lanes, total, timeline.found)}
        </span>
        {lanes.length > 0 && <ZoomButtons control={control} lanes={lanes} />}
      </div>
      {timeline.problems.length > 0 && (
        <div className={styles.problems}>
          {timeline.problems.map(({ query, text }) => (
            <Alert key={query + text} severity="warning" title={`Query ${query}`}>
              {text}
            </Alert>
          ))}
        </div>
      )}
      {lanes.length === 0 ? (
        <Empty total={total} hasProblems={timeline.problems.length > 0} />
      ) : (
        <>
          <Axis {...{ scale, ticks, nowMs, notes: view.notes }} gutter={geometry.gutter} />
          <Timeline {...{ view, control, eventBus, prefix }} frames={data.series} />
          {options.legend && height >= LEAST_HEIGHT_FOR_LEGEND && (
            <Legend patterns={prefix} evidence={geometry.sparkHeight > 0} />
          )}
        </>
      )}
    </div>
  )
}

/** Why there is nothing to see. */
function Empty({ total, hasProblems }: { total: number; hasProblems: boolean }) {
  const styles = useStyles2(stylesOf)
  if (hasProblems && total === 0) return null
  return (
    <div className={styles.body}>
      <div className={styles.empty}>
        <b>{total === 0 ? 'No release yet, or none in this range' : 'No release was active in this range'}</b>
        {total === 0
          ? 'A lane appears with the first contact of a release. If agents already send telemetry, choose a longer range, or look at the variables of the dashboard: they may leave nothing.'
          : `${total === 1 ? 'The one release' : `All ${total} releases`} of the selection served before or after it. Choose a longer range.`}
      </div>
    </div>
  )
}
