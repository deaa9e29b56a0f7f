import type { Finding } from '../facts/finding.ts'
import {
  type ByPerson,
  type DecisionReason,
  type IncidentEvent,
  type IncidentEventBody,
  type LaterStage,
  overlaps,
  type Scope,
  without,
} from '../facts/incident.ts'
import { idOf } from '../lib/hash.ts'
import { tellsPeople } from './decide.ts'
import { dueMs, SCHEDULE_MS } from './schedule.ts'
import type { Purpose, Target, TargetKind } from './targets.ts'

/**
 * Who is owed which webhook of one incident: a fold of the same journal lines as the incident, so that a restart
 * continues every delivery with the same webhook-id. An order begins with each `opened` line (a promotion replaces it), and
 * when a person rolls back or resumes: what was still owed of the earlier order is owed no more.
 */
export type Order = Readonly<{
  incidentId: string
  /** null: this incident tells nobody (replay, shadow, silenced, stale). */
  purpose: Purpose | null
  reason: DecisionReason
  finding: Finding
  /** What is stopped; empty = the whole release. */
  scope: readonly Scope[]
  /** Whose order it is; null = a trigger's. */
  person: ByPerson | null
  /** When the incident's first order began, and this one. */
  firstAtMs: number
  startedAtMs: number
  escalations: readonly Readonly<{ atMs: number; because: string }>[]
  /** By target name, with the stage behind it where it is one; a target without an entry was not tried yet. */
  deliveries: ReadonlyMap<string, Delivery>
  /** Who was told by an earlier order of this incident: they are told of the next one, too, reserves included. */
  toldBefore: ReadonlySet<string>
  /** When the incident was acknowledged and resolved: people who were told are told this as well. */
  stages: Readonly<Partial<Record<'acknowledged' | 'resolved', number>>>
  /** The resume of each part that goes on alone, as an order of its own beside this one. */
  resumedParts: readonly Order[]
}>

export type { LaterStage }

/** Whose words know these stages; who obeys orders learns them from orders. A part that goes on ends no alert. */
const STAGE_KINDS: Readonly<Record<'acknowledged' | 'resolved' | 'part', readonly TargetKind[]>> = {
  acknowledged: ['pagerduty', 'slack'],
  resolved: ['pagerduty', 'slack', 'alertmanager'],
  part: ['webhook', 'slack'],
}

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
    const { finding, reason, pause, scope = [], person = null } = event
    const purpose = pause ? orderOf(finding) : tellsPeople(reason) ? 'notify' : null
    const begun = {
      incidentId,
      purpose,
      reason,
      finding,
      scope: pause ? scope : [],
      person,
      firstAtMs: atMs,
      startedAtMs: atMs,
    }
    return {
      ...begun,
      escalations: [],
      deliveries: besideIn(order, isPart),
      toldBefore: toldIn(order),
      stages: {},
      resumedParts: order?.resumedParts ?? [],
    }
  }
  if (!order) return null
  switch (event.type) {
    case 'attempted': {
      const open = event.outcome === SENDING
      const state = event.outcome === 'delivered' ? 'delivered' : event.outcome === 'gone' ? 'gone' : 'owed'
      return withDelivery(order, event, { attempt: event.attempt, open, lastEndedAtMs: atMs, state })
    }
    case 'accepted':
      return event.person || event.asked !== undefined
        ? order
        : withDelivery(order, event, { state: 'delivered', accepted: true })
    case 'undeliverable':
      return withDelivery(order, event, { state: 'undeliverable', open: false })
    case 'escalated':
      return escalated(order, atMs, event.because)
    case 'rolled_back':
      return replaced(order, 'rollback', event, atMs)
    case 'part_resumed': {
      const resume = { ...replaced(order, 'resume', event, atMs), scope: event.scope }
      return { ...order, scope: without(order.scope, event.scope), resumedParts: [...order.resumedParts, resume] }
    }
    case 'resumed':
    case 'overridden':
      return { ...replaced(order, 'resume', event, atMs), stages: { ...order.stages, resolved: atMs } }
    case 'acknowledged':
      return { ...order, stages: { acknowledged: atMs, ...order.stages } }
    case 'closed':
      return { ...order, stages: { resolved: atMs, ...order.stages } }
    default:
      return order
  }
}

const orderOf = ({ action }: Finding): Purpose => (action === 'rollback' ? 'rollback' : 'pause')

