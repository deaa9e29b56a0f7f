/** What the page says about releases and incidents. Pure: no document, no clock. */
import { count, counted, duration, evidenceShare, NBSP, visible } from './format.js'

/** @typedef {import('../../facts/overview.ts').Overview} Overview */
/** @typedef {import('../../facts/overview.ts').ReleaseView} ReleaseView */
/** @typedef {import('../../facts/overview.ts').TriggerView} TriggerView */
/** @typedef {import('../../facts/incident.ts').Incident} Incident */
/** @typedef {import('../../facts/slice.ts').Release} Release */
/** @typedef {'stop' | 'bad' | 'warn' | 'ok' | 'calm'} Tone How urgent something is; always beside a word and a shape. */
/** @typedef {Readonly<{ word: string, tone: Tone, rank: number, means: string }>} Standing rank 0 comes first */

/** Share of the way to the pause line from which a release counts as at risk. */
export const AT_RISK = 0.5

/** Separates the parts of a key as facts/slice.ts does, so that no name can forge another. */
/** @param {Release} release */
export const keyOf = ({ environment, agent, release }) => [environment, agent, release].join('\u001f')

/** @param {Release} release */
export const namesOf = ({ environment, agent, release }) => ({
  agent: visible(agent) || 'unknown agent',
  release: visible(release) || 'unknown release',
  environment: visible(environment) || 'no environment',
})

/** States in which the order to stop stands, given or being given. */
const STOPPING = ['pausing', 'paused', 'stopped', 'drained']
/**
 * What was counted after a pause, or why nobody knows: the stop is still to be proven, or the incident ended before it was.
 * @param {Pick<Incident, 'state'>} incident @param {number | null} n
 */
export const countedAfter = ({ state }, n) =>
  n !== null ? count(n) : state === 'paused' ? 'not known yet' : 'not known'

/** @param {ReleaseView} view */
export const isStopping = (view) => STOPPING.includes(view.state)

/** @type {Readonly<Record<Incident['state'], Standing>>} */
const OF_STATE = {
  pausing: { word: 'Pausing', tone: 'stop', rank: 0, means: 'The pause is ordered; no platform has accepted it yet.' },
  paused: { word: 'Paused', tone: 'stop', rank: 1, means: 'A platform accepted the pause; contacts may still begin.' },
  stopped: { word: 'Stopped', tone: 'stop', rank: 2, means: 'No contact begins any more; some may be under way.' },
  observed: {
    word: 'Breach, not paused',
    tone: 'bad',
    rank: 3,
    means: 'A limit is breached, and nobody was ordered to stop.',
  },
  drained: { word: 'Drained', tone: 'stop', rank: 5, means: 'Paused, and its last contact has ended.' },
  resumed: { word: 'Resumed', tone: 'calm', rank: 6, means: 'A person let the release go on; it is judged anew.' },
  closed: { word: 'Closed', tone: 'calm', rank: 7, means: 'A person gave the verdict.' },
}

/**
 * Where a release stands, in one word. Only findings that are all `clear` make it "within limits".
 * @param {ReleaseView} view
 * @returns {Standing}
 */
export function standingOf(view) {
  if (view.state !== 'live') return OF_STATE[view.state]
  if (!view.judged)
    return { word: 'Not judged', tone: 'calm', rank: 10, means: 'Its environment is not among those that are judged.' }
  if (isAtRisk(view)) {
    const means = 'Evidence of harm is at least half way to the pause line, or a whole interval lies above its limit.'
    return { word: 'At risk', tone: 'warn', rank: 4, means }
  }
  const findings = view.triggers.map(({ finding }) => finding)
  if (findings.length === 0)
    return { word: 'No limits', tone: 'calm', rank: 9, means: 'No trigger judges this release.' }
  if (findings.every((finding) => finding === 'clear'))
    return { word: 'Within limits', tone: 'ok', rank: 8, means: 'Every signal is shown to lie below its limit.' }
  if (findings.some((finding) => finding === 'watching'))
    return {
      word: 'Watching',
      tone: 'calm',
      rank: 6,
      means: 'No limit is breached, and not every signal is shown to lie below its limit.',
    }
  return {
    word: 'Too little data',
    tone: 'calm',
    rank: 7,
    means: 'Too few contacts yet to say anything about some of its signals.',
  }
}

/** Shadow triggers are shown and change nothing. @param {ReleaseView} view */
const isAtRisk = (view) =>
  evidenceShare(view) >= AT_RISK ||
  view.triggers.some(
    (trigger) =>
      !trigger.shadow && (trigger.finding === 'breach' || evidenceShare(trigger) >= AT_RISK || isAboveLimit(trigger)),
  )

/** The whole interval lies above the limit. @param {TriggerView} trigger */
export const isAboveLimit = ({ low, limit, trials }) => trials > 0 && low !== null && low > limit

