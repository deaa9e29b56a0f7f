import { timingSafeEqual } from 'node:crypto'
import type { IncomingMessage } from 'node:http'
import type { Clock } from '../lib/clock.ts'
import { bearerOf, digestOf, isLoopback, wrongHostOf, wrongOriginOf } from '../lib/door.http.ts'
import { AndonError } from '../lib/errors.ts'
import { cookieOf, includes, LOCAL, type Role, type Token } from './tokens.ts'

/** Whose request this is. `token` is the name of a token, '' where reading needs none. */
export type Caller = Readonly<{ token: string; role: Role }>

/** Who may come in, on the address that page and API share. */
export type Access = Readonly<{
  /** Why the request was meant for somebody else (Host), or null. */
  wrongHost: (request: IncomingMessage) => string | null
  /** Why a browser must not send this request, or null. To be asked before anything is changed. */
  wrongOrigin: (request: IncomingMessage) => string | null
  /** Throws AndonError 'unauthenticated' or 'token_expired'. */
  callerOf: (request: IncomingMessage) => Caller
  /** True when a request may read. */
  isAllowed: (request: IncomingMessage) => boolean
  /** The Set-Cookie value that stands for a right token; null for a wrong one, and where reading needs none. */
  cookieFor: (token: string, request: IncomingMessage) => string | null
}>

const COOKIE = 'andon_page'
const HINT = 'send the header Authorization: Bearer <token>'

/**
 * Reading is open on loopback as long as no configured token could read; then nobody meant to close it. Writing always takes a token: the
 * configured ones, or the key beside the store.
 * @param host the address listened on
 * @throws AndonError 'config' when the page would be open to other machines without a token
 */
export function createAccess(host: string, tokens: readonly Token[], clock: Pick<Clock, 'nowMs'>): Access {
  const isOpen = tokens.every(({ name, role }) => name === LOCAL || !includes(role, 'read'))
  if (isOpen && !isLoopback(host))
    throw new AndonError('config', `the page on ${host} needs a bearer token; set one, or listen on 127.0.0.1`)

  function callerOf(request: IncomingMessage): Caller {
    const bearer = bearerOf(request)
    const cookie = bearer === undefined ? cookieIn(request) : undefined
    const token = bearer === undefined ? matching(tokens, 'cookie', cookie) : matching(tokens, 'digest', bearer)
    if (token === null) {
      if (isOpen && request.headers.authorization === undefined) return { token: '', role: 'read' }
      const given = bearer === undefined ? 'this needs a token' : 'this is not a token of this monitor'
      throw new AndonError('unauthenticated', `${given}; ${HINT}`)
    }
    const expired = expiredText(token, clock.nowMs())
    if (expired) throw new AndonError('token_expired', expired)
    return { token: token.name, role: token.role }
  }

  return {
    wrongHost: (request) => wrongHostOf(request, host),
    wrongOrigin: wrongOriginOf,
    callerOf,
    isAllowed: (request) => {
      try {
        return includes(callerOf(request).role, 'read')
      } catch {
        return false
      }
    },
    cookieFor: (given, request) => {
      const token = matching(tokens, 'digest', given)
      if (token === null || isOpen) return null
      const secure = request.headers['x-forwarded-proto'] === 'https' ? '; Secure' : ''
      return `${COOKIE}=${cookieOf(given)}; Path=/; HttpOnly; SameSite=Lax${secure}` // Lax: a link from a chat must open the page
    },
  }
}

const expiredText = ({ name, expiresAtMs }: Token, nowMs: number): string | null =>
  expiresAtMs === null || expiresAtMs > nowMs
    ? null
    : `the token '${name}' expired at ${new Date(expiresAtMs).toISOString()}; ask for a new one`

/** Why a bearer token may not send telemetry, or null; undefined where no token has the role ingest, and nobody asked for one. */
export function ingestRefusals(
  tokens: readonly Token[],
  clock: Pick<Clock, 'nowMs'>,
): ((bearer: string | undefined) => string | null) | undefined {
  if (!tokens.some(({ role }) => role === 'ingest')) return undefined
  return (bearer) => {
    const token = matching(tokens, 'digest', bearer)
    if (token === null) return HINT
    if (token.role !== 'ingest')
      return `sending needs the role ingest; the token '${token.name}' has the role ${token.role}`
    return expiredText(token, clock.nowMs())
  }
}

/** Looks at every token, so that the time it takes tells nothing about which one it was. */
function matching(tokens: readonly Token[], by: 'digest' | 'cookie', given: string | undefined): Token | null {
  if (given === undefined) return null
  const digest = digestOf(given)
  return tokens.reduce<Token | null>((found, token) => (timingSafeEqual(digest, token[by]) ? token : found), null)
}

const cookieIn = (request: IncomingMessage): string | undefined =>
  (request.headers.cookie ?? '')
    .split(';')
    .map((pair) => pair.trim())
    .find((pair) => pair.startsWith(`${COOKIE}=`))
    ?.slice(COOKIE.length + 1)
