/** The local page: follows the monitor's stream and shows it. Everything on it comes from one Overview. */
import { icon } from './draw.js'
import { el, update } from './element.js'
import { counted, dateTime, duration, rfc3339 } from './format.js'
import { incidentsSection } from './incidents.js'
import { releasesSection } from './releases.js'
import { headlineOf } from './words.js'

/** @typedef {import('./words.js').Overview} Overview */

/** The stream sends something at least every 6 s; longer silence means that nobody is there. */
const SILENCE_MS = 15_000
/** A connection that comes back sooner than this is not worth a banner. */
const BLINK_MS = 3_000
/** How often data is fetched where there is no stream: the server has too many readers, or nobody looks at the tab. */
const POLL_MS = 5_000
const HIDDEN_POLL_MS = 15_000

const state = {
  /** @type {Overview | null} */
  overview: null,
  /** When it came, on the page's own monotonic clock. */
  receivedAt: 0,
  heardAt: performance.now(),
  /** Null while connected, else what is wrong. @type {string | null} */
  problem: null,
  problemSince: 0,
  filter: '',
  /** The incident that the address names, '' for none. */
  wantedId: '',
  isWantedShown: false,
}

/** @param {string} id */
const part = (id) => {
  const element = document.getElementById(id)
  if (element === null) throw new Error(`the page has no #${id}`)
  return element
}

/** The monitor's time now: wall clocks run on between two looks, event time moves only with the telemetry. @param {Overview} overview */
const nowOf = ({ clock, nowMs }) => (clock === 'wall' ? nowMs + performance.now() - state.receivedAt : nowMs)

function showAll() {
  const { overview } = state
  if (overview === null) return showLink()
  const headline = headlineOf(overview)
  const { releases } = overview
  document.title = `${headline.text.replaceAll('\u00a0', ' ')} · Andon`
  update(part('standing'), [
    el(
      `div.headline.${headline.tone}`,
      {},
      icon(headline.tone),
      el('h1', {}, headline.text),
      el('p', {}, headline.more),
    ),
  ])
  update(
    part('releases'),
    releases.length === 0 ? [welcome()] : releasesSection({ releases, nowMs: nowOf(overview), filter: state.filter }),
  )
  update(
    part('incidents'),
    releases.length === 0 && overview.incidents.length === 0 ? [] : incidentsSection(overview, state.wantedId),
  )
  showFacts(overview)
  showLink()
  scrollToWanted()
}

/** The line of small facts at the top: which clock, how far, how far behind. @param {Overview} overview */
function showFacts(overview) {
  const { clock, seq, waitingRows, ingestLagSeconds, setAside } = overview
  const nowMs = nowOf(overview)
  const eventWhy = 'Times are those inside the telemetry. In a demo or replay they run faster than the wall clock.'
  const clockText = clock === 'event' ? 'event time, runs faster than the wall clock' : 'wall clock'
  const fact = (
    /** @type {string} */ key,
    /** @type {string} */ title,
    /** @type {import('./element.js').Child[]} */ ...text
  ) => el('span.fact', { 'data-key': key, title }, ...text)
  update(part('facts'), [
    fact(
      'now',
      clock === 'event' ? eventWhy : 'The monitor’s wall clock.',
      el('time', { datetime: rfc3339(nowMs) }, dateTime(nowMs)),
      ' ',
      el(`span.${clock}-clock`, {}, clockText),
    ),
    fact('seq', 'Last batch counted.', `batch ${seq.toLocaleString('en')}`),
    fact('waiting', 'Rows accepted and not counted yet.', `${counted(waitingRows, 'row')} waiting`),
    fact('lag', 'Since the pipeline last made progress.', `lag ${duration(ingestLagSeconds * 1000)}`),
    ...(setAside > 0
      ? [
          fact(
            'set-aside',
            'They cannot be counted: andon dead-letters lists them.',
            `${counted(setAside, 'fact')} set aside`,
          ),
        ]
      : []),
  ])
}

/** Whether what is shown is live; said in a word, and in a banner once it is more than a blink. */
function showLink() {
  const lostForMs = performance.now() - state.problemSince
  const isLost = state.problem !== null && lostForMs >= BLINK_MS
  const [tone, word] =
    state.problem !== null
      ? /** @type {const} */ (['warn', isLost ? 'Disconnected' : 'Reconnecting'])
      : state.overview === null
        ? /** @type {const} */ (['calm', 'Connecting'])
        : /** @type {const} */ (['ok', 'Live'])
  update(part('link'), [el(`span.chip.${tone}`, {}, icon(tone), word)])
  const banner = part('banner')
  banner.hidden = !isLost
  if (!isLost) return
  const { overview } = state
  const shown =
    overview === null
      ? 'There is nothing to show yet.'
      : `What you see is from ${dateTime(overview.nowMs)} and may be out of date.`
  const text = `${state.problem} ${shown} Trying again.`
  if (banner.textContent !== text) banner.textContent = text
}

