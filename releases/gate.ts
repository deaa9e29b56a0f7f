import type { FindingKind } from '../facts/finding.ts'
import { partLabel } from '../facts/incident.ts'
import type { GateLimits } from './limits.ts'
import type { ReleaseMeasures } from './measures.clickhouse.ts'
import { AUTONOMY_LEVELS, levelOf, type ReleaseRecord } from './record.ts'
import { isStepUp, type KnownRelease } from './registry.ts'

/**
 * deploy: before a release takes its first contact; asks only what can be known then. promote: before it takes more traffic, or does more
 * on its own; asks telemetry.
 */
export const GATE_STAGES = ['deploy', 'promote'] as const
export type GateStage = (typeof GATE_STAGES)[number]

/** One question of the gate. Only `passed` lets through: what nobody knows (`unknown`) never reads as good news. */
export type GateCheck = Readonly<{
  name:
    | 'release_state'
    | 'release_record'
    | 'recovery_complete'
    | 'autonomy'
    | 'declared_scope'
    | 'data_quality'
    | 'policy_pass_rate'
    | 'review_accuracy'
    | 'update_success'
    | 'impact_limits'
    | 'audit_completeness'
  result: 'passed' | 'failed' | 'unknown' | 'not_asked'
  /** What was measured and what is asked, as shares in [0, 1]; null where the check is no number. */
  value: number | null
  limit: number | null
  detail: string
}>

export type GateVerdict = Readonly<{
  passed: boolean
  stage: GateStage
  stepUp: boolean | null
  checks: readonly GateCheck[]
}>

export type GateInput = Readonly<{
  stage: GateStage
  known: KnownRelease
  previous: KnownRelease | null
  measures: ReleaseMeasures
  /** What each trigger that can act says of the release now. */
  findings: readonly Readonly<{ trigger: string; finding: FindingKind; reason: string }>[]
  /** Redeploy gate of each incident that ordered this release, or the one before it, to stop. */
  recoveries: readonly Readonly<{ incidentId: string; allowed: boolean; detail: string }>[]
  limits: GateLimits
}>

/** Whether a release may go on, and each reason why or why not. Pure. */
export function gate(input: GateInput): GateVerdict {
  const { stage, known, previous } = input
  const stepUp = isStepUp(known, previous)
  const always = [stateCheck(input), recordCheck(input), recoveryCheck(input), autonomyCheck(input, stepUp)]
  const measured = [
    scopeCheck(input),
    dataCheck(input, stepUp === true),
    policyCheck(input),
    reviewCheck(input),
    updateCheck(input),
    impactCheck(input, stepUp === true),
    auditCheck(input),
  ]
  const checks = stage === 'promote' ? [...always, ...measured] : always
  const passed = checks.every(({ result }) => result === 'passed' || result === 'not_asked')
  return { passed, stage, stepUp, checks }
}

type Name = GateCheck['name']
const told = (
  name: Name,
  result: GateCheck['result'],
  detail: string,
  value: number | null = null,
  limit: number | null = null,
): GateCheck => ({
  name,
  result,
  value,
  limit,
  detail,
})

/** A share that must not be lower than a limit; without anything to share it is unknown. */
function least(name: Name, part: number, whole: number, limit: number, what: string): GateCheck {
  if (whole === 0) return told(name, 'unknown', `no ${what} to tell it from`, null, limit)
  const value = part / whole
  return told(name, value >= limit ? 'passed' : 'failed', `${part} of ${whole} ${what}`, value, limit)
}

function stateCheck({ known }: GateInput): GateCheck {
  const isFree = known.state === 'live' || known.state === 'resumed'
  const parts = known.parts.map(partLabel)
  if (isFree && parts.length > 0) return told('release_state', 'failed', `stopped on ${parts.join(', ')}`)
  return told('release_state', isFree ? 'passed' : 'failed', `it is ${known.state.replace('_', ' ')}`)
}

/** What an auditor asks for first. */
function recordCheck({ known }: GateInput): GateCheck {
  const missing = missingIn(known.record)
  if (missing.length === 0) return told('release_record', 'passed', `registered by ${known.registered?.by ?? ''}`)
  return told('release_record', 'failed', `missing: ${missing.join(', ')} (andon release register)`)
}

function missingIn(record: ReleaseRecord | null): string[] {
  const { owner, change, allowedActions, affectedSystems, autonomy, previousRelease } = record ?? {}
  const isSaid = {
    owner,
    'what changed': change?.prompt || change?.policy || change?.model,
    autonomy,
    'previous release': previousRelease,
  }
  return [
    ...Object.entries(isSaid).flatMap(([name, value]) => (value ? [] : [name])),
    ...(allowedActions === undefined ? ['allowed actions'] : []),
    ...(affectedSystems === undefined ? ['affected systems'] : []),
  ]
}

function recoveryCheck({ recoveries }: GateInput): GateCheck {
  const open = recoveries.filter(({ allowed }) => !allowed)
  if (open.length === 0)
    return told(
      'recovery_complete',
      'passed',
      recoveries.length === 0 ? 'nothing to recover from' : 'complete, or waived by name',
    )
  return told(
    'recovery_complete',
    'failed',
    open.map(({ incidentId, detail }) => `incident ${incidentId}: ${detail}`).join('; '),
  )
}