/** A person's next order in the same incident. One that tells nobody stays silent. */
function replaced(order: Order, purpose: Purpose, { by, reason }: ByPerson, atMs: number): Order {
  return {
    ...order,
    purpose,
    person: { by, reason },
    startedAtMs: atMs,
    escalations: [],
    deliveries: besideIn(order),
    toldBefore: toldIn(order),
  }
}

/** What was told beside an order, which the next order neither repeats nor takes back. */
const besideIn = (order: Order | null, isKept = (_: string) => true): ReadonlyMap<string, Delivery> =>
  new Map(
    [...(order?.deliveries ?? [])].filter(([key]) => key.includes(' ') && isKept(key.slice(key.indexOf(' ') + 1))),
  )

const isPart = (stage: string): stage is `part-${number}` => stage.startsWith('part-')

/** The order behind one message: a part that goes on is an order of its own. */
export const orderAt = (order: Order, stage: LaterStage | undefined): Order =>
  (stage && isPart(stage) && order.resumedParts[Number(stage.slice('part-'.length)) - 1]) || order

/** When a stage began; parts are counted from 1. */
function beganAt(order: Order, stage: LaterStage): number | undefined {
  if (stage === 'acknowledged' || stage === 'resolved') return order.stages[stage]
  const resume = orderAt(order, stage)
  return resume === order ? undefined : resume.startedAtMs
}

function toldIn(order: Order | null): ReadonlySet<string> {
  const names = [...(order?.deliveries ?? [])].filter(([key, { attempt }]) => attempt > 0 && !key.includes(' '))
  return new Set([...(order?.toldBefore ?? []), ...names.map(([key]) => key)])
}

type Sent = Extract<IncidentEventBody, { type: 'attempted' | 'accepted' | 'undeliverable' }>

const keyOf = (target: string, stage: LaterStage | undefined): string => (stage ? `${target} ${stage}` : target)

function withDelivery(order: Order, { target, stage }: Sent, change: Partial<Delivery>): Order {
  const key = keyOf(target, stage)
  const begun = stage
    ? newDelivery(0, beganAt(order, stage) ?? order.startedAtMs)
    : firstDelivery(order, order.escalations.length)
  const delivery = { ...(order.deliveries.get(key) ?? begun), ...change }
  return { ...order, deliveries: new Map(order.deliveries).set(key, delivery) }
}

