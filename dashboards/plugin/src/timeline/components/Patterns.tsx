import React from 'react'
import { PHASES, type PhaseKind } from '../phases.ts'
import type { Palette } from './palette.ts'

/** Fill of a phase: of the pattern with this prefix. */
export const patternOf = (prefix: string, kind: PhaseKind): string => `url(#${prefix}-${kind})`

/** One pattern per phase, so that colour is never alone: plain, stripes, bars, dots, lines along it, hatching. */
export function Patterns({ prefix, palette }: { prefix: string; palette: Palette }) {
  return (
    <svg width={0} height={0} style={{ position: 'absolute' }} aria-hidden>
      <defs>
        {PHASES.map((kind) => {
          const { fill, stroke } = palette.phases[kind]
          return (
            <pattern key={kind} id={`${prefix}-${kind}`} width={8} height={8} patternUnits="userSpaceOnUse">
              <rect width={8} height={8} fill={fill} />
              {SHAPES[kind](stroke)}
            </pattern>
          )
        })}
      </defs>
    </svg>
  )
}

const SHAPES: Readonly<Record<PhaseKind, (stroke: string) => React.ReactNode>> = {
  live: () => null,
  pausing: (stroke) => <path d="M-2 2 2-2M0 8 8 0M6 10 10 6" stroke={stroke} strokeWidth={2} />,
  paused: (stroke) => <path d="M2 0V8M5 0V8" stroke={stroke} strokeWidth={1} opacity={0.75} />,
  recovering: (stroke) => (
    <g fill={stroke} opacity={0.7}>
      <circle cx={2} cy={2} r={1} />
      <circle cx={6} cy={6} r={1} />
    </g>
  ),
  held: (stroke) => <path d="M0 2H8M0 6H8" stroke={stroke} strokeWidth={1} opacity={0.6} />,
  rolled_back: (stroke) => <path d="M-2 6 2 10M0 0 8 8M6-2 10 2" stroke={stroke} strokeWidth={1} opacity={0.55} />,
}
