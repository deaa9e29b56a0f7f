import {
  type Incident,
  type IncidentEventBody,
  isHeld,
  lifts,
  overlaps,
  type Scope,
  staysAway,
} from '../facts/incident.ts'
import { releaseKeyOf } from '../facts/slice.ts'
import type { Clock } from '../lib/clock.ts'
import type { Log } from '../lib/log.ts'
import { deliver } from './deliver.ts'
import type { Ledger } from './ledger.ts'
import { messageTo } from './message.ts'
import {
  type LaterStage,
  nextStep,
  type Order,
  orderAt,
  type Step,
  type Told,
  targetsOf,
  webhookIdOf,
} from './orders.ts'
import type { Links } from './page.ts'
import type { Post, PostResult } from './post.http.ts'
import type { Target } from './targets.ts'

/** Carries out what the ledger owes to targets: one loop per webhook and target, so no receiver holds up another. */
export type Courier = Readonly<{
  /** Starts a loop for whatever is owed, and not on its way, about these incidents (default all). Returns at once. */
  dispatch: (incidentIds?: Iterable<string>) => void
  /** Stops all loops; an attempt that is cut off stays open in the journal and is repeated after the next start. */
  close: () => Promise<void>
}>

type Owed = Readonly<{
  step: Step
  order: Order
  target: Target
  stage: LaterStage | undefined
  /** Names webhook and target. */
  key: string
}>
type Attempt = Extract<Step, { does: 'attempt' }>

export function createCourier(edges: {
  ledger: Ledger
  targets: readonly Target[]
  post: Post
  clock: Clock
  log: Log
  links: Links
  signedAtMs: () => number
}): Courier {
  const { ledger, targets, clock, log } = edges
  const loops = new Map<string, Promise<void>>()
  /** The latest attempt by incident and target. */
  const inFlight = new Map<string, Promise<unknown>>()
  const stopping = new AbortController()

  function owedOf(incidentId: string, { target, delivery, stage }: Told): Owed | null {
    const open = ledger.cases.get(incidentId)
    if (!open || stopping.signal.aborted) return null
    const { order, incident } = open
    const isPending = incident.state === 'pausing' || incident.resumed?.acceptedMs === null
    const next = nextStep({ order, target, delivery, stage, pausing: isPending, nowMs: clock.nowMs() })
    const because = next?.does === 'attempt' && target.enforces ? overtakenBy(incident, orderAt(order, stage)) : null
    const step = because ? { does: 'give_up' as const, reason: because } : next
    return (
      step && { step, order, target, stage, key: `${webhookIdOf(order, delivery.escalation, stage)} ${target.name}` }
    )
  }

  /** Why what is still owed would undo a later decision about the same release, or about a part of it; null: it would not. */
  function overtakenBy(incident: Incident, { purpose, scope }: Order): string | null {
    if (purpose !== 'resume' && !staysAway(incident)) return null
    const key = releaseKeyOf(incident.release)
    const others = [...ledger.cases.values()]
      .map((one) => one.incident)
      .filter((one) => one.incidentId !== incident.incidentId && releaseKeyOf(one.release) === key)
    if (purpose !== 'resume') {
      const later = others.find((one) => lifts(one, incident))
      return later ? `incident ${later.incidentId} has let it go on` : null
    }
    const holder = others.filter(isHeld).find((one) => areOverlapping(one.scope, scope))
    return holder ? `incident ${holder.incidentId} stops it again` : null
  }

  const owedIn = (incidentId: string): Owed[] => {
    const order = ledger.cases.get(incidentId)?.order
    return order ? targetsOf(order, targets).flatMap((told) => owedOf(incidentId, told) ?? []) : []
  }

  function dispatch(incidentIds: Iterable<string> = ledger.cases.keys()): void {
    for (const incidentId of incidentIds) {
      for (const { key, target } of owedIn(incidentId)) {
        if (loops.has(key)) continue
        const loop = carry(incidentId, key)
          .catch((err) =>
            log.error({ err, incidentId, target: target.name }, 'delivery interrupted, it goes on with the next tick'),
          )
          .finally(() => loops.delete(key))
        loops.set(key, loop)
      }
    }
  }

  /** Step by step until nothing is owed under this key: delivered, given up, replaced by a newer order, or closed. */
  async function carry(incidentId: string, key: string): Promise<void> {
    const current = () => owedIn(incidentId).find((owed) => owed.key === key) ?? null
    const record = (event: IncidentEventBody) =>
      ledger.serially(async (write) => {
        if (!current()) return false
        await write(incidentId, event)
        return true
      })
    let waitMs = 0 // asked for by Retry-After; a restart forgets it and comes at most that much too early
    for (let owed = current(); owed; owed = current()) {
      const { step, target, stage } = owed
      const about = { target: target.name, webhookId: webhookIdIn(key), ...(stage && { stage }) }
      if (step.does === 'accept') {
        await record({ type: 'accepted', enforces: true, ...about })
        continue
      }
      if (step.does === 'give_up') {
        log.error({ incidentId, target: target.name, reason: step.reason }, 'webhook undeliverable')
        await record({ type: 'undeliverable', reason: step.reason, ...about })
        continue
      }
      const pauseMs = Math.max(step.dueMs - clock.nowMs(), waitMs)
      if (pauseMs > 0) await clock.sleep(pauseMs, stopping.signal)
      // The pause that a resume replaced arrives first, never after; an order to stop waits for nothing.
      if (orderAt(owed.order, stage).purpose === 'resume') await inFlight.get(`${incidentId} ${target.name}`)
      if (current()?.step.does !== 'attempt') continue // another decision came while it waited
      const sending = send(owed, step, record)
      inFlight.set(
        `${incidentId} ${target.name}`,
        sending.catch(() => {}),
      )
      const result = await sending
      if (!result) return
      waitMs = result.retryAfterMs
      const { outcome, status } = result
      log.info({ incidentId, target: target.name, attempt: step.attempt, outcome, status }, 'webhook attempted')
    }
  }

  /** One message, as it stands in the journal now. */
  async function send(
    { order, target, stage }: Owed,
    { attempt, escalation, webhookId }: Attempt,
    record: (event: IncidentEventBody) => Promise<boolean>,
  ): Promise<PostResult | null> {
    const about = orderAt(order, stage)
    const beganMs = order.escalations[escalation - 1]?.atMs ?? order.startedAtMs
    const word = stage === 'acknowledged' || stage === 'resolved' ? stage : 'opened'
    const atMs = about !== order ? about.startedAtMs : word === 'opened' ? beganMs : (order.stages[word] ?? beganMs)
    const telling = { order: about, escalation, stage: word, atMs, links: edges.links } as const
    const message = messageTo(target, webhookId, telling)
    const edge = { post: edges.post, record, signedAtMs: edges.signedAtMs, signal: stopping.signal }
    return deliver({ target, attempt, message, webhookId, stage }, edge)
  }

  async function close(): Promise<void> {
    stopping.abort()
    await Promise.all(loops.values())
  }

  return { dispatch, close }
}

const webhookIdIn = (key: string): string => key.slice(0, key.indexOf(' '))

/** Empty = the whole release. */
const areOverlapping = (a: readonly Scope[], b: readonly Scope[]): boolean =>
  a.length === 0 || b.length === 0 || a.some((part) => b.some((other) => overlaps(part, other)))