/** More freedom than before is asked of evidence; as much or less is not. */
function autonomyCheck({ stage, known, previous }: GateInput, stepUp: boolean | null): GateCheck {
  const level = (one: KnownRelease | null) => one?.record?.autonomy ?? 'not said'
  const step = `${level(previous)} → ${level(known)}`
  if (known.record?.previousRelease === undefined)
    return told('autonomy', 'unknown', 'no previous release to compare with')
  if (stepUp === null) return told('autonomy', 'unknown', `${step}: say both with andon release register`)
  if (!stepUp) return told('autonomy', 'passed', `${step}: no step up`)
  if (stage === 'deploy')
    return told(
      'autonomy',
      'failed',
      `${step}: a step up needs evidence; deploy it at the level before, and promote it`,
    )
  const levels = AUTONOMY_LEVELS.indexOf(known.record!.autonomy!) - (levelOf(previous?.record?.autonomy) ?? 0)
  if (levels > 1) return told('autonomy', 'failed', `${step}: one level at a time`)
  return told('autonomy', 'passed', `${step}: a step up, on the evidence of the other checks`)
}

/** It did what the record allows, and no more. */
function scopeCheck({ known, measures }: GateInput): GateCheck {
  const { allowedActions = [], affectedSystems = [], autonomy } = known.record ?? {}
  if (known.record === null) return told('declared_scope', 'unknown', 'nobody said what it may do')
  const beyond = [
    ...measures.actions.filter((action) => !allowedActions.includes(action)).map((action) => `action ${action}`),
    ...measures.systems.filter((system) => !affectedSystems.includes(system)).map((system) => `system ${system}`),
    ...measures.autonomy
      .filter((seen) => (levelOf(seen) ?? -1) > (levelOf(autonomy) ?? Infinity))
      .map((seen) => `autonomy ${seen}`),
  ]
  return beyond.length === 0
    ? told('declared_scope', 'passed', 'it did only what the record allows')
    : told('declared_scope', 'failed', `beyond the record: ${beyond.join(', ')}`)
}

function dataCheck({ measures, limits }: GateInput, stepUp: boolean): GateCheck {
  const { contacts, identified, sampled } = measures
  const minimum = stepUp ? limits.minContactsStepUp : limits.minContacts
  if (contacts < minimum)
    return told(
      'data_quality',
      'unknown',
      `${contacts} contacts, ${minimum} are needed${stepUp ? ' for a step up' : ''}`,
    )
  if (sampled > 0)
    return told('data_quality', 'failed', `${sampled} spans come from a sampled stream: its counts are no counts`)
  return least('data_quality', identified, contacts, limits.identified, 'contacts identified')
}

const policyCheck = ({ measures: { contacts, policyFailures }, limits }: GateInput): GateCheck =>
  least('policy_pass_rate', contacts - policyFailures, contacts, limits.policyPass, 'contacts without a policy failure')

/** Asked where people review: of a reviewed update always, else of whoever has reviews. */
function reviewCheck({ known, measures, limits }: GateInput): GateCheck {
  const { reviewed, reviewedCorrected } = measures
  const isReviewed = known.record?.autonomy === 'reviewed update' || known.record?.autonomy === 'suggested'
  if (reviewed === 0 && !isReviewed) return told('review_accuracy', 'not_asked', 'nobody reviews this release')
  if (reviewed < limits.minReviews)
    return told(
      'review_accuracy',
      'unknown',
      `${reviewed} reviewed contacts, ${limits.minReviews} are needed`,
      null,
      limits.reviewAccuracy,
    )
  return least(
    'review_accuracy',
    reviewed - reviewedCorrected,
    reviewed,
    limits.reviewAccuracy,
    'reviewed contacts needed no correction',
  )
}

function updateCheck({ measures: { writes, failedWrites }, known, limits }: GateInput): GateCheck {
  if (writes === 0 && known.record?.autonomy === 'read-only')
    return told('update_success', 'not_asked', 'it is read-only')
  return least('update_success', writes - failedWrites, writes, limits.updateSuccess, 'writes succeeded')
}

/** No trigger is breached; for a step up each must be shown to lie below its limit. Triggers that the record names must exist. */
function impactCheck({ known, findings }: GateInput, stepUp: boolean): GateCheck {
  const missing = (known.record?.triggers ?? []).filter((name) => !findings.some(({ trigger }) => trigger === name))
  if (missing.length > 0) return told('impact_limits', 'failed', `no trigger ${missing.join(', ')} judges it`)
  if (findings.length === 0) return told('impact_limits', 'unknown', 'no trigger judges it')
  const breached = findings.filter(({ finding }) => finding === 'breach')
  if (breached.length > 0)
    return told('impact_limits', 'failed', breached.map(({ trigger, reason }) => `${trigger}: ${reason}`).join('; '))
  const blind = findings.filter(({ finding }) =>
    stepUp ? finding !== 'clear' : finding !== 'clear' && finding !== 'watching',
  )
  if (blind.length > 0)
    return told('impact_limits', 'unknown', blind.map(({ trigger, finding }) => `${trigger} is ${finding}`).join(', '))
  return told('impact_limits', 'passed', stepUp ? 'every limit is shown to be kept' : 'no limit is breached')
}

/** Every write says which record it changed, and which policy or person allowed it. */
function auditCheck({ known, measures, limits }: GateInput): GateCheck {
  const { writesAudited, writesReviewed, writes } = measures
  if (writes === 0 && known.record?.autonomy === 'read-only')
    return told('audit_completeness', 'not_asked', 'it is read-only')
  const isReviewed = known.record?.autonomy === 'reviewed update'
  return isReviewed
    ? least(
        'audit_completeness',
        Math.min(writesAudited, writesReviewed),
        writes,
        limits.auditedWrites,
        'writes name record and reviewer',
      )
    : least(
        'audit_completeness',
        writesAudited,
        writes,
        limits.auditedWrites,
        'writes name record and policy or reviewer',
      )
}
