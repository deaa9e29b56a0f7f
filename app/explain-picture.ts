import { releaseLabelOf } from '../facts/slice.ts'
import type { Explained } from './explain.ts'
import { printable } from './table.ts'

/**
 * The picture of an explanation: above, evidence against time with the line of the pause; below, the rate with its 95 % intervals
 * against the baseline; through both, the range in which the harm began. Plain SVG that follows a light or dark ground, and is light where
 * its style is not allowed (a page's content security policy).
 */
export function explanationSvg(explained: Explained): string {
  const { finding, retraced, rates } = explained
  const last = retraced.steps.at(-1)!
  const first = retraced.steps[0]!
  const fromMs = Math.min(first.atMs, rates[0]?.fromMs ?? first.atMs, finding.onsetLowMs ?? first.atMs)
  const toMs = Math.max(last.atMs, fromMs + 60_000)
  const x = (ms: number) => LEFT + (WIDTH * (Math.min(Math.max(ms, fromMs), toMs) - fromMs)) / (toMs - fromMs)
  const { channel, queue } = finding
  const title = printable(`${finding.trigger} of ${releaseLabelOf(finding.release)}`)
  const where = [channel, queue].filter(Boolean).join(' / ') || 'all traffic'
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${LEFT + WIDTH + 130} ${BOTTOM + 64}" role="img" aria-label="${escaped(title)}" font-family="system-ui, sans-serif" font-size="12">
<style>:root{--ink:#222;--ground:#fff;--faint:#ccc;--bad:#c2410c;--range:#f59e0b;--good:#0369a1}@media(prefers-color-scheme:dark){:root{--ink:#ddd;--ground:#161616;--faint:#444;--bad:#fb923c;--range:#b45309;--good:#38bdf8}}text{fill:var(--ink)}</style>
<rect width="100%" height="100%" fill="var(--ground,#fff)"/>
<text x="${LEFT}" y="22" font-size="15" font-weight="600">${escaped(title)}</text>
<text x="${LEFT}" y="40">${escaped(printable(where))}; decided ${when(finding.decidedAtMs)}</text>
${onsetRange(finding, x)}
${evidencePanel(explained, x)}
${ratePanel(explained, x)}
${timeAxis(fromMs, toMs, x)}
</svg>
`
}

const LEFT = 62
const WIDTH = 720
const EVIDENCE = { top: 72, height: 200 }
const RATE = { top: 316, height: 150 }
const BOTTOM = RATE.top + RATE.height

type Scale = (value: number) => number

function onsetRange({ onsetMs, onsetLowMs, onsetHighMs }: Explained['finding'], x: Scale): string {
  if (onsetMs === null || onsetLowMs === null || onsetHighMs === null) return ''
  const width = Math.max(2, x(onsetHighMs) - x(onsetLowMs))
  const height = BOTTOM - EVIDENCE.top
  return `<rect x="${fixed(x(onsetLowMs))}" y="${EVIDENCE.top}" width="${fixed(width)}" height="${height}" fill="var(--range,#f59e0b)" opacity="0.22"/>
<line x1="${fixed(x(onsetMs))}" x2="${fixed(x(onsetMs))}" y1="${EVIDENCE.top}" y2="${BOTTOM}" stroke="var(--range,#f59e0b)" stroke-dasharray="3 3"/>
<text x="${fixed(x(onsetMs) + 4)}" y="${EVIDENCE.top + 12}">began here (90 %)</text>`
}

/** log E as powers of ten, which is how odds are read: 2 is 100 : 1. */
function evidencePanel({ retraced }: Explained, x: Scale): string {
  const { steps } = retraced
  const tens = (log: number) => log / Math.LN10
  const values = steps.flatMap((step) => [tens(step.jointLogE), tens(step.logE)])
  const line = tens(steps.at(-1)!.jointLine)
  const most = Math.max(line * 1.2, ...values)
  const least = Math.max(-2, Math.min(0, ...values))
  const y = (value: number) => EVIDENCE.top + EVIDENCE.height * (1 - (Math.max(value, least) - least) / (most - least))
  const path = (of: (step: (typeof steps)[number]) => number) =>
    steps.map((step) => `${fixed(x(step.atMs))},${fixed(y(tens(of(step))))}`).join(' ')
  const notes = steps
    .filter((step) => step.note !== '')
    .map(
      (step) =>
        `<circle cx="${fixed(x(step.atMs))}" cy="${fixed(y(tens(step.jointLogE)))}" r="4" fill="var(--bad,#c2410c)"><title>${escaped(printable(step.note))}</title></circle>`,
    )
  return `${yAxis([least, 0, line, most], y, oddsOf)}
<text x="${LEFT}" y="${EVIDENCE.top - 4}">evidence against the release, as odds: all triggers that can pause (dark), this trigger alone (light)</text>
<line x1="${LEFT}" x2="${LEFT + WIDTH}" y1="${fixed(y(line))}" y2="${fixed(y(line))}" stroke="var(--bad,#c2410c)" stroke-width="1.5"/>
<text x="${LEFT + WIDTH + 6}" y="${fixed(y(line) + 4)}">pause line</text>
<polyline fill="none" stroke="var(--faint,#ccc)" stroke-width="1.5" points="${path((step) => step.logE)}"/>
<polyline fill="none" stroke="var(--ink,#222)" stroke-width="2" points="${path((step) => step.jointLogE)}"/>
${notes.join('\n')}`
}

/** 2 is 100 : 1, −1 is 1 : 10. */
const oddsOf = (tens: number): string => {
  const odds = Number((10 ** Math.abs(tens)).toPrecision(2)).toLocaleString('en-US', { notation: 'compact' })
  return tens < 0 ? `1 : ${odds}` : `${odds} : 1`
}

function ratePanel({ rates, retraced }: Explained, x: Scale): string {
  const { baseline, trigger } = retraced
  const limit = baseline.rate * (1 + trigger.tolerance)
  const most = Math.min(1, Math.max(limit * 2, ...rates.map((rate) => rate.hits / rate.trials)) * 1.3)
  const y = (share: number) => RATE.top + RATE.height * (1 - Math.min(share, most) / most)
  const marks = rates.map(({ fromMs, toMs, trials, hits, low, high }) => {
    const at = fixed(x((fromMs + toMs) / 2))
    return `<line x1="${at}" x2="${at}" y1="${fixed(y(low))}" y2="${fixed(y(high))}" stroke="var(--good,#0369a1)" stroke-width="2"/><circle cx="${at}" cy="${fixed(y(hits / trials))}" r="3" fill="var(--good,#0369a1)"><title>${hits} of ${trials}</title></circle>`
  })
  const name = baseline.mode === 'written' ? 'limit' : printable(baseline.against) || 'baseline'
  return `${yAxis([0, limit, most], y, (share) => `${Number((share * 100).toPrecision(2))} %`)}
<text x="${LEFT}" y="${RATE.top - 8}">${escaped(printable(trigger.title.toLowerCase()))}, by start of contact, with 95 % intervals</text>
<line x1="${LEFT}" x2="${LEFT + WIDTH}" y1="${fixed(y(limit))}" y2="${fixed(y(limit))}" stroke="var(--bad,#c2410c)" stroke-dasharray="6 4"/>
<text x="${LEFT + WIDTH + 6}" y="${fixed(y(limit) + 4)}">${escaped(name)}</text>
${marks.join('\n')}`
}

const yAxis = (values: readonly number[], y: Scale, label: (value: number) => string): string =>
  values
    .filter((value, i) => values.findIndex((other) => Math.abs(y(other) - y(value)) < 12) === i)
    .map(
      (value) =>
        `<line x1="${LEFT}" x2="${LEFT + WIDTH}" y1="${fixed(y(value))}" y2="${fixed(y(value))}" stroke="var(--faint,#ccc)" stroke-width="0.5"/><text x="${LEFT - 6}" y="${fixed(y(value) + 4)}" text-anchor="end">${escaped(label(value))}</text>`,
    )
    .join('\n')

function timeAxis(fromMs: number, toMs: number, x: Scale): string {
  const marks = [0, 0.25, 0.5, 0.75, 1].map((part) => fromMs + part * (toMs - fromMs))
  return marks
    .map(
      (ms, i) =>
        `<text x="${fixed(x(ms))}" y="${BOTTOM + 20}" text-anchor="${i === 0 ? 'start' : i === 4 ? 'end' : 'middle'}">${when(ms)}</text>`,
    )
    .join('\n')
}

const fixed = (value: number): string => value.toFixed(1)
const when = (ms: number): string => new Date(ms).toISOString().slice(0, 16).replace('T', ' ')
const escaped = (text: string): string =>
  text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;').replaceAll('"', '&quot;')
