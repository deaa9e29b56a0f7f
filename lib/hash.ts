import { hash } from 'node:crypto'

/** Parts are joined by U+001F, so ('ab','c') and ('a','bc') differ. */
const SEPARATOR = '\u001f'

/** First 32 hex digits of SHA-256 over the parts: the id of a fact, equal wherever and whenever it is computed. */
export const idOf = (...parts: readonly (string | number)[]): string =>
  hash('sha256', parts.join(SEPARATOR), 'hex').slice(0, 32)
