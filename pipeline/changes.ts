import { EMPTY_SPAN, type SpanFact } from '../facts/span.ts'
import { type Contact, type ContactPart, contactIdOf, contactsOf, joinParts, partOf } from './contact.ts'
import { resolveTrace } from './trace.ts'

/** A trace to which a batch brought something new, with the parts of contacts that it gave before and gives now. */
export type TraceChange = Readonly<{
  traceId: string
  newSpans: number
  /** Some of its facts wait for the span that says whose they are; `wasHeld`: so it was before. */
  held: boolean
  wasHeld: boolean
  before: ReadonlyMap<string, ContactPart>
  after: ReadonlyMap<string, ContactPart>
}>

/** `part` null: the trace gives nothing to this contact any more. */
export type PartChange = Readonly<{ contactId: string; traceId: string; part: ContactPart | null }>

/** `before` null: the contact is new; `after` null: it is no more. */
export type ContactChange = Readonly<{ contactId: string; before: Contact | null; after: Contact | null }>

/** A pseudo-span that ends the waiting of a trace; it is stored like any span, so that a replay knows it too. */
export const expiryOf = (traceId: string, atMs: number): SpanFact => ({
  ...EMPTY_SPAN,
  traceId,
  startedAtMs: atMs,
  endedAtMs: atMs,
})
const isExpiry = (span: SpanFact): boolean => span.spanId === ''

/** Resolves every trace without and with what arrived; copies of known spans change nothing. `known` in order of acceptance. */
export function traceChanges(arrived: readonly SpanFact[], known: readonly SpanFact[]): TraceChange[] {
  const knownOf = Map.groupBy(known, (span) => span.traceId)
  const changes: TraceChange[] = []
  for (const [traceId, spans] of Map.groupBy(arrived, (span) => span.traceId)) {
    const all = new Map<string, SpanFact>()
    for (const span of knownOf.get(traceId) ?? []) if (!all.has(span.spanId)) all.set(span.spanId, span)
    const before = [...all.values()]
    for (const span of spans) if (!all.has(span.spanId)) all.set(span.spanId, span)
    if (all.size === before.length) continue
    const after = [...all.values()]
    const now = resolve(after)
    const was = before.length > 0 ? resolve(before) : NOTHING
    const expiries = Number(after.some(isExpiry)) - Number(before.some(isExpiry))
    changes.push({
      traceId,
      newSpans: after.length - before.length - expiries,
      held: now.held,
      wasHeld: was.held,
      before: was.parts,
      after: now.parts,
    })
  }
  return changes
}

type Resolved = Readonly<{ parts: ReadonlyMap<string, ContactPart>; held: boolean }>

const NO_PARTS: ReadonlyMap<string, ContactPart> = new Map()
const NOTHING: Resolved = { parts: NO_PARTS, held: false }

function resolve(spans: readonly SpanFact[]): Resolved {
  const expired = spans.some(isExpiry)
  const resolved = resolveTrace(expired ? spans.filter((span) => !isExpiry(span)) : spans, expired)
  const parts = new Map<string, ContactPart>()
  for (const contact of resolved.contacts) {
    const part = partOf(contact)
    const id = contactIdOf(part)
    const other = parts.get(id)
    parts.set(id, other ? joinParts(other, part) : part)
  }
  return { parts, held: resolved.held && !expired }
}

export function partChanges(traces: readonly TraceChange[]): PartChange[] {
  const changes: PartChange[] = []
  for (const { traceId, before, after } of traces) {
    for (const [contactId, part] of after) {
      const old = before.get(contactId)
      if (!old || JSON.stringify(old) !== JSON.stringify(part)) changes.push({ contactId, traceId, part })
    }
    for (const contactId of before.keys()) if (!after.has(contactId)) changes.push({ contactId, traceId, part: null })
  }
  return changes
}

/** Folds contacts from their stored parts without and with the changes. `stored`: parts by contact and trace. */
export function contactChanges(
  changes: readonly PartChange[],
  stored: ReadonlyMap<string, ReadonlyMap<string, ContactPart>>,
  idleMs: number | null,
): ContactChange[] {
  const changed: ContactChange[] = []
  for (const [partsId, ofContact] of Map.groupBy(changes, (change) => change.contactId)) {
    const before = stored.get(partsId) ?? NO_PARTS
    const after = new Map(before)
    for (const { traceId, part } of ofContact) part ? after.set(traceId, part) : after.delete(traceId)
    const was = new Map(contactsOf(before, idleMs).map((contact) => [contact.contactId, contact]))
    for (const contact of contactsOf(after, idleMs)) {
      const old = was.get(contact.contactId) ?? null
      was.delete(contact.contactId)
      if (!old || JSON.stringify(old) !== JSON.stringify(contact))
        changed.push({ contactId: contact.contactId, before: old, after: contact })
    }
    for (const [contactId, old] of was) changed.push({ contactId, before: old, after: null })
  }
  return changed
}
