import type { Incident, IncidentEvent, IncidentEventBody } from '../facts/incident.ts'
import type { Clock } from '../lib/clock.ts'
import { assert } from '../lib/errors.ts'
import type { Log } from '../lib/log.ts'
import { applyEvent } from './incident.ts'
import type { Journal } from './journal.ts'
import { applyToOrder, type Order } from './orders.ts'

/** An incident, and who is owed what about it: two folds of the same lines. */
export type Case = Readonly<{ incident: Incident; order: Order }>

/** Writes one line; it is durable, and in `cases`, when this resolves. */
export type RecordLine = (incidentId: string, event: IncidentEventBody) => Promise<void>

/** The open incidents, as the journal has them. */
export type Ledger = Readonly<{
  cases: ReadonlyMap<string, Case>
  /**
   * Runs one piece of work after another: what it reads in `cases` is still true when it records. Nothing is sent in here.
   * Rejects with what the work or the journal threw.
   */
  serially: <T>(work: (record: RecordLine) => Promise<T>) => Promise<T>
  /** Reads the whole journal. To be called once, first. */
  load: () => Promise<void>
  /** Resolves when all work so far is done, however it ended. */
  idle: () => Promise<void>
}>

export function createLedger(edges: {
  journal: Journal
  clock: Clock
  log: Log
  onEvent?: ((incident: Incident, line: IncidentEvent) => void) | undefined
}): Ledger {
  const { journal, clock, log } = edges
  const cases = new Map<string, Case>()
  let lastWork: Promise<unknown> = Promise.resolve()
  /** A line whose append failed may be durable all the same: it is written again as it was, before anything else is. */
  let unwritten: IncidentEvent | null = null

  async function write(line: IncidentEvent): Promise<void> {
    const next = applied(cases.get(line.incidentId), line) // an illegal line fails here, before it is durable
    unwritten = line
    await journal.append(line)
    unwritten = null
    cases.set(line.incidentId, next)
    try {
      edges.onEvent?.(next.incident, line)
    } catch (err) {
      log.error({ err, incidentId: line.incidentId }, 'an observer of incidents failed')
    }
  }

  const record: RecordLine = (incidentId, event) => {
    const version = (cases.get(incidentId)?.incident.version ?? 0) + 1
    return write({ incidentId, version, atMs: clock.nowMs(), event })
  }

  function serially<T>(work: (record: RecordLine) => Promise<T>): Promise<T> {
    const done = lastWork.then(async () => {
      if (unwritten) await write(unwritten)
      return work(record)
    })
    lastWork = done.catch(() => {})
    return done
  }

  return {
    cases,
    serially,
    load: async () => {
      for (const line of await journal.load()) cases.set(line.incidentId, applied(cases.get(line.incidentId), line))
    },
    idle: async () => {
      await lastWork
    },
  }
}

/** Folds one line into both views. A version already folded changes neither. */
function applied(before: Case | undefined, line: IncidentEvent): Case {
  const incident = applyEvent(before?.incident ?? null, line)
  if (before && incident === before.incident) return before
  const order = applyToOrder(before?.order ?? null, line)
  assert(order, `incident ${line.incidentId} was never opened`)
  return { incident, order }
}
