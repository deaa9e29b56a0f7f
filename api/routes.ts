import type { Overview } from '../facts/overview.ts'
import { overviewRoutes } from './overview.ts'
import type { Route } from './route.ts'

/** What the handlers need of the monitor; functions, so that the routes can be listed without one. */
export type ApiEdges = Readonly<{
  overview: () => Promise<Overview>
}>

/** Every route of the API. */
export const routesOf = (edges: ApiEdges): Route[] => [...overviewRoutes(edges.overview)]
