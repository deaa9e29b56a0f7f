import type { IncidentEventBody } from '../facts/incident.ts'
import type { Clock } from '../lib/clock.ts'
import type { Log } from '../lib/log.ts'
import { deliver } from './deliver.ts'
import type { Ledger } from './ledger.ts'
import { messageTo } from './message.ts'
import { nextStep, type Order, type Step, targetsOf, webhookIdOf } from './orders.ts'
import type { Links } from './page.ts'
import type { Post } from './post.http.ts'
import type { Target } from './targets.ts'

/** Carries out what the ledger owes to targets: one loop per webhook and target, so no receiver holds up another. */
export type Courier = Readonly<{
  /** Starts a loop for whatever is owed, and not on its way, about these incidents (default all). Returns at once. */
  dispatch: (incidentIds?: Iterable<string>) => void
  /** Stops all loops; an attempt that is cut off stays open in the journal and is repeated after the next start. */
  close: () => Promise<void>
}>

type Owed = Readonly<{ step: Step; order: Order /** Names webhook and target. */; key: string }>

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
  const stopping = new AbortController()

  function owedTo(incidentId: string, target: Target): Owed | null {
    const open = ledger.cases.get(incidentId)
    if (!open || stopping.signal.aborted) return null
    const { order, incident } = open
    const delivery = targetsOf(order, targets).find((told) => told.target.name === target.name)?.delivery
    if (!delivery) return null
    const step = nextStep({ order, target, delivery, pausing: incident.state === 'pausing', nowMs: clock.nowMs() })
    return step && { step, order, key: `${webhookIdOf(order, delivery.escalation)} ${target.name}` }
  }

  function dispatch(incidentIds: Iterable<string> = ledger.cases.keys()): void {
    for (const incidentId of incidentIds) {
      const order = ledger.cases.get(incidentId)?.order
      for (const { target } of order ? targetsOf(order, targets) : []) {
        const key = owedTo(incidentId, target)?.key
        if (key === undefined || loops.has(key)) continue
        const loop = carry(incidentId, target, key)
          .catch((err) =>
            log.error({ err, incidentId, target: target.name }, 'delivery interrupted, it goes on with the next tick'),
          )
          .finally(() => loops.delete(key))
        loops.set(key, loop)
      }
    }
  }

  /** Step by step until nothing is owed under this key: delivered, given up, replaced by a newer order, or closed. */
  async function carry(incidentId: string, target: Target, key: string): Promise<void> {
    const current = () => {
      const owed = owedTo(incidentId, target)
      return owed?.key === key ? owed : null
    }
    const record = (event: IncidentEventBody) =>
      ledger.serially(async (write) => {
        if (!current()) return false
        await write(incidentId, event)
        return true
      })
    let waitMs = 0 // asked for by Retry-After; a restart forgets it and comes at most that much too early
    for (let owed = current(); owed; owed = current()) {
      const { step } = owed
      if (step.does === 'accept') {
        await record({ type: 'accepted', target: target.name, enforces: true })
        continue
      }
      if (step.does === 'give_up') {
        log.error({ incidentId, target: target.name, reason: step.reason }, 'webhook undeliverable')
        await record({ type: 'undeliverable', target: target.name, reason: step.reason })
        continue
      }
      const pauseMs = Math.max(step.dueMs - clock.nowMs(), waitMs)
      if (pauseMs > 0) await clock.sleep(pauseMs, stopping.signal)
      if (!current()) return
      const { order } = owed
      const atMs = order.escalations[step.escalation - 1]?.atMs ?? order.startedAtMs
      const telling = { order, escalation: step.escalation, stage: 'opened', atMs, links: edges.links } as const
      const message = messageTo(target, step.webhookId, telling)
      const result = await deliver(
        { target, attempt: step.attempt, message },
        { post: edges.post, record, signedAtMs: edges.signedAtMs, signal: stopping.signal },
      )
      if (!result) return
      waitMs = result.retryAfterMs
      const { outcome, status } = result
      log.info({ incidentId, target: target.name, attempt: step.attempt, outcome, status }, 'webhook attempted')
    }
  }

  async function close(): Promise<void> {
    stopping.abort()
    await Promise.all(loops.values())
  }

  return { dispatch, close }
}
