import { createHash, createHmac, timingSafeEqual } from 'node:crypto'
import type { IncomingMessage } from 'node:http'
import { isIP } from 'node:net'
import { AndonError } from '../lib/errors.ts'

/** Whether a listening address can be reached from this machine only. */
export const isLoopback = (host: string): boolean =>
  host === 'localhost' || host === '::1' || (isIP(host) === 4 && host.startsWith('127.'))

/** Who may read the page. */
export type Access = Readonly<{
  /** Why the Host header is not ours, or null. Stops DNS rebinding: a foreign page that resolves its own name to loopback. */
  wrongHost: (request: IncomingMessage) => string | null
  /** True when a request carries the bearer token or the cookie, or when none is needed. */
  isAllowed: (request: IncomingMessage) => boolean
  /** The Set-Cookie value that stands for a right token; null for a wrong one, and where no token is needed. */
  cookieFor: (token: string, request: IncomingMessage) => string | null
}>

const COOKIE = 'andon_page'

/**
 * @param host the address listened on
 * @param token bearer token; may be left out on loopback only
 * @throws AndonError 'config' when the page would be open to other machines without a token, or the token is empty
 */
export function createAccess(host: string, token: string | undefined): Access {
  if (token === '') throw new AndonError('config', "the page's bearer token is empty; leave it out or give one")
  if (token === undefined && !isLoopback(host))
    throw new AndonError('config', `the page on ${host} needs a bearer token; set one, or listen on 127.0.0.1`)
  const wrongHost = isLoopback(host) ? (request: IncomingMessage) => wrongLoopbackHost(host, request) : () => null
  if (token === undefined) return { wrongHost, isAllowed: () => true, cookieFor: () => null }
  // The cookie is derived from the token, so that what a browser keeps opens this page and nothing else.
  const cookie = createHmac('sha256', token).update('andon page cookie').digest('hex')
  return {
    wrongHost,
    isAllowed: (request) => isEqual(bearerOf(request), token) || isEqual(cookieOf(request), cookie),
    cookieFor: (given, request) => {
      if (!isEqual(given, token)) return null
      const secure = request.headers['x-forwarded-proto'] === 'https' ? '; Secure' : ''
      return `${COOKIE}=${cookie}; Path=/; HttpOnly; SameSite=Lax${secure}` // Lax: a link from a chat must open the page
    },
  }
}

function wrongLoopbackHost(listensOn: string, request: IncomingMessage): string | null {
  const header = request.headers.host ?? ''
  const name = header.replace(/:\d{1,5}$/, '').toLowerCase()
  if (isLoopback(name) || name === '[::1]' || name === listensOn) return null
  return `this page answers to localhost and 127.0.0.1, not to the host name ${JSON.stringify(header.slice(0, 100))}`
}

/** Compares digests, so that neither content nor length of a secret shows in the time it takes. */
function isEqual(given: string | undefined, expected: string): boolean {
  const digest = (text: string) => createHash('sha256').update(text).digest()
  return given !== undefined && timingSafeEqual(digest(given), digest(expected))
}

const bearerOf = (request: IncomingMessage): string | undefined =>
  /^Bearer +(\S+) *$/i.exec(request.headers.authorization ?? '')?.[1]

const cookieOf = (request: IncomingMessage): string | undefined =>
  (request.headers.cookie ?? '')
    .split(';')
    .map((pair) => pair.trim())
    .find((pair) => pair.startsWith(`${COOKIE}=`))
    ?.slice(COOKIE.length + 1)
