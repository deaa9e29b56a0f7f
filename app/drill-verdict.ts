import type { DrillResult } from '../facts/drill.ts'
import { DRILL } from '../facts/drill.ts'
import { type Finding, UNMEASURED_BREACH } from '../facts/finding.ts'

export type DrillLimits = Readonly<{ acceptWithinMs: number; stopWithinMs: number }>

type Times = Pick<DrillResult, 'onsetMs' | 'detectedMs' | 'sentMs' | 'acceptedMs' | 'drainedMs'>

/** Whether a drill passed, and where the path was cut or too slow. `fault`: what kept the traffic from being sent. Pure. */
export function drillVerdict(
  times: Times,
  limits: DrillLimits,
  fault: string | null,
): Pick<DrillResult, 'passed' | 'reason'> {
  const failed = (reason: string) => ({ passed: false, reason })
  const within = `within ${limits.acceptWithinMs / 1000} s of the onset`
  const { onsetMs, detectedMs, sentMs, acceptedMs, drainedMs } = times
  if (acceptedMs !== null && acceptedMs - onsetMs > limits.acceptWithinMs)
    return failed(`the pause was accepted ${seconds(acceptedMs - onsetMs)} after the onset, not ${within}`)
  if (fault !== null) return failed(`the drill could not go on: ${fault}`)
  if (detectedMs === null) return failed(`the fault was not detected ${within}`)
  if (sentMs === null) return failed(`it was detected, and no pause was sent ${within}`)
  if (acceptedMs === null) return failed(`a pause was sent, and the target did not accept it ${within}`)
  if (limits.stopWithinMs > 0 && drainedMs === null)
    return failed(
      `the pause was accepted, and the release was not proven drained within ${limits.stopWithinMs / 1000} s`,
    )
  return { passed: true, reason: 'passed' }
}

/** Whether a scheduled drill is due; a store without any begins with one. Pure. */
export const isDrillDue = (lastMs: number | null, everyHours: number, nowMs: number): boolean =>
  lastMs === null || nowMs >= lastMs + everyHours * 3_600_000

const seconds = (ms: number): string => `${(ms / 1000).toFixed(1)} s`

/** What people are told of a failed drill, in the words of a finding; its hash is the drill, so that each is an incident of its own. */
export const drillFinding = (result: DrillResult): Finding => ({
  ...UNMEASURED_BREACH,
  reason: result.reason,
  release: { environment: DRILL.environment, agent: DRILL.agent, release: result.release },
  trigger: DRILL.trigger,
  triggerHash: result.drillId,
  signal: 'failed_updates',
  onsetMs: result.onsetMs,
  onsetLowMs: result.onsetMs,
  onsetHighMs: result.onsetMs,
  firstHarmMs: result.firstHarmMs,
  contactsExposed: result.contactsExposed,
  decidedAtMs: result.endedAtMs,
  acceptedAtMs: result.endedAtMs,
})
