import type { Finding } from '../facts/finding.ts'
import { type Incident, type IncidentEvent, isPast, type Scope } from '../facts/incident.ts'
import type { Release } from '../facts/slice.ts'
import type { Clock } from '../lib/clock.ts'
import type { Log } from '../lib/log.ts'
import { createCourier } from './courier.ts'
import { type DecideInput, type Decision, decide, incidentIdOf, type Mode, type Safety } from './decide.ts'
import type { Journal } from './journal.ts'
import { type Case, createLedger, type RecordLine } from './ledger.ts'
import { type IncidentCommand, type ReleaseCommand, type Ruling, ruleOnIncident, ruleOnRelease } from './operate.ts'
import { hasReserve, targetsOf } from './orders.ts'
import type { Links } from './page.ts'
import type { Post } from './post.http.ts'
import { type Heard, type Puller, pulls, ruleOnHeard } from './pull.ts'
import { createRestarts, type RestartEvidence } from './restarts.ts'
import type { Target } from './targets.ts'
import { escalateUnaccepted, type ReleaseActivity, type WatchLimits, watch } from './watch.ts'

/** How often telemetry is asked about a pause that is on its way, and about one that drained or drags on. */
const WATCH_EVERY_MS = 5_000
const WATCH_SELDOM_EVERY_MS = 60_000
/** One tick looks at telemetry for no longer than this. */
const VERIFY_WITHIN_MS = 1_000
const DRAGS_ON_AFTER_MS = 3_600_000
/** One answer of telemetry reopens, stops and drains an incident at most once each. */
const MAX_WATCH_STEPS = 3
/** Late facts reopen a drained incident this long after acceptance; then it is left as it is. */
const WATCH_DRAINED_FOR_MS = 24 * 3_600_000

export type AlerterEdges = Readonly<{
  targets: readonly Target[]
  /** Who obeys by asking the stop switch. Default nobody. */
  pullers?: readonly Puller[]
  safety: Safety & WatchLimits
  journal: Journal
  post: Post
  /** What the store knows of a release; `sinceMs` bounds the counts after the pause. May reject, it is asked again. */
  activityOf: (release: Release, sinceMs: number, scope: readonly Scope[]) => Promise<ReleaseActivity>
  /** Start of the latest contact of a release, to the minute at least; at once where it is known: every millisecond before a pause counts. */
  lastContactOf: (release: Release) => number | null | Promise<number | null>
  /** Evidence starts anew when a person ended an incident; absent: there is none. */
  restartEvidence?: RestartEvidence
  /** The clock of the incidents: wall clock when live, event time in a demo or replay. Its `sleep` paces the retries. */
  clock: Clock
  log: Log
  /** Keeps what was counted after a pause whose stop is not proven, each time it changed. May reject, it is tried again. Default nothing. */
  keepCounts?: (incident: Incident) => Promise<void>
  /** After each line that was journaled in this process: for metrics and pages. Should not throw. */
  onEvent?: (incident: Incident, line: IncidentEvent) => void
  /** replay never sends. Default live. */
  mode?: Mode
  links?: Links
  /** What stamps the webhooks, when `clock` is not the wall clock: receivers compare it with theirs. Default clock.nowMs. */
  signedAtMs?: () => number
}>

export type Alerter = Readonly<{
  /**
   * What a finding does, resolved once it is durable; webhooks leave at once, in the background.
   * Rejects when journal or telemetry cannot be reached: offer the finding again, a second time does no harm.
   */
  handle: (finding: Finding) => Promise<Decision>
  /** Tells people about Andon itself: an incident that orders nothing. Resolved once it is durable; a second time does no harm. */
  tell: (finding: Finding, reason: 'drill_failed') => Promise<void>
  /** What a person decides about an incident; null = there is no such incident. Durable when resolved, and carried out in the background. */
  decideOn: (incidentId: string, command: IncidentCommand) => Promise<Ruling | null>
  /** What an answer of the stop switch proves. Durable when resolved; a second time does no harm. */
  hear: (heard: Heard) => Promise<void>
  /** What a person orders a release, whether an incident is open or not. */
  order: (command: ReleaseCommand) => Promise<Ruling>
  /**
   * To be called about once a second: continues deliveries that a fault interrupted, escalates, verifies.
   * Waits for no receiver; rejects while the journal is away.
   */
  tick: () => Promise<void>
  /** All incidents, in order of opening. While the stop of one is not proven, its counts are what telemetry has told so far. */
  incidents: () => Incident[]
  /** Reads the journal and continues what it leaves open. To be called once, before anything else. */
  resume: () => Promise<void>
  /** Stops sending; what is under way is repeated by the next `resume`. */
  close: () => Promise<void>
}>