/** Paused and at-risk releases first, then by evidence, then by name, so that quiet rows keep their place. */
/** @param {readonly ReleaseView[]} releases */
export const inOrder = (releases) =>
  releases
    .map((view) => ({
      view,
      rank: standingOf(view).rank,
      evidence: standingOf(view).rank < 6 ? evidenceShare(view) : 0,
      key: keyOf(view.release),
    }))
    .sort((a, b) => a.rank - b.rank || b.evidence - a.evidence || (a.key < b.key ? -1 : a.key > b.key ? 1 : 0))
    .map(({ view }) => view)

/**
 * The state of the whole line in words.
 * @param {Overview} overview
 * @returns {Readonly<{ tone: Tone, text: string, more: string }>}
 */
export function headlineOf({ releases }) {
  const number = releases.length
  if (number === 0) return { tone: 'calm', text: 'Waiting for the first contact', more: '' }
  const have = (/** @type {(view: ReleaseView) => boolean} */ test) => releases.filter(test).length
  const words = releases.map((view) => standingOf(view).word)
  const withWord = (/** @type {string} */ word) => words.filter((each) => each === word).length
  const pausing = withWord('Pausing')
  const paused = have(isStopping) - pausing
  const observed = have(({ state }) => state === 'observed')
  const atRisk = withWord('At risk')
  const healthy = withWord('Within limits')
  const judged = have(({ judged }) => judged)
  const parts = [
    { number: pausing, is: 'being paused' },
    { number: paused, is: 'paused' },
    { number: observed, is: 'in breach, not paused' },
    { number: atRisk, is: 'at risk' },
  ]
    .filter((part) => part.number > 0)
    .map((part, index) =>
      `${index === 0 ? counted(part.number, 'release') : part.number} ${part.is}`.replaceAll(' ', NBSP),
    )
  const more = `${healthy} of ${counted(judged, 'judged release')} within all limits`
  if (parts.length > 0) {
    const tone = pausing + paused > 0 ? 'stop' : observed > 0 ? 'bad' : 'warn'
    return { tone, text: parts.join(' · '), more }
  }
  if (judged === 0) return { tone: 'calm', text: `${counted(number, 'release')} seen, none judged`, more: '' }
  if (healthy === judged) {
    const rest = number > judged ? `, ${number - judged} not judged` : ''
    return {
      tone: 'ok',
      text: rest ? 'All judged releases within limits' : 'All releases within limits',
      more: `${counted(judged, 'release')}${rest}`,
    }
  }
  return { tone: 'calm', text: 'No limit breached', more: `${more}; the others are watched or have too little data` }
}

/** @type {Readonly<Record<TriggerView['finding'], Readonly<{ word: string, tone: Tone }>>>} */
const OF_FINDING = {
  breach: { word: 'Breach', tone: 'bad' },
  watching: { word: 'Watching', tone: 'calm' },
  clear: { word: 'Clear', tone: 'ok' },
  insufficient: { word: 'Too little data', tone: 'calm' },
  no_data: { word: 'No data', tone: 'calm' },
  sampled: { word: 'Sampled', tone: 'calm' },
}

/** @param {TriggerView} trigger */
export function findingOf(trigger) {
  if (trigger.finding === 'watching' && (evidenceShare(trigger) >= AT_RISK || isAboveLimit(trigger)))
    return { word: 'At risk', tone: /** @type {Tone} */ ('warn') }
  return OF_FINDING[trigger.finding]
}

/** What the end of the evidence bar is called. @param {Readonly<{ action: TriggerView['action'], shadow: boolean }>} trigger */
export const lineOf = ({ action, shadow }) =>
  shadow ? 'shadow line' : action === 'notify' ? 'notify line' : `${action} line`

/** @type {Readonly<Record<Incident['reason'], string>>} */
const OF_REASON = {
  first_breach: 'the first breach of this release',
  joined_open_incident: 'another trigger of an incident that was open',
  notify_only: 'its trigger only notifies',
  shadow: 'its trigger runs in shadow mode',
  observe_only: 'the observe-only switch is on',
  silenced: 'a maintenance silence covers it',
  stale: 'the release took no contact lately',
  replay: 'the facts were replayed, and a replay never sends',
  pause_budget_exhausted: 'the pause budget is used up: too many automatic pauses in a short time',
  unknown_release: 'the telemetry does not name the release',
  drill_failed: 'a drill of Andon itself failed',
  by_person: 'a person pulled the cord',
}
/** Why a breach did or did not lead to a pause. @param {Incident['reason']} reason */
export const reasonOf = (reason) => OF_REASON[reason]

/** @param {Incident} incident */
export const incidentStandingOf = (incident) => OF_STATE[incident.state]

/** @param {Incident} incident */
export const didOrder = ({ ordered }) => ordered !== 'nothing'

