import type { Finding } from '../facts/finding.ts'
import type { Incident, IncidentClock, IncidentEvent, IncidentEventBody, IncidentState } from '../facts/incident.ts'
import { assert } from '../lib/errors.ts'

/**
 * In which states a line of the journal is legal; 'none' = before the incident exists. Anything else is a broken invariant.
 * opened on an observed incident promotes it. accepted and attempted stay legal after the pause: a second target may still be told.
 */
const LEGAL: Readonly<Record<IncidentEventBody['type'], readonly (IncidentState | 'none')[]>> = {
  opened: ['none', 'observed'],
  joined: ['observed', 'pausing', 'paused', 'stopped', 'drained'],
  attempted: ['observed', 'pausing', 'paused', 'stopped', 'drained'],
  accepted: ['observed', 'pausing', 'paused', 'stopped', 'drained'],
  undeliverable: ['observed', 'pausing', 'paused', 'stopped', 'drained'],
  stopped: ['paused'],
  drained: ['stopped'],
  reopened: ['stopped', 'drained'],
  escalated: ['pausing', 'paused'],
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

function open(incident: Incident | null, line: IncidentEvent, { finding, reason, pause }: Body<'opened'>): Incident {
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
    contactsAfterPause: 0,
    writesAfterPause: 0,
    acceptedBy: [],
    undeliverable: [],
  }
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
  const { clock, state } = incident
  switch (event.type) {
    case 'opened':
      return {}
    case 'joined':
      return { joined: [...incident.joined, event.finding] }
    case 'attempted': // a notice to people is no order, so an observed incident is never "sent"
      return state === 'observed' || clock.sentMs !== null ? {} : { clock: { ...clock, sentMs: atMs } }
    case 'accepted':
      return event.enforces ? acceptedBy(incident, event.target, atMs) : {}
    case 'undeliverable':
      return { undeliverable: withOne(incident.undeliverable, event.target) }
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
      return { state: 'paused', clock: { ...clock, stoppedMs: null, drainedMs: null } }
    case 'escalated':
      return {}
  }
}

/** The first acceptance by a target that enforces ends the pausing; later ones are kept, the clock is not moved. */
function acceptedBy(incident: Incident, target: string, atMs: number): Partial<Incident> {
  assert(
    incident.state !== 'observed',
    `incident ${incident.incidentId} is only observed, no target can accept its pause`,
  )
  const { clock, state } = incident
  return {
    state: state === 'pausing' ? 'paused' : state,
    clock: { ...clock, acceptedMs: clock.acceptedMs ?? atMs },
    acceptedBy: withOne(incident.acceptedBy, target),
  }
}

const afterPause = ({ contactsAfterPause, writesAfterPause }: Body<'stopped'> | Body<'drained'>) => ({
  contactsAfterPause,
  writesAfterPause,
})

const withOne = (names: readonly string[], name: string): readonly string[] =>
  names.includes(name) ? names : [...names, name]
