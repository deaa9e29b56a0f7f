import type { Release } from '../facts/slice.ts'
import type { SpanFact } from '../facts/span.ts'

/** What an affected item is: a contact, its customer, a record that a write touched, a case under way, or the audit entry of the incident. */
export const ITEM_KINDS = ['contact', 'customer', 'record', 'case', 'audit'] as const
export type ItemKind = (typeof ITEM_KINDS)[number]

/** What has to be done about an item; '' = it is listed only. */
export type Need = '' | 'correct' | 'recontact' | 'route' | 'close'

/** What happened to an item. changed: a write that worked. repaired: it failed and worked later in the same contact. */
export type Why =
  | 'failed'
  | 'repaired'
  | 'duplicate'
  | 'unverified'
  | 'changed'
  | 'complaint'
  | 'repeat'
  | 'flagged'
  | 'reopened'
  | 'corrected'
  | 'under_way'

/** One thing that an incident touched. Customers and record keys are pseudonyms; times are event times. */
export type AffectedItem = Readonly<{
  kind: ItemKind
  /** Names it within the incident: contact id, pseudonym, `system/type/id` of a record. */
  item: string
  need: Need
  why: readonly Why[]
  environment: string
  agent: string
  release: string
  channel: string
  queue: string
  intent: string
  contactId: string
  conversation: string
  customer: string
  contactEnd: string
  system: string
  recordType: string
  recordId: string
  recordKey: string
  amount: number
  currency: string
  atMs: number
  endedAtMs: number
}>

/** A contact of the release in the time of the incident, with the writes in it and the creates that repeated a record. */
export type ExposedContact = Readonly<{
  contactId: string
  channel: string
  queue: string
  intent: string
  conversation: string
  customer: string
  contactEnd: string
  startedAtMs: number
  endedAtMs: number
  /** What other facts charge to it, `signal.measure` → n (pipeline). */
  marks: Readonly<Record<string, number>>
  writes: readonly SpanFact[]
  /** Span ids of creates that repeat a record. */
  duplicates: ReadonlySet<string>
}>

export type AffectedInput = Readonly<{
  incidentId: string
  release: Release
  contacts: readonly ExposedContact[]
  /** When the pause took effect, or was ordered: who was under way then has an open case. */
  pausedAtMs: number
  /** A contact without an end counts as under way this long after its last activity. */
  caseIdleMs: number
}>

/** Ends after which nobody has to take a contact over: it is done, or with people already. */
const SETTLED_ENDS = new Set(['resolved', 'transferred', 'escalated', 'abandoned'])

/**
 * Everything that an incident touched, contacts first. Pure. Only demonstrable harm needs something: a write that failed and was
 * not repaired, a duplicate, a customer who was let down or complained, a case under way. All else is listed, for people to judge.
 */
export function affectedItems(given: AffectedInput): AffectedItem[] {
  const tellsEnds = given.contacts.some((contact) => contact.contactEnd !== '')
  const input = tellsEnds ? given : { ...given, caseIdleMs: Math.min(given.caseIdleMs, IDLE_WITHOUT_ENDS_MS) }
  const contacts = input.contacts.map((contact) => ({ contact, why: whyOf(contact) }))
  const items = contacts.map(({ contact, why }) => itemOf(input, contact, 'contact', contact.contactId, '', why))
  const records = recordItems(input)
  const open = input.contacts.filter((contact) => isUnderWay(contact, input))
  const cases = open.map((contact) => itemOf(input, contact, 'case', contact.contactId, 'route', ['under_way']))
  const { incidentId, release, pausedAtMs } = input
  const audit: AffectedItem = {
    ...NOTHING,
    ...release,
    kind: 'audit',
    item: incidentId,
    need: 'close',
    atMs: pausedAtMs,
    endedAtMs: pausedAtMs,
  }
  return [...items, ...customerItems(input, contacts), ...records, ...cases, audit]
}

const NOTHING: AffectedItem = {
  kind: 'contact',
  item: '',
  need: '',
  why: [],
  environment: '',
  agent: '',
  release: '',
  channel: '',
  queue: '',
  intent: '',
  contactId: '',
  conversation: '',
  customer: '',
  contactEnd: '',
  system: '',
  recordType: '',
  recordId: '',
  recordKey: '',
  amount: 0,
  currency: '',
  atMs: 0,
  endedAtMs: 0,
}

function itemOf(
  { release }: AffectedInput,
  contact: ExposedContact,
  kind: ItemKind,
  item: string,
  need: Need,
  why: readonly Why[],
): AffectedItem {
  const { channel, queue, intent, contactId, conversation, customer, contactEnd, startedAtMs, endedAtMs } = contact
  const where = { channel, queue, intent, contactId, conversation, customer, contactEnd }
  return { ...NOTHING, ...release, ...where, kind, item, need, why, atMs: startedAtMs, endedAtMs }
}

