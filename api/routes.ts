import type { Incident } from '../facts/incident.ts'
import type { Overview } from '../facts/overview.ts'
import type { Clock } from '../lib/clock.ts'
import type { AuditRow } from '../releases/audit.ts'
import { auditRoutes } from './audit.ts'
import { type Explain, explanationRoutes } from './explanation.ts'
import { incidentRoutes } from './incidents.ts'
import { type Answered, ofrepRoutes } from './ofrep.ts'
import { openApiRoute } from './openapi.ts'
import { overviewRoutes } from './overview.ts'
import { type RecoveryApi, recoveryRoutes } from './recovery.ts'
import { type ReleaseEdges, releaseRoutes } from './releases.ts'
import type { Route } from './route.ts'

/** What the handlers need of the monitor; functions, so that the routes can be listed without one. */
export type ApiEdges = Readonly<{
  overview: () => Promise<Overview>
  /** All incidents, from memory: the stop switch asks often. */
  incidents: () => readonly Incident[] | Promise<readonly Incident[]>
  /** Told of every answer of the stop switch. */
  onAnswer?: ((answered: Answered) => void) | undefined
  /** Why an incident was opened, computed again from the store; absent where the process has none. */
  explain?: Explain
  clock: Pick<Clock, 'nowMs'>
  /** What people decide; absent where nobody decides (a page beside roles that run elsewhere). */
  people?: ReleaseEdges & Readonly<{ audit: () => Promise<AuditRow[]> }>
  /** Absent: this process does not follow recoveries. */
  recovery?: RecoveryApi
}>

/** Every route of the API. */
export function routesOf({ overview, incidents, onAnswer, explain, clock, people, recovery }: ApiEdges): Route[] {
  const routes: Route[] = [
    ...overviewRoutes(overview),
    ...explanationRoutes(explain),
    ...(people ? [...incidentRoutes(people.operate), ...releaseRoutes(people), ...auditRoutes(people.audit)] : []),
    ...recoveryRoutes(recovery),
    ...ofrepRoutes({ incidents, onAnswer, clock }),
    openApiRoute(() => routes),
  ]
  return routes
}

/** The routes without a monitor behind them, for what is made from the list: documents and tests. */
export function declaredRoutes(): Route[] {
  const nobody = () => {
    throw new Error('these routes are only listed')
  }
  const registry = { list: nobody, find: nobody, register: nobody, retire: nobody }
  const people = { operate: nobody, registry, gate: nobody, audit: nobody }
  return routesOf({ overview: nobody, incidents: nobody, clock: { nowMs: nobody }, people })
}
