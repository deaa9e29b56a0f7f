/** One history block: hits seen, and hits owed at the learned rate. */
export type Block = Readonly<{ hits: number; exposure: number }>

/**
 * Overdispersion φ of blocks: mean of (k − A)²/A, at least 1. Under Poisson noise it is 1; bursts raise it. A test that is told φ counts every hit
 * and every hit owed 1/φ. Blocks without exposure are left out; 1 without blocks.
 *
 * `fitted`: figures of A that were learned from such blocks, per block learned from. They lie closer to these blocks for it, and the blocks to come
 * lie farther away: (1 + fitted)/(1 − fitted) is what both together cost (final prediction error, Akaike 1969).
 */
export function dispersionOf(blocks: readonly Block[], fitted = 0): number {
  const used = blocks.filter((block) => block.exposure > 0)
  if (used.length === 0 || fitted >= 1) return 1
  const spread = used.reduce((sum, b) => sum + (b.hits - b.exposure) ** 2 / b.exposure, 0) / used.length
  return Math.max(1, (spread * (1 + fitted)) / (1 - fitted))
}
