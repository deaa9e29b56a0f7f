import { acting } from './acting.js'
import { quietFor } from './decisions.js'
import { el, lazily } from './element.js'
import { count, dateTime, percent, rfc3339, timeNear, titleOf, visible } from './format.js'
import { chip, name, oddsText } from './releases.js'
import {
  between,
  countedAfter,
  didOrder,
  incidentStandingOf,
  keyOf,
  lineOf,
  namesOf,
  reasonOf,
  stepsOf,
  storyOf,
  stretchOf,
} from './words.js'

/** @typedef {import('./words.js').Overview} Overview */
/** @typedef {import('./words.js').Incident} Incident */
/** @typedef {import('./words.js').Step} Step */
/** @typedef {import('./element.js').Child} Child */

/** The newest are shown; `andon status` lists all. */
const SHOWN = 50
/** The newest are open at first, the others closed; the reader's choice is kept. */
const OPEN = 3

/**
 * The section of incidents, newest first.
 * @param {Overview} overview
 * @param {string} wantedId incident that a link asked for, '' for none
 * @returns {readonly Node[]}
 */
export function incidentsSection(overview, wantedId) {
  const { incidents } = overview
  const title = el('h2', { id: 'incidents-title' }, 'Incidents ', el('span.number', {}, count(incidents.length)))
  const head = el('div.section-head', { 'data-key': 'head' }, title)
  if (incidents.length === 0)
    return [
      head,
      el(
        'p.quiet',
        { 'data-key': 'none' },
        'None so far. An incident opens when the evidence of a trigger reaches its line.',
      ),
    ]
  const shown = incidents.filter(({ incidentId }, index) => index < SHOWN || incidentId === wantedId)
  const cards = shown.map((incident, index) =>
    incidentCard(overview, incident, index < OPEN || incident.incidentId === wantedId),
  )
  const more =
    incidents.length > shown.length &&
    el('p.quiet', { 'data-key': 'more' }, `${count(incidents.length - shown.length)} older ones: andon status`)
  const isMissing = wantedId !== '' && !incidents.some(({ incidentId }) => incidentId === wantedId)
  const missing =
    isMissing &&
    el(
      'p.quiet',
      { 'data-key': 'missing' },
      'The incident that the link names is not known to this monitor: ',
      el('code', {}, wantedId),
    )
  return [head, missing, el('ol.incidents', { 'data-key': 'list' }, ...cards), more].filter((node) => node !== false)
}

/** @param {Overview} overview @param {Incident} incident */
const titleFor = ({ releases }, { finding }) =>
  releases.flatMap(({ triggers }) => triggers).find(({ signal }) => signal === finding.signal)?.title ??
  titleOf(finding.signal)

/** @param {Overview} overview @param {Incident} incident @param {boolean} isOpen */
function incidentCard(overview, incident, isOpen) {
  const { incidentId, release, clock } = incident
  const standing = incidentStandingOf(incident)
  const names = namesOf(release)
  const title = titleFor(overview, incident)
  const releaseStartMs = releaseStartOf(overview, incident)
  const card = el(`li.incident.${standing.tone}`, {
    'data-key': incidentId,
    id: `incident-${incidentId}`,
    tabindex: '-1',
  })
  return lazily(card, JSON.stringify([incident, title, releaseStartMs, quietFor(incident, overview.nowMs)]), () => [
    el(
      'details',
      { open: isOpen },
      el(
        'summary',
        {},
        el(
          'div.summary-head',
          {},
          chip(standing.tone, standing.word, standing.means),
          el(
            'h3',
            {},
            name('agent', names.agent),
            ' ',
            name('version', names.release),
            ' ',
            name('environment', names.environment),
          ),
          el(
            'time',
            { datetime: rfc3339(clock.detectedMs), title: rfc3339(clock.detectedMs) },
            dateTime(clock.detectedMs),
          ),
        ),
        el('p.story', {}, storyOf(incident, title)),
      ),
      timeline(incident, releaseStartMs),
      acting(incident, overview.nowMs),
      measures(incident),
      facts(incident, title),
    ),
  ])
}

/** @param {Overview} overview @param {Incident} incident */
const releaseStartOf = ({ releases }, incident) =>
  releases.find(({ release }) => keyOf(release) === keyOf(incident.release))?.firstContactMs ?? null

/** @param {Incident} incident @param {number | null} releaseStartMs */
function timeline(incident, releaseStartMs) {
  const steps = stepsOf(incident, releaseStartMs)
  let previousMs = /** @type {number | null} */ (null)
  const items = steps.map((step) => {
    const gap = between(previousMs, step.atMs)
    const gapMs = gap === null || step.atMs === null || previousMs === null ? 0 : step.atMs - previousMs
    previousMs = step.atMs ?? previousMs
    return stepItem(step, gap, gapMs, incident.clock.detectedMs)
  })
  return el(
    'ol.timeline',
    { 'aria-label': 'Clock of the incident', title: 'Longer lines took longer; not to scale.' },
    ...items,
  )
}

