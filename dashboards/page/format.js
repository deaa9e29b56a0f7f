/** Numbers and times as people read them. Pure: no document, no clock. */

export const NBSP = '\u00a0'
const MINUTE_MS = 60_000
const HOUR_MS = 60 * MINUTE_MS
const DAY_MS = 24 * HOUR_MS

/**
 * A share in [0, 1] as a percentage with the digits that carry meaning: 0.34 %, 3.1 %, 17.4 %, 100 %.
 * @param {number} share
 */
export function percent(share) {
  const value = share * 100
  if (value === 0 || value >= 99.95) return `${Math.round(value)}${NBSP}%`
  if (value < 0.005) return `<${NBSP}0.01${NBSP}%`
  return `${value.toFixed(value < 0.995 ? 2 : 1)}${NBSP}%`
}

/**
 * An interval of shares, the unit once: 2.4–4.0 %.
 * @param {number} low @param {number} high
 */
export const percentRange = (low, high) => {
  const [from, to] = [percent(low), percent(high)]
  return from === to ? from : `${from.replace(`${NBSP}%`, '')}–${to}`
}

const thousands = new Intl.NumberFormat('en', { maximumFractionDigits: 0 })

/** A count with separators: 12,345. @param {number} n */
export const count = (n) => thousands.format(n)

/** A count with its noun: 1 contact, 2,000 contacts. @param {number} n @param {string} noun @param {string} [plural] */
export const counted = (n, noun, plural = `${noun}s`) => `${count(n)}${NBSP}${n === 1 ? noun : plural}`

/**
 * A length of time in its two largest units: 830 ms, 4.2 s, 2 min 4 s, 2 h 14 min, 3 d 4 h. A minus sign if negative.
 * @param {number} ms
 * @returns {string}
 */
export function duration(ms) {
  if (ms < 0) return `−${duration(-ms)}`
  if (Math.round(ms) < 1000) return `${Math.round(ms)}${NBSP}ms`
  if (ms < 9_950) return `${(ms / 1000).toFixed(1).replace('.0', '')}${NBSP}s`
  const seconds = Math.round(ms / 1000)
  if (seconds < 60) return `${seconds}${NBSP}s`
  if (seconds < 3600) return pair(Math.floor(seconds / 60), 'min', seconds % 60, 's')
  const minutes = Math.round(ms / MINUTE_MS)
  if (minutes < 24 * 60) return pair(Math.floor(minutes / 60), 'h', minutes % 60, 'min')
  const hours = Math.round(ms / HOUR_MS)
  return pair(Math.floor(hours / 24), 'd', hours % 24, 'h')
}

/** @param {number} large @param {string} unit @param {number} small @param {string} smallUnit */
const pair = (large, unit, small, smallUnit) =>
  `${large}${NBSP}${unit}${small === 0 ? '' : `${NBSP}${small}${NBSP}${smallUnit}`}`

/** RFC 3339 in UTC with milliseconds, for titles and `datetime`. @param {number} atMs */
export const rfc3339 = (atMs) => new Date(atMs).toISOString()

/** RFC 3339 in UTC to the second: 2026-11-20 14:03:22Z. @param {number} atMs */
export const dateTime = (atMs) => `${rfc3339(atMs).slice(0, 19).replace('T', ' ')}Z`

/**
 * The time of day where the day is clear from the neighbour: 14:03:22Z, else with month and day.
 * @param {number} atMs @param {number} nearMs
 */
export const timeNear = (atMs, nearMs) => {
  const isSameDay = Math.floor(atMs / DAY_MS) === Math.floor(nearMs / DAY_MS)
  return isSameDay ? dateTime(atMs).slice(11) : dateTime(atMs).slice(5)
}

/**
 * An e-value (its natural logarithm) as odds against a healthy release: 1,340 : 1.
 * @param {number} logE
 */
export function odds(logE) {
  if (logE <= 0) return `1${NBSP}:${NBSP}1`
  if (logE > Math.log(1e9)) return `more than 10${superscript(Math.floor(logE / Math.LN10))}${NBSP}:${NBSP}1`
  const value = Math.exp(logE)
  return `${value < 9.95 ? value.toFixed(1).replace('.0', '') : count(Number(value.toPrecision(3)))}${NBSP}:${NBSP}1`
}

/** @param {number} n */
const superscript = (n) => `${n}`.replace(/\d/g, (digit) => '⁰¹²³⁴⁵⁶⁷⁸⁹'[Number(digit)] ?? '')

/** The way from no evidence (0) to the pause line (1); more than 1 beyond it, 0 when evidence speaks for health. */
/** @param {Readonly<{ logE: number, logThreshold: number }>} evidence */
export const evidenceShare = ({ logE, logThreshold }) => (logThreshold > 0 ? Math.max(0, logE / logThreshold) : 0)

/**
 * Text from outside with its control characters made visible (`\\u202e`), so that a name cannot turn round or hide what stands beside it.
 * @param {string} text
 */
export const visible = (text) =>
  text.replace(CONTROLS, (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`)

/** C0 and C1 controls, zero-width and bidirectional embeddings, overrides and isolates; joiners and marks stay, scripts need them. */
const CONTROLS = /[\p{Cc}\u200b\u202a-\u202e\u2060-\u2069\ufeff]/gu

/** snake_case as a title, for a signal that is not on any release: `failed_updates` → Failed updates. @param {string} name */
export const titleOf = (name) => {
  const words = visible(name).replaceAll('_', ' ').trim()
  return words.charAt(0).toUpperCase() + words.slice(1)
}
