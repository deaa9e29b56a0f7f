import { type Finding, UNMEASURED_BREACH } from '../facts/finding.ts'
import {
  type ByPerson,
  covers,
  type Incident,
  type IncidentEventBody,
  isAccepted,
  isHeld,
  isPast,
  overlaps,
  partLabel,
  type Scope,
  staysAway,
  type Verdict,
  without,
} from '../facts/incident.ts'
import { type Release, releaseLabelOf } from '../facts/slice.ts'
import type { TriggerAction } from '../facts/trigger.ts'
import { idOf } from '../lib/hash.ts'
import { incidentIdOf, openIncidentOf } from './decide.ts'
import { isWiderThan } from './incident.ts'

/** What a person asks of an incident, always with name and reason. */
export type IncidentCommand = ByPerson &
  (
    | Readonly<{ does: 'acknowledge' | 'override' | 'rollback' | 'accept' }>
    | Readonly<{ does: 'snooze'; forMs: number }>
    /** `recovery` is what the redeploy gate says, of `part` where only that is to go on. */
    | Readonly<{ does: 'resume'; recovery: RecoveryGate; part?: Scope }>
    | Readonly<{ does: 'close'; verdict: Verdict; isRetired: boolean }>
  )

/** What a person orders a release, or a part of it. */
export type ReleaseCommand = ByPerson &
  Readonly<{ does: 'pause' | 'rollback'; release: Release; scope: readonly Scope[]; trafficGoesTo: string }>

export type RecoveryGate = Readonly<{ allowed: boolean; reason: string; detail: string }>

/** Why a person's wish is not carried out. */
export type RefusalReason = 'no_name' | 'no_reason' | 'illegal_transition' | 'recovery_open' | 'bad_value' | 'replay'

/** What becomes of it: a line for the journal, nothing because it stands already, or a refusal that says what to do instead. */
export type Ruling =
  | Readonly<{ does: 'record'; incidentId: string; event: IncidentEventBody }>
  | Readonly<{ does: 'stands'; incidentId: string; detail: string }>
  | Readonly<{ does: 'refuse'; reason: RefusalReason; detail: string }>

const LONGEST_NAME = 200
const LONGEST_REASON = 2000
/** Nobody asks for quiet for longer than a shift and a night. */
export const LONGEST_SNOOZE_MS = 24 * 3_600_000

/**
 * What one wish about one incident does. Pure.
 * @param incidents all of them: what is closed is not taken back while another incident holds its release
 */
export function ruleOnIncident(
  incident: Incident,
  command: IncidentCommand,
  nowMs: number,
  incidents: readonly Incident[],
): Ruling {
  const unsigned = unsignedOf(command)
  if (unsigned) return unsigned
  const { incidentId, state } = incident
  const person = personOf(command)
  const record = (event: IncidentEventBody): Ruling => ({ does: 'record', incidentId, event })
  const stands = (detail: string): Ruling => ({ does: 'stands', incidentId, detail })
  const illegal = (what: string): Ruling => refuse('illegal_transition', `incident ${incidentId} is ${state}: ${what}`)
  const open = staysAway(incident) ? openIncidentOf(incident.release, incidents) : null
  const holderNow = open && isHeld(open) ? open : null
  switch (command.does) {
    case 'acknowledge':
      if (incident.acknowledged) return stands(`${incident.acknowledged.by} has acknowledged it`)
      return isPast(incident) ? illegal('there is nothing to acknowledge') : record({ type: 'acknowledged', ...person })
    case 'snooze':
      if (isPast(incident)) return illegal('nobody is told any more')
      if (!(command.forMs > 0 && command.forMs <= LONGEST_SNOOZE_MS))
        return refuse('bad_value', 'an incident is snoozed for more than nothing and at most 24 h')
      return record({ type: 'snoozed', untilMs: nowMs + command.forMs, ...person })
    case 'override':
      if (incident.resumed) return stands(`${incident.resumed.by} has let the release go on`)
      if (holderNow) return illegal(`${holderNow.incidentId} holds its release by now, so that one decides`)
      return isHeld(incident) || staysAway(incident)
        ? record({ type: 'overridden', ...person })
        : illegal('no pause stands that could be overridden')
    case 'resume':
      if (command.part && !incident.resumed) return resumingPart(incident, command.part, command.recovery, person)
      if (incident.resumed) return stands(`${incident.resumed.by} has let the release go on`)
      if (holderNow) return illegal(`${holderNow.incidentId} holds its release by now, so that one decides`)
      if (!isHeld(incident) && !staysAway(incident)) return illegal('no pause stands that could end')
      if (!command.recovery.allowed) return refuse('recovery_open', closedGate(command.recovery))
      return record({ type: 'resumed', recovery: command.recovery.detail, ...person })
    case 'rollback':
      if (isHeld(incident) && incident.ordered === 'rollback') return stands('the rollback is ordered')
      return isHeld(incident) ? record({ type: 'rolled_back', ...person }) : illegal('roll back the release instead')
    case 'accept':
      return acceptedByHand(incident, person)
    case 'close':
      return closing(incident, command, person)
  }
}

