import React from 'react'
import type { Moment } from '../model.ts'
import type { Palette } from './palette.ts'

/** Shape of a moment around its own middle, about 12 pixels wide: a shape each, so that colour is never alone. */
export function Glyph({ moment, palette, hollow = false }: { moment: Moment; palette: Palette; hollow?: boolean }) {
  const { ink, halo, harm } = palette
  const solid = { fill: hollow ? halo : ink, stroke: hollow ? ink : halo, strokeWidth: hollow ? 1.75 : 1.5 }
  const line = {
    fill: 'none',
    stroke: hollow ? ink : halo,
    strokeWidth: 1.6,
    strokeLinecap: 'round',
    strokeLinejoin: 'round',
  } as const
  switch (moment) {
    case 'onset':
      return (
        <>
          <circle r={6} fill={halo} />
          <circle r={4.25} fill={halo} stroke={harm} strokeWidth={2} />
        </>
      )
    case 'harm':
      return <path d="M0-6.5 6.5 5.5H-6.5Z" fill={harm} stroke={halo} strokeWidth={1.5} strokeLinejoin="round" />
    case 'detected':
      return <path d="M0-7 7 0 0 7-7 0Z" strokeLinejoin="round" {...solid} />
    case 'accepted':
      return (
        <>
          <rect x={-6.25} y={-6.25} width={12.5} height={12.5} rx={2.5} {...solid} />
          <path d="M-1.9-2.6V2.6M1.9-2.6V2.6" {...line} />
        </>
      )
    case 'drained':
    case 'recovered':
      return (
        <>
          <circle r={6.5} {...solid} />
          <path d="M-2.7.2-.7 2.3 2.8-1.9" {...line} />
        </>
      )
    case 'sent':
      return <path d="M-5-4.5 6 0-5 4.5-2.5 0Z" strokeLinejoin="round" {...solid} />
    case 'stopped':
      return <rect x={-5.5} y={-5.5} width={11} height={11} rx={1} {...solid} />
  }
}
