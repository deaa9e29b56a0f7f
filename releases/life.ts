import { covers, type Incident, type IncidentEvent, isPast, type Scope } from '../facts/incident.ts'
import { type Release, releaseKeyOf } from '../facts/slice.ts'
import { assert } from '../lib/errors.ts'
import type { ReleaseEvent } from './record.ts'

/** recovering: it takes no contact any more, and what it did is put right. */
export type ReleaseState = 'live' | 'pausing' | 'paused' | 'recovering' | 'resumed' | 'rolled_back' | 'retired'

/** What can happen to a release; each is a line of a journal. */
export type Move = 'ordered' | 'accepted' | 'drained' | 'reopened' | 'resumed' | 'rolled_back' | 'retired'

/**
 * From which state a move leads to which; what is not here is illegal. A pause may be ordered of every release, also of one that is
 * retired: it should take no contact, and does. Late facts bring no release that is rolled back or retired into another state.
 */
export const TRANSITIONS: Readonly<Record<Move, Readonly<Partial<Record<ReleaseState, ReleaseState>>>>> = {
  ordered: {
    live: 'pausing',
    pausing: 'pausing',
    paused: 'pausing',
    recovering: 'pausing',
    resumed: 'pausing',
    rolled_back: 'pausing',
    retired: 'pausing',
  },
  accepted: { pausing: 'paused' },
  drained: { paused: 'recovering', rolled_back: 'rolled_back', retired: 'retired' },
  reopened: { recovering: 'paused', paused: 'paused', rolled_back: 'rolled_back', retired: 'retired' },
  // Of a retired release, too: whoever resumes it takes the retirement back.
  resumed: { pausing: 'resumed', paused: 'resumed', recovering: 'resumed', rolled_back: 'resumed', retired: 'resumed' },
  rolled_back: { pausing: 'rolled_back', paused: 'rolled_back', recovering: 'rolled_back', retired: 'retired' },
  retired: { live: 'retired', paused: 'retired', recovering: 'retired', resumed: 'retired', rolled_back: 'retired' },
}

export type Transition = Readonly<{
  atMs: number
  from: ReleaseState
  to: ReleaseState
  move: Move
  /** Who decided, '' = a trigger or telemetry; and why. */
  by: string
  reason: string
  incidentId: string
  /** Empty: the whole release. */
  scope: readonly Scope[]
}>

/** Where a release stands, and how it came there. */
export type ReleaseLife = Readonly<{
  state: ReleaseState
  /** Parts that are stopped alone, while the rest goes on. */
  parts: readonly Readonly<Scope & { state: ReleaseState }>[]
  transitions: readonly Transition[]
}>

const NEW: ReleaseLife = { state: 'live', parts: [], transitions: [] }

/** Where a move leads, or why it is refused. Pure. */
export function moved(from: ReleaseState, move: Move): Readonly<{ to: ReleaseState } | { refused: string }> {
  const to = TRANSITIONS[move][from]
  return to ? { to } : { refused: `a release that is ${from.replace('_', ' ')} cannot be ${move.replace('_', ' ')}` }
}

export type Told = Readonly<{ incident: Incident; line: IncidentEvent; before: Incident | null }>

/**
 * The life of every release: a fold of the journal of incidents, in order of time, and of what people said of releases. Pure.
 * @param lines each with its incident before and after it
 */
export function livesOf(lines: readonly Told[], events: readonly ReleaseEvent[]): ReadonlyMap<string, ReleaseLife> {
  const lives = new Map<string, ReleaseLife>()
  const apply = (release: Release, step: Step) => {
    const key = releaseKeyOf(release)
    lives.set(key, withMove(lives.get(key) ?? NEW, step))
  }
  const steps = [
    ...lines.flatMap((told) => {
      return stepsOf(told).map((step) => ({ release: told.incident.release, step }))
    }),
    ...events
      .filter(({ type }) => type === 'retired')
      .map(({ release, atMs, actor, reason }) => ({
        release,
        step: { atMs, move: 'retired' as const, by: actor, reason, incidentId: '', scope: [] },
      })),
  ]
  // Lines of one moment keep their order: what an incident does follows from its own lines.
  for (const { release, step } of steps.sort((a, b) => a.step.atMs - b.step.atMs)) apply(release, step)
  return lives
}

function withMove(life: ReleaseLife, step: Step): ReleaseLife {
  const { move, scope } = step
  if (scope.length > 0) {
    const from =
      life.parts.find((part) => scope.some((one) => covers(one, part)))?.state ?? life.parts[0]?.state ?? 'live'
    const to = legal(from, move)
    const kept = life.parts.filter((part) => !scope.some((one) => covers(one, part)))
    const parts = to === 'resumed' ? kept : [...kept, ...scope.map((part) => ({ ...part, state: to }))]
    return {
      ...life,
      parts,
      transitions: to === from && move !== 'ordered' ? life.transitions : [...life.transitions, { ...step, from, to }],
    }
  }
  const to = legal(life.state, move)
  if (to === life.state && move !== 'ordered') return life
  const transitions = [...life.transitions, { ...step, from: life.state, to }]
  return { state: to, parts: move === 'ordered' ? [] : life.parts, transitions }
}

function legal(from: ReleaseState, move: Move): ReleaseState {
  const result = moved(from, move)
  assert('to' in result, 'refused' in result ? result.refused : '')
  return result.to
}

type Step = Omit<Transition, 'from' | 'to'>

/** What one line of an incident does to its release, or to the parts that are stopped. */
function stepsOf(told: Told): Step[] {
  const { incident, line } = told
  const { event, atMs, incidentId } = line
  if (event.type !== 'part_resumed') return [stepOf(told)].filter((step) => step !== null)
  const { by, reason } = event
  const rest = 'what is still stopped is looked at anew'
  return [
    { atMs, move: 'resumed', by, reason, incidentId, scope: event.scope },
    { atMs, move: 'reopened', by: '', reason: rest, incidentId, scope: incident.scope },
  ]
}

function stepOf({ incident, line, before }: Told): Step | null {
  const { event, atMs, incidentId } = line
  const { scope } = incident
  const step = (move: Move, reason: string, by = '') => ({ atMs, move, by, reason, incidentId, scope })
  switch (event.type) {
    case 'opened':
      return event.pause ? step('ordered', event.person?.reason ?? event.finding.reason, event.person?.by) : null
    case 'accepted': {
      if (!event.enforces || before === null || isPast(before)) return null
      const by = event.person?.by ?? ''
      const reason = event.person?.reason ?? `accepted by ${event.target}`
      if (incident.rolledBackMs !== null && before.rolledBackMs === null) return step('rolled_back', reason, by)
      return before.state === 'pausing' ? step('accepted', reason, by) : null
    }
    case 'drained':
      return step('drained', 'its last contact has ended')
    case 'reopened':
      return step('reopened', event.because)
    case 'overridden':
    case 'resumed':
      return step('resumed', event.reason, event.by)
    default:
      return null
  }
}
