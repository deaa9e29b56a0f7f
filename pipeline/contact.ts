import { type SpanFact, WRITE_ACTIONS } from '../facts/span.ts'
import { idOf } from '../lib/hash.ts'
import { greatest, least } from './together.ts'
import type { TraceContact } from './trace.ts'

/** A successful create, by what it created. */
export type CreatedRecord = Readonly<{ key: string; atMs: number; spanId: string }>

/** What one trace contributes to one contact: enough to fold a contact from its parts in any order. */
export type ContactPart = Readonly<{
  environment: string
  agent: string
  release: string
  conversation: string
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
  calls: number
  failedCalls: number
  writes: number
  failedWrites: number
  creates: number
  transfers: number
  amount: number
  sampled: 0 | 1
  /** (tool, arguments) of every successful write, one entry a call. */
  okWrites: readonly string[]
  created: readonly CreatedRecord[]
}>

/** A contact as it stands: the fold of its parts. */
export type Contact = Omit<ContactPart, 'okWrites'> & Readonly<{ contactId: string; duplicateWrites: number }>

/** Conversation first, so that ties between contacts break by conversation id as text. */
export const contactIdOf = (c: Pick<ContactPart, 'conversation' | 'environment' | 'agent' | 'release'>): string =>
  `${c.conversation}/${idOf(c.environment, c.agent, c.release).slice(0, 8)}`

/** First non-empty value, best source first. */
const firstOf = (
  sources: readonly SpanFact[],
  field: 'customer' | 'intent' | 'channel' | 'queue' | 'region' | 'autonomy' | 'initiator' | 'contactEnd',
): string => sources.find((source) => source[field] !== '')?.[field] ?? ''

const isWrite = (span: SpanFact): boolean => WRITE_ACTIONS.includes(span.action)
const isFailed = (span: SpanFact): boolean => span.result === 'failed' || span.result === 'partial'

/**
 * Folds the spans of one trace into its part of a contact.
 * A create without a record key is known by tool and arguments within its contact; without either it matches nothing.
 */
export function partOf(trace: TraceContact): ContactPart {
  const { conversation, environment, agent, release, facts, sources } = trace
  const tools = facts.filter((fact) => fact.role === 'tool')
  const writes = tools.filter(isWrite)
  const okWrites = writes.filter((write) => write.result === 'ok')
  const contactId = contactIdOf({ conversation, environment, agent, release })
  const keyOf = (create: SpanFact): string =>
    create.recordKey || (create.argumentsHash && idOf('within contact', contactId, create.tool, create.argumentsHash))
  return {
    environment,
    agent,
    release,
    conversation,
    startedAtMs: least(facts.map((fact) => fact.startedAtMs)),
    endedAtMs: greatest(facts.map((fact) => fact.endedAtMs)),
    customer: firstOf(sources, 'customer'),
    intent: firstOf(sources, 'intent'),
    channel: firstOf(sources, 'channel'),
    queue: firstOf(sources, 'queue'),
    region: firstOf(sources, 'region'),
    autonomy: firstOf(sources, 'autonomy'),
    initiator: firstOf(sources, 'initiator'),
    contactEnd: firstOf(sources, 'contactEnd'),
    calls: tools.length,
    failedCalls: tools.filter(isFailed).length,
    writes: writes.length,
    failedWrites: writes.filter(isFailed).length,
    creates: okWrites.filter((write) => write.action === 'create').length,
    transfers: tools.filter((tool) => tool.action === 'transfer').length,
    amount: writes.reduce((sum, write) => sum + write.amount, 0),
    sampled: facts.some((fact) => fact.sampled === 1) ? 1 : 0,
    okWrites: okWrites.map((write) =>
      write.argumentsHash ? `${write.tool}\u001f${write.argumentsHash}` : `${write.traceId}${write.spanId}`,
    ),
    created: okWrites
      .filter((write) => write.action === 'create' && keyOf(write) !== '')
      .map((write) => ({ key: keyOf(write), atMs: write.startedAtMs, spanId: write.spanId })),
  }
}

/**
 * Folds the parts of one contact. Pure and independent of the order of `parts`; describing attributes come from the
 * earliest part that has them.
 *
 * @param idleMs quiet time after which a conversation that never changes its id begins a new contact; null = never.
 */
export function contactsOf(parts: ReadonlyMap<string, ContactPart>, idleMs: number | null): Contact[] {
  const ordered = [...parts]
    .sort(([traceA, a], [traceB, b]) => a.startedAtMs - b.startedAtMs || (traceA < traceB ? -1 : 1))
    .map(([, part]) => part)
  const sessions: ContactPart[][] = []
  let endedAtMs = Number.NEGATIVE_INFINITY
  for (const part of ordered) {
    if (sessions.length === 0 || (idleMs !== null && part.startedAtMs - endedAtMs > idleMs)) sessions.push([])
    sessions.at(-1)!.push(part)
    endedAtMs = Math.max(endedAtMs, part.endedAtMs)
  }
  return sessions.map((session, index) => foldSession(session, index))
}

/** Two groups of one trace that turn out to be the same contact. */
export function joinParts(a: ContactPart, b: ContactPart): ContactPart {
  const {
    contactId: _,
    duplicateWrites: __,
    ...folded
  } = foldSession(
    [a, b].sort((x, y) => x.startedAtMs - y.startedAtMs),
    0,
  )
  return { ...folded, okWrites: [...a.okWrites, ...b.okWrites] }
}

function foldSession(parts: readonly ContactPart[], index: number): Contact {
  const first = parts[0]!
  const described = (
    field: 'customer' | 'intent' | 'channel' | 'queue' | 'region' | 'autonomy' | 'initiator' | 'contactEnd',
  ): string => parts.find((part) => part[field] !== '')?.[field] ?? ''
  const sum = (
    field: 'calls' | 'failedCalls' | 'writes' | 'failedWrites' | 'creates' | 'transfers' | 'amount',
  ): number => parts.reduce((total, part) => total + part[field], 0)
  const okWrites = parts.flatMap((part) => part.okWrites)
  return {
    contactId: index === 0 ? contactIdOf(first) : `${contactIdOf(first)}~${first.startedAtMs}`,
    environment: first.environment,
    agent: first.agent,
    release: first.release,
    conversation: first.conversation,
    startedAtMs: first.startedAtMs,
    endedAtMs: greatest(parts.map((part) => part.endedAtMs)),
    customer: described('customer'),
    intent: described('intent'),
    channel: described('channel'),
    queue: described('queue'),
    region: described('region'),
    autonomy: described('autonomy'),
    initiator: described('initiator'),
    contactEnd: parts.findLast((part) => part.contactEnd !== '')?.contactEnd ?? '',
    calls: sum('calls'),
    failedCalls: sum('failedCalls'),
    writes: sum('writes'),
    failedWrites: sum('failedWrites'),
    creates: sum('creates'),
    transfers: sum('transfers'),
    amount: sum('amount'),
    sampled: parts.some((part) => part.sampled === 1) ? 1 : 0,
    duplicateWrites: okWrites.length - new Set(okWrites).size,
    created: parts.flatMap((part) => part.created),
  }
}
