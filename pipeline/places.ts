import type { OutcomeFact } from '../facts/span.ts'
import type { Contact } from './contact.ts'

/** Where a contact or a create stands in time under a key by which it is found again. */
export type Place = Readonly<{
  key: string
  atMs: number
  contactId: string
  item: string
  conversation: string
  intent: string
  initiator: string
}>
export type PlaceChange = Readonly<{ place: Place; gone: 0 | 1 }>

/**
 * Which environments share their customers, conversations and records. All judged environments are one scope: absent and
 * `production` name the same customers. Every other environment is a scope of its own, so that a staging replay is counted
 * with its own repeats and complaints but never causes any in production.
 */
export type ScopeOf = (environment: string) => string

export const JUDGED_ENVIRONMENTS: readonly string[] = ['', 'production', 'prod']

export function scopesOf(judged: readonly string[]): ScopeOf {
  const shared = new Set(judged)
  return (environment) => (shared.has(environment) ? '' : encodeURIComponent(environment))
}

const customerKey = (scope: string, customer: string): string => `u/${scope}/${customer}`
const conversationKey = (scope: string, conversation: string): string => `c/${scope}/${conversation}`
/** Key of the places of the creates of one record. */
export const recordPlaceKey = (scope: string, record: string): string => `r/${scope}/${record}`

export const isCustomerKey = (key: string): boolean => key.startsWith('u/')
export const isRecordKey = (key: string): boolean => key.startsWith('r/')

/** Outcomes that name neither a conversation nor a customer: nothing can be attributed to a contact. */
const NO_KEY = 'none'

/** Keys of an outcome: its conversation and its customer. */
export function keysOf(outcome: OutcomeFact, scopeOf: ScopeOf): string[] {
  const scope = scopeOf(outcome.environment)
  const keys = []
  if (outcome.conversation !== '') keys.push(conversationKey(scope, outcome.conversation))
  if (outcome.customer !== '') keys.push(customerKey(scope, outcome.customer))
  return keys.length > 0 ? keys : [NO_KEY]
}

/** All places of a contact and of what it created; an empty customer has none, so it matches nothing. */
function placesOf(contact: Contact, scopeOf: ScopeOf): Place[] {
  const scope = scopeOf(contact.environment)
  const { contactId, conversation, intent, initiator } = contact
  const place = { atMs: contact.startedAtMs, contactId, item: '', conversation, intent, initiator }
  const places: Place[] = [{ ...place, key: conversationKey(scope, conversation) }]
  if (contact.customer !== '') places.push({ ...place, key: customerKey(scope, contact.customer) })
  for (const record of contact.created)
    places.push({
      key: recordPlaceKey(scope, record.key),
      atMs: record.atMs,
      contactId,
      item: record.spanId,
      conversation: '',
      intent: '',
      initiator: '',
    })
  return places
}

/** What changes when a contact changes: places it takes or describes anew, and places it leaves. */
export function placeChanges(before: Contact | null, after: Contact | null, scopeOf: ScopeOf): PlaceChange[] {
  const was = new Map((before ? placesOf(before, scopeOf) : []).map((place) => [identityOf(place), place]))
  const changes: PlaceChange[] = []
  for (const place of after ? placesOf(after, scopeOf) : []) {
    const identity = identityOf(place)
    const old = was.get(identity)
    was.delete(identity)
    if (
      !old ||
      old.conversation !== place.conversation ||
      old.intent !== place.intent ||
      old.initiator !== place.initiator
    )
      changes.push({ place, gone: 0 })
  }
  for (const place of was.values()) changes.push({ place, gone: 1 })
  return changes
}

const identityOf = (place: Place): string => `${place.key}\u001f${place.atMs}\u001f${place.item}`
