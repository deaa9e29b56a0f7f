import { createTheme } from '@grafana/data'
import { describe, expect, test } from 'vitest'
import { PHASES } from '../phases.ts'
import { paletteOf } from './palette.ts'

type Rgb = readonly [number, number, number]

const linear = (hex: string): Rgb =>
  [1, 3, 5].map((at) => {
    const share = Number.parseInt(hex.slice(at, at + 2), 16) / 255
    return share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4
  }) as unknown as Rgb
const luminance = ([r, g, b]: Rgb) => 0.2126 * r + 0.7152 * g + 0.0722 * b
const contrast = (a: string, b: string) => {
  const [high, low] = [luminance(linear(a)), luminance(linear(b))].sort((x, y) => y - x) as [number, number]
  return (high + 0.05) / (low + 0.05)
}

describe.each(['light', 'dark'] as const)('%s', (mode) => {
  const palette = paletteOf(createTheme({ colors: { mode } }))

  test.each(PHASES)('%s: its word is readable on its fill, its edge is seen on the panel', (kind) => {
    const { fill, stroke, text } = palette.phases[kind]
    expect(contrast(text, fill)).toBeGreaterThanOrEqual(4.5)
    expect(contrast(stroke, palette.halo)).toBeGreaterThanOrEqual(3)
  })

  test('marks and evidence are seen on the panel', () => {
    for (const color of [palette.harm, palette.evidence])
      expect(contrast(color, palette.halo)).toBeGreaterThanOrEqual(3)
  })
})
