/**
 * Sums of numbers that are kept as natural logarithms. Evidence of a real outage passes e^700 within one batch,
 * where plain doubles overflow and a test silently pauses or silently sleeps.
 */

/** log(e^a + e^b); −Infinity stands for zero. */
export function logAdd(a: number, b: number): number {
  if (a === Number.NEGATIVE_INFINITY) return b
  if (b === Number.NEGATIVE_INFINITY) return a
  return a > b ? a + Math.log1p(Math.exp(b - a)) : b + Math.log1p(Math.exp(a - b))
}

/** log Σ e^x; −Infinity for no terms. */
export function logSum(logs: Iterable<number>): number {
  const terms = [...logs]
  const top = terms.reduce((a, b) => Math.max(a, b), Number.NEGATIVE_INFINITY)
  if (!Number.isFinite(top)) return top
  return top + Math.log(terms.reduce((sum, x) => sum + Math.exp(x - top), 0))
}