/** What a new user sees: how to send the first contact. */
function welcome() {
  const given = document.querySelector('meta[name="andon-collector"]')?.getAttribute('content')
  const collector = given || `http://${location.hostname}:4318`
  const settings = [
    `OTEL_EXPORTER_OTLP_ENDPOINT=${collector}`,
    'OTEL_EXPORTER_OTLP_PROTOCOL=http/protobuf',
    'OTEL_SERVICE_NAME=order-status',
    'OTEL_RESOURCE_ATTRIBUTES=service.version=2026.11.1,deployment.environment.name=production',
  ]
  return el(
    'div.welcome',
    { 'data-key': 'welcome' },
    el('h2', { id: 'releases-title' }, 'No release has been seen yet'),
    el(
      'p',
      {},
      'Andon listens for OpenTelemetry at ',
      el('code', {}, collector),
      '. Point the exporter of an agent there, and its release appears here with its first contact:',
    ),
    el('pre', { tabindex: '0', 'aria-label': 'Settings of the exporter' }, el('code', {}, settings.join('\n'))),
    el(
      'p',
      {},
      el('code', {}, 'service.version'),
      ' names the release. ',
      el('code', {}, 'docs/agents.md'),
      ' shows an agent in ten lines, ',
      el('code', {}, 'docs/telemetry.md'),
      ' says what every attribute does, and ',
      el('code', {}, 'npm start'),
      ' runs a simulated contact centre.',
    ),
  )
}

/** A link from a page or chat names one incident: shown once it is there, and only once. */
function scrollToWanted() {
  const wanted = state.wantedId === '' ? null : document.getElementById(`incident-${state.wantedId}`)
  if (wanted === null || state.isWantedShown) return
  state.isWantedShown = true
  wanted.querySelector('details')?.setAttribute('open', '')
  wanted.scrollIntoView({ block: 'start' })
  wanted.focus({ preventScroll: true })
}

/** @param {string} json */
function received(json) {
  state.overview = JSON.parse(json)
  state.receivedAt = performance.now()
  heard()
  showAll()
}

function heard() {
  state.heardAt = performance.now()
  state.problem = null
}

/** @param {string} problem */
function failed(problem) {
  if (state.problem === null) state.problemSince = performance.now()
  state.problem = problem
  showLink()
}

const LOST = 'The connection to the monitor is lost.'
/** @type {EventSource | null} */
let source = null
let timer = 0
/** Counts the ways of following, so that an answer to an older one starts nothing. */
let turn = 0

/** Follows the stream while somebody looks, else polls slowly: a browser allows only a few streams to one host. */
function follow() {
  source?.close()
  clearTimeout(timer)
  turn += 1
  if (document.hidden) return void poll(HIDDEN_POLL_MS)
  state.heardAt = performance.now()
  source = new EventSource('/api/v1/stream')
  source.addEventListener('overview', ({ data }) => received(data))
  source.addEventListener('alive', () => {
    heard()
    showLink()
  })
  source.addEventListener('trouble', ({ data }) => {
    state.heardAt = performance.now()
    failed(data)
  })
  source.addEventListener('error', () => {
    if (source?.readyState === EventSource.CLOSED)
      void poll(POLL_MS) // refused with a status: ask why
    else failed(LOST)
  })
}

/** One look without the stream, then another try to follow. @param {number} againMs */
async function poll(againMs) {
  const mine = turn
  try {
    const response = await fetch('/api/v1/overview', { cache: 'no-cache' })
    if (response.ok) received(await response.text())
    else if (response.status === 401) failed('This page needs the token again: open /?token=<token>.')
    else failed(`The monitor answers ${response.status}: ${(await response.text()).trim().slice(0, 200)}.`)
  } catch {
    failed(LOST)
  }
  if (mine === turn) timer = setTimeout(follow, againMs)
}

document.addEventListener('visibilitychange', follow)
document.addEventListener('input', ({ target }) => {
  if (!(target instanceof HTMLInputElement) || target.id !== 'filter') return
  state.filter = target.value
  showAll()
})
function readAddress() {
  state.wantedId = /^#incident-([\w-]+)$/.exec(location.hash)?.[1] ?? ''
  state.isWantedShown = false
}
window.addEventListener('hashchange', () => {
  readAddress()
  showAll()
})
setInterval(() => {
  if (source?.readyState === EventSource.OPEN && performance.now() - state.heardAt > SILENCE_MS) {
    failed('The monitor has not been heard for a while.')
    follow()
  }
  if (state.overview !== null) showFacts(state.overview)
  showLink()
}, 1000)
readAddress()
follow()
