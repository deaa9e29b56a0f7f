import { useStyles2, useTheme2 } from '@grafana/ui'
import React from 'react'
import { MARKED, MOMENT_WORDS } from '../marks.ts'
import { PHASE_WORDS, PHASES } from '../phases.ts'
import { Glyph } from './Glyph.tsx'
import { paletteOf } from './palette.ts'
import { Swatch } from './Swatch.tsx'
import { stylesOf } from './styles.ts'

/** What patterns and shapes mean. */
export function Legend({ patterns, evidence }: { patterns: string; evidence: boolean }) {
  const styles = useStyles2(stylesOf)
  const palette = paletteOf(useTheme2())
  return (
    // biome-ignore lint/a11y/noNoninteractiveTabindex: it scrolls sideways where it is narrow, so the keyboard must reach it
    <section className={styles.legend} tabIndex={0} aria-label="Legend">
      {PHASES.map((kind) => (
        <span key={kind}>
          <Swatch kind={kind} patterns={patterns} width={20} />
          {PHASE_WORDS[kind]}
        </span>
      ))}
      {MARKED.map((moment) => (
        <span key={moment}>
          <svg
            width={moment === 'onset' ? 26 : 16}
            height={16}
            viewBox={moment === 'onset' ? '-13 -8 26 16' : '-8 -8 16 16'}
            aria-hidden
          >
            {moment === 'onset' && <path d="M-11 0H11M-11-4v8M11-4v8" stroke={palette.harm} strokeWidth={1.5} />}
            <Glyph moment={moment} palette={palette} />
          </svg>
          {moment === 'onset' ? 'Onset and its range' : MOMENT_WORDS[moment]}
        </span>
      ))}
      {evidence && (
        <span>
          <svg width={26} height={14} aria-hidden>
            <path d="M0 3H26" stroke={palette.harm} strokeDasharray="2 3" />
            <path d="M0 12H8V9H16V5H26" stroke={palette.evidence} strokeWidth={1.5} fill="none" />
          </svg>
          Evidence, pause line
        </span>
      )}
    </section>
  )
}
