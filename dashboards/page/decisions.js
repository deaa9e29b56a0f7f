/** What people can do about an incident, in words and as command lines. Pure: no document, no clock. */
import { duration, visible } from './format.js'
import { between } from './words.js'

/** @typedef {import('../../facts/incident.ts').Incident} Incident */
/** @typedef {Readonly<{ does: string, line: string }>} CommandLine */

/** States in which an order to stop stands. @param {Incident} incident */
export const isHeld = ({ state }) => ['pausing', 'paused', 'stopped', 'drained'].includes(state)

/**
 * Who has it.
 * @param {Incident} incident
 * @returns {Readonly<{ isOpen: boolean, text: string }>} isOpen: somebody should acknowledge it
 */
export function acknowledgementOf({ acknowledged, closed, resumed, openedAtMs, state }) {
  if (acknowledged) {
    const after = between(openedAtMs, acknowledged.atMs)
    return {
      isOpen: false,
      text: `${visible(acknowledged.by)}${after === null ? '' : ` after ${after}`}: ${visible(acknowledged.reason)}`,
    }
  }
  if (closed || resumed || state === 'closed') return { isOpen: false, text: 'nobody acknowledged it' }
  return { isOpen: true, text: 'nobody has acknowledged it yet' }
}

/** @type {Readonly<Record<string, string>>} */
const OUTCOMES = {
  delivered: 'told',
  sending: 'on its way',
  gone: 'refused for good (410)',
  timeout: 'no answer in time',
}

/**
 * How the order, or the notice, fares with each target.
 * @param {Incident} incident
 * @returns {readonly Readonly<{ target: string, text: string, isDone: boolean }>[]}
 */
export function deliveriesOf({ deliveries, acceptedBy, undeliverable }) {
  const tried = deliveries.map(({ target, attempts, outcome, status }) => {
    const isAccepted = acceptedBy.includes(target)
    const what = isAccepted ? 'accepted' : (OUTCOMES[outcome] ?? outcome.replaceAll('_', ' '))
    const code = status > 0 && outcome !== 'delivered' ? ` (${status})` : ''
    const tries = attempts > 1 ? `, attempt ${attempts}` : ''
    const end = undeliverable.includes(target) ? ', given up' : ''
    return { target, text: `${what}${code}${tries}${end}`, isDone: outcome === 'delivered' }
  })
  const byHand = acceptedBy
    .filter((target) => !deliveries.some((one) => one.target === target))
    .map((target) => ({ target, text: 'accepted', isDone: true }))
  return [...tried, ...byHand]
}

/**
 * What a person does next, the first thing first.
 * @param {Incident} incident
 * @returns {readonly string[]}
 */
export function nextStepsOf(incident) {
  const { state, ordered, finding, undeliverable, rolledBackMs, verdict } = { verdict: incident.closed, ...incident }
  if (verdict) return []
  const goesTo = finding.trafficGoesTo ? visible(finding.trafficGoesTo) : 'where the trigger says'
  if (state === 'resumed')
    return ['Check that it takes contacts again; it is judged anew.', 'Give the verdict: was the release bad?']
  if (state === 'observed')
    return ['Decide whether to stop it: nobody was ordered to.', 'Close the incident with the verdict when you know.']
  if (state === 'pausing')
    return [
      undeliverable.length > 0
        ? 'A target refused for good: stop the release by hand, then say so with andon accept.'
        : 'Nobody has accepted the order: if that lasts, stop the release by hand, then say so with andon accept.',
      `Check that new contacts go to ${goesTo}.`,
    ]
  if (state === 'paused')
    return [
      `Check that new contacts go to ${goesTo}; contacts may still begin.`,
      'List what it touched: andon affected.',
    ]
  if (ordered === 'rollback' && rolledBackMs !== null)
    return ['Put right what it did: andon affected, andon recover.', 'Give the verdict: was the release bad?']
  return [
    'Put right what it did: andon affected, andon recover.',
    'Then resume it, or roll it back; override if the pause was wrong.',
  ]
}

