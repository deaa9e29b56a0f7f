import type { Finding } from '../facts/finding.ts'
import {
  covers,
  type Delivered,
  type Incident,
  type IncidentClock,
  type IncidentEvent,
  type IncidentEventBody,
  type IncidentState,
  isHeld,
  NOTHING_DECIDED,
  type Scope,
  staysAway,
  without,
} from '../facts/incident.ts'
import { assert } from '../lib/errors.ts'

const HELD: readonly IncidentState[] = ['pausing', 'paused', 'stopped', 'drained']
const OPEN: readonly IncidentState[] = ['observed', ...HELD]
const ANY: readonly IncidentState[] = [...OPEN, 'resumed', 'closed']

/**
 * In which states a line of the journal is legal; 'none' = before the incident exists. Anything else is a broken invariant.
 * opened on an observed incident promotes it, on a held one it widens what is stopped. attempted, accepted and undeliverable stay legal to
 * the end: a second target may still be told, and people are told that it is over.
 */
const LEGAL: Readonly<Record<IncidentEventBody['type'], readonly (IncidentState | 'none')[]>> = {
  opened: ['none', ...OPEN],
  joined: OPEN,
  attempted: ANY,
  accepted: ANY,
  undeliverable: ANY,
  stopped: ['paused'],
  drained: ['stopped'],
  reopened: ['stopped', 'drained'],
  escalated: ['pausing', 'paused'],
  acknowledged: OPEN,
  snoozed: OPEN,
  overridden: [...HELD, 'closed'],
  resumed: [...HELD, 'closed'],
  part_resumed: ['paused', 'stopped', 'drained'],
  rolled_back: HELD,
  closed: [...OPEN, 'resumed'],
  evidence_restarted: ['resumed', 'closed'],
}

/** Whether `applyEvent` takes a line of this type for an incident in this state. */
export const isLegal = (state: IncidentState | 'none', type: IncidentEventBody['type']): boolean =>
  LEGAL[type].includes(state)

/**
 * One more line of the journal. Pure.
 * A version that is already folded is a replay and changes nothing; a gap or an illegal line is a broken invariant (AndonError 'invariant').
 */
export function applyEvent(incident: Incident | null, line: IncidentEvent): Incident {
  const { incidentId, version, event } = line
  if (incident) {
    assert(incident.incidentId === incidentId, `line of incident ${incidentId} folded into ${incident.incidentId}`)
    if (version <= incident.version) return incident
  }
  const expected = (incident?.version ?? 0) + 1
  assert(version === expected, `incident ${incidentId} continues with version ${version}, expected ${expected}`)
  const state = incident?.state ?? 'none'
  assert(
    isLegal(state, event.type),
    `incident ${incidentId} in state ${state} cannot take '${event.type}' (${version})`,
  )
  if (event.type === 'opened') return open(incident, line, event)
  assert(incident, `incident ${incidentId} was never opened`)
  return { ...incident, ...changeOf(incident, line), version }
}

/** The incidents of a whole journal, by incident id. Lines of one incident come in order of version; incidents may interleave. */
export function foldEvents(lines: readonly IncidentEvent[]): ReadonlyMap<string, Incident> {
  const incidents = new Map<string, Incident>()
  for (const line of lines) incidents.set(line.incidentId, applyEvent(incidents.get(line.incidentId) ?? null, line))
  return incidents
}

type Body<T extends IncidentEventBody['type']> = Extract<IncidentEventBody, { type: T }>

function open(incident: Incident | null, line: IncidentEvent, event: Body<'opened'>): Incident {
  const { finding, reason, pause, scope = [], person } = event
  const isWider = incident === null || !isHeld(incident) || (pause && isWiderThan(scope, incident.scope))
  assert(isWider, `incident ${line.incidentId} is opened again, but stops no more than before`)
  return {
    incidentId: line.incidentId,
    release: finding.release,
    state: pause ? 'pausing' : 'observed',
    reason,
    version: line.version,
    openedAtMs: incident?.openedAtMs ?? line.atMs,
    finding,
    joined: incident ? [...incident.joined, incident.finding] : [],
    clock: clockOf(finding),
    ...NOT_COUNTED,
    acceptedBy: [],
    undeliverable: [],
    ...NOTHING_DECIDED, // what was said of it before is not said of this: it is worse
    scope: pause ? scope : [],
    resumedParts: incident?.resumedParts ?? [],
    ordered: pause ? (finding.action === 'rollback' ? 'rollback' : 'pause') : 'nothing',
    orderedMs: pause ? line.atMs : null,
    orderedBy: (pause && person) || null,
  }
}

/** Whether `scope` stops all that `before` stops, and something more. Empty = the whole release. */
export function isWiderThan(scope: readonly Scope[], before: readonly Scope[]): boolean {
  if (before.length === 0) return false
  if (scope.length === 0) return true
  const holds = (all: readonly Scope[], part: Scope) => all.some((one) => covers(one, part))
  return before.every((part) => holds(scope, part)) && !scope.every((part) => holds(before, part))
}

const clockOf = (finding: Finding): IncidentClock => ({
  onsetMs: finding.onsetMs,
  firstHarmMs: finding.firstHarmMs,
  detectedMs: finding.decidedAtMs,
  sentMs: null,
  acceptedMs: null,
  stoppedMs: null,
  drainedMs: null,
})