/** One channel or queue goes on; the last one that is stopped ends the order. */
function resumingPart(incident: Incident, part: Scope, recovery: RecoveryGate, person: ByPerson): Ruling {
  const { incidentId, state, scope } = incident
  const illegal = (what: string) => refuse('illegal_transition', `incident ${incidentId} is ${state}: ${what}`)
  if (!isHeld(incident)) return illegal('no pause stands that could end')
  if (scope.length === 0)
    return illegal(
      'the whole release is stopped, so no part of it goes on alone: resume it, then pause the parts that must stay stopped',
    )
  const rest = without(scope, [part])
  const gone = scope.filter((one) => !rest.includes(one))
  const stopped = `what is stopped: ${scope.map(partLabel).join(', ')}`
  if (gone.length === 0) {
    const goesOn = incident.resumedParts.some((one) => one.scope.some((resumed) => covers(resumed, part)))
    if (goesOn && !rest.some((one) => overlaps(one, part)))
      return { does: 'stands', incidentId, detail: `${partLabel(part)} goes on already; ${stopped}` }
    return illegal(`${partLabel(part)} is not stopped as a part of its own; ${stopped}`)
  }
  const held = rest.find((one) => overlaps(one, part))
  if (held) return illegal(`${partLabel(held)} holds ${partLabel(part)} as well: resume that first`)
  if (rest.length > 0 && !isAccepted(incident))
    return illegal(
      'nobody has accepted the order yet, so it still goes out for all parts: wait, say that it is carried out (`andon accept`), or resume all',
    )
  if (!recovery.allowed) return refuse('recovery_open', closedGate(recovery))
  const how = { recovery: recovery.detail, ...person }
  const event =
    rest.length > 0 ? { type: 'part_resumed' as const, scope: gone, ...how } : { type: 'resumed' as const, ...how }
  return { does: 'record', incidentId, event }
}

const closedGate = ({ detail }: RecoveryGate): string =>
  `recovery is not complete, ${detail}; finish it, waive it by name and reason (\`andon recover\`), or override the pause if the release is healthy`

/** A person carried the order out where no target could: it counts as accepted now. */
function acceptedByHand(incident: Incident, person: ByPerson): Ruling {
  const { incidentId, ordered, state } = incident
  if (ordered === 'nothing' || state === 'closed')
    return refuse('illegal_transition', `incident ${incidentId} is ${state}: no order stands that could be carried out`)
  if (isAccepted(incident)) return { does: 'stands', incidentId, detail: 'the order is accepted' }
  return {
    does: 'record',
    incidentId,
    event: { type: 'accepted', target: `by hand: ${person.by}`, enforces: true, person },
  }
}

