import type { FindingKind } from './finding.ts'
import { type Incident, type IncidentState, isPast } from './incident.ts'
import { type Release, releaseKeyOf } from './slice.ts'
import type { ComparedMode, TriggerAction } from './trigger.ts'

/** One trigger on one release as the detector sees it now. Shares are in [0, 1]; logE is natural. */
export type TriggerView = Readonly<{
  trigger: string
  signal: string
  title: string
  action: TriggerAction
  shadow: boolean
  finding: FindingKind
  reason: string
  trials: number
  hits: number
  /** 95 % Wilson interval; null without trials. */
  rate: number | null
  low: number | null
  high: number | null
  baseline: number
  /** The share above which the trigger calls a release harmful: baseline × (1 + tolerance). */
  limit: number
  /** The share of the latest trials above which it breaches whatever the evidence says; absent = none is configured. */
  ceiling?: number
  /** What the release is compared with and why that, and what people should know of it. */
  baselineMode?: ComparedMode
  baselineAgainst?: string
  baselineReason?: string
  warnings?: readonly string[]
  logE: number
  logThreshold: number
}>

/** Work waits and none of it was counted for this long: the monitor is not ready, its board draws the line there, and the alert fires. */
export const STALLED_MS = 30_000

type OpenState = Exclude<IncidentState, 'resumed' | 'closed'>

/**
 * How far one channel × queue of a release carries it towards its pause, over all triggers that can pause. logE is natural and holds the weights
 * of slice and trigger: it is the slice's term in the joint evidence of the release, so at the line of the release the slice alone pauses it.
 */
export type SliceStanding = Readonly<{
  channel: string
  queue: string
  /** The signal that contributes most. */
  signal: string
  logE: number
}>

/** One release as people see it. Times in ms since 1970, null = never. */
export type ReleaseView = Readonly<{
  release: Release
  /** live, or the state of its open incident. */
  state: 'live' | OpenState
  judged: boolean
  contacts: number
  identified: number
  firstContactMs: number | null
  lastContactMs: number | null
  /** Evidence of the release over all its triggers: what is compared with logThreshold. */
  logE: number
  logThreshold: number
  triggers: readonly TriggerView[]
  /** Where the evidence of the triggers that can pause comes from, the strongest slice first; at most 24 per trigger are told apart. */
  slices: readonly SliceStanding[]
  /** Contacts per hour over the last 24 hours of the monitor's clock, oldest first (for a sparkline). */
  contactsPerHour: readonly number[]
}>

/** Everything the local page, `andon status` and tests read: one consistent look at the monitor. */
export type Overview = Readonly<{
  /** wall, or event (replay and demo): what nowMs is. */
  clock: 'wall' | 'event'
  nowMs: number
  /** Last batch counted, rows waiting, and seconds since the pipeline last made progress. */
  seq: number
  waitingRows: number
  ingestLagSeconds: number
  /** Facts that no batch can count: they count nowhere until they are replayed. */
  setAside: number
  releases: readonly ReleaseView[]
  /** Newest first. */
  incidents: readonly Incident[]
}>

/** The state of each release that has an open incident, by releaseKeyOf. */
export function openStatesOf(incidents: readonly Incident[]): ReadonlyMap<string, OpenState> {
  const open = incidents.filter((incident) => !isPast(incident))
  return new Map(open.map(({ release, state }) => [releaseKeyOf(release), state as OpenState]))
}
