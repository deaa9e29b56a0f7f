import { type LookupAddress, lookup as systemLookup } from 'node:dns'
import http from 'node:http'
import https from 'node:https'
import { isIP, type LookupFunction } from 'node:net'
import type { Clock } from '../lib/clock.ts'
import { AndonError } from '../lib/errors.ts'
import { isDenied } from './address.ts'
import { retryAfterMs } from './schedule.ts'

/** How an attempt ended. Only 2xx is delivered; 410 ends the delivery, all else is tried again. */
export type Outcome =
  | 'delivered'
  | 'redirect_refused'
  | 'gone'
  | 'client_error'
  | 'server_error'
  | 'timeout'
  | 'connection_failed'
  | 'address_denied'
  /** Cut off by our own shutdown: nothing is known, the attempt stays open and is repeated. */
  | 'aborted'

export type PostRequest = Readonly<{
  url: string
  headers: Readonly<Record<string, string>>
  body: string
  allowPrivate: boolean
  timeoutMs: number
  signal: AbortSignal
}>

/** status 0: there was no answer. retryAfterMs 0: none was asked for. */
export type PostResult = Readonly<{ outcome: Outcome; status: number; retryAfterMs: number; elapsedMs: number }>

/** Sends one webhook. Never throws: every end is an outcome. */
export type Post = (request: PostRequest) => Promise<PostResult>

/** All addresses of a host name, as node:dns gives them with `all: true`. */
export type ResolveHost = (
  host: string,
  answer: (error: Error | null, addresses: readonly LookupAddress[]) => void,
) => void

const resolveBySystem: ResolveHost = (host, answer) =>
  systemLookup(host, { all: true }, (error, addresses) => answer(error, addresses))

/** An answer is only its status: its body is read up to here to end the exchange politely, and thrown away. */
const MAX_ANSWER_BYTES = 64 * 1024

/**
 * POST over node:http(s). The host name is resolved once, all its addresses are checked, and the connection goes to
 * what was checked (no second look-up that could answer otherwise). Redirects are never followed, proxies never used.
 */
export function createPost({
  clock,
  resolveHost = resolveBySystem,
}: {
  clock: Clock
  resolveHost?: ResolveHost
}): Post {
  return (request) =>
    new Promise((resolve) => {
      const startedAtMs = clock.nowMs()
      const url = new URL(request.url)
      const host = url.hostname.replace(/^\[(.*)\]$/, '$1')
      const ended = new AbortController()
      let cutOff: Outcome | null = null
      const settle = (outcome: Outcome, status = 0, header?: string) => {
        const nowMs = clock.nowMs()
        resolve({ outcome, status, retryAfterMs: retryAfterMs(header, nowMs), elapsedMs: nowMs - startedAtMs })
      }
      // node calls no lookup for a literal address, so it is checked here.
      if (isIP(host) !== 0 && isDenied(host, request.allowPrivate)) return settle('address_denied')
      if (request.signal.aborted) return settle('aborted')

      const exchange = (url.protocol === 'https:' ? https : http).request(url, {
        method: 'POST',
        headers: { ...request.headers, 'content-length': String(Buffer.byteLength(request.body)) },
        agent: false, // a fresh connection each time: a kept one would skip the address check
        lookup: checkedLookup(resolveHost, request.allowPrivate),
      })
      const cut = (outcome: Outcome) => {
        cutOff = outcome
        exchange.destroy()
      }
      const abort = () => cut('aborted')
      request.signal.addEventListener('abort', abort, { once: true })
      clock.sleep(request.timeoutMs, ended.signal).then(() => {
        if (!ended.signal.aborted) cut('timeout')
      })
      exchange.on('response', (answer) => {
        const status = answer.statusCode ?? 0
        settle(outcomeOf(status), status, answer.headers['retry-after'])
        let bytes = 0
        answer.on('error', () => {}) // the status has decided; a torn body changes nothing
        answer.on('data', (chunk: Buffer) => {
          bytes += chunk.length
          if (bytes > MAX_ANSWER_BYTES) exchange.destroy()
        })
      })
      exchange.on('error', (error) =>
        settle(cutOff ?? (isAddressDenied(error) ? 'address_denied' : 'connection_failed')),
      )
      exchange.on('close', () => {
        ended.abort()
        request.signal.removeEventListener('abort', abort)
        settle(cutOff ?? 'connection_failed')
      })
      exchange.end(request.body)
    })
}

const outcomeOf = (status: number): Outcome => {
  if (status >= 200 && status < 300) return 'delivered'
  if (status >= 300 && status < 400) return 'redirect_refused'
  if (status === 410) return 'gone'
  return status >= 500 ? 'server_error' : 'client_error'
}

/** One denied address denies the name: a mixed answer is how a name is bent towards an inner network. */
function checkedLookup(resolveHost: ResolveHost, allowPrivate: boolean): LookupFunction {
  return (host, options, answer) => {
    resolveHost(host, (error, addresses) => {
      const first = addresses?.[0]
      if (error || !first) return answer(error ?? new AndonError('no_address', `no address for ${host}`), '', 4)
      if (addresses.some(({ address }) => isDenied(address, allowPrivate)))
        return answer(
          new AndonError('address_denied', `${host} resolves to an address that webhooks must not go to`),
          '',
          4,
        )
      if (options.all) return answer(null, [...addresses])
      answer(null, first.address, first.family)
    })
  }
}

const isAddressDenied = (error: Error): boolean => error instanceof AndonError && error.code === 'address_denied'