/** A word of a command line, as a POSIX shell reads it; null where it holds what cannot be typed. @param {string} text */
export function shellWord(text) {
  if (visible(text) !== text || text === '') return text === '' ? "''" : null
  return /^[\w./:@%+,-]+$/.test(text) && !text.startsWith('-') ? text : `'${text.replaceAll("'", `'\\''`)}'`
}

/**
 * The exact lines for what this incident allows now. NAME and WHY are the reader's.
 * @param {Incident} incident
 * @returns {readonly CommandLine[]}
 */
export function commandLinesOf(incident) {
  const { incidentId, state, acknowledged, ordered, rolledBackMs, resumed, closed, release, scope } = incident
  const id = incidentId.slice(0, 12)
  const signed = '--by NAME --reason "WHY"'
  /** @type {(does: string, line: string) => CommandLine} */
  const command = (does, line) => ({ does, line })
  const look = command('Evidence', `andon explain ${id}`)
  if (closed) {
    const every = command('Every line of it', `andon audit --incident ${incidentId}`)
    const isAway = ordered !== 'nothing' && !resumed // rolled back or retired: it takes no contact until somebody says so
    return [look, every, ...(isAway ? [command('Let it go on again', `andon resume ${id} ${signed}`)] : [])]
  }
  const close = command('Verdict', `andon close ${id} --verdict confirmed|false_alarm|unclear ${signed}`)
  if (resumed) return [close, look]
  const lines = acknowledged ? [] : [command('Acknowledge', `andon ack ${id} ${signed}`)]
  if (state === 'observed') {
    const words = [shellWord(release.agent), shellWord(release.release), shellWord(release.environment)]
    if (words.every((word) => word !== null))
      lines.push(command('Pause it', `andon pause ${words[0]} ${words[1]} --environment ${words[2]} ${signed}`))
    return [...lines, close, look]
  }
  if (state === 'pausing') lines.push(command('Done by hand', `andon accept ${id} ${signed}`))
  lines.push(command('What it touched', `andon affected ${id}`))
  lines.push(
    command('Recovered', `andon resume ${id} ${signed}`),
    command('Pause was wrong', `andon override ${id} ${signed}`),
  )
  if (scope.length > 1 && state !== 'pausing')
    for (const part of scope) {
      const named = partOptions(part)
      if (named) lines.push(command(`Only ${partText(part)}`, `andon resume ${id} ${named} ${signed}`))
    }
  const words = [shellWord(release.agent), shellWord(release.release), shellWord(release.environment)]
  if (ordered !== 'rollback' && words.every((word) => word !== null))
    lines.push(command('Roll back', `andon rollback ${words[0]} ${words[1]} --environment ${words[2]} ${signed}`))
  lines.push(command('Quiet for a while', `andon snooze ${id} --for 30m ${signed}`))
  if (rolledBackMs !== null) lines.push(close)
  return [...lines, look]
}

/** A part of a release as people read it. @param {import('../../facts/incident.ts').Scope} part */
export const partText = ({ channel, queue }) =>
  [channel, queue]
    .filter((name) => name !== '')
    .map(visible)
    .join(' · ')

/** The options that name one part; null where a name cannot be typed. @param {import('../../facts/incident.ts').Scope} part */
function partOptions({ channel, queue }) {
  const words = [shellWord(channel), shellWord(queue)]
  if (words.includes(null)) return null
  return [channel && `--channel ${words[0]}`, queue && `--queue ${words[1]}`]
    .filter((option) => option !== '')
    .join(' ')
}

/** Until when nobody is told again; null when that is over. @param {Incident} incident @param {number} nowMs */
export const quietFor = ({ snoozed }, nowMs) =>
  snoozed !== null && snoozed.untilMs > nowMs ? duration(snoozed.untilMs - nowMs) : null
