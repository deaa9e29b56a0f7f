import type { Signal } from '../detectors/signals/definition.ts'
import type { OutcomeFact, SpanFact } from '../facts/span.ts'
import { contactIdOf } from './contact.ts'

/**
 * Recounts everything from the full list of facts, for tests: no batches, no memory, nothing clever, from the words of the
 * product alone. Facts are in order of acceptance (the first copy of a fact counts) and all waiting is over.
 */
export function recount(
  facts: { spans: readonly SpanFact[]; outcomes: readonly OutcomeFact[] },
  signals: readonly Signal[],
  judged: readonly string[],
): Map<string, number> {
  const spans = firstBy(facts.spans, (span) => `${span.traceId} ${span.spanId}`)
  const outcomes = firstBy(facts.outcomes, (outcome) => outcome.outcomeId)
  const contacts = contactsOf(spans)
  const scopeOf = (environment: string): string => (judged.includes(environment) ? '' : environment)
  const totals = new Map<string, number>()
  const add = (signal: string, measure: string, contact: OracleContact | null, n: number): void => {
    const place = contact
      ? [
          contact.environment,
          contact.agent,
          contact.release,
          ...(measure === 'release_capped_hits' ? ['', ''] : [contact.channel, contact.queue]),
        ]
      : ['', '', '', '', '']
    const minute = contact && !measure.endsWith('capped_hits') ? Math.floor(contact.startedAtMs / 60_000) * 60 : 0
    const key = [signal, measure, ...place, minute].join('|')
    totals.set(key, (totals.get(key) ?? 0) + n)
  }

  for (const contact of contacts) {
    const { tools } = contact
    const writes = tools.filter((tool) => ['create', 'update', 'merge', 'delete'].includes(tool.action))
    const failed = (list: readonly SpanFact[]) =>
      list.filter((tool) => tool.result === 'failed' || tool.result === 'partial').length
    const transfers = tools.filter((tool) => tool.action === 'transfer').length
    add('', 'contacts', contact, 1)
    add('', 'identified', contact, contact.customer === '' ? 0 : 1)
    add('', 'calls', contact, tools.length)
    add('', 'failed_calls', contact, failed(tools))
    add('', 'writes', contact, writes.length)
    add('', 'failed_writes', contact, failed(writes))
    add('', 'contacts_with_write', contact, writes.length > 0 ? 1 : 0)
    add('', 'contacts_with_failed_write', contact, failed(writes) > 0 ? 1 : 0)
    add('', 'creates', contact, createsOf(contact).length)
    add('', 'duplicate_writes', contact, duplicateWritesOf(contact))
    add('', 'contacts_with_duplicate_write', contact, duplicateWritesOf(contact) > 0 ? 1 : 0)
    add('', 'transfers', contact, transfers)
    add('', 'contacts_transferred', contact, transfers > 0 ? 1 : 0)
    add('', 'sampled', contact, contact.sampled ? 1 : 0)
  }

  for (const signal of signals) {
    if (signal.evaluator === 'counters') continue
    const events = new Map<OracleContact, number>()
    const charge = (contact: OracleContact) => events.set(contact, (events.get(contact) ?? 0) + 1)
    if (signal.evaluator === 'recurrence' && signal.over === 'contacts')
      for (const contact of contacts) {
        const next = nextContact(contact, contacts, scopeOf)
        if (!next || next.startedAtMs - contact.startedAtMs > signal.windowHours * 3_600_000) continue
        charge(contact)
        add(signal.name, 'arrivals', next, 1)
      }
    if (signal.evaluator === 'recurrence' && signal.over === 'creates')
      for (const contact of contacts)
        for (const create of createsOf(contact))
          if (isRepeatedCreate(create, contact, contacts, scopeOf, signal.windowHours * 3_600_000)) charge(contact)
    if (signal.evaluator === 'attributed')
      for (const outcome of outcomes) {
        if (outcome.kind !== signal.outcome || (signal.flag !== '' && outcome.flag !== signal.flag)) continue
        const contact = attributedTo(outcome, contacts, scopeOf, signal.windowHours * 3_600_000)
        if (contact) charge(contact)
        else add(signal.name, 'unattributed', null, 1)
        if (contact && outcome.kind === 'review') add(signal.name, 'minutes', contact, outcome.reviewMinutes)
      }
    for (const [contact, n] of events) add(signal.name, 'events', contact, n)

    const hits: OracleContact[] = []
    for (const contact of contacts) {
      if (contact.sampled || !signal.trial.every((condition) => holds(condition, contact))) continue
      add(signal.name, 'trials', contact, 1)
      if (signal.evaluator === 'measure') {
        const value = numberOf(signal.value, contact)
        add(signal.name, 'sum', contact, value)
        if (signal.above === undefined) {
          const bin = value > 0 ? Math.max(-160, Math.min(320, Math.floor(Math.log2(value) * 8))) : -160
          add(signal.name, `bin_${bin}`, contact, 1)
          continue
        }
      }
      const isHit =
        signal.evaluator === 'share'
          ? signal.hit.every((condition) => holds(condition, contact))
          : signal.evaluator === 'measure'
            ? numberOf(signal.value, contact) > signal.above!
            : events.has(contact)
      if (isHit) hits.push(contact)
    }
    for (const hit of hits) {
      add(signal.name, 'hits', hit, 1)
      const sameDay = (other: OracleContact) =>
        hit.customer !== '' &&
        other.customer === hit.customer &&
        dayOf(other) === dayOf(hit) &&
        other.environment === hit.environment &&
        other.agent === hit.agent &&
        other.release === hit.release
      const before = hits.slice(0, hits.indexOf(hit)).filter(sameDay)
      if (before.length < 3) add(signal.name, 'release_capped_hits', hit, 1)
      if (before.filter((other) => other.channel === hit.channel && other.queue === hit.queue).length < 3)
        add(signal.name, 'capped_hits', hit, 1)
    }
  }
  for (const [key, n] of totals) {
    const rounded = Math.round(n * 1000) / 1000
    if (rounded === 0) totals.delete(key)
    else totals.set(key, rounded)
  }
  return totals
}