/**
 * One sentence: what happened, as far as it is known.
 * @param {Incident} incident
 * @param {string} title of the signal
 */
export function storyOf(incident, title) {
  const { clock, state, finding, reason } = incident
  const order = finding.action === 'rollback' ? 'roll back' : 'pause'
  const sinceHarm = clock.onsetMs === null ? null : between(clock.onsetMs, clock.acceptedMs ?? clock.detectedMs)
  const after = sinceHarm === null ? '' : ` ${sinceHarm} after the harm began`
  if (incident.closed)
    return `${closingOf(incident.closed.verdict)} by ${visible(incident.closed.by)}: ${visible(incident.closed.reason)}`
  if (incident.resumed) {
    const how = incident.resumed.how === 'overridden' ? 'Overridden' : 'Resumed'
    return `${how} by ${visible(incident.resumed.by)}: ${visible(incident.resumed.reason)}`
  }
  if (finding.by === 'silence' && state === 'observed') return `${visible(finding.reason)}; nobody was ordered to stop.`
  const who = finding.by === 'person' ? visible(incident.orderedBy?.by ?? 'A person') : null
  if (who && state === 'pausing') return `${who} ordered to ${order}; the order is not accepted yet.`
  if (state === 'observed') return `${title} breached${after}; nobody was ordered to stop: ${reasonOf(reason)}.`
  if (state === 'pausing') return `${title} breached${after}; the order to ${order} is not accepted yet.`
  const began = who
    ? `${who} ordered to ${order}; accepted`
    : `${title} breached; ${order === 'pause' ? 'paused' : 'rolled back'}${after}`
  if (state === 'paused') return `${began}; whether contacts have stopped is not known yet.`
  if (state === 'stopped') return `${began}; no contact has begun since.`
  const drained = between(clock.acceptedMs, clock.drainedMs)
  return `${began}${drained === null ? ' and drained' : `; the last contact ended ${drained} later`}.`
}

/** @param {'confirmed' | 'false_alarm' | 'unclear'} verdict */
const closingOf = (verdict) =>
  ({ confirmed: 'Closed as confirmed', false_alarm: 'Closed as a false alarm', unclear: 'Closed as unclear' })[verdict]

/** The time between two steps, null unless both have happened in that order. @param {number | null} fromMs @param {number | null} toMs */
export const between = (fromMs, toMs) =>
  fromMs === null || toMs === null || toMs < fromMs ? null : duration(toMs - fromMs)

/** @typedef {'done' | 'waiting' | 'unknown'} StepState */
/** @typedef {Readonly<{ name: string, atMs: number | null, state: StepState, range: readonly [number, number] | null, means: string }>} Step */

/**
 * The clock of an incident, in the order of its steps. What has not happened is null, never zero.
 * @param {Incident} incident
 * @param {number | null} releaseStartMs
 * @returns {readonly Step[]}
 */
export function stepsOf(incident, releaseStartMs) {
  const { clock, finding, state } = incident
  const { onsetLowMs, onsetHighMs } = finding
  const range = onsetLowMs !== null && onsetHighMs !== null ? /** @type {const} */ ([onsetLowMs, onsetHighMs]) : null
  /** @type {(name: string, atMs: number | null, means: string, range?: Step['range']) => Step} */
  const past = (name, atMs, means, range = null) => ({
    name,
    atMs,
    state: atMs === null ? 'unknown' : 'done',
    range,
    means,
  })
  /** @type {(name: string, atMs: number | null, means: string) => Step} */
  const next = (name, atMs, means) => ({ name, atMs, state: atMs === null ? 'waiting' : 'done', range: null, means })
  const steps = [
    past('Release start', releaseStartMs, 'First contact of the release.'),
    past('Onset', clock.onsetMs, 'Estimated start of the harm, with its 90 % range.', range),
    past('First harm', clock.firstHarmMs, 'First contact hit at or after the onset.'),
    past('Detected', clock.detectedMs, 'The evidence reached the line.'),
  ]
  if (state === 'observed') return steps
  return [
    ...steps,
    next('Sent', clock.sentMs, 'The order left as a signed webhook, or with an answer of the stop switch.'),
    next(
      'Accepted',
      clock.acceptedMs,
      'A platform that enforces said yes, an agent that asks was told to stop, or a person carried it out.',
    ),
    next('Stopped', clock.stoppedMs, 'Start of the last contact begun after acceptance.'),
    next('Drained', clock.drainedMs, 'End of the last span of the release.'),
  ]
}

/** How long a stretch of the clock is drawn, 1 to 5: longer took longer, not to scale. @param {number} ms */
export const stretchOf = (ms) => (ms < 2_000 ? 1 : ms < 30_000 ? 2 : ms < 600_000 ? 3 : ms < 7_200_000 ? 4 : 5)
