import { useTheme2 } from '@grafana/ui'
import React from 'react'
import type { Standing } from '../lanes.ts'
import type { PhaseKind } from '../phases.ts'
import { Glyph } from './Glyph.tsx'
import { patternOf } from './Patterns.tsx'
import { paletteOf } from './palette.ts'

/** A small piece of a span. */
export function Swatch({ kind, patterns, width = 16 }: { kind: PhaseKind; patterns: string; width?: number }) {
  const paint = paletteOf(useTheme2()).phases[kind]
  return (
    <svg width={width} height={10} aria-hidden style={{ flex: 'none' }}>
      <rect x={0.5} y={0.5} width={width - 1} height={9} fill={patternOf(patterns, kind)} stroke={paint.stroke} />
    </svg>
  )
}

/** How a release stands, as it is drawn on its lane. */
export function StandingSwatch({ standing, patterns }: { standing: Standing; patterns: string }) {
  const palette = paletteOf(useTheme2())
  if (standing === 'breached')
    return (
      <svg width={14} height={14} viewBox="-8 -8 16 16" aria-hidden style={{ flex: 'none' }}>
        <Glyph moment="detected" palette={palette} hollow />
      </svg>
    )
  if (standing === 'ended')
    return (
      <svg width={12} height={10} aria-hidden style={{ flex: 'none' }}>
        <path d="M0 5H11M11 1V9" stroke={palette.evidence} strokeWidth={1.5} fill="none" />
      </svg>
    )
  return <Swatch kind={standing} patterns={patterns} width={12} />
}
