import type { Registry } from 'prom-client'
import { type Access, createAccess, ingestRefusals } from '../api/access.http.ts'
import { type ApiEdges, routesOf } from '../api/routes.ts'
import { type Api, createApi } from '../api/serve.http.ts'
import { LOCAL, PAGE, resolveTokens, tokenOf } from '../api/tokens.ts'
import type { Config } from '../config.ts'
import { wallClock } from '../lib/clock.ts'
import type { Log } from '../lib/log.ts'
import { shared } from '../lib/shared.ts'
import { observeApi } from './api-metrics.ts'
import { type Environment, localKey, readingKey, readSecret } from './secrets.ts'

const ANSWERS_WITHIN_MS = 10_000

/** Who may come to page and API: the configured tokens, page.token (which reads), and the key beside the store. */
export function accessOf(config: Config, env: Environment): Access {
  const { host, token } = config.page
  const key = localKey(config.store.path, { make: true })
  const tokens = [
    ...resolveTokens(config.api.tokens, (ref) => readSecret(ref, env)),
    ...(token ? [tokenOf({ name: PAGE, role: 'read', secret: readSecret(token, env) })] : []),
    tokenOf({ name: LOCAL, role: 'admin', secret: key }),
    tokenOf({ name: LOCAL, role: 'read', secret: readingKey(key) }),
  ]
  return createAccess(host, tokens, wallClock)
}

/**
 * Who may send to the receiver: receive.token, and the configured tokens with the role ingest. `own` is what this process shows when it
 * sends to itself (drills).
 */
export function ingestOf(
  config: Config,
  env: Environment,
): Readonly<{ token: string | undefined; refuses: ReturnType<typeof ingestRefusals>; own: string | undefined }> {
  const token = config.receive.token ? readSecret(config.receive.token, env) : undefined
  const tokens = resolveTokens(config.api.tokens, (ref) => readSecret(ref, env))
  const nowMs = wallClock.nowMs()
  const sender = config.api.tokens.find(
    ({ role, expires }) => role === 'ingest' && (expires === undefined || Date.parse(expires) > nowMs),
  )
  const own = token ?? (sender && readSecret(sender.secret, env))
  return { token, refuses: ingestRefusals(tokens, wallClock), own }
}

/** The API over what the monitor can do. Requests that come while a look is under way share it. */
export function apiOf(
  options: Readonly<{ config: Config; access: Access; log: Log; registry: Registry }> & Omit<ApiEdges, 'clock'>,
): Api {
  const { config, access, log, registry, overview: look, ...edges } = options
  const overview = shared(look, { clock: wallClock, withinMs: ANSWERS_WITHIN_MS, what: 'the monitor' })
  return createApi({
    routes: routesOf({ ...edges, overview, clock: wallClock }),
    access,
    rates: config.api.rates,
    clock: wallClock,
    log,
    observe: observeApi(registry),
  })
}
