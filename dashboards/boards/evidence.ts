import { current, isAmong, linesOf, releaseName, releaseSelected, share } from './sql.ts'
import { sql } from './text.ts'

/**
 * How every release of the selection stands, per signal, as the detector last said: the trigger whose evidence is strongest.
 * Columns environment, agent, release, signal, limit_share, ceiling_share (0 = none), evidence (1 is the line of the trigger alone), finding_now.
 */
export const standings = (): string => sql`
  SELECT environment, agent, release, signal, argMax(trigger_limit, trigger_evidence) AS limit_share,
    argMax(trigger_ceiling, trigger_evidence) AS ceiling_share,
    max(trigger_evidence) AS evidence, argMax(trigger_finding, trigger_evidence) AS finding_now
  FROM (
    SELECT environment, agent, release, signal, trigger, argMax(limit, seq) AS trigger_limit, argMax(ceiling, seq) AS trigger_ceiling,
      argMax(log_e / log_threshold, seq) AS trigger_evidence, argMax(finding, seq) AS trigger_finding
    FROM ${current()}
    WHERE trigger != '' AND ${releaseSelected()}
    GROUP BY environment, agent, release, signal, trigger
  )
  GROUP BY environment, agent, release, signal`

/** The joint evidence of every release of the selection, as the detector last said: what pauses it at 1 (docs/decisions/0006). */
export const joint = (): string => sql`
  SELECT environment, agent, release, argMax(log_e / log_threshold, seq) AS joint_evidence
  FROM ${current()}
  WHERE trigger = '' AND ${releaseSelected()}
  GROUP BY environment, agent, release`

/** The state of every release of the selection that has an incident: of the latest one. */
export const states = (): string => sql`
    SELECT environment, agent, release, argMax(state, detected_at) AS state_now
    FROM incident_clock
    WHERE detected_at <= $__toTime AND ${releaseSelected()}
    GROUP BY environment, agent, release`

export const rateOf = (): string => share("sumIf(n, measure = 'hits')", "sumIf(n, measure = 'trials')")

/** The joint evidence of these releases over time, a line each; `releases`: rows of agent, release, environment. */
export const jointLines = (releases: string): string =>
  linesOf(
    sql`
    SELECT $__timeInterval(minute) AS time, ${releaseName} AS name, toNullable(argMax(log_e / log_threshold, (at, seq))) AS evidence_ratio
    FROM evidence_history
    WHERE trigger = '' AND $__timeFilter(minute)
      AND ${isAmong(releases)}
    GROUP BY time, name`,
    'evidence_ratio',
  )
