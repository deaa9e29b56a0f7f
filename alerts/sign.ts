import { createHmac, timingSafeEqual } from 'node:crypto'
import { AndonError } from '../lib/errors.ts'

/**
 * Standard Webhooks 1.0 signatures (symmetric, `v1`): HMAC-SHA256 over `id.timestamp.body`, base64.
 * Source: https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md
 */
export type SignedHeaders = Readonly<{
  'webhook-id': string
  'webhook-timestamp': string
  'webhook-signature': string
}>

/** How far a webhook's timestamp may lie from the receiver's clock, either way (the specification's reference value). */
export const TOLERANCE_MS = 5 * 60_000

const PREFIX = 'whsec_'
// The specification asks for 24 to 64 random bytes.
const MIN_KEY_BYTES = 24
const MAX_KEY_BYTES = 64

/** Key bytes of a `whsec_` secret. Throws AndonError 'bad_secret', whose message never holds the secret. */
export function keyOf(secret: string): Buffer {
  const wanted = `a webhook secret is '${PREFIX}' and the base64 of ${MIN_KEY_BYTES} to ${MAX_KEY_BYTES} random bytes`
  const make = `make one with: printf '${PREFIX}%s\\n' "$(openssl rand -base64 32)"`
  const text = secret.trim()
  const encoded = text.slice(PREFIX.length)
  const key = Buffer.from(encoded, 'base64')
  const isBase64 = key.toString('base64').replace(/=+$/, '') === encoded.replace(/=+$/, '')
  if (!text.startsWith(PREFIX) || !isBase64) throw new AndonError('bad_secret', `${wanted}; ${make}`)
  if (key.length < MIN_KEY_BYTES || key.length > MAX_KEY_BYTES)
    throw new AndonError('bad_secret', `${wanted}, this one has ${key.length} bytes; ${make}`)
  return key
}

/** Headers of one webhook; one signature per key (two while rotating), in the order given. `atMs` is wall clock. */
export function sign(input: { id: string; atMs: number; body: string; keys: readonly Buffer[] }): SignedHeaders {
  const timestamp = String(Math.floor(input.atMs / 1000))
  return {
    'webhook-id': input.id,
    'webhook-timestamp': timestamp,
    'webhook-signature': input.keys.map((key) => `v1,${macOf(key, input.id, timestamp, input.body)}`).join(' '),
  }
}

export type Verdict =
  | Readonly<{ ok: true }>
  | Readonly<{
      ok: false
      reason: 'missing_header' | 'bad_timestamp' | 'too_old' | 'too_new' | 'no_matching_signature'
    }>

/**
 * Whether one of `keys` signed this body within the tolerance. `headers` have lower-case names, as node:http gives them.
 * Every signature is compared with every key in constant time; `body` is the raw text received, before any parsing.
 */
export function verify(input: {
  headers: Readonly<Record<string, string | string[] | undefined>>
  body: string
  keys: readonly Buffer[]
  nowMs: number
}): Verdict {
  const id = input.headers['webhook-id']
  const timestamp = input.headers['webhook-timestamp']
  const signatures = input.headers['webhook-signature']
  if (typeof id !== 'string' || typeof timestamp !== 'string' || typeof signatures !== 'string')
    return { ok: false, reason: 'missing_header' }
  if (!/^\d{1,12}$/.test(timestamp)) return { ok: false, reason: 'bad_timestamp' }
  const ageMs = input.nowMs - Number(timestamp) * 1000
  if (ageMs > TOLERANCE_MS) return { ok: false, reason: 'too_old' }
  if (ageMs < -TOLERANCE_MS) return { ok: false, reason: 'too_new' }
  let matched = false
  for (const signature of signatures.split(' ')) {
    if (!signature.startsWith('v1,')) continue
    const given = Buffer.from(signature.slice('v1,'.length))
    for (const key of input.keys) {
      const wanted = Buffer.from(macOf(key, id, timestamp, input.body))
      if (given.length === wanted.length && timingSafeEqual(given, wanted)) matched = true
    }
  }
  return matched ? { ok: true } : { ok: false, reason: 'no_matching_signature' }
}

const macOf = (key: Buffer, id: string, timestamp: string, body: string): string =>
  createHmac('sha256', key).update(`${id}.${timestamp}.${body}`).digest('base64')
