import { createServer } from 'node:http'
import type { Incident } from '../facts/incident.ts'
import type { Overview } from '../facts/overview.ts'
import { type Clock, wallClock } from '../lib/clock.ts'
import { send } from '../lib/door.http.ts'
import { type Log, silentLog } from '../lib/log.ts'
import { shared } from '../lib/shared.ts'
import { type Access, createAccess } from './access.http.ts'
import type { Answered } from './ofrep.ts'
import type { Route } from './route.ts'
import { routesOf } from './routes.ts'
import { type Api, createApi } from './serve.http.ts'
import { apiConfig, PAGE, type Rates, type Token, tokenOf } from './tokens.ts'

/** What tests mount: access and API as `andon serve` makes them, over an overview. `token` is page.token. */
export function mounted(
  options: Readonly<{
    host?: string | undefined
    token?: string | undefined
    tokens?: readonly Token[] | undefined
    rates?: Partial<Rates>
    overview: () => Promise<Overview>
    incidents?: () => readonly Incident[]
    onAnswer?: (answered: Answered) => void
    routes?: readonly Route[]
    clock?: Clock | undefined
    log?: Log
  }>,
): { access: Access; api: Api } {
  const { host = '127.0.0.1', token, tokens = [], clock = wallClock, log = silentLog } = options
  const page = token === undefined ? [] : [tokenOf({ name: PAGE, role: 'read', secret: token })]
  const access = createAccess(host, [...tokens, ...page], clock)
  const overview = shared(options.overview, { clock: wallClock, withinMs: 10_000, what: 'the monitor' })
  const rates = { ...apiConfig.parse({}).rates, ...options.rates }
  const routes =
    options.routes ??
    routesOf({
      overview,
      incidents: options.incidents ?? (async () => (await overview()).incidents),
      onAnswer: options.onAnswer,
      clock,
    })
  return { access, api: createApi({ routes, access, rates, clock, log }) }
}

/** Serves an API alone, on a free port of loopback; closes at once, whatever is under way. */
export async function startApi(api: Api, port = 0): Promise<{ url: string; close: () => Promise<void> }> {
  const server = createServer(async (request, response) => {
    const answer = (await api.answer(request)) ?? { status: 418, headers: {} }
    await send(request, response, answer, { clock: wallClock })
  })
  await new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve))
  return {
    url: `http://127.0.0.1:${(server.address() as { port: number }).port}`,
    close: () => {
      server.closeAllConnections()
      return new Promise<void>((resolve) => server.close(() => resolve()))
    },
  }
}
