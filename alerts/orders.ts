import type { Finding } from '../facts/finding.ts'
import type { DecisionReason, IncidentEvent } from '../facts/incident.ts'
import { tellsPeople } from './decide.ts'
import { dueMs, SCHEDULE_MS } from './schedule.ts'
import type { Purpose, Target } from './targets.ts'

/**
 * Who is owed which webhook of one incident: a fold of the same journal lines as the incident, so that a restart
 * continues every delivery with the same webhook-id. An order begins with each `opened` line (a promotion replaces it).
 */
export type Order = Readonly<{
  incidentId: string
  /** null: this incident tells nobody (replay, shadow, silenced, stale). */
  purpose: Purpose | null
  reason: DecisionReason
  finding: Finding
  startedAtMs: number
  escalations: readonly Readonly<{ atMs: number; because: string }>[]
  /** By target name; a target without an entry was not tried yet. */
  deliveries: ReadonlyMap<string, Delivery>
}>

/** One webhook to one target. */
export type Delivery = Readonly<{
  /** The escalation it belongs to, 0 = the first telling; part of the webhook-id. */
  escalation: number
  startedAtMs: number
  /** Number of the latest attempt, 0 = none yet. */
  attempt: number
  /** The latest attempt was journaled before its outcome: it is in flight, or was cut off by a crash and is repeated. */
  open: boolean
  lastEndedAtMs: number
  state: 'owed' | 'delivered' | 'gone' | 'undeliverable'
  /** The acceptance by a target that enforces is journaled. */
  accepted: boolean
}>

/** Outcome of an attempt that is journaled before it is sent. */
export const SENDING = 'sending'

/** Folds one journal line, in the order in which `applyEvent` took it. Pure. */
export function applyToOrder(order: Order | null, { incidentId, atMs, event }: IncidentEvent): Order | null {
  if (event.type === 'opened') {
    const { finding, reason, pause } = event
    const purpose = pause
      ? finding.action === 'rollback'
        ? 'rollback'
        : 'pause'
      : tellsPeople(reason)
        ? 'notify'
        : null
    return { incidentId, purpose, reason, finding, startedAtMs: atMs, escalations: [], deliveries: new Map() }
  }
  if (!order) return null
  switch (event.type) {
    case 'attempted': {
      const open = event.outcome === SENDING
      const state = event.outcome === 'delivered' ? 'delivered' : event.outcome === 'gone' ? 'gone' : 'owed'
      return withDelivery(order, event.target, { attempt: event.attempt, open, lastEndedAtMs: atMs, state })
    }
    case 'accepted':
      return withDelivery(order, event.target, { state: 'delivered', accepted: true })
    case 'undeliverable':
      return withDelivery(order, event.target, { state: 'undeliverable', open: false })
    case 'escalated':
      return escalated(order, atMs, event.because)
    default:
      return order
  }
}

function withDelivery(order: Order, target: string, change: Partial<Delivery>): Order {
  const delivery = { ...(order.deliveries.get(target) ?? firstDelivery(order, order.escalations.length)), ...change }
  return { ...order, deliveries: new Map(order.deliveries).set(target, delivery) }
}

/** Those who were told are told again under a new webhook-id; those who were never reached keep theirs, those who said 410 stay off. */
function escalated(order: Order, atMs: number, because: string): Order {
  const escalations = [...order.escalations, { atMs, because }]
  const deliveries = new Map(order.deliveries)
  for (const [name, delivery] of deliveries)
    if (delivery.state === 'delivered') deliveries.set(name, newDelivery(escalations.length, atMs))
  return { ...order, escalations, deliveries }
}

const newDelivery = (escalation: number, startedAtMs: number): Delivery => ({
  escalation,
  startedAtMs,
  attempt: 0,
  open: false,
  lastEndedAtMs: startedAtMs,
  state: 'owed',
  accepted: false,
})

const firstDelivery = (order: Order, escalation: number): Delivery =>
  newDelivery(escalation, order.escalations[escalation - 1]?.atMs ?? order.startedAtMs)

/** The targets that an order has reached by now: all that want its purpose, reserves one per escalation. */
export function targetsOf(
  order: Order,
  targets: readonly Target[],
): readonly Readonly<{ target: Target; delivery: Delivery }>[] {
  const { purpose } = order
  if (purpose === null) return []
  const wanting = targets.filter((target) => target.on.includes(purpose))
  // Enforcing targets first: what is journaled as sent is then the order to stop, not the message about it.
  const first = wanting.filter((target) => !target.escalation).sort((a, b) => Number(b.enforces) - Number(a.enforces))
  const reserves = wanting.filter((target) => target.escalation)
  return [
    ...first.map((target) => ({ target, delivery: order.deliveries.get(target.name) ?? firstDelivery(order, 0) })),
    ...reserves.slice(0, order.escalations.length).map((target, index) => ({
      target,
      delivery: order.deliveries.get(target.name) ?? firstDelivery(order, index + 1),
    })),
  ]
}

/** Whether another escalation would reach a target that was not told yet. */
export const hasReserve = (order: Order, targets: readonly Target[]): boolean =>
  targets.filter((target) => target.escalation && order.purpose !== null && target.on.includes(order.purpose)).length >
  order.escalations.length

/**
 * The webhook-id: the incident, what the webhook is for, and which escalation. No attempt number, so it is the same over
 * retries and restarts; two targets of one order share it, as two copies of one message.
 */
export function webhookIdOf(order: Order, escalation: number): string {
  const subject = order.purpose === 'notify' ? order.reason : order.purpose
  return `${order.incidentId}-${subject}${escalation === 0 ? '' : `-refire-${escalation}`}`
}

/** What is to be done next for one target. */
export type Step =
  | Readonly<{ does: 'attempt'; attempt: number; dueMs: number; webhookId: string; escalation: number }>
  | Readonly<{ does: 'accept' }>
  | Readonly<{ does: 'give_up'; reason: string }>

/**
 * The next step towards one target, or null when nothing is owed. Call it only while no attempt of this delivery is in
 * flight: an open attempt then means that a crash cut it off, and it is repeated at once under its own number.
 * `pausing`: nobody has accepted the pause yet, so it is owed however late; otherwise a target that was
 * configured after the schedule's end is spared the old news.
 */
export function nextStep(input: {
  order: Order
  target: Target
  delivery: Delivery
  pausing: boolean
  nowMs: number
}): Step | null {
  const { order, target, delivery, pausing, nowMs } = input
  const { state, attempt, startedAtMs, lastEndedAtMs, escalation } = delivery
  if (state === 'undeliverable') return null
  if (state === 'gone') return { does: 'give_up', reason: 'the target answered 410 Gone' }
  if (state === 'delivered') {
    const accepts = target.enforces && order.purpose !== 'notify' && !delivery.accepted
    return accepts ? { does: 'accept' } : null
  }
  const webhookId = webhookIdOf(order, escalation)
  if (delivery.open) return { does: 'attempt', attempt, dueMs: nowMs, webhookId, escalation }
  const isOldNews = attempt === 0 && !pausing && nowMs > startedAtMs + (SCHEDULE_MS.at(-1) ?? 0)
  if (isOldNews) return null
  const due = dueMs({ startedAtMs, attempt: attempt + 1, lastEndedAtMs })
  if (due === null) return { does: 'give_up', reason: `not delivered in ${attempt} attempts` }
  return { does: 'attempt', attempt: attempt + 1, dueMs: due, webhookId, escalation }
}
