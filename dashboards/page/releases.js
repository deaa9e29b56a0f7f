import { evidenceBar, icon, rateGraphic, sparkline } from './draw.js'
import { el, lazily, svg } from './element.js'
import {
  count,
  counted,
  dateTime,
  duration,
  evidenceShare,
  odds,
  percent,
  percentRange,
  rfc3339,
  visible,
} from './format.js'
import { findingOf, inOrder, isStopping, keyOf, lineOf, namesOf, standingOf } from './words.js'

/** @typedef {import('./words.js').ReleaseView} ReleaseView */
/** @typedef {import('./words.js').TriggerView} TriggerView */
/** @typedef {import('./words.js').Tone} Tone */

/** From this many releases on there is a filter. */
const FILTER_FROM = 8

/**
 * The section of releases.
 * @param {Readonly<{ releases: readonly ReleaseView[], nowMs: number, filter: string }>} shown
 * @returns {readonly Node[]}
 */
export function releasesSection({ releases, nowMs, filter }) {
  const wanted = filter.trim().toLowerCase()
  const matching = inOrder(releases).filter(({ release }) =>
    Object.values(namesOf(release)).join(' ').toLowerCase().includes(wanted),
  )
  const title = el('h2', { id: 'releases-title' }, 'Releases ', el('span.number', {}, count(releases.length)))
  const cards = matching.map((view) => releaseCard(view, nowMs))
  const none = matching.length === 0 && releases.length > 0
  return [
    el(
      'div.section-head',
      { 'data-key': 'head' },
      title,
      releases.length > 0 && legend(),
      releases.length >= FILTER_FROM && filterField(),
    ),
    none && el('p.quiet', {}, 'No release has such an agent, release or environment.'),
    el('ol.releases', { 'data-key': 'list' }, ...cards),
  ].filter((node) => node !== false)
}

const filterField = () =>
  el(
    'label.filter',
    {},
    el('span.visually-hidden', {}, 'Filter releases'),
    el('input', {
      id: 'filter',
      type: 'search',
      placeholder: 'Filter by agent, release, environment',
      autocomplete: 'off',
      spellcheck: 'false',
    }),
  )

/** @param {ReleaseView} view @param {number} nowMs */
function releaseCard(view, nowMs) {
  const standing = standingOf(view)
  const card = el(`li.release.${standing.tone}`, { 'data-key': keyOf(view.release) })
  const seen = seenText(view, nowMs)
  return lazily(card, JSON.stringify([view, seen]), () => cardParts(view, seen))
}

/** @param {ReleaseView} view @param {string} seen @returns {readonly Element[]} */
function cardParts(view, seen) {
  const standing = standingOf(view)
  const names = namesOf(view.release)
  return [
    el(
      'div.identity',
      {},
      el(
        'div.chip-row',
        {},
        chip(standing.tone, standing.word, standing.means),
        name('environment', names.environment),
      ),
      el('h3', {}, name('agent', names.agent), ' ', name('version', names.release)),
      el('div.traffic', {}, traffic(view, seen), sparkline(view.contactsPerHour)),
      releaseEvidence(view, standing.tone),
    ),
    view.triggers.length === 0
      ? el(
          'p.quiet.no-signals',
          {},
          view.judged
            ? 'No trigger judges this release.'
            : 'Counted, and not judged: its environment is not among the judged ones.',
        )
      : el('ul.signals', { 'aria-label': 'Signals' }, ...view.triggers.map((trigger) => signalCell(trigger))),
  ]
}

/**
 * A name from telemetry: always text, kept apart from the direction of its neighbours, with the whole of it in the title.
 * @param {string} kind @param {string} text
 */
export const name = (kind, text) => el(`bdi.name.${kind}`, { title: visible(text) }, visible(text))

/** @param {Tone} tone @param {string} word @param {string} means */
export const chip = (tone, word, means) => el(`span.chip.${tone}`, { title: means }, icon(tone), word)

/** @param {ReleaseView} view @param {number} nowMs */
function seenText({ lastContactMs }, nowMs) {
  if (lastContactMs === null) return 'no contact yet'
  return nowMs - lastContactMs < 1000 ? 'just now' : `${duration(nowMs - lastContactMs)} ago`
}

