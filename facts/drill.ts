import type { Release } from './slice.ts'

/**
 * Names under which drills run. Their environment is judged but shares no customer with any other, their pauses go to a target that lives
 * only as long as the drill, and boards, KPIs and the page leave them out.
 */
export const DRILL = {
  environment: 'andon-drill',
  /** The agent whose releases go bad. */
  agent: 'andon-drill',
  /** Healthy traffic beside it: proves that telemetry still arrives once the bad release has stopped. */
  control: 'andon-drill-control',
  trigger: 'andon_drill',
} as const

export const isDrill = ({ environment }: Pick<Release, 'environment'>): boolean => environment === DRILL.environment

/** How far one drill came. Times in ms since 1970, null = has not happened. */
export type DrillResult = Readonly<{
  drillId: string
  release: string
  startedAtMs: number
  /** When the fault was injected: known, not estimated. */
  onsetMs: number
  firstHarmMs: number | null
  detectedMs: number | null
  sentMs: number | null
  acceptedMs: number | null
  stoppedMs: number | null
  drainedMs: number | null
  endedAtMs: number
  contactsSent: number
  /** Contacts of the bad release begun between onset and detection. */
  contactsExposed: number
  passed: boolean
  /** `passed`, or what did not happen in time. */
  reason: string
}>
