import {
  acknowledgementOf,
  commandLinesOf,
  deliveriesOf,
  isHeld,
  nextStepsOf,
  partText,
  quietFor,
} from './decisions.js'
import { el } from './element.js'
import { count, dateTime, rfc3339, visible } from './format.js'
import { name } from './releases.js'
import { countedAfter } from './words.js'

/** @typedef {import('../../facts/incident.ts').Incident} Incident */
/** @typedef {import('./element.js').Child} Child */

/**
 * What on-call needs to act, beside what happened: who has it, how the order fares, what is affected, what to do and how.
 * @param {Incident} incident
 * @param {number} nowMs
 */
export function acting(incident, nowMs) {
  const { isOpen, text } = acknowledgementOf(incident)
  const steps = nextStepsOf(incident)
  const quiet = quietFor(incident, nowMs)
  return el(
    'div.acting',
    {},
    el(
      'div.acting-facts',
      {},
      block(
        'Acknowledged',
        el(`p${isOpen ? '.warn' : ''}`, {}, text),
        quiet && el('p', {}, `Snoozed by ${visible(incident.snoozed?.by ?? '')}: nobody is told again for ${quiet}.`),
      ),
      block(incident.ordered === 'nothing' ? 'Who was told' : 'Delivery of the order', deliveries(incident)),
      block('What is affected', el('ul', {}, ...affected(incident).map((line) => el('li', {}, line)))),
      steps.length > 0 && block('Next', el('ol.next-steps', {}, ...steps.map((step) => el('li', {}, step))), runbook()),
      decisions(incident),
    ),
    el(
      'div.commands',
      {},
      el('h4', {}, 'To act, from a terminal'),
      el(
        'dl',
        {},
        ...commandLinesOf(incident).map(({ does, line }) =>
          el('div', { 'data-key': does }, el('dt', {}, does), el('dd', {}, el('code', {}, line))),
        ),
      ),
    ),
  )
}

/** @param {string} title @param {...Child} content */
const block = (title, ...content) => el('div.block', { 'data-key': title }, el('h4', {}, title), ...content)

/** @param {Incident} incident */
function deliveries(incident) {
  const told = deliveriesOf(incident)
  if (told.length === 0) return el('p', {}, 'No target was tried.')
  return el(
    'ul',
    {},
    ...told.map(({ target, text, isDone }) =>
      el(`li${isDone ? '' : '.warn'}`, { 'data-key': target }, name('target', target), `: ${text}`),
    ),
  )
}

/** @param {Incident} incident */
function affected(incident) {
  const { scope, finding, contactsAfterPause, writesAfterPause, clock, ordered } = incident
  const parts = scope.map(partText)
  const what = ordered === 'nothing' ? [] : [scope.length === 0 ? 'The whole release' : `Only ${parts.join(', ')}`]
  return [
    ...what,
    ...(finding.by === 'person' ? [] : [`${count(finding.contactsExposed)} contacts exposed before the decision`]),
    ...(clock.acceptedMs === null
      ? []
      : [
          contactsAfterPause === null
            ? `contacts after the pause are ${countedAfter(incident, contactsAfterPause)}`
            : `${count(contactsAfterPause)} contacts and ${count(writesAfterPause ?? 0)} writes after the pause`,
        ]),
  ]
}

/** The configuration's, a link only where it is an address; else the one that this page serves. */
function runbook() {
  const given =
    document.querySelector('meta[name="andon-runbook"]')?.getAttribute('content') || '/docs/runbooks/release-paused.md'
  const isAddress = /^https?:\/\/|^\/docs\//.test(given)
  return el(
    'p',
    {},
    'Runbook: ',
    isAddress ? el('a', { href: given, rel: 'noreferrer' }, given) : el('code', {}, given),
  )
}

/** What people decided so far, in their words. @param {Incident} incident */
function decisions(incident) {
  const { orderedBy, orderedMs, resumed, resumedParts, closed, restarts } = incident
  const said = [
    orderedBy &&
      orderedMs !== null && {
        what: incident.ordered === 'rollback' ? 'Rollback' : 'Pause',
        ...orderedBy,
        atMs: orderedMs,
      },
    ...resumedParts.map((part) => ({ what: `Resume of ${part.scope.map(partText).join(', ')}`, ...part })),
    resumed && { what: resumed.how === 'overridden' ? 'Override' : 'Resume', ...resumed },
    closed && { what: `Closed: ${closed.verdict.replace('_', ' ')}`, ...closed },
  ].filter((one) => one !== null && one !== false)
  const next = restarts?.[0]
  if (said.length === 0 && !next) return isHeld(incident) ? false : null
  return block(
    'Decided',
    el(
      'ul',
      {},
      ...said.map(({ what, by, reason, atMs }) =>
        el(
          'li',
          { 'data-key': `${what} ${atMs}` },
          `${what} by ${visible(by)}, `,
          el('time', { datetime: rfc3339(atMs) }, dateTime(atMs)),
          `: ${visible(reason)}`,
        ),
      ),
      next && el('li', { 'data-key': 'restart' }, `Judged anew at alpha ${next.alphaNext}`),
    ),
  )
}
