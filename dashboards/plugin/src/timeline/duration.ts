const NBSP = '\u00a0'
const UNITS = [
  ['d', 86_400_000],
  ['h', 3_600_000],
  ['min', 60_000],
  ['s', 1000],
] as const

/** A length of time in its two largest units: 830 ms, 3.4 s, 21 min 1 s, 2 d 3 h. Clocks of two machines may disagree: a negative one keeps its sign. */
export function duration(ms: number): string {
  if (!Number.isFinite(ms)) return 'unknown'
  if (ms < 0) return `−${duration(-ms)}`
  if (ms < 1000) return `${Math.round(ms)}${NBSP}ms`
  if (ms < 60_000) return `${trimmed(ms / 1000)}${NBSP}s`
  const index = UNITS.findIndex(([, size]) => ms >= size)
  const [unit, size] = UNITS[index]!
  const [smaller, smallerSize] = UNITS[index + 1]!
  const whole = Math.floor(ms / size)
  const rest = Math.floor((ms - whole * size) / smallerSize)
  return rest === 0 ? `${whole}${NBSP}${unit}` : `${whole}${NBSP}${unit} ${rest}${NBSP}${smaller}`
}

const trimmed = (seconds: number): string =>
  seconds < 10 ? String(Math.floor(seconds * 10) / 10) : String(Math.floor(seconds))

export const count = (n: number): string => n.toLocaleString('en-GB')
export const counted = (n: number, one: string, many = `${one}s`): string => `${count(n)}${NBSP}${n === 1 ? one : many}`
export const percent = (share: number): string => `${Math.floor(share * 100)}${NBSP}%`
