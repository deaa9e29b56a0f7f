import type { Finding } from '../facts/finding.ts'
import type { Incident, IncidentEvent, IncidentEventBody } from '../facts/incident.ts'
import type { Release } from '../facts/slice.ts'
import type { Clock } from '../lib/clock.ts'
import { assert } from '../lib/errors.ts'
import type { Log } from '../lib/log.ts'
import { type DecideInput, type Decision, decide, type Mode, type Safety } from './decide.ts'
import { deliver } from './deliver.ts'
import { applyEvent } from './incident.ts'
import type { Journal } from './journal.ts'
import { applyToOrder, hasReserve, nextStep, type Order, type Step, targetsOf, webhookIdOf } from './orders.ts'
import { bodyOf, type Links } from './payload.ts'
import type { Post } from './post.http.ts'
import type { Target } from './targets.ts'
import { escalateUnaccepted, type ReleaseActivity, type WatchLimits, watch } from './watch.ts'

/** Telemetry is asked this often about a pause on its way, and about one that is settled but may still see late facts. */
const WATCH_EVERY_MS = 5_000
const WATCH_SETTLED_EVERY_MS = 60_000
/** Late facts reopen an incident this long after acceptance; later ones are a matter for its closing. */
const WATCH_FOR_MS = 24 * 3_600_000

export type AlerterEdges = Readonly<{
  targets: readonly Target[]
  safety: Safety & WatchLimits
  journal: Journal
  post: Post
  /** What the store knows of a release; `sinceMs` bounds the counts after the pause. May reject, it is asked again. */
  activityOf: (release: Release, sinceMs: number) => Promise<ReleaseActivity>
  /** The clock of the incidents: wall clock when live, event time in a demo or replay. Its `sleep` paces the retries. */
  clock: Clock
  log: Log
  /** After each line that was journaled in this process: for metrics and pages. Must not throw. */
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
  /**
   * To be called about once a second: continues deliveries that a fault interrupted, escalates, verifies.
   * Waits for no receiver; rejects while the journal is away.
   */
  tick: () => Promise<void>
  /** All incidents, in order of opening. */
  incidents: () => Incident[]
  /** Reads the journal and continues what it leaves open. To be called once, before anything else. */
  resume: () => Promise<void>
  /** Stops sending; what is under way is repeated by the next `resume`. */
  close: () => Promise<void>
}>

/** An incident, and who is owed what about it. */
type Case = Readonly<{ incident: Incident; order: Order }>

