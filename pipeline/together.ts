/**
 * Steps that do not need each other, side by side. Fails when all have ended: nothing of a failed batch may still be under way
 * when it is driven again.
 */
export async function together<T extends readonly unknown[]>(
  steps: readonly [...T],
): Promise<{ -readonly [K in keyof T]: Awaited<T[K]> }> {
  await Promise.allSettled(steps)
  return Promise.all(steps)
}

export const unique = (values: readonly string[]): string[] => [...new Set(values)]

/** The least of any number of numbers; Infinity of none. (Math.min takes them as arguments, which are bounded.) */
export function least(values: Iterable<number>): number {
  let found = Number.POSITIVE_INFINITY
  for (const value of values) if (value < found) found = value
  return found
}

/** The greatest of any number of numbers; -Infinity of none. */
export function greatest(values: Iterable<number>): number {
  let found = Number.NEGATIVE_INFINITY
  for (const value of values) if (value > found) found = value
  return found
}
