import type { Incident } from '../facts/incident.ts'
import type { Overview } from '../facts/overview.ts'
import type { Clock } from '../lib/clock.ts'
import { ofrepRoutes } from './ofrep.ts'
import { openApiRoute } from './openapi.ts'
import { overviewRoutes } from './overview.ts'
import type { Route } from './route.ts'

/** What the handlers need of the monitor; functions, so that the routes can be listed without one. */
export type ApiEdges = Readonly<{
  overview: () => Promise<Overview>
  /** All incidents, from memory: the stop switch asks often. */
  incidents: () => readonly Incident[] | Promise<readonly Incident[]>
  clock: Pick<Clock, 'nowMs'>
}>

/** Every route of the API. */
export function routesOf(edges: ApiEdges): Route[] {
  const routes: Route[] = [
    ...overviewRoutes(edges.overview),
    ...ofrepRoutes(edges.incidents, edges.clock),
    openApiRoute(() => routes),
  ]
  return routes
}

/** The routes without a monitor behind them, for what is made from the list: documents and tests. */
export function declaredRoutes(): Route[] {
  const nobody = () => {
    throw new Error('these routes are only listed')
  }
  return routesOf({ overview: nobody, incidents: nobody, clock: { nowMs: nobody } })
}