function changeOf(incident: Incident, { atMs, event }: IncidentEvent): Partial<Incident> {
  const { clock } = incident
  switch (event.type) {
    case 'opened':
      return {}
    case 'joined':
      return { joined: [...incident.joined, event.finding] }
    case 'attempted': // a notice to people is no order, so an observed incident is never "sent"
      return {
        ...(!event.stage && { deliveries: withAttempt(incident.deliveries, event, atMs) }),
        ...(isHeld(incident) && !event.stage && clock.sentMs === null && { clock: { ...clock, sentMs: atMs } }),
      }
    case 'accepted':
      return event.enforces ? acceptedBy(incident, event, atMs) : {}
    case 'undeliverable':
      return event.stage ? {} : { undeliverable: withOne(incident.undeliverable, event.target) }
    case 'stopped':
      assert(
        event.stoppedAtMs >= (clock.acceptedMs ?? Infinity),
        `incident ${incident.incidentId} stopped before accepted`,
      )
      return { state: 'stopped', clock: { ...clock, stoppedMs: event.stoppedAtMs }, ...afterPause(event) }
    case 'drained':
      assert(
        event.drainedAtMs >= (clock.acceptedMs ?? Infinity),
        `incident ${incident.incidentId} drained before accepted`,
      )
      return { state: 'drained', clock: { ...clock, drainedMs: event.drainedAtMs }, ...afterPause(event) }
    case 'reopened':
      return { state: 'paused', clock: { ...clock, stoppedMs: null, drainedMs: null }, ...NOT_COUNTED }
    case 'escalated':
      return {}
    case 'evidence_restarted':
      return { restarts: event.restarts }
    default:
      return decided(incident, event, atMs)
  }
}

type Decision = Body<'acknowledged' | 'snoozed' | 'overridden' | 'resumed' | 'part_resumed' | 'rolled_back' | 'closed'>

/** What a person decided. */
function decided(incident: Incident, event: Decision, atMs: number): Partial<Incident> {
  const { state } = incident
  const { by, reason, via } = event
  const person = { by, reason, ...(via && { via }) }
  const decision = { ...person, atMs }
  switch (event.type) {
    case 'acknowledged': // the first one stops the clock
      return incident.acknowledged ? {} : { acknowledged: decision }
    case 'snoozed':
      return { snoozed: { ...decision, untilMs: event.untilMs } }
    case 'overridden':
    case 'resumed':
      assert(isHeld(incident) || staysAway(incident), `incident ${incident.incidentId} stops nothing that could go on`)
      return {
        state: state === 'closed' ? 'closed' : 'resumed',
        deliveries: [],
        resumed: { ...decision, how: event.type, acceptedMs: null },
      }
    case 'part_resumed': {
      const scope = without(incident.scope, event.scope)
      assert(scope.length > 0, `incident ${incident.incidentId} stops nothing more, which is a resume of all`)
      // How far the rest has come is read anew: what was seen of it before is mixed with the part that goes on.
      const clock = { ...incident.clock, stoppedMs: null, drainedMs: null }
      const resumedParts = [...incident.resumedParts, { ...decision, scope: event.scope }]
      return { state: 'paused', scope, resumedParts, clock, ...NOT_COUNTED }
    }
    case 'rolled_back':
      assert(incident.ordered === 'pause', `incident ${incident.incidentId} is rolled back already`)
      return { ordered: 'rollback', deliveries: [], orderedBy: person }
    case 'closed':
      return { state: 'closed', closed: { ...decision, verdict: event.verdict } }
  }
}

/**
 * The first acceptance by a target that enforces ends the pausing; later ones are kept, the clock is not moved. An answer of the stop
 * switch is sent and accepted at once.
 */
function acceptedBy(incident: Incident, { target, asked }: Body<'accepted'>, atMs: number): Partial<Incident> {
  assert(
    incident.ordered !== 'nothing',
    `incident ${incident.incidentId} is only observed, no target can accept its pause`,
  )
  const { clock, state, resumed, ordered } = incident
  if (resumed) return resumed.acceptedMs === null ? { resumed: { ...resumed, acceptedMs: atMs } } : {}
  return {
    state: state === 'pausing' ? 'paused' : state,
    rolledBackMs: incident.rolledBackMs ?? (ordered === 'rollback' ? atMs : null),
    clock: {
      ...clock,
      sentMs: clock.sentMs ?? (asked === undefined ? null : atMs),
      acceptedMs: clock.acceptedMs ?? atMs,
    },
    acceptedBy: withOne(incident.acceptedBy, target),
  }
}

const NOT_COUNTED = { contactsAfterPause: null, writesAfterPause: null } as const
const afterPause = ({ contactsAfterPause, writesAfterPause }: Body<'stopped'> | Body<'drained'>) => ({
  contactsAfterPause,
  writesAfterPause,
})

function withAttempt(before: readonly Delivered[], event: Body<'attempted'>, atMs: number): readonly Delivered[] {
  const { target, attempt: attempts, outcome, status } = event
  const latest = { target, attempts, outcome, status, atMs }
  return before.some((one) => one.target === target)
    ? before.map((one) => (one.target === target ? latest : one))
    : [...before, latest]
}

const withOne = (names: readonly string[], name: string): readonly string[] =>
  names.includes(name) ? names : [...names, name]
