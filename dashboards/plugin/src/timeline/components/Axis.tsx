import { useStyles2, useTheme2 } from '@grafana/ui'
import React from 'react'
import type { Note } from '../notes.ts'
import type { Scale, Tick } from '../scale.ts'
import { AXIS_HEIGHT } from './geometry.ts'
import { stylesOf } from './styles.ts'

type Props = Readonly<{ scale: Scale; ticks: readonly Tick[]; gutter: number; nowMs: number; notes: readonly Note[] }>

/** Times above the lanes. */
export function Axis({ scale, ticks, gutter, notes }: Props) {
  const styles = useStyles2(stylesOf)
  const { colors } = useTheme2()
  return (
    <div className={styles.axis} aria-hidden>
      <svg
        aria-hidden
        width={scale.width}
        height={AXIS_HEIGHT}
        style={{ position: 'absolute', left: gutter, overflow: 'visible' }}
      >
        {ticks.map(({ ms, label, major }) => (
          <g key={ms} transform={`translate(${Math.round(scale.xOf(ms)) + 0.5} 0)`}>
            <path d={`M0 ${AXIS_HEIGHT - 5}V${AXIS_HEIGHT}`} stroke={colors.border.strong} />
            <text
              textAnchor={anchorOf(scale.xOf(ms), scale.width)}
              y={15}
              fontSize={12}
              fontWeight={major ? 600 : 400}
              fill={major ? colors.text.primary : colors.text.secondary}
            >
              {label}
            </text>
          </g>
        ))}
        {notes.map(({ key, fromMs, toMs, text }) => (
          <NoteFlag key={key} from={scale.xOf(fromMs)} to={scale.xOf(toMs)} width={scale.width} text={text} />
        ))}
      </svg>
    </div>
  )
}

/** An annotation of the dashboard, on the lower edge of the axis: its words show on hovering. */
function NoteFlag({ from, to, width, text }: Readonly<{ from: number; to: number; width: number; text: string }>) {
  const { colors } = useTheme2()
  if (to < 0 || from > width) return null
  const [x, end] = [Math.max(0, from), Math.min(width, to)]
  return (
    <g fill={colors.info.main}>
      <title>{text}</title>
      {end > x && <rect x={x} y={AXIS_HEIGHT - 3} width={end - x} height={3} />}
      {from >= 0 && <path d={`M${x} ${AXIS_HEIGHT}l-5 -8h10Z`} />}
    </g>
  )
}

const anchorOf = (x: number, width: number) => (x < 18 ? 'start' : x > width - 10 ? 'end' : 'middle')

/** Lines behind the lanes, and what has not come yet. */
export function Grid({ scale, ticks, gutter, nowMs, notes }: Props) {
  const styles = useStyles2(stylesOf)
  const { colors } = useTheme2()
  const now = scale.xOf(nowMs)
  return (
    <svg className={styles.grid} width="100%" height="100%" aria-hidden>
      <g transform={`translate(${gutter} 0)`}>
        {ticks.map(({ ms, major }) => {
          const x = Math.round(scale.xOf(ms)) + 0.5
          return (
            <line key={ms} x1={x} x2={x} y1={0} y2="100%" stroke={major ? colors.border.medium : colors.border.weak} />
          )
        })}
        {notes
          .map(({ key, fromMs }) => ({ key, x: scale.xOf(fromMs) }))
          .filter(({ x }) => x >= 0 && x <= scale.width)
          .map(({ key, x }) => (
            <line key={key} x1={x} x2={x} y1={0} y2="100%" stroke={colors.info.main} strokeDasharray="3 4" />
          ))}
        {now < scale.width && now > 0 && (
          <>
            <rect x={now} width={scale.width - now} height="100%" fill={colors.background.secondary} opacity={0.6} />
            <line x1={now} x2={now} y1={0} y2="100%" stroke={colors.text.secondary} />
            <text x={now - 4} y={12} fontSize={11} textAnchor="end" fill={colors.text.secondary}>
              now
            </text>
          </>
        )}
      </g>
    </svg>
  )
}
