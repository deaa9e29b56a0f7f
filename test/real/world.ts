import { EMPTY_OUTCOME, EMPTY_SPAN, type OutcomeFact, type SpanFact } from '../../facts/span.ts'
import { type Random, seededRandom } from '../../lib/random.ts'

export type World = Readonly<{ spans: readonly SpanFact[]; outcomes: readonly OutcomeFact[] }>
export type Fact = Readonly<{ span: SpanFact } | { outcome: OutcomeFact }>

const HOUR_MS = 3_600_000
const DAY_MS = 24 * HOUR_MS
const START_MS = Date.UTC(2026, 9, 1)

const hex = (n: number, digits: number): string => n.toString(16).padStart(digits, '0')

/**
 * Traffic in which everything odd is common: few customers, records and conversations, times on the hour (so that windows are met to the
 * millisecond), nested agents, handoffs, lost parents, rings of parents, calls seen from both sides, sampled and unidentified contacts.
 */
export function oddWorld(seed: number, traces: number): World {
  const random = seededRandom('odd world', seed)
  const spans = Array.from({ length: traces }, (_, trace) => traceOf(random, trace + 1)).flat()
  const outcomes = Array.from({ length: traces }, (_, i) => outcomeOf(random, i, traces))
  return { spans: [...spans, ...edgesFrom(traces + 1)], outcomes }
}

/** Contacts that meet every edge: exactly one window apart, more of one customer in a day than count, one record at both ends of its window. */
function edgesFrom(firstTrace: number): SpanFact[] {
  let trace = firstTrace
  const contact = (customer: string, atMs: number, recordKey = ''): SpanFact[] => {
    const traceId = hex(trace, 32)
    const times = { startedAtMs: START_MS + atMs, endedAtMs: START_MS + atMs + 1_000 }
    const agent = { agentName: 'desk', serviceName: 'desk', release: '1', environment: 'production' }
    const root = {
      ...EMPTY_SPAN,
      ...times,
      ...agent,
      traceId,
      spanId: hex(1, 16),
      role: 'agent' as const,
      conversation: `edge ${trace++}`,
      customer,
      intent: 'return',
    }
    const create = {
      ...EMPTY_SPAN,
      ...times,
      traceId,
      spanId: hex(2, 16),
      parentSpanId: root.spanId,
      role: 'tool' as const,
      tool: 'book',
      action: 'create' as const,
      result: 'ok' as const,
      recordKey,
    }
    return recordKey === '' ? [root] : [root, create]
  }
  return [
    ...contact('on the edge', 0, 'edge record'),
    ...contact('on the edge', 3 * DAY_MS),
    ...contact('on the edge', 30 * DAY_MS, 'edge record'),
    ...[1, 2, 3, 4, 5, 6, 7].flatMap((n) => contact('many people', n * HOUR_MS)),
  ]
}

function traceOf(random: Random, trace: number): SpanFact[] {
  const size = 1 + random.integer(6)
  const startMs = momentOf(random)
  const conversation = random.chance(0.2) ? '' : conversationOf(random)
  const identity = {
    agentName: random.pick(['desk', 'sales']),
    release: random.pick(['1', '2']),
    environment: random.pick(['', 'production', 'staging']),
  }
  return Array.from({ length: size }, (_, i): SpanFact => {
    const role =
      i === 0
        ? random.pick(['agent', 'agent', 'agent', 'agent', 'tool', 'link'] as const)
        : random.pick(['tool', 'tool', 'tool', 'agent', 'link'] as const)
    const named = role === 'agent' || random.chance(0.2)
    const startedAtMs = startMs + random.integer(4) * 1_000
    const odd = random.chance(0.1)
    return {
      ...EMPTY_SPAN,
      traceId: hex(trace, 32),
      spanId: hex(i + 1, 16),
      parentSpanId: odd
        ? random.pick(['', hex(99, 16), hex(1 + random.integer(i + 1), 16)])
        : i === 0
          ? ''
          : hex(1 + random.integer(i), 16),
      parentIsRemote: random.chance(0.1) ? 1 : -1,
      role,
      startedAtMs,
      endedAtMs: startedAtMs + random.integer(3_000),
      serviceName: random.chance(0.1) ? 'crm' : identity.agentName,
      ...(named && {
        ...identity,
        ...(odd && { agentName: 'inner', release: '' }),
        conversation: odd ? conversationOf(random) : conversation,
      }),
      ...((named || random.chance(0.2)) && descriptionOf(random)),
      ...(role === 'tool' && callOf(random)),
      sampled: random.chance(0.03) ? 1 : 0,
    }
  })
}

const momentOf = (random: Random): number =>
  START_MS +
  random.integer(16) * DAY_MS +
  random.integer(24) * HOUR_MS +
  (random.chance(0.5) ? 0 : random.integer(HOUR_MS))
const conversationOf = (random: Random): string => `c${random.integer(30)}`
const customerOf = (random: Random): string => random.pick(['', 'k1', 'k2', 'k3', 'k4', 'k5', 'k6'])

const descriptionOf = (random: Random): Partial<SpanFact> => ({
  customer: customerOf(random),
  intent: random.pick(['', 'return', 'delivery', 'delivery']),
  channel: random.pick(['', 'chat', 'voice']),
  queue: random.pick(['', 'orders']),
  initiator: random.pick(['', '', 'customer', 'agent']),
  contactEnd: random.pick(['', 'resolved', 'escalated', 'transferred']),
})

const callOf = (random: Random): Partial<SpanFact> => ({
  tool: random.pick(['book', 'change']),
  action: random.pick(['', 'create', 'create', 'create', 'update', 'transfer', 'read'] as const),
  recordKey: random.chance(0.5) ? `r${random.integer(20)}` : '',
  argumentsHash: random.pick(['', 'a', 'b']),
  result: random.pick(['ok', 'ok', 'ok', 'failed', 'partial', 'unverified'] as const),
  amount: random.integer(3),
})

const outcomeOf = (random: Random, number: number, traces: number): OutcomeFact => ({
  ...EMPTY_OUTCOME,
  outcomeId: `o${number}`,
  kind: random.pick(['complaint', 'complaint', 'complaint', 'correction', 'reopen', 'review', 'flag'] as const),
  atMs: momentOf(random),
  conversation: random.chance(0.4)
    ? random.pick([conversationOf(random), 'unknown', hex(1 + random.integer(traces), 32)])
    : '',
  customer: customerOf(random),
  environment: random.pick(['', 'production', 'staging']),
  flag: random.pick(['hallucination', 'wrong_eta']),
  reviewMinutes: random.integer(100) / 10,
})

/** The facts in another order, a share of them twice. */
export function shuffled({ spans, outcomes }: World, seed: number, resent: number): Fact[] {
  const random = seededRandom('order', seed)
  const facts: Fact[] = [...spans.map((span) => ({ span })), ...outcomes.map((outcome) => ({ outcome }))]
  const copies = facts.filter(() => random.chance(resent))
  return [...facts, ...copies]
    .map((fact) => ({ fact, place: random.uniform() }))
    .sort((a, b) => a.place - b.place)
    .map(({ fact }) => fact)
}
