import { releaseSelected, share } from './sql.ts'
import { sql } from './text.ts'

/**
 * How every release of a condition (`latestReleases`) stood, per signal, at the end of the range: the trigger whose evidence was strongest.
 * Columns environment, agent, release, signal, limit_share, evidence (1 is the line), finding_now, action_now.
 */
export const standings = (releases: string): string => sql`
    SELECT environment, agent, release, signal,
      argMax(trigger_limit, trigger_evidence) AS limit_share,
      max(trigger_evidence) AS evidence,
      argMax(trigger_finding, trigger_evidence) AS finding_now,
      argMax(trigger_action, trigger_evidence) AS action_now
    FROM (
      SELECT environment, agent, release, signal, trigger,
        argMax(limit, (at, seq)) AS trigger_limit,
        argMax(log_e / log_threshold, (at, seq)) AS trigger_evidence,
        argMax(finding, (at, seq)) AS trigger_finding,
        argMax(if(shadow = 1, 'shadow', action), (at, seq)) AS trigger_action
      FROM evidence_history
      WHERE trigger != '' AND minute <= $__toTime
        AND ${releases}
      GROUP BY environment, agent, release, signal, trigger
    )
    GROUP BY environment, agent, release, signal`

/** The state of every release of the selection that has an incident: of the latest one. */
export const states = (): string => sql`
    SELECT environment, agent, release, argMax(state, detected_at) AS state_now
    FROM incident_clock
    WHERE detected_at <= $__toTime AND ${releaseSelected()}
    GROUP BY environment, agent, release`

export const rateOf = (): string => share("sumIf(n, measure = 'hits')", "sumIf(n, measure = 'trials')")
