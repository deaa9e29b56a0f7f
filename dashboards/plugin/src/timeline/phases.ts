import type { Incident, Release } from './model.ts'

/**
 * live: it serves. pausing: the order is given. paused: a platform took it. recovering: drained, its damage is repaired. held: repaired, and still
 * stopped until a person decides. rolled_back: it will not return.
 */
export const PHASES = ['live', 'pausing', 'paused', 'recovering', 'held', 'rolled_back'] as const
export type PhaseKind = (typeof PHASES)[number]

/** open: it had not ended when the data was read, so its end is only how far we can see. */
export type Phase = Readonly<{
  kind: PhaseKind
  fromMs: number
  toMs: number
  open: boolean
  incidentId: string | null
}>

export type Now = Readonly<{
  nowMs: number
  /** A release without a contact for so long serves no more. */
  silentAfterMs: number
}>

type Cut = Readonly<{ atMs: number; kind: PhaseKind; incidentId: string | null }>

/**
 * The order to stop was given; an observed breach changes nothing in the life of a release. Where the query does not say, the state does, except of an
 * incident that is closed: then somebody was told, or nobody was.
 */
export const isOrdered = ({ ordered, state, at }: Incident): boolean => {
  if (ordered !== null) return ordered
  if (state === 'observed') return false
  return !['', 'closed'].includes(state) || at.sent !== null || at.accepted !== null
}

/** A person ended the incident: nothing of its clock is awaited any more. */
export const isOver = ({ resumedMs, closedMs }: Incident): boolean => resumedMs !== null || closedMs !== null

/**
 * The life of one release as spans that follow each other. Every span ends where the next begins; only live ends by itself, with the
 * last contact.
 */
export function phasesOf(release: Release, incidents: readonly Incident[], { nowMs, silentAfterMs }: Now): Phase[] {
  const cuts = [
    { atMs: release.firstMs, kind: 'live' as const, incidentId: null },
    ...incidents.filter(isOrdered).flatMap(cutsOf),
  ].sort((a, b) => a.atMs - b.atMs)
  return cuts
    .map((cut, index): Phase => {
      const next = cuts[index + 1]
      if (next) return { ...spanOf(cut), toMs: next.atMs, open: false }
      if (cut.kind !== 'live') return { ...spanOf(cut), toMs: Math.max(cut.atMs, nowMs), open: true }
      const serves = nowMs - release.lastMs < silentAfterMs
      return { ...spanOf(cut), toMs: Math.max(cut.atMs, release.lastMs, serves ? nowMs : 0), open: serves }
    })
    .filter((phase, _, all) => phase.toMs > phase.fromMs || all.length === 1)
    .reduce<Phase[]>(joined, [])
}

const spanOf = ({ atMs, kind, incidentId }: Cut) => ({ kind, fromMs: atMs, incidentId })

function cutsOf({ at, id, tellsRecovery, resumedMs, rolledBackMs, closedMs }: Incident): Cut[] {
  const cut = (atMs: number | null, kind: PhaseKind): Cut[] => (atMs === null ? [] : [{ atMs, kind, incidentId: id }])
  return [
    ...cut(at.detected, 'pausing'),
    ...cut(at.accepted, 'paused'),
    ...cut(tellsRecovery ? at.drained : null, 'recovering'),
    ...cut(at.recovered, isBefore(rolledBackMs, at.recovered) ? 'rolled_back' : 'held'),
    ...cut(resumedMs, 'live'),
    ...cut(rolledBackMs, 'rolled_back'),
    // Closed before anybody obeyed: as far as anyone knows it went on. What was obeyed stays stopped.
    ...cut(at.accepted === null ? closedMs : null, 'live'),
  ]
}

const isBefore = (a: number | null, b: number | null): boolean => a !== null && b !== null && a <= b

/** Neighbours of one kind and incident are one span. */
function joined(phases: Phase[], phase: Phase): Phase[] {
  const last = phases.at(-1)
  if (last?.kind !== phase.kind || last.incidentId !== phase.incidentId) return [...phases, phase]
  return [...phases.slice(0, -1), { ...last, toMs: phase.toMs, open: phase.open }]
}

export const PHASE_WORDS: Readonly<Record<PhaseKind, string>> = {
  live: 'Live',
  pausing: 'Pausing',
  paused: 'Paused',
  recovering: 'Recovering',
  held: 'Held',
  rolled_back: 'Rolled back',
}