type OracleContact = {
  id: string
  conversation: string
  environment: string
  agent: string
  release: string
  startedAtMs: number
  endedAtMs: number
  customer: string
  intent: string
  channel: string
  queue: string
  region: string
  autonomy: string
  initiator: string
  contactEnd: string
  sampled: boolean
  tools: SpanFact[]
}

function firstBy<T>(list: readonly T[], keyOf: (item: T) => string): T[] {
  const seen = new Set<string>()
  return list.filter((item) => !seen.has(keyOf(item)) && seen.add(keyOf(item)))
}

const earlier = (a: SpanFact, b: SpanFact): number => a.startedAtMs - b.startedAtMs || (a.spanId < b.spanId ? -1 : 1)
const dayOf = (contact: OracleContact): number => Math.floor(contact.startedAtMs / 86_400_000)

/** The spans above a span, nearest first. */
function aboveOf(span: SpanFact, trace: readonly SpanFact[]): SpanFact[] {
  const above: SpanFact[] = []
  for (let current = span; ; ) {
    const parent = trace.find((other) => other.spanId === current.parentSpanId)
    if (!parent || parent === span || above.includes(parent)) return above
    above.push(parent)
    current = parent
  }
}

type TracePart = Omit<OracleContact, 'id'> & { traceId: string }

function contactsOf(spans: readonly SpanFact[]): OracleContact[] {
  const parts = [...new Set(spans.map((span) => span.traceId))].flatMap((traceId) =>
    partsOf(spans.filter((span) => span.traceId === traceId)),
  )
  const ids = [...new Set(parts.map(contactIdOf))]
  return ids.map((id) => {
    const mine = parts
      .filter((part) => contactIdOf(part) === id)
      .sort((a, b) => a.startedAtMs - b.startedAtMs || (a.traceId < b.traceId ? -1 : 1))
    const first = mine[0]!
    const said = (field: 'customer' | 'intent' | 'channel' | 'queue' | 'region' | 'autonomy' | 'initiator') =>
      mine.find((part) => part[field] !== '')?.[field] ?? ''
    return {
      id,
      conversation: first.conversation,
      environment: first.environment,
      agent: first.agent,
      release: first.release,
      startedAtMs: first.startedAtMs,
      endedAtMs: Math.max(...mine.map((part) => part.endedAtMs)),
      customer: said('customer'),
      intent: said('intent'),
      channel: said('channel'),
      queue: said('queue'),
      region: said('region'),
      autonomy: said('autonomy'),
      initiator: said('initiator'),
      contactEnd: mine.filter((part) => part.contactEnd !== '').at(-1)?.contactEnd ?? '',
      sampled: mine.some((part) => part.sampled),
      tools: mine.flatMap((part) => part.tools),
    }
  })
}