/** Findings become incidents and signed pauses: decide → journal → sign → send → verify. */
export function createAlerter(edges: AlerterEdges): Alerter {
  const {
    targets,
    pullers = [],
    safety,
    activityOf,
    clock,
    log,
    mode = 'live',
    links = {},
    signedAtMs = clock.nowMs,
  } = edges
  const ledger = createLedger(edges)
  const courier = createCourier({ ...edges, ledger, links, signedAtMs, targets: mode === 'replay' ? [] : targets })
  const restarts = createRestarts({ ...edges, ledger, mode })
  const seen = new Map<string, Look>()

  async function handle(finding: Finding): Promise<Decision> {
    // Telemetry is only asked when its answer matters: would a release that has traffic be paused, or people told?
    const ifAlive = decide(inputOf(finding, clock.nowMs()))
    if (ifAlive.does === 'nothing') return ifAlive
    const lastContactMs = ifAlive.does === 'join' ? null : await edges.lastContactOf(finding.release)
    const decision = await ledger.serially(async (record) => {
      const decided = decide(inputOf(finding, lastContactMs))
      const { does, incidentId, reason, pause } = decided
      if (does === 'open' || does === 'promote') await record(incidentId, { type: 'opened', finding, reason, pause })
      if (does === 'join') await record(incidentId, { type: 'joined', finding })
      return decided
    })
    log.warn({ ...decision, release: finding.release, signal: finding.signal }, 'breach')
    if (decision.incidentId) courier.dispatch([decision.incidentId])
    return decision
  }

  function inputOf(finding: Finding, lastContactStartedAtMs: number | null): DecideInput {
    const cases = finding.kind === 'breach' ? [...ledger.cases.values()] : [] // most findings are none, and read nothing
    const byTriggers = cases.flatMap(({ incident }) => (incident.reason === 'first_breach' ? incident.orderedMs : []))
    return {
      finding,
      incidents: cases.map(({ incident }) => incident),
      safety,
      nowMs: clock.nowMs(),
      pausesSentMs: byTriggers.filter((atMs) => atMs !== null),
      lastContactStartedAtMs,
      mode,
    }
  }

  async function tell(finding: Finding, reason: 'drill_failed'): Promise<void> {
    const incidentId = incidentIdOf(finding)
    await ledger.serially(async (record) => {
      if (!ledger.cases.has(incidentId)) await record(incidentId, { type: 'opened', finding, reason, pause: false })
    })
    courier.dispatch([incidentId])
  }

  /** One person's wish after another, each ruled on what the journal then says. */
  async function carryOut(ruleNow: () => Ruling | null): Promise<Ruling | null> {
    if (mode === 'replay') return { does: 'refuse', reason: 'replay', detail: 'a replay takes no orders' }
    const ruling = await ledger.serially(async (record) => {
      const ruled = ruleNow()
      if (ruled?.does === 'record') await record(ruled.incidentId, ruled.event)
      return ruled
    })
    if (ruling?.does !== 'record') return ruling
    log.warn({ incidentId: ruling.incidentId, decision: ruling.event }, 'a person decided')
    courier.dispatch([ruling.incidentId])
    restarts.due()
    return ruling
  }

  const known = (): Incident[] => [...ledger.cases.values()].map(({ incident }) => incident)

  const decideOn = (incidentId: string, command: IncidentCommand): Promise<Ruling | null> =>
    carryOut(() => {
      const incident = ledger.cases.get(incidentId)?.incident
      return incident ? ruleOnIncident(incident, command, clock.nowMs(), known()) : null
    })

  async function order(command: ReleaseCommand): Promise<Ruling> {
    const ruling = await carryOut(() => ruleOnRelease(command, known(), clock.nowMs()))
    return ruling!
  }

  const hear = (heard: Heard): Promise<void> =>
    ledger.serially(async (record) => {
      const incident = ledger.cases.get(heard.incidentId)?.incident
      const event = incident && ruleOnHeard(incident, heard)
      if (event) await record(heard.incidentId, event)
    })

  async function tick(): Promise<void> {
    await ledger.serially(async (record) => {
      if (mode === 'live') for (const open of ledger.cases.values()) await escalateIfUnaccepted(open, record)
    })
    courier.dispatch()
    restarts.due()
    // one after the other: many open incidents must not crowd the counting out of the store
    // and after a restart the first look at each must not hold up what is to be sent: the others come with the next ticks
    const untilMs = clock.nowMs() + VERIFY_WITHIN_MS
    for (const incidentId of [...ledger.cases.keys()]) if (clock.nowMs() < untilMs) await verify(incidentId)
  }

  async function escalateIfUnaccepted({ incident, order }: Case, record: RecordLine): Promise<void> {
    const enforcing = targetsOf(order, targets).filter(({ target }) => target.enforces)
    const event = escalateUnaccepted({
      incident,
      order,
      enforcing: enforcing.length + pullers.filter((puller) => pulls(puller, incident.release)).length,
      refused: enforcing.filter(({ delivery }) => delivery.state === 'undeliverable').length,
      hasReserve: hasReserve(order, targets),
      nowMs: clock.nowMs(),
      limits: safety,
    })
    if (event) await record(incident.incidentId, event)
  }

  /** Compares one accepted pause with telemetry, when it is time to. */
  async function verify(incidentId: string): Promise<void> {
    const incident = ledger.cases.get(incidentId)?.incident
    const acceptedMs = incident?.clock.acceptedMs
    const nowMs = clock.nowMs()
    if (!incident || acceptedMs == null || nowMs < nextWatchMs(incident, acceptedMs)) return
    const before = seen.get(incidentId)
    seen.set(incidentId, { ...before, atMs: nowMs })
    try {
      const activity = await activityOf(incident.release, acceptedMs, incident.scope)
      seen.set(incidentId, { atMs: nowMs, kept: before?.kept, found: { activity, acceptedMs, scope: incident.scope } })
      await ledger.serially(async (record) => {
        for (let steps = 0; steps < MAX_WATCH_STEPS; steps += 1) {
          const open = ledger.cases.get(incidentId)
          const step = open && watch({ ...open, activity, nowMs: clock.nowMs(), limits: safety })
          if (!step?.record) return
          await record(incidentId, step.record)
        }
      })
      await keepNews(incidentId)
    } catch (err) {
      log.error({ err, incidentId }, 'the pause could not be verified, it is tried again')
    }
  }

  /** While the stop is not proven the journal has no count, so what telemetry says is kept beside it. */
  async function keepNews(incidentId: string): Promise<void> {
    const look = seen.get(incidentId)!
    const incident = ledger.cases.get(incidentId)?.incident
    if (!edges.keepCounts || incident?.state !== 'paused') return
    const counted = countedSoFar(incident, look)
    const news = JSON.stringify([counted.contactsAfterPause, counted.writesAfterPause, incident.scope])
    if (news === look.kept || counted === incident) return
    await edges.keepCounts(counted)
    seen.set(incidentId, { ...look, kept: news })
  }

  function nextWatchMs(incident: Incident, acceptedMs: number): number {
    const { incidentId, state } = incident
    const nowMs = clock.nowMs()
    if (isPast(incident)) return Infinity
    if (state === 'drained' && nowMs > acceptedMs + WATCH_DRAINED_FOR_MS) return Infinity
    const isSeldom = state === 'drained' || nowMs > acceptedMs + DRAGS_ON_AFTER_MS
    return (seen.get(incidentId)?.atMs ?? -Infinity) + (isSeldom ? WATCH_SELDOM_EVERY_MS : WATCH_EVERY_MS)
  }

  return {
    handle,
    tell,
    decideOn,
    hear,
    order,
    tick,
    incidents: () =>
      known()
        .map((incident) => countedSoFar(incident, seen.get(incident.incidentId)))
        .sort((a, b) => a.openedAtMs - b.openedAtMs),
    resume: async () => {
      await ledger.load()
      courier.dispatch()
    },
    close: async () => {
      await restarts.idle()
      await courier.close()
      await ledger.idle()
    },
  }
}

/** When telemetry was last asked about a pause, what it said of which part of the release since when, and what of it was kept. */
type Look = Readonly<{
  atMs: number
  found?: Readonly<{ activity: ReleaseActivity; acceptedMs: number; scope: readonly Scope[] }> | undefined
  kept?: string | undefined
}>

/** An incident with what telemetry counts in what is stopped now; as it is where its journal knows better, or nobody has looked. */
function countedSoFar(incident: Incident, look: Look | undefined): Incident {
  const found = look?.found
  const isAboutIt = found?.acceptedMs === incident.clock.acceptedMs && found.scope === incident.scope
  if (incident.state !== 'paused' || !found || !isAboutIt) return incident
  const { contactsAfterPause, writesAfterPause } = found.activity
  return { ...incident, contactsAfterPause, writesAfterPause }
}