/** Those who were told are told again under a new webhook-id; those who were never reached keep theirs, those who said 410 stay off. */
function escalated(order: Order, atMs: number, because: string): Order {
  const escalations = [...order.escalations, { atMs, because }]
  const deliveries = new Map(order.deliveries)
  for (const [name, delivery] of deliveries)
    if (delivery.state === 'delivered' && !name.includes(' '))
      deliveries.set(name, newDelivery(escalations.length, atMs))
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

/** One message that is owed, or was sent, to one target; without a stage it is the order itself. */
export type Told = Readonly<{ target: Target; delivery: Delivery; stage?: LaterStage }>

/** What an order has come to by now: all targets that want its purpose, reserves one per escalation, then what people are told afterwards. */
export function targetsOf(order: Order, targets: readonly Target[]): readonly Told[] {
  const { purpose } = order
  if (purpose === null) return []
  const wanting = targets.filter((target) => target.on.includes(purpose) && isFor(target, order))
  // Enforcing targets first: what is journaled as sent is then the order to stop, not the message about it.
  const isFirst = ({ escalation, name }: Target) => !escalation || order.toldBefore.has(name)
  const first = wanting.filter(isFirst).sort((a, b) => Number(b.enforces) - Number(a.enforces))
  const reserves = wanting.filter((target) => !isFirst(target))
  return [
    ...first.map((target) => ({ target, delivery: order.deliveries.get(target.name) ?? firstDelivery(order, 0) })),
    ...reserves.slice(0, order.escalations.length).map((target, index) => ({
      target,
      delivery: order.deliveries.get(target.name) ?? firstDelivery(order, index + 1),
    })),
    ...order.resumedParts
      .map((_, index) => `part-${index + 1}` as const)
      .flatMap((stage) => toldBeside(order, targets, stage)),
    ...(['acknowledged', 'resolved'] as const).flatMap((stage) => toldBeside(order, targets, stage)),
  ]
}

/** Whether a target is told about the release of this order. */
const isFor = ({ match }: Target, { finding: { release } }: Order): boolean =>
  (match.environment ?? release.environment) === release.environment && (match.agent ?? release.agent) === release.agent

/** Those whose words know this stage, and who were told before. */
function toldBeside(order: Order, targets: readonly Target[], stage: LaterStage): Told[] {
  const atMs = beganAt(order, stage)
  if (atMs === undefined || isOvertaken(order, stage)) return []
  const kinds = STAGE_KINDS[isPart(stage) ? 'part' : stage]
  const isWanted = ({ on }: Target) =>
    isPart(stage) ? on.includes('resume') : order.purpose !== 'resume' || !on.includes('resume') // the order itself tells them
  const wasTold = ({ name }: Target) => order.toldBefore.has(name) || (order.deliveries.get(name)?.attempt ?? 0) > 0
  return targets
    .filter((target) => kinds.includes(target.kind) && wasTold(target) && isWanted(target) && isFor(target, order))
    .map((target) => ({
      target,
      stage,
      delivery: order.deliveries.get(keyOf(target.name, stage)) ?? newDelivery(0, atMs),
    }))
}

/** A part that is stopped again, or goes on by the present order, is news no more. */
const isOvertaken = (order: Order, stage: LaterStage): boolean =>
  isPart(stage) &&
  (order.scope.length === 0 ||
    orderAt(order, stage).scope.some((part) => order.scope.some((present) => overlaps(part, present))))

/** Whether another escalation would reach a target that was not told yet. */
export const hasReserve = (order: Order, targets: readonly Target[]): boolean =>
  targets.filter(
    (target) =>
      target.escalation &&
      order.purpose !== null &&
      target.on.includes(order.purpose) &&
      isFor(target, order) &&
      !order.toldBefore.has(target.name),
  ).length > order.escalations.length

/**
 * The webhook-id: the incident, what the webhook is for, and which escalation. No attempt number, so it is the same over
 * retries and restarts; two targets of one order share it, as two copies of one message.
 */
export function webhookIdOf(order: Order, escalation: number, stage?: LaterStage): string {
  if (stage) return `${order.incidentId}-${isPart(stage) ? `resume-${stage}` : stage}`
  // The same parts may be stopped again after one of them went on: that is another pause.
  const resumes = order.resumedParts.length === 0 ? [] : [String(order.resumedParts.length)]
  const part =
    (order.purpose === 'pause' || order.purpose === 'rollback') && order.scope.length > 0
      ? `-${idOf('scope', partsOf(order.scope), ...resumes).slice(0, 8)}`
      : ''
  const subject = order.purpose === 'notify' ? order.reason : order.purpose
  return `${order.incidentId}-${subject}${part}${escalation === 0 ? '' : `-refire-${escalation}`}`
}

const partsOf = (scope: readonly Scope[]): string => JSON.stringify(scope.map(({ channel, queue }) => [channel, queue]))

/** What is to be done next for one target. */
export type Step =
  | Readonly<{ does: 'attempt'; attempt: number; dueMs: number; webhookId: string; escalation: number }>
  | Readonly<{ does: 'accept' }>
  | Readonly<{ does: 'give_up'; reason: string }>

/**
 * The next step towards one target, or null when nothing is owed. Call it only while no attempt of this delivery is in
 * flight: an open attempt then means that a crash cut it off, and it is repeated at once under its own number.
 * `pausing`: nobody has accepted the order yet, so it is owed however late; otherwise a target that was
 * configured after the schedule's end is spared the old news.
 */
export function nextStep(input: {
  order: Order
  target: Target
  delivery: Delivery
  stage?: LaterStage | undefined
  pausing: boolean
  nowMs: number
}): Step | null {
  const { order, target, delivery, stage, pausing, nowMs } = input
  const { state, attempt, startedAtMs, lastEndedAtMs, escalation } = delivery
  if (state === 'undeliverable') return null
  if (state === 'gone') return { does: 'give_up', reason: 'the target answered 410 Gone' }
  if (state === 'delivered') {
    const accepts = target.enforces && !stage && order.purpose !== 'notify' && !delivery.accepted
    return accepts ? { does: 'accept' } : null
  }
  const webhookId = webhookIdOf(order, escalation, stage)
  if (delivery.open) return { does: 'attempt', attempt, dueMs: nowMs, webhookId, escalation }
  const isOldNews = attempt === 0 && !pausing && nowMs > startedAtMs + (SCHEDULE_MS.at(-1) ?? 0)
  if (isOldNews) return null
  const due = dueMs({ startedAtMs, attempt: attempt + 1, lastEndedAtMs })
  if (due === null) return { does: 'give_up', reason: `not delivered in ${attempt} attempts` }
  return { does: 'attempt', attempt: attempt + 1, dueMs: due, webhookId, escalation }
}
