import { idOf } from '../lib/hash.ts'

/** UTF-16 units. */
const LONGEST_TEXT = 256

/**
 * Text as Andon keeps it, from whichever way it came: trimmed, well-formed, and cut to 256 UTF-16 units, the last of which are a hash
 * of the whole, so that no two become one. Half a surrogate pair (an escape in JSON, or a cut through an emoji) becomes U+FFFD: the
 * store would refuse it, and the whole batch with it.
 */
export function boundedText(text: string): string {
  const whole = text.trim()
  if (whole.length < LONGEST_TEXT) return whole.toWellFormed()
  return `${whole.slice(0, LONGEST_TEXT - 33)}…${idOf(whole)}`.toWellFormed()
}
