import { type Mark, marksOf } from './marks.ts'
import { type Evidence, type Incident, keyOf, type Names, type Release, type Timeline } from './model.ts'
import { type Now, type Phase, type PhaseKind, phasesOf } from './phases.ts'
import type { Range } from './scale.ts'

export type Order = 'agent' | 'newest' | 'urgent'

/** One release as it is drawn. */
export type Lane = Names &
  Readonly<{
    key: string
    launch: Release
    incidents: readonly Incident[]
    phases: readonly Phase[]
    marks: readonly Mark[]
    evidence: Evidence | null
    /** How it stands at the end of what is known; ended: live once, silent now. */
    standing: Standing
  }>

export type Standing = PhaseKind | 'ended' | 'breached'

export type Lanes = Readonly<{ lanes: readonly Lane[]; total: number }>

/** Releases that were active in the range, in order. What stands still (rolled back, long paused) is active only when it came about. */
export function lanesOf(timeline: Timeline, range: Range, now: Now, order: Order): Lanes {
  const incidents = groupBy(timeline.incidents, (incident) => incident.key)
  const releases = new Map(timeline.releases.map((release) => [release.key, release]))
  for (const [key, list] of incidents) if (!releases.has(key)) releases.set(key, releaseOf(list))
  const all = [...releases.values()].map((release) =>
    laneOf(release, incidents.get(release.key) ?? [], timeline.evidence.get(release.key) ?? null, now),
  )
  const lanes = all.filter((lane) => isActive(lane, range))
  return { lanes: lanes.sort(order === 'agent' ? byAgent(lanes) : ORDERS[order]), total: all.length }
}

function laneOf(release: Release, list: readonly Incident[], evidence: Evidence | null, now: Now): Lane {
  const incidents = [...list].sort((a, b) => a.at.detected! - b.at.detected!)
  const phases = phasesOf(release, incidents, now)
  const { environment, agent, key } = release
  return {
    environment,
    agent,
    release: release.release,
    key,
    launch: release,
    incidents,
    phases,
    marks: marksOf(incidents),
    evidence,
    standing: standingOf(phases, incidents),
  }
}

/** A release of which only an incident is known: its contacts were filtered away, or are gone. */
function releaseOf(incidents: readonly Incident[]): Release {
  const { environment, agent, release } = incidents[0]!
  const moments = incidents.flatMap(({ at }) => Object.values(at).filter((ms) => ms !== null))
  const names = { environment, agent, release }
  const firstMs = Math.min(...moments)
  return { ...names, key: keyOf(names), firstMs, lastMs: Math.max(...moments), contacts: null, row: null }
}

function standingOf(phases: readonly Phase[], incidents: readonly Incident[]): Standing {
  const last = phases.at(-1)
  if (last === undefined) return 'ended'
  if (last.kind !== 'live') return last.kind
  if (!last.open) return 'ended'
  return incidents.some(({ state }) => state === 'observed') ? 'breached' : 'live'
}

const isActive = ({ phases, marks }: Lane, { fromMs, toMs }: Range): boolean =>
  phases.some((phase) =>
    phase.kind === 'rolled_back'
      ? phase.fromMs >= fromMs && phase.fromMs <= toMs
      : phase.fromMs <= toMs && phase.toMs >= fromMs,
  ) || marks.some(({ atMs }) => atMs >= fromMs && atMs <= toMs)

/** The most urgent first. */
const URGENCY: readonly Standing[] = [
  'pausing',
  'breached',
  'paused',
  'recovering',
  'held',
  'live',
  'rolled_back',
  'ended',
]
/** Where somebody must act now: these stand at the top in any order but the one by age. */
const PINNED: readonly Standing[] = ['pausing', 'breached', 'paused']
const urgencyOf = ({ standing }: Lane): number => URGENCY.indexOf(standing)
const compareText = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0)
const byNewest = (a: Lane, b: Lane): number => b.launch.firstMs - a.launch.firstMs || compareText(a.key, b.key)

const isPinned = ({ standing }: Lane): boolean => PINNED.includes(standing)
const groupOf = ({ agent, environment }: Lane): string => `${agent}\u001f${environment}`

/** Agents with a release where somebody must act come first, and that release first among its own. */
function byAgent(lanes: readonly Lane[]): (a: Lane, b: Lane) => number {
  const pinned = new Set(lanes.filter(isPinned).map(groupOf))
  return (a, b) =>
    Number(pinned.has(groupOf(b))) - Number(pinned.has(groupOf(a))) ||
    compareText(a.agent, b.agent) ||
    compareText(a.environment, b.environment) ||
    Number(isPinned(b)) - Number(isPinned(a)) ||
    byNewest(a, b)
}

const ORDERS: Readonly<Record<Exclude<Order, 'agent'>, (a: Lane, b: Lane) => number>> = {
  newest: byNewest,
  urgent: (a, b) => urgencyOf(a) - urgencyOf(b) || byNewest(a, b),
}

function groupBy<T>(items: readonly T[], keyOfItem: (item: T) => string): Map<string, T[]> {
  const groups = new Map<string, T[]>()
  for (const item of items) {
    const group = groups.get(keyOfItem(item))
    if (group) group.push(item)
    else groups.set(keyOfItem(item), [item])
  }
  return groups
}
