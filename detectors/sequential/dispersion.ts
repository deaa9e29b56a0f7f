import { assert } from '../../lib/errors.ts'

/** One history block: hits seen, and hits owed at the learned rate. */
export type Block = Readonly<{ hits: number; exposure: number }>

/**
 * Overdispersion φ of hourly blocks within the day: mean of (k − A)²/A, at least 1. Under Poisson noise it is 1; bursts raise
 * it. A test that is told φ counts every hit and every hit owed 1/φ. Blocks without exposure are left out; 1 without blocks.
 */
export function dispersionOf(blocks: readonly Block[]): number {
  const used = blocks.filter((block) => block.exposure > 0)
  if (used.length === 0) return 1
  return Math.max(1, used.reduce((sum, b) => sum + (b.hits - b.exposure) ** 2 / b.exposure, 0) / used.length)
}

/**
 * Coefficient of variation of the rate between blocks (days) beyond Poisson noise, by moments:
 * c² = Σ[(k − A)² − k] / ΣA². 0 when days vary no more than counting noise does. Above 0.05 use day blocks.
 */
export function dayVariation(blocks: readonly Block[]): number {
  const exposure2 = blocks.reduce((sum, b) => sum + b.exposure ** 2, 0)
  assert(exposure2 > 0, 'day-level variation needs days with exposure')
  const excess = blocks.reduce((sum, b) => sum + (b.hits - b.exposure) ** 2 - b.hits, 0)
  return Math.sqrt(Math.max(0, excess / exposure2))
}
