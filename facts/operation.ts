import type { ByPerson, Incident, Scope, Verdict } from './incident.ts'

/** A release as a person names it; the environment may be left out where only one release fits. */
export type ReleaseName = Readonly<{ environment?: string | undefined; agent: string; release: string }>

/** What a person asks of the cord. */
export type Operation = ByPerson &
  (
    | Readonly<{ does: 'acknowledge' | 'override' | 'accept' | 'rollback_incident'; incidentId: string }>
    /** Of all that is stopped, or of one channel or queue of it; '' = every one. */
    | Readonly<{ does: 'resume'; incidentId: string; channel: string; queue: string }>
    | Readonly<{ does: 'snooze'; incidentId: string; minutes: number }>
    | Readonly<{ does: 'close'; incidentId: string; verdict: Verdict }>
    | Readonly<{ does: 'pause' | 'rollback'; release: ReleaseName; scope: Scope; trafficGoesTo?: string | undefined }>
  )

/** What became of it; a refusal is an AndonError `conflict`, `not_found` or `invalid`. */
export type Operated = Readonly<{
  incident: Incident
  /** false: it stood already. */
  changed: boolean
  detail: string
}>

export type Operate = (operation: Operation) => Promise<Operated>
