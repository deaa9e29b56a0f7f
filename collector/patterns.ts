/**
 * Does the whole text match the pattern? `*` is any text, `?` one character (UTF-16 unit), everything else itself.
 * Backtracks only to the last star, so the cost is at most pattern × text: safe for patterns from configuration on text from outside.
 */
export function matches(pattern: string, text: string): boolean {
  let p = 0
  let t = 0
  let starAt = -1
  let resumeAt = 0
  while (t < text.length) {
    if (pattern[p] === '*') {
      starAt = p++
      resumeAt = t
    } else if (p < pattern.length && (pattern[p] === '?' || pattern[p] === text[t])) {
      p++
      t++
    } else if (starAt >= 0) {
      p = starAt + 1
      t = ++resumeAt
    } else return false
  }
  while (pattern[p] === '*') p++
  return p === pattern.length
}

/**
 * The value of the first key that matches `text`: an exact key first, then patterns in the order written.
 * Answers are remembered, for at most `memory` texts.
 */
export function createLookup<T>(rules: Readonly<Record<string, T>>, memory = 10_000): (text: string) => T | undefined {
  const exact = new Map(Object.entries(rules))
  const patterns = [...exact].filter(([key]) => /[*?]/.test(key))
  const known = new Map<string, T | undefined>()
  return (text) => {
    if (exact.size === 0) return undefined
    if (known.has(text)) return known.get(text)
    const found = exact.get(text) ?? patterns.find(([pattern]) => matches(pattern, text))?.[1]
    if (known.size >= memory) known.clear()
    known.set(text, found)
    return found
  }
}