/** What one trace says: the contact of every outermost agent, handoffs of one conversation joined, and of work without an agent. */
function partsOf(trace: readonly SpanFact[]): TracePart[] {
  const topOf = (span: SpanFact) =>
    [span, ...aboveOf(span, trace)].filter((other) => other.role === 'agent').at(-1) ?? null
  const named = [...new Set(trace.map((span) => span.conversation).filter((name) => name !== ''))]
  const conversationOf = (span: SpanFact): string => {
    const nearest = [span, ...aboveOf(span, trace)].find((other) => other.role === 'agent')
    return (
      span.conversation ||
      nearest?.conversation ||
      topOf(span)?.conversation ||
      (named.length === 1 ? named[0]! : span.traceId)
    )
  }
  const tops = trace.filter((span) => span.role === 'agent' && topOf(span) === span).sort(earlier)
  const leadOf = (span: SpanFact): SpanFact | null => {
    const top = topOf(span)
    if (top) return tops.find((other) => conversationOf(other) === conversationOf(top))!
    return isItsOwn(span) ? null : (tops[0] ?? null)
  }
  const groups = new Map<string, { lead: SpanFact | null; facts: SpanFact[] }>()
  for (const span of trace.filter((other) => other.role !== 'link').sort(earlier)) {
    if (span.role === 'tool' && otherSide(span, trace)) continue
    const lead = leadOf(span)
    const key = lead
      ? lead.spanId
      : JSON.stringify([conversationOf(span), isItsOwn(span) ? [span.agentName, span.release] : []])
    if (!groups.has(key)) groups.set(key, { lead, facts: [] })
    groups.get(key)!.facts.push(span)
  }
  return [...groups.values()].map(({ lead, facts }) => {
    const identity = lead ?? facts.find(isItsOwn) ?? null
    const others = facts.filter((fact) => fact !== lead)
    const links = trace
      .filter((span) => !facts.includes(span) && (groups.size === 1 || (lead && topOf(span) === lead)))
      .sort(earlier)
    const sources = [
      ...(lead ? [lead] : []),
      ...others.filter((fact) => fact.role === 'agent'),
      ...others.filter((fact) => fact.role === 'tool'),
      ...links,
    ]
    const said = (
      field: 'customer' | 'intent' | 'channel' | 'queue' | 'region' | 'autonomy' | 'initiator' | 'contactEnd',
    ) => sources.find((span) => span[field] !== '')?.[field] ?? ''
    return {
      traceId: trace[0]!.traceId,
      conversation: conversationOf(lead ?? facts[0]!),
      environment: identity?.environment ?? '',
      agent: identity ? identity.agentName || identity.serviceName : '',
      release: identity?.release ?? '',
      startedAtMs: Math.min(...facts.map((fact) => fact.startedAtMs)),
      endedAtMs: Math.max(...facts.map((fact) => fact.endedAtMs)),
      customer: said('customer'),
      intent: said('intent'),
      channel: said('channel'),
      queue: said('queue'),
      region: said('region'),
      autonomy: said('autonomy'),
      initiator: said('initiator'),
      contactEnd: said('contactEnd'),
      sampled: facts.some((fact) => fact.sampled === 1),
      tools: facts.filter((fact) => fact.role === 'tool').map((tool) => bothSides(tool, trace)),
    }
  })
}

/** A tool span whose own resource is its agent's. */
const isItsOwn = (span: SpanFact): boolean =>
  span.role === 'tool' &&
  span.agentName !== '' &&
  span.agentName === span.serviceName &&
  span.release !== '' &&
  span.conversation !== ''

/** The outermost tool span of the same tool above, when only links and such tool spans lie between: the caller's side of one call. */
function otherSide(span: SpanFact, trace: readonly SpanFact[]): SpanFact | null {
  let side: SpanFact | null = null
  for (const above of aboveOf(span, trace)) {
    if (above.role === 'link') continue
    if (above.role !== 'tool' || above.tool !== span.tool) break
    side = above
  }
  return side
}

function bothSides(tool: SpanFact, trace: readonly SpanFact[]): SpanFact {
  const sides = [tool, ...trace.filter((span) => span.role === 'tool' && otherSide(span, trace) === tool).sort(earlier)]
  const bad = sides.find((side) => side.result === 'failed' || side.result === 'partial')
  return {
    ...tool,
    action: sides.find((side) => side.action !== '')?.action ?? '',
    result: bad ? bad.result : tool.result,
    recordKey: sides.find((side) => side.recordKey !== '')?.recordKey ?? '',
    argumentsHash: sides.find((side) => side.argumentsHash !== '')?.argumentsHash ?? '',
  }
}

const okWritesOf = (contact: OracleContact) =>
  contact.tools.filter((tool) => ['create', 'update', 'merge', 'delete'].includes(tool.action) && tool.result === 'ok')
const createsOf = (contact: OracleContact) => okWritesOf(contact).filter((tool) => tool.action === 'create')

