import type { GrafanaTheme2 } from '@grafana/data'
import type { PhaseKind } from '../phases.ts'

export type Paint = Readonly<{ fill: string; stroke: string; text: string }>
export type Palette = Readonly<{
  phases: Readonly<Record<PhaseKind, Paint>>
  /** Marks, and what surrounds them so that they stand out on any span. */
  ink: string
  halo: string
  harm: string
  evidence: string
}>

/**
 * Blue, amber, vermilion, purple and grey stay apart for every kind of colour blindness, and every phase also has its own pattern
 * (Patterns.tsx). Text on its fill has a contrast of at least 4.5:1.
 */
export const paletteOf = ({ isDark, colors }: GrafanaTheme2): Palette => ({
  phases: isDark ? DARK : LIGHT,
  ink: colors.text.maxContrast,
  halo: colors.background.primary,
  harm: isDark ? '#ff8f78' : '#b8330f',
  evidence: isDark ? '#9fb4c9' : '#536b84',
})

const LIGHT: Palette['phases'] = {
  live: { fill: '#cfe2f6', stroke: '#3f7cba', text: '#123a63' },
  pausing: { fill: '#ffd27a', stroke: '#a96a00', text: '#4a2e00' },
  paused: { fill: '#b8330f', stroke: '#8f2407', text: '#ffffff' },
  recovering: { fill: '#e2d6f5', stroke: '#7550b8', text: '#432479' },
  held: { fill: '#f6d9cf', stroke: '#a8432a', text: '#6b1c07' },
  rolled_back: { fill: '#eceef1', stroke: '#7c8590', text: '#3c444d' },
}

const DARK: Palette['phases'] = {
  live: { fill: '#1d4266', stroke: '#5f9edb', text: '#d9eafb' },
  pausing: { fill: '#8f6108', stroke: '#f3b73f', text: '#fff4dc' },
  paused: { fill: '#c23f1c', stroke: '#ff8a68', text: '#ffffff' },
  recovering: { fill: '#46336e', stroke: '#ab8ce6', text: '#ece3fb' },
  held: { fill: '#5a2a1d', stroke: '#e58a70', text: '#ffe6de' },
  rolled_back: { fill: '#2a2f36', stroke: '#8b949f', text: '#d5dae0' },
}