function closing(incident: Incident, command: Extract<IncidentCommand, { does: 'close' }>, person: ByPerson): Ruling {
  const { incidentId, ordered, rolledBackMs, closed, state } = incident
  const { verdict, isRetired } = command
  if (closed?.verdict === verdict) return { does: 'stands', incidentId, detail: `it is closed as ${verdict}` }
  if (closed)
    return refuse('illegal_transition', `incident ${incidentId} is closed as ${closed.verdict} by ${closed.by}`)
  const isGone = isRetired || (ordered === 'rollback' && rolledBackMs !== null)
  if (isHeld(incident) && !isGone)
    return refuse(
      'illegal_transition',
      `incident ${incidentId} is ${state}, and its order still stands: resume or override it, roll the release back, or retire it, then close`,
    )
  return { does: 'record', incidentId, event: { type: 'closed', verdict, ...person } }
}

/** What a person's order to a release does. Pure. The brakes of the cord (budget, silence, observe-only) are for triggers, not for people. */
export function ruleOnRelease(command: ReleaseCommand, incidents: readonly Incident[], nowMs: number): Ruling {
  const unsigned = unsignedOf(command)
  if (unsigned) return unsigned
  const { release, does } = command
  const person = personOf(command)
  const open = openIncidentOf(release, incidents)
  const before = open && isHeld(open) ? open.scope : null
  if (open && before) {
    const scope = command.scope.length === 0 ? [] : [...before, ...command.scope]
    if (!isWiderThan(scope, before) && does === 'rollback')
      return ruleOnIncident(open, { does: 'rollback', ...person }, nowMs, incidents)
    if (!isWiderThan(scope, before))
      return {
        does: 'stands',
        incidentId: open.incidentId,
        detail: `${releaseLabelOf(release)} is ${open.state} already`,
      }
    return opening(command, person, open.incidentId, scope, nowMs)
  }
  return opening(command, person, open?.incidentId ?? null, command.scope, nowMs, incidents)
}

function opening(
  { release, does, trafficGoesTo }: ReleaseCommand,
  person: ByPerson,
  incidentId: string | null,
  scope: readonly Scope[],
  nowMs: number,
  incidents: readonly Incident[] = [],
): Ruling {
  const finding = findingByPerson({ release, action: does, trafficGoesTo, scope, person, nowMs })
  const event = { type: 'opened', finding, reason: 'by_person', pause: true, scope, person } as const
  return { does: 'record', incidentId: incidentId ?? incidentIdOf(finding, incidents), event }
}

/** A finding in which nothing was measured: somebody saw what the signals did not, or did not yet. */
function findingByPerson(input: {
  release: Release
  action: TriggerAction
  trafficGoesTo: string
  scope: readonly Scope[]
  person: ByPerson
  nowMs: number
}): Finding {
  const { release, action, trafficGoesTo, scope, person, nowMs } = input
  const [only] = scope.length === 1 ? scope : []
  return {
    ...UNMEASURED_BREACH,
    by: 'person',
    reason: `${person.by} ordered it: ${person.reason}`,
    release,
    trigger: 'by_hand',
    triggerHash: idOf('by_hand'),
    signal: 'by_hand',
    action,
    trafficGoesTo,
    channel: only?.channel ?? '',
    queue: only?.queue ?? '',
    decidedAtMs: nowMs,
    acceptedAtMs: nowMs,
  }
}

const personOf = ({ by, reason, via }: ByPerson): ByPerson => ({
  by: by.trim(),
  reason: reason.trim(),
  ...(via && { via }),
})

/** Nobody decides without a name and a reason. */
function unsignedOf({ by, reason }: ByPerson): Ruling | null {
  if (by.trim() === '') return refuse('no_name', 'say who decides: a name (--by)')
  if (reason.trim() === '') return refuse('no_reason', 'say why: a reason (--reason)')
  if (by.length > LONGEST_NAME || reason.length > LONGEST_REASON)
    return refuse('bad_value', `a name has at most ${LONGEST_NAME} characters, a reason at most ${LONGEST_REASON}`)
  return null
}

const refuse = (reason: RefusalReason, detail: string): Ruling => ({ does: 'refuse', reason, detail })
