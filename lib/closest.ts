/**
 * The known word that a mistyped one most likely means, or null. Letters added, dropped, changed or swapped with their neighbour
 * count one each (optimal string alignment); a third of the word may be wrong, upper and lower case do not matter.
 */
export function closestOf(typed: string, known: readonly string[]): string | null {
  let best: string | null = null
  let least = Math.max(1, Math.floor(typed.length / 3)) + 1
  for (const word of known) {
    const mistakes = distanceOf(typed.toLowerCase(), word.toLowerCase())
    if (mistakes < least) {
      best = word
      least = mistakes
    }
  }
  return best
}

function distanceOf(a: string, b: string): number {
  const rows = [Array.from({ length: b.length + 1 }, (_, j) => j)]
  for (let i = 1; i <= a.length; i++) {
    const row = [i]
    for (let j = 1; j <= b.length; j++) {
      const same = a[i - 1] === b[j - 1]
      const swapped = i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1]
      row[j] = Math.min(
        rows[i - 1]![j]! + 1,
        row[j - 1]! + 1,
        rows[i - 1]![j - 1]! + (same ? 0 : 1),
        swapped ? rows[i - 2]![j - 2]! + 1 : Number.POSITIVE_INFINITY,
      )
    }
    rows.push(row)
  }
  return rows[a.length]![b.length]!
}