/** @param {ReleaseView} view @param {string} seen */
function traffic({ contacts, identified, firstContactMs, lastContactMs }, seen) {
  const coverage = contacts === 0 ? 'none identified' : `${percent(identified / contacts)} identified`
  const since = firstContactMs === null ? null : `since ${dateTime(firstContactMs)}`
  const why = 'Contacts with a known customer: only they can count for recurrence signals.'
  const last = lastContactMs === null ? null : `Last contact ${rfc3339(lastContactMs)}`
  return el(
    'p.contacts',
    {},
    el('strong', { title: since }, counted(contacts, 'contact')),
    el('span', {}, el('span', { title: why }, coverage), ' · ', el('span', { title: last }, seen)),
  )
}

/** @param {ReleaseView} view @param {Tone} tone */
function releaseEvidence(view, tone) {
  if (view.triggers.length === 0) return null
  const text = evidenceText(view, 'pause line')
  const label = `Evidence of harm over all signals: ${text}`
  const fill = isStopping(view) || view.state === 'observed' || tone === 'warn' ? tone : 'calm'
  return el(
    'div.whole-evidence',
    {},
    evidenceBar(view, fill, label),
    el('p.small', { title: oddsText(view) }, 'All signals: ', text),
  )
}

/** @param {Readonly<{ logE: number, logThreshold: number }>} evidence @param {string} line */
const evidenceText = (evidence, line) => {
  const share = evidenceShare(evidence)
  return share >= 1 ? `past ${line}` : `${Math.floor(share * 100)}\u00a0% of ${line}`
}

/** @param {Readonly<{ logE: number, logThreshold: number }>} evidence */
export const oddsText = ({ logE, logThreshold }) =>
  `${odds(logE)} against a healthy release; the line is at ${odds(logThreshold)} (log E ${logE.toFixed(2)} of ${logThreshold.toFixed(2)})`

/** @param {TriggerView} trigger */
function signalCell(trigger) {
  const { title, shadow, reason, limit, hits, trials, logE, logThreshold } = trigger
  const finding = findingOf(trigger)
  const line = lineOf(trigger)
  const evidence = evidenceText(trigger, line)
  return el(
    `li.signal.${finding.tone}`,
    { 'data-key': trigger.trigger },
    el(
      'div.signal-head',
      {},
      el('h4', { title: visible(trigger.trigger) }, visible(title)),
      el(
        'span.finding',
        { title: visible(reason) },
        icon(finding.tone),
        finding.word,
        shadow && el('em', {}, ' shadow'),
      ),
    ),
    rateGraphic(trigger),
    rateText(trigger),
    el('p.small', {}, `limit ${percent(limit)} · ${count(hits)} of ${count(trials)}`),
    evidenceBar(trigger, finding.tone, `Evidence of ${title}: ${evidence}`),
    el('p.small', { title: oddsText({ logE, logThreshold }) }, `Evidence ${evidence}`),
    el('p.visually-hidden', {}, visible(reason)),
  )
}

/** @param {TriggerView} trigger */
function rateText({ rate, low, high }) {
  if (rate === null || low === null || high === null) return el('p.figures', {}, 'no trial yet')
  return el(
    'p.figures',
    {},
    el('strong', {}, percent(rate)),
    ' ',
    el('span.interval', {}, `(${percentRange(low, high)})`),
  )
}

/** What the graphics of a signal mean. */
const legend = () => {
  const key = (/** @type {string} */ text, /** @type {SVGElement[]} */ ...shapes) =>
    el(
      'span',
      {},
      svg('svg.rate.calm', { width: 26, height: 16, viewBox: '0 4 26 16', 'aria-hidden': 'true' }, ...shapes),
      text,
    )
  return el(
    'p.legend.small',
    {},
    key(
      'rate and 95\u00a0% interval',
      svg('line.whisker', { x1: 3, x2: 23, y1: 12, y2: 12 }),
      svg('circle.dot', { cx: 13, cy: 12, r: 4.5 }),
    ),
    key(
      'limit',
      svg('rect.harm', { x: 13, y: 4, width: 13, height: 16 }),
      svg('line.limit', { x1: 13, x2: 13, y1: 4, y2: 20 }),
    ),
    key('baseline', svg('line.baseline', { x1: 13, x2: 13, y1: 7, y2: 17 })),
  )
}