/** Findings become incidents and signed pauses: decide → journal → sign → send → verify. */
export function createAlerter(edges: AlerterEdges): Alerter {
  const { targets, safety, journal, activityOf, clock, log, mode = 'live' } = edges
  const cases = new Map<string, Case>()
  const deliveries = new Map<string, Promise<void>>()
  const watchedAtMs = new Map<string, number>()
  const stopping = new AbortController()
  let inTurn: Promise<unknown> = Promise.resolve()
  let unwritten: IncidentEvent | null = null

  /** Decisions and journal lines happen one after another, so versions have no gaps; nothing is sent in here. */
  function serially<T>(work: () => Promise<T>): Promise<T> {
    const turn = inTurn.then(async () => {
      await settle()
      return work()
    })
    inTurn = turn.catch(() => {})
    return turn
  }

  /** A line whose append failed may be durable all the same: it is written again as it was before anything else is. */
  async function settle(): Promise<void> {
    if (unwritten) await write(unwritten)
  }

  async function record(incidentId: string, event: IncidentEventBody): Promise<void> {
    const version = (cases.get(incidentId)?.incident.version ?? 0) + 1
    await write({ incidentId, version, atMs: clock.nowMs(), event })
  }

  async function write(line: IncidentEvent): Promise<void> {
    const next = applied(cases.get(line.incidentId), line) // an illegal line fails here, before it is durable
    unwritten = line
    await journal.append(line)
    unwritten = null
    cases.set(line.incidentId, next)
    try {
      edges.onEvent?.(next.incident, line)
    } catch (error) {
      log.error({ error, incidentId: line.incidentId }, 'an observer of incidents failed')
    }
  }

  async function handle(finding: Finding): Promise<Decision> {
    // Telemetry is only asked when its answer matters: would a release with traffic be paused, or people told?
    const optimistic = decide(inputOf(finding, clock.nowMs()))
    const matters = optimistic.does === 'open' || optimistic.does === 'promote'
    const activity = matters ? await activityOf(finding.release, clock.nowMs()) : null
    const decision = await serially(async () => {
      const decided = decide(inputOf(finding, activity?.lastContactStartedAtMs ?? null))
      const { does, incidentId, pause } = decided
      if (does === 'open' || does === 'promote')
        await record(incidentId, { type: 'opened', finding, reason: decided.reason, pause })
      if (does === 'join') await record(incidentId, { type: 'joined', finding })
      return decided
    })
    if (decision.does !== 'nothing')
      log.warn({ ...decision, release: finding.release, signal: finding.signal }, 'breach')
    continueDeliveries()
    return decision
  }

  function inputOf(finding: Finding, lastContactStartedAtMs: number | null): DecideInput {
    const open = [...cases.values()]
    const pausesSentMs = open
      .filter(({ incident }) => incident.state !== 'observed')
      .map(({ order }) => order.startedAtMs)
    const incidents = open.map(({ incident }) => incident)
    return { finding, incidents, safety, nowMs: clock.nowMs(), pausesSentMs, lastContactStartedAtMs, mode }
  }

  /** Starts a delivery for whatever is owed and not already on its way. */
  function continueDeliveries(): void {
    if (mode === 'replay' || stopping.signal.aborted) return
    for (const [incidentId, { order }] of cases) {
      for (const { target } of targetsOf(order, targets)) {
        const key = deliveryKeyOf(incidentId, target)
        if (key === null || deliveries.has(key)) continue
        const delivery = deliverUntilDone(incidentId, target, key)
          .catch((error) =>
            log.error(
              { error, incidentId, target: target.name },
              'delivery interrupted, it continues with the next tick',
            ),
          )
          .finally(() => deliveries.delete(key))
        deliveries.set(key, delivery)
      }
    }
  }

  /** Names what is owed now: webhook and target; null when nothing is. */
  function deliveryKeyOf(incidentId: string, target: Target): string | null {
    const owed = stepOf(incidentId, target)
    return owed && `${webhookIdOf(owed.order, owed.escalation)} ${target.name}`
  }

  function stepOf(incidentId: string, target: Target): { step: Step; escalation: number; order: Order } | null {
    const open = cases.get(incidentId)
    if (!open) return null
    const { order, incident } = open
    const delivery = targetsOf(order, targets).find((owed) => owed.target.name === target.name)?.delivery
    if (!delivery) return null
    const step = nextStep({ order, target, delivery, pausing: incident.state === 'pausing', nowMs: clock.nowMs() })
    return step && { step, escalation: delivery.escalation, order }
  }

  /** Attempts until delivered, given up, replaced by a newer order, or closed. */
  async function deliverUntilDone(incidentId: string, target: Target, key: string): Promise<void> {
    let waitMs = 0 // asked for by Retry-After; a restart forgets it and comes at most that much too early
    const isCurrent = () => deliveryKeyOf(incidentId, target) === key && !stopping.signal.aborted
    const recordIfCurrent = (event: IncidentEventBody) =>
      serially(async () => {
        if (!isCurrent()) return false
        await record(incidentId, event)
        return true
      })
    while (isCurrent()) {
      const owed = stepOf(incidentId, target)
      assert(owed, 'a current delivery owes a step')
      const { step, order } = owed
      if (step.does === 'accept') {
        await recordIfCurrent({ type: 'accepted', target: target.name, enforces: true })
        continue
      }
      if (step.does === 'give_up') {
        log.error({ incidentId, target: target.name, reason: step.reason }, 'webhook undeliverable')
        await recordIfCurrent({ type: 'undeliverable', target: target.name, reason: step.reason })
        continue
      }
      const pauseMs = Math.max(step.dueMs - clock.nowMs(), waitMs)
      if (pauseMs > 0) await clock.sleep(pauseMs, stopping.signal)
      if (!isCurrent()) return
      const body = bodyOf(order, step.escalation, edges.links ?? {})
      const attempt = { target, attempt: step.attempt, webhookId: step.webhookId, body }
      const signedAtMs = edges.signedAtMs ?? clock.nowMs
      const result = await deliver(attempt, {
        post: edges.post,
        record: recordIfCurrent,
        signedAtMs,
        signal: stopping.signal,
      })
      if (!result) return
      waitMs = result.retryAfterMs
      const { outcome, status } = result
      log.info({ incidentId, target: target.name, attempt: step.attempt, outcome, status }, 'webhook attempted')
    }
  }

  async function tick(): Promise<void> {
    await serially(async () => {
      for (const incidentId of cases.keys()) await escalateIfUnaccepted(incidentId)
    })
    await Promise.all([...cases.keys()].map(verify))
    continueDeliveries()
  }

  async function escalateIfUnaccepted(incidentId: string): Promise<void> {
    const open = cases.get(incidentId)
    if (!open || mode === 'replay') return
    const { incident, order } = open
    const enforcing = targetsOf(order, targets).filter(({ target }) => target.enforces)
    const refused = enforcing.filter(({ delivery }) => delivery.state === 'undeliverable').length
    const event = escalateUnaccepted({
      incident,
      order,
      enforcing: enforcing.length,
      refused,
      hasReserve: hasReserve(order, targets),
      nowMs: clock.nowMs(),
      limits: safety,
    })
    if (event) await record(incidentId, event)
  }

  /** Compares one accepted pause with telemetry, when it is time to. */
  async function verify(incidentId: string): Promise<void> {
    const { incident } = caseOf(incidentId)
    const { acceptedMs } = incident.clock
    const nowMs = clock.nowMs()
    if (acceptedMs === null || nowMs > acceptedMs + WATCH_FOR_MS) return
    const everyMs = incident.state === 'drained' ? WATCH_SETTLED_EVERY_MS : WATCH_EVERY_MS
    if (nowMs < (watchedAtMs.get(incidentId) ?? -Infinity) + everyMs) return
    watchedAtMs.set(incidentId, nowMs)
    try {
      const activity = await activityOf(incident.release, acceptedMs)
      await serially(async () => {
        for (;;) {
          const step = watch({ ...caseOf(incidentId), activity, nowMs: clock.nowMs(), limits: safety })
          if (step.record === null) return
          await record(incidentId, step.record)
        }
      })
    } catch (error) {
      log.error({ error, incidentId }, 'the pause could not be verified, it is tried again')
    }
  }

  function caseOf(incidentId: string): Case {
    const found = cases.get(incidentId)
    assert(found, `incident ${incidentId} is known`)
    return found
  }

  async function resume(): Promise<void> {
    for (const line of await journal.load()) cases.set(line.incidentId, applied(cases.get(line.incidentId), line))
    continueDeliveries()
  }

  async function close(): Promise<void> {
    stopping.abort()
    await Promise.all(deliveries.values())
    await inTurn
  }

  const incidents = () =>
    [...cases.values()].map(({ incident }) => incident).sort((a, b) => a.openedAtMs - b.openedAtMs)
  return { handle, tick, incidents, resume, close }
}

/** Folds one line into both views of an incident. A version already folded changes neither. */
function applied(before: Case | undefined, line: IncidentEvent): Case {
  const incident = applyEvent(before?.incident ?? null, line)
  if (before && incident === before.incident) return before
  const order = applyToOrder(before?.order ?? null, line)
  assert(order, `incident ${line.incidentId} was never opened`)
  return { incident, order }
}