function duplicateWritesOf(contact: OracleContact): number {
  const writes = okWritesOf(contact)
  return (
    writes.length -
    new Set(
      writes.map((write) =>
        write.argumentsHash ? `${write.tool} ${write.argumentsHash}` : `${write.traceId} ${write.spanId}`,
      ),
    ).size
  )
}

type ScopeOf = (environment: string) => string

function nextContact(
  contact: OracleContact,
  contacts: readonly OracleContact[],
  scopeOf: ScopeOf,
): OracleContact | undefined {
  if (contact.customer === '' || contact.intent === '') return undefined
  const later = contacts.filter(
    (other) =>
      other.customer === contact.customer &&
      other.intent === contact.intent &&
      scopeOf(other.environment) === scopeOf(contact.environment) &&
      other.conversation !== contact.conversation &&
      (other.initiator === '' || other.initiator === 'customer') &&
      (other.startedAtMs > contact.startedAtMs || (other.startedAtMs === contact.startedAtMs && other.id > contact.id)),
  )
  return later.sort((a, b) => a.startedAtMs - b.startedAtMs || (a.id < b.id ? -1 : 1))[0]
}

function isRepeatedCreate(
  create: SpanFact,
  contact: OracleContact,
  contacts: readonly OracleContact[],
  scopeOf: ScopeOf,
  windowMs: number,
): boolean {
  const before = (a: { create: SpanFact; id: string }, b: { create: SpanFact; id: string }): boolean =>
    a.create.startedAtMs !== b.create.startedAtMs
      ? a.create.startedAtMs < b.create.startedAtMs
      : a.id !== b.id
        ? a.id < b.id
        : a.create.spanId < b.create.spanId
  return contacts.some((other) =>
    createsOf(other).some((earlierCreate) => {
      const same =
        create.recordKey !== ''
          ? earlierCreate.recordKey === create.recordKey && scopeOf(other.environment) === scopeOf(contact.environment)
          : create.argumentsHash !== '' &&
            other === contact &&
            earlierCreate.recordKey === '' &&
            earlierCreate.tool === create.tool &&
            earlierCreate.argumentsHash === create.argumentsHash
      return (
        same &&
        before({ create: earlierCreate, id: other.id }, { create, id: contact.id }) &&
        create.startedAtMs - earlierCreate.startedAtMs <= windowMs
      )
    }),
  )
}

function attributedTo(
  outcome: OutcomeFact,
  contacts: readonly OracleContact[],
  scopeOf: ScopeOf,
  windowMs: number,
): OracleContact | null {
  const mine = contacts
    .filter((contact) => scopeOf(contact.environment) === scopeOf(outcome.environment))
    .sort((a, b) => a.startedAtMs - b.startedAtMs || (a.id < b.id ? -1 : 1))
  const ofConversation = mine.filter(
    (contact) => outcome.conversation !== '' && contact.conversation === outcome.conversation,
  )
  if (ofConversation.length > 0)
    return ofConversation.filter((contact) => contact.startedAtMs <= outcome.atMs).at(-1) ?? ofConversation[0]!
  const ofCustomer = mine.filter(
    (contact) =>
      outcome.customer !== '' && contact.customer === outcome.customer && contact.startedAtMs <= outcome.atMs,
  )
  const latest = ofCustomer.at(-1)
  return latest && outcome.atMs - latest.startedAtMs <= windowMs ? latest : null
}

function numberOf(field: string, contact: OracleContact): number {
  const { tools } = contact
  const writes = tools.filter((tool) => ['create', 'update', 'merge', 'delete'].includes(tool.action))
  const failed = (list: readonly SpanFact[]) =>
    list.filter((tool) => tool.result === 'failed' || tool.result === 'partial').length
  const numbers: Record<string, number> = {
    calls: tools.length,
    failedCalls: failed(tools),
    writes: writes.length,
    failedWrites: failed(writes),
    creates: createsOf(contact).length,
    duplicateWrites: duplicateWritesOf(contact),
    transfers: tools.filter((tool) => tool.action === 'transfer').length,
    durationSeconds: (contact.endedAtMs - contact.startedAtMs) / 1000,
  }
  return numbers[field]!
}

function holds(
  condition: Readonly<{
    field: string
    above?: number | undefined
    is?: readonly string[] | undefined
    known?: true | undefined
  }>,
  contact: OracleContact,
): boolean {
  if (condition.above !== undefined) return numberOf(condition.field, contact) > condition.above
  const value = String(contact[condition.field as keyof OracleContact])
  return condition.known ? value !== '' : condition.is!.includes(value)
}
