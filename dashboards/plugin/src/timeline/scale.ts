/** Time on the axis: pixels to milliseconds and back, zooming, and where the ticks stand. Pure. */

export type Range = Readonly<{ fromMs: number; toMs: number }>
export type Scale = Range & Readonly<{ width: number; xOf: (ms: number) => number; msOf: (x: number) => number }>

const SECOND = 1000
const MINUTE = 60 * SECOND
const HOUR = 60 * MINUTE
const DAY = 24 * HOUR

/** Shorter ranges than this hold nothing that a person could tell apart. */
export const SHORTEST_MS = SECOND

export function scaleOf({ fromMs, toMs }: Range, width: number): Scale {
  const span = Math.max(1, toMs - fromMs)
  return {
    fromMs,
    toMs,
    width,
    xOf: (ms) => ((ms - fromMs) / span) * width,
    msOf: (x) => fromMs + (x / Math.max(1, width)) * span,
  }
}

/** The range around one moment that stays where it is; factor < 1 zooms in. */
export function zoomed({ fromMs, toMs }: Range, aroundMs: number, factor: number): Range {
  const span = Math.max(SHORTEST_MS, (toMs - fromMs) * factor)
  const share = (aroundMs - fromMs) / Math.max(1, toMs - fromMs)
  const from = Math.round(aroundMs - span * share)
  return { fromMs: from, toMs: from + Math.round(span) }
}

/** Moves by a share of the range; positive = later. */
export function panned({ fromMs, toMs }: Range, share: number): Range {
  const by = Math.round((toMs - fromMs) * share)
  return { fromMs: fromMs + by, toMs: toMs + by }
}

/** What dragging from one x to another chooses, or null when that was a click. */
export function dragged(scale: Scale, x1: number, x2: number, leastPx = 5): Range | null {
  if (Math.abs(x2 - x1) < leastPx) return null
  const inside = (x: number) => Math.min(scale.width, Math.max(0, x))
  const [low, high] = [Math.min(inside(x1), inside(x2)), Math.max(inside(x1), inside(x2))]
  const fromMs = Math.round(scale.msOf(low))
  return { fromMs, toMs: Math.max(fromMs + SHORTEST_MS, Math.round(scale.msOf(high))) }
}

/** The range that shows moments with air at both ends. */
export function around(moments: readonly number[], shareOfAir = 0.15): Range | null {
  if (moments.length === 0) return null
  const [first, last] = [Math.min(...moments), Math.max(...moments)]
  const air = Math.max(MINUTE, (last - first) * shareOfAir)
  return { fromMs: Math.round(first - air), toMs: Math.round(last + air) }
}

const STEPS: readonly number[] = [
  ...[100, 200, 500],
  ...[1, 2, 5, 10, 15, 30].map((n) => n * SECOND),
  ...[1, 2, 5, 10, 15, 30].map((n) => n * MINUTE),
  ...[1, 2, 3, 6, 12].map((n) => n * HOUR),
  ...[1, 2, 4, 7, 14, 28, 56, 91, 182, 364].map((n) => n * DAY),
]

/** Weeks begin on a Monday, as 5 January 1970 was one; shorter steps divide it. */
const MONDAY = 4 * DAY

/** major = the first tick of a day, or of a month where ticks are days apart: it carries the date. */
export type Tick = Readonly<{ ms: number; label: string; major: boolean }>

/**
 * Ticks at round local times, no closer than leastPx. offsetMinutes: minutes that local time is ahead of UTC at that moment, so that
 * ticks stay at round hours over a change of the clocks.
 */
export function ticksOf(scale: Scale, offsetMinutes: (ms: number) => number, leastPx = 84): Tick[] {
  const span = scale.toMs - scale.fromMs
  const most = Math.max(1, Math.floor(scale.width / leastPx))
  const step = STEPS.find((each) => span / each <= most) ?? Math.ceil(span / most / (364 * DAY)) * 364 * DAY
  const ticks: Tick[] = []
  let before: number | null = null
  const first = Math.floor((localOf(scale.fromMs, offsetMinutes) - MONDAY) / step) * step + MONDAY
  for (let local = first; ticks.length <= most + 2; local += step) {
    const ms = local - offsetMinutes(local - offsetMinutes(local) * MINUTE) * MINUTE
    if (ms > scale.toMs) break
    if (ms < scale.fromMs) continue
    const date = new Date(local)
    const unit = step >= DAY ? date.getUTCMonth() : Math.floor(local / DAY)
    const major = before === null ? step < DAY && local % DAY === 0 : unit !== before
    before = unit
    ticks.push({ ms, label: major || step >= DAY ? dayOf(date, span > 300 * DAY) : clockOf(date, step), major })
  }
  return ticks
}

const localOf = (ms: number, offsetMinutes: (ms: number) => number): number => ms + offsetMinutes(ms) * MINUTE

const MONTHS = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec']
const dayOf = (date: Date, withYear: boolean): string =>
  `${MONTHS[date.getUTCMonth()]} ${date.getUTCDate()}${withYear ? ` ${date.getUTCFullYear()}` : ''}`

function clockOf(date: Date, step: number): string {
  const text = date.toISOString()
  return step < SECOND ? text.slice(11, 21) : step < MINUTE ? text.slice(11, 19) : text.slice(11, 16)
}