/** @param {Step} step @param {string | null} gap @param {number} gapMs @param {number} nearMs */
function stepItem(step, gap, gapMs, nearMs) {
  const time = (/** @type {number} */ atMs) =>
    el('time', { datetime: rfc3339(atMs), title: rfc3339(atMs) }, timeNear(atMs, nearMs))
  const missing = step.state === 'waiting' ? 'not yet' : 'unknown'
  return el(
    `li.step.${step.state}${step.range ? '.ranged' : ''}`,
    { 'data-key': step.name, 'data-stretch': stretchOf(gapMs) },
    el('span.gap', {}, gap !== null && gapMs > 0 ? el('span', {}, `+${gap}`) : ''),
    el('span.marker', { 'aria-hidden': 'true' }),
    el('span.step-name', { title: step.means }, step.name),
    el('span.step-time', {}, step.atMs === null ? missing : time(step.atMs)),
    step.range &&
      el('span.range', { title: '90 % range of the estimate' }, time(step.range[0]), ' – ', time(step.range[1])),
  )
}

/** The figures that a review asks for first. @param {Incident} incident */
function measures(incident) {
  const { clock, finding } = incident
  const rows = [
    measure('Time to detect', between(clock.onsetMs, clock.detectedMs) ?? 'unknown', 'detected − onset'),
    measure('Contacts exposed', count(finding.contactsExposed), 'Contacts begun between the onset and the decision.'),
  ]
  if (didOrder(incident)) {
    const pending = 'not yet'
    rows.push(
      measure('Time to pause', between(clock.detectedMs, clock.acceptedMs) ?? pending, 'accepted − detected'),
      measure('Time to stop', between(clock.acceptedMs, clock.stoppedMs) ?? pending, 'stopped − accepted'),
      measure('Time to drain', between(clock.acceptedMs, clock.drainedMs) ?? pending, 'drained − accepted'),
      measure(
        'Contacts after pause',
        clock.acceptedMs === null ? pending : countedAfter(incident, incident.contactsAfterPause),
        'Contacts begun after acceptance, as telemetry has told so far.',
      ),
      measure(
        'Writes after pause',
        clock.acceptedMs === null ? pending : countedAfter(incident, incident.writesAfterPause),
        'Writes begun after acceptance.',
      ),
    )
  }
  return el('dl.measures', {}, ...rows)
}

/** @param {string} term @param {string} value @param {string} means */
const measure = (term, value, means) =>
  el('div', { 'data-key': term }, el('dt', { title: means }, term), el('dd', {}, value))

/** What the decision rests on, and where traffic goes. @param {Incident} incident @param {string} title */
function facts(incident, title) {
  const { finding, joined } = incident
  const { hits, trials, baseline } = finding
  const where = [finding.channel, finding.queue].filter((part) => part !== '')
  const rate = trials > 0 ? `${percent(hits / trials)} (${count(hits)} of ${count(trials)} trials), ` : ''
  /** @type {(term: string, ...values: Child[]) => HTMLElement} */
  const row = (term, ...values) => el('div', { 'data-key': term }, el('dt', {}, term), el('dd', {}, ...values))
  const isMeasured = finding.by !== 'person' && finding.by !== 'silence'
  const rows = [
    row('What was seen', name('reason', finding.reason)),
    isMeasured && row('Signal', `${title}: ${rate}baseline ${percent(baseline)}`),
    where.length > 0 && row('Strongest in', name('slice', where.join(' · '))),
    isMeasured && row('Evidence', oddsText(finding)),
    isMeasured &&
      row(
        'Trigger',
        name('trigger', finding.trigger),
        ' ',
        el('code', { title: 'Hash of the trigger' }, visible(finding.triggerHash.slice(0, 12))),
        `, ${lineOf(finding)}`,
      ),
    row(
      'Decision',
      `${didOrder(incident) ? `ordered to ${finding.action === 'rollback' ? 'roll back' : 'pause'}` : 'nothing ordered'}: ${reasonOf(incident.reason)}`,
    ),
    didOrder(incident) && row('Traffic goes to', name('target', finding.trafficGoesTo || 'not named')),
    joined.length > 0 && row('Also breached', joined.map(({ signal }) => titleOf(signal)).join(', ')),
    row('Incident', el('code', {}, incident.incidentId), `, batch ${count(finding.seq)}`),
  ]
  return el('dl.facts-list', {}, ...rows)
}