/** Marks of the pipeline that say that a contact went wrong. */
const MARKED: readonly (readonly [mark: RegExp, why: Why])[] = [
  [/^complaints\.events$/, 'complaint'],
  [/^repeat_contacts\.events$/, 'repeat'],
  [/^reopened_cases\.events$/, 'reopened'],
  [/^corrections\.events$/, 'corrected'],
]
/** Attributed signals that are no harm to the customer, or told above. */
const NO_FLAG = /^(complaints|repeat_contacts|reopened_cases|corrections|human_reviews|duplicate_creations)(_\w+)?\./

function whyOf({ marks, writes, duplicates }: ExposedContact): Why[] {
  const why = new Set<Why>()
  for (const fate of fatesOf(writes, duplicates).values()) for (const one of fate) if (one !== 'changed') why.add(one)
  for (const [mark, n] of Object.entries(marks)) {
    if (n <= 0) continue
    for (const [pattern, reason] of MARKED) if (pattern.test(mark)) why.add(reason)
    if (mark.endsWith('.events') && !NO_FLAG.test(mark)) why.add('flagged')
  }
  return [...why]
}

/** `system/type/id`, else by pseudonym of the natural key, else the call itself: what people and ledger name a record by. */
export function recordNameOf(write: SpanFact): string {
  const place = [write.system || '_', write.recordType || '_']
  if (write.recordId !== '') return [...place, write.recordId].join('/')
  return [...place, write.recordKey === '' ? `call:${write.spanId}` : `key:${write.recordKey}`].join('/')
}

/** What became of each record that these writes of one contact touched. */
function fatesOf(writes: readonly SpanFact[], duplicates: ReadonlySet<string>): Map<string, Set<Why>> {
  const fates = new Map<string, Set<Why>>()
  for (const write of [...writes].sort((a, b) => a.startedAtMs - b.startedAtMs)) {
    const fate = fates.get(recordNameOf(write)) ?? new Set<Why>()
    fates.set(recordNameOf(write), fate)
    if (write.result === 'failed' || write.result === 'partial') {
      fate.delete('repaired')
      fate.add('failed')
    } else if (write.result === 'unverified') fate.add('unverified')
    else {
      if (fate.delete('failed')) fate.add('repaired')
      fate.add('changed')
    }
    if (duplicates.has(write.spanId)) fate.add('duplicate')
  }
  return fates
}

function recordItems(input: AffectedInput): AffectedItem[] {
  const items = new Map<string, AffectedItem>()
  for (const contact of input.contacts) {
    const fates = fatesOf(contact.writes, contact.duplicates)
    for (const write of contact.writes) {
      const name = recordNameOf(write)
      const why = [...new Set([...(items.get(name)?.why ?? []), ...fates.get(name)!])]
      const known = items.get(name) ?? itemOf(input, contact, 'record', name, '', [])
      items.set(name, {
        ...known,
        why,
        need: why.includes('failed') || why.includes('duplicate') ? 'correct' : '',
        system: write.system,
        recordType: write.recordType,
        recordId: write.recordId,
        recordKey: write.recordKey,
        // Amounts of different currencies are never added: the record keeps the first that its writes named.
        amount: known.amount + (known.currency === '' || known.currency === write.currency ? write.amount : 0),
        currency: known.currency || write.currency,
        endedAtMs: Math.max(known.endedAtMs, write.endedAtMs),
      })
    }
  }
  return [...items.values()]
}

/** Harm after which somebody has to speak to the customer. */
const LETS_DOWN: readonly Why[] = ['failed', 'complaint', 'flagged', 'reopened']

function customerItems(
  input: AffectedInput,
  contacts: readonly Readonly<{ contact: ExposedContact; why: readonly Why[] }>[],
): AffectedItem[] {
  const items = new Map<string, AffectedItem>()
  for (const { contact, why } of contacts) {
    if (contact.customer === '') continue
    const known = items.get(contact.customer)
    const all = [
      ...new Set([...(known?.why ?? []), ...why, ...(isUnderWay(contact, input) ? ['under_way' as const] : [])]),
    ]
    const need = all.some((one) => LETS_DOWN.includes(one)) ? 'recontact' : ''
    const latest =
      known && known.atMs > contact.startedAtMs
        ? known
        : itemOf(input, contact, 'customer', contact.customer, need, all)
    items.set(contact.customer, { ...latest, need, why: all })
  }
  return [...items.values()]
}

/** Where a release never tells how its contacts end, silence says little: only the last hour before the pause counts. */
const IDLE_WITHOUT_ENDS_MS = 3_600_000

/** Nobody has ended it, and it was active not long before the pause (or after it). */
function isUnderWay({ contactEnd, endedAtMs }: ExposedContact, { pausedAtMs, caseIdleMs }: AffectedInput): boolean {
  return !SETTLED_ENDS.has(contactEnd) && endedAtMs >= pausedAtMs - caseIdleMs
}
