import { createHmac, hash } from 'node:crypto'
import { AndonError } from '../lib/errors.ts'

export type Pseudonymizer = Readonly<{
  /** 32 hex digits for a customer identity, '' for an empty one. */
  customer: (identity: string) => string
  /** A conversation id, or `p-` and 32 hex digits in its place where {@link ConversationIds} says so. */
  conversation: (id: string) => string
  /** 32 hex digits for a record: its type and its natural key (one part or several), '' when any part is empty. */
  record: (recordType: string, naturalKey: readonly string[]) => string
  /** 32 hex digits for a person who reviewed, '' for none. */
  reviewer: (identity: string) => string
  /**
   * 32 hex digits for the canonical text of arguments, '' for none. Not normalised: programs compare exactly. Not cached: hardly
   * two are equal, so it is one SHA-256 behind a derived key of one block (four times the speed of an HMAC); half of the digest
   * stays hidden, which leaves nothing to extend.
   */
  arguments: (canonical: string) => string
}>

/** What becomes of conversation ids: auto hides those that look like an address or a phone number, plain none, pseudonym all. */
export const CONVERSATION_IDS = ['auto', 'plain', 'pseudonym'] as const
export type ConversationIds = (typeof CONVERSATION_IDS)[number]

const SEPARATOR = '\u001f'
const SHORTEST_SECRET = 16

/**
 * Identities become pseudonyms at the door: normalised (see normalizeKey), then HMAC-SHA256 with the secret, cut to 128 bits.
 * Purpose and key version are part of the message, so a customer and a record of the same text never share a pseudonym, and a new
 * key version changes all of them.
 * @param cacheSize how many pseudonyms of each purpose to remember (two generations of half that size), about 200 bytes each
 * @throws AndonError 'config' when the secret is shorter than 16 bytes
 */
export function createPseudonymizer(options: {
  secret: string
  keyVersion: string | number
  cacheSize?: number
  /** Default auto. */
  conversations?: ConversationIds
}): Pseudonymizer {
  const secret = Buffer.from(options.secret, 'utf8')
  if (secret.length < SHORTEST_SECRET) {
    throw new AndonError(
      'config',
      `the pseudonym secret must have at least ${SHORTEST_SECRET} bytes, found ${secret.length}`,
    )
  }
  const mac = createMac(secret)
  const prefixOf = (purpose: string) => `${purpose}${SEPARATOR}${options.keyVersion}${SEPARATOR}`
  const customerPrefix = prefixOf('customer')
  const conversationPrefix = prefixOf('conversation')
  const reviewerPrefix = prefixOf('reviewer')
  const recordPrefix = prefixOf('record')
  const argumentsKey = createHmac('sha256', secret).update(prefixOf('arguments')).digest('hex')
  const cacheSize = options.cacheSize ?? 100_000
  const customers = createCache(cacheSize)
  const records = createCache(cacheSize)
  const conversations = createCache(cacheSize)
  const { conversations: kept = 'auto' } = options
  const isHidden = kept === 'auto' ? looksLikeIdentity : () => kept === 'pseudonym'
  return {
    customer: (identity) => {
      if (identity === '') return ''
      return customers.of(identity, () => {
        const key = normalizeKey(identity)
        return key === '' ? '' : mac(customerPrefix + key)
      })
    },
    conversation: (id) => {
      if (id === '' || !isHidden(id)) return id
      return conversations.of(id, () => `p-${mac(conversationPrefix + id)}`)
    },
    record: (recordType, naturalKey) => {
      if (naturalKey.length === 0) return ''
      return records.of([recordType, ...naturalKey].join(SEPARATOR), () => {
        const parts = naturalKey.map(normalizeKey)
        if (parts.includes('')) return ''
        return mac(recordPrefix + [normalizeKey(recordType), ...parts].join(SEPARATOR))
      })
    },
    reviewer: (identity) => {
      const key = normalizeKey(identity)
      return key === '' ? '' : mac(reviewerPrefix + key)
    },
    arguments: (canonical) => (canonical === '' ? '' : hash('sha256', argumentsKey + canonical, 'hex').slice(0, 32)),
  }
}

/** E.164 numbers have at most 15 digits; shorter than 10 they are rather somebody's ticket. */
const PHONE = /^(?:[a-z]{2,12}:)?[+(]*\d(?:[ ().-]*\d){9,14}$/i
const PHONE_INSIDE = /\+\d{8,15}/

/** Channels whose thread never changes use the customer's own address as its id: 4917…, whatsapp:+49 17…, ann@example.org. */
function looksLikeIdentity(id: string): boolean {
  return id.includes('@') || PHONE.test(id) || PHONE_INSIDE.test(id)
}

const BLOCK_BYTES = 64

/**
 * HMAC-SHA256 (RFC 2104), first 32 hex digits, from two one-shot hashes: an Hmac object per text costs five times as much, most of
 * it for wrapping the key anew.
 */
function createMac(secret: Buffer): (text: string) => string {
  const key = Buffer.alloc(BLOCK_BYTES)
  if (secret.length > BLOCK_BYTES) hash('sha256', secret, 'buffer').copy(key)
  else secret.copy(key)
  const inner = key.map((byte) => byte ^ 0x36)
  const outer = Buffer.concat([key.map((byte) => byte ^ 0x5c), Buffer.alloc(32)])
  return (text) => {
    hash('sha256', Buffer.concat([inner, Buffer.from(text, 'utf8')]), 'buffer').copy(outer, BLOCK_BYTES)
    return hash('sha256', outer, 'hex').slice(0, 32)
  }
}

/** Letters, digits and marks that normalisation leaves as they are: the common case, decided without allocating. */
const ALREADY_NORMAL = /^[!-@[-`a-~]+(?: [!-@[-`a-~]+)*$/

/** Two spellings of one identity become one: NFKC, trimmed, spaces collapsed, case folded (lower, upper, lower again: ẞ = ß = SS = ss). */
export function normalizeKey(text: string): string {
  if (ALREADY_NORMAL.test(text)) return text
  return normalizeLabel(text.normalize('NFKC').toLowerCase().toUpperCase().toLowerCase())
}

/** Printable ASCII with single spaces inside: normalisation changes nothing in it. */
const PLAIN_LABEL = /^[!-~]+(?: [!-~]+)*$/

/** How intents, channels, queues and regions are compared and shown: NFKC, trimmed, spaces collapsed, case kept. */
export function normalizeLabel(text: string): string {
  if (text === '' || PLAIN_LABEL.test(text)) return text
  return text.normalize('NFKC').replace(/\s+/gu, ' ').trim()
}

/** A bounded memory of two generations: what is asked for again moves to the young one, the old one is dropped whole. */
function createCache(size: number): { of: (key: string, make: () => string) => string } {
  const half = Math.max(1, size >> 1)
  let young = new Map<string, string>()
  let old = new Map<string, string>()
  const remember = (key: string, value: string) => {
    if (young.size >= half) {
      old = young
      young = new Map()
    }
    young.set(key, value)
    return value
  }
  return {
    of: (key, make) => {
      const known = young.get(key)
      if (known !== undefined) return known
      return remember(key, old.get(key) ?? make())
    },
  }
}
