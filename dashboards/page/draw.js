import { svg } from './element.js'
import { count, evidenceShare, percent, percentRange } from './format.js'
import { findingOf, isAboveLimit } from './words.js'

/** @typedef {import('./words.js').TriggerView} TriggerView */
/** @typedef {import('./words.js').Tone} Tone */

/** @type {Readonly<Record<Tone, string>>} One shape per tone, so that colour is never alone. */
const SHAPES = {
  stop: 'M5 2.5h6L14.5 6v5L11 14.5H5L1.5 11V6zM6.25 5.5v6M9.75 5.5v6',
  bad: 'M5 1.5h6L14.5 5v6L11 14.5H5L1.5 11V5zM5.5 5.5l5 5m0-5-5 5',
  warn: 'M8 2 14.7 13.8H1.3zM8 6.3v3.4M8 11.7v.1',
  ok: 'M8 1.5a6.5 6.5 0 1 1 0 13 6.5 6.5 0 0 1 0-13zM5 8.2l2.2 2.2L11.2 6',
  calm: 'M8 1.5a6.5 6.5 0 1 1 0 13 6.5 6.5 0 0 1 0-13zM5 8h.1M8 8h.1M11 8h.1',
}

/** @param {Tone} tone */
export const icon = (tone) =>
  svg(
    'svg.icon',
    { viewBox: '0 0 16 16', width: 16, height: 16, 'aria-hidden': 'true' },
    svg('path', { d: SHAPES[tone] }),
  )

/** Where the limit stands on the axis of a rate: the same place in every row, so that rows compare at a glance. */
const LIMIT_AT = 45

/** A place in per cent of the width. @param {number} at */
const at = (at) => `${Math.round(at * 100) / 100}%`

/**
 * A rate against its limit: dot, 95 % whisker, limit. The axis starts at 0 and the limit is always at 45 %; what lies beyond
 * 2.2 limits is drawn as an arrow at the edge.
 * @param {TriggerView} trigger
 */
export function rateGraphic(trigger) {
  const { rate, low, high, limit, baseline } = trigger
  const place = (/** @type {number} */ share) => (limit > 0 ? (share / limit) * LIMIT_AT : 0)
  const inside = (/** @type {number} */ share) => Math.min(100, place(share))
  const label = describe(trigger)
  const parts = [
    svg('rect.harm', { x: at(LIMIT_AT), y: 3, width: at(100 - LIMIT_AT), height: 18, rx: 2 }),
    svg('line.axis', { x1: '0%', x2: '100%', y1: 12, y2: 12 }),
    svg('line.baseline', { x1: at(place(baseline)), x2: at(place(baseline)), y1: 8, y2: 16 }),
    svg('line.limit', { x1: at(LIMIT_AT), x2: at(LIMIT_AT), y1: 1, y2: 23 }),
  ]
  if (rate !== null && low !== null && high !== null) {
    const [from, to] = [inside(low), inside(high)]
    parts.push(svg('line.whisker', { x1: at(from), x2: at(to), y1: 12, y2: 12 }))
    if (place(low) <= 100) parts.push(svg('line.cap', { x1: at(from), x2: at(from), y1: 8, y2: 16 }))
    if (place(high) <= 100) parts.push(svg('line.cap', { x1: at(to), x2: at(to), y1: 8, y2: 16 }))
    const isBeyond = place(rate) > 100
    if (!isBeyond) parts.push(svg('circle.dot', { cx: at(inside(rate)), cy: 12, r: 4.5 }))
    if (place(high) > 100) {
      const arrow = svg(isBeyond ? 'path.dot' : 'path.cap', { d: isBeyond ? 'M-9 5 0 12-9 19z' : 'M-6 7-1 12-6 17' })
      parts.push(svg('svg', { x: '100%', y: 0, overflow: 'visible', role: 'presentation' }, arrow))
    }
  }
  const tone = isAboveLimit(trigger) && findingOf(trigger).tone === 'calm' ? 'warn' : findingOf(trigger).tone
  return svg(
    `svg.rate.${tone}`,
    { role: 'img', 'aria-label': label, width: '100%', height: 24 },
    svg('title', {}, label),
    ...parts,
  )
}

/** @param {TriggerView} trigger */
function describe({ title, rate, low, high, limit, baseline, trials }) {
  const bounds = `limit ${percent(limit)}, baseline ${percent(baseline)}`
  if (rate === null || low === null || high === null) return `${title}: no trial yet; ${bounds}`
  return `${title}: ${percent(rate)} of ${count(trials)}, 95 % interval ${percentRange(low, high)}; ${bounds}`
}

/**
 * Evidence of harm from 0 to the pause line at the right end.
 * @param {Readonly<{ logE: number, logThreshold: number }>} evidence
 * @param {Tone} tone
 * @param {string} label what it is of, for readers who do not see it
 */
export function evidenceBar(evidence, tone, label) {
  const share = Math.min(1, evidenceShare(evidence))
  return svg(
    `svg.evidence.${tone}`,
    { role: 'img', 'aria-label': label, width: '100%', height: 12 },
    svg('title', {}, label),
    svg('rect.track', { x: '0%', y: 3, width: '100%', height: 6, rx: 3 }),
    svg('rect.fill', { x: '0%', y: 3, width: at(share * 100), height: 6, rx: 3 }),
    svg('line.end', { x1: '100%', x2: '100%', y1: 0, y2: 12 }),
  )
}

/**
 * Contacts per hour, oldest first, as bars; the last, unfinished hour is drawn stronger.
 * @param {readonly number[]} perHour
 */
export function sparkline(perHour) {
  const peak = Math.max(0, ...perHour)
  const last = perHour.at(-1) ?? 0
  const label = `Contacts per hour over the last ${perHour.length} hours: ${count(last)} in this hour, ${count(peak)} at most`
  const step = 100 / Math.max(1, perHour.length)
  const bars = perHour.map((value, index) => {
    const height = peak === 0 || value === 0 ? 1 : Math.max(2, (value / peak) * 26)
    return svg(index === perHour.length - 1 ? 'rect.now' : 'rect', {
      x: at(index * step),
      y: Math.round((28 - height) * 100) / 100,
      width: at(step * 0.72),
      height: Math.round(height * 100) / 100,
      rx: 0.75,
    })
  })
  return svg(
    'svg.sparkline',
    { role: 'img', 'aria-label': label, width: '100%', height: 28 },
    svg('title', {}, label),
    ...bars,
  )
}
