import { EMPTY_OUTCOME, EMPTY_SPAN, type OutcomeFact, type SpanFact } from '../facts/span.ts'
import type { Random } from '../lib/random.ts'

const hex = (text: string, digits: number): string =>
  Buffer.from(text).toString('hex').padStart(digits, '0').slice(-digits)
export const traceIdOf = (name: string): string => hex(name, 32)
export const spanIdOf = (name: string): string => hex(name, 16)

/** A span for tests; `trace`, `id` and `parent` are short names. */
export function spanOf({
  trace = 't',
  id,
  parent = '',
  ...fields
}: { trace?: string; id: string; parent?: string } & Partial<SpanFact>): SpanFact {
  const startedAtMs = fields.startedAtMs ?? 1_000
  return {
    ...EMPTY_SPAN,
    endedAtMs: startedAtMs + 100,
    ...fields,
    startedAtMs,
    traceId: traceIdOf(trace),
    spanId: spanIdOf(id),
    parentSpanId: parent === '' ? '' : spanIdOf(parent),
  }
}

export const agentSpan = (fields: { trace?: string; id: string; parent?: string } & Partial<SpanFact>): SpanFact =>
  spanOf({ role: 'agent', agentName: 'desk', serviceName: 'desk', release: 'r1', ...fields })
export const toolSpan = (fields: { trace?: string; id: string; parent?: string } & Partial<SpanFact>): SpanFact =>
  spanOf({ role: 'tool', serviceName: 'desk', tool: 'lookup', action: 'read', result: 'ok', ...fields })

export const outcomeOf = (fields: Partial<OutcomeFact> & Pick<OutcomeFact, 'outcomeId'>): OutcomeFact => ({
  ...EMPTY_OUTCOME,
  atMs: 1_000,
  ...fields,
})

export type History = Readonly<{ spans: readonly SpanFact[]; outcomes: readonly OutcomeFact[] }>

const HOUR_MS = 3_600_000

/**
 * A small contact centre in which everything that can meet does meet: few customers, conversations and record keys, starts on
 * a grid of exactly 12 h with a millisecond to either side, releases and environments mixed, agents nested and handed over,
 * attributes on any span of a trace, parents lost, calls seen from both sides. `name` keeps histories of one store apart.
 */
export function randomHistory(random: Random, name: string, traces: number): History {
  const startMs = Date.UTC(2026, 0, 5)
  const some = <T>(probability: number, value: () => T, otherwise: T): T =>
    random.chance(probability) ? value() : otherwise
  const customer = () => hex(`${name}u${random.integer(4)}`, 32)
  const conversation = () => `${name}-c${random.integer(Math.ceil(traces * 0.7))}`
  const environment = () =>
    random.pickWeighted([
      { weight: 5, of: '' },
      { weight: 3, of: 'production' },
      { weight: 2, of: 'staging' },
      { weight: 1, of: 'test/eu' },
    ]).of
  const time = () => startMs + random.integer(20) * 12 * HOUR_MS + random.pick([-1, 0, 0, 0, 1, 40_000])
  const describe = (probability: number): Partial<SpanFact> => ({
    customer: some(probability, customer, ''),
    intent: some(probability, () => random.pick(['refund', 'delivery']), ''),
    channel: some(probability, () => random.pick(['chat', 'voice']), ''),
    queue: some(probability * 0.8, () => random.pick(['q1', 'q2']), ''),
    initiator: some(0.15, () => random.pick(['agent', 'customer', 'system']), ''),
    contactEnd: some(0.2, () => random.pick(['resolved', 'escalated', 'transferred']), ''),
  })
  const spans: SpanFact[] = []
  for (let t = 0; t < traces; t++) {
    const trace = `${name}t${t}`
    const atMs = time()
    const id = (n: number) => `${name}${t}.${n}`
    const agentName = random.pick([`${name}desk`, `${name}shop`])
    const identity = {
      agentName,
      serviceName: agentName,
      release: random.pick(['r1', 'r2']),
      environment: environment(),
      conversation: some(0.85, conversation, ''),
    }
    const sampled = random.chance(0.04) ? 1 : 0
    let n = 0
    const root = random.chance(0.3) ? spanOf({ trace, id: id(n++), startedAtMs: atMs - 5, ...describe(0.2) }) : null
    if (root) spans.push(root)
    const parent = root ? id(0) : some(0.15, () => id(99), '')
    const tops = random.pickWeighted([
      { weight: 8, of: 1 },
      { weight: 2, of: 2 },
      { weight: 1, of: 0 },
    ]).of
    const agents: string[] = []
    for (let a = 0; a < tops; a++) {
      agents.push(id(n))
      const second =
        a > 0
          ? {
              agentName: `${name}shop`,
              serviceName: `${name}shop`,
              release: 'r9',
              conversation: some(0.7, () => identity.conversation, conversation()),
            }
          : {}
      spans.push(
        agentSpan({
          trace,
          id: id(n++),
          parent,
          parentIsRemote: some(0.3, () => 1 as const, -1),
          startedAtMs: atMs + a,
          ...identity,
          ...describe(0.8),
          ...second,
          sampled,
        }),
      )
    }
    if (agents.length > 0 && random.chance(0.3)) {
      spans.push(
        agentSpan({
          trace,
          id: id(n),
          parent: random.pick(agents),
          startedAtMs: atMs + 10,
          ...identity,
          agentName: `${name}inner`,
          serviceName: `${name}inner`,
          release: 'r7',
          conversation: some(0.2, conversation, ''),
          ...describe(0.2),
        }),
      )
      agents.push(id(n++))
    }
    for (let count = random.integer(4); count > 0; count--) {
      const above = agents.length > 0 && random.chance(0.92) ? random.pick(agents) : some(0.5, () => id(98), '')
      const tool = random.pick(['open_case', 'set_address', 'lookup', 'hand_over'])
      const action = ({ open_case: 'create', set_address: 'update', lookup: 'read', hand_over: 'transfer' } as const)[
        tool
      ]!
      const call: Partial<SpanFact> = {
        tool,
        action,
        startedAtMs: time() === atMs ? atMs : atMs + random.integer(3),
        result: random.pickWeighted([
          { weight: 7, of: 'ok' as const },
          { weight: 2, of: 'failed' as const },
          { weight: 1, of: 'unverified' as const },
        ]).of,
        recordKey: some(0.5, () => `${name}k${random.integer(5)}`, ''),
        argumentsHash: some(0.8, () => `h${random.integer(2)}`, ''),
        ...(random.chance(0.2) ? identity : { agentName: '' }),
        ...describe(0.1),
      }
      spans.push(toolSpan({ trace, id: id(n++), parent: above, ...call }))
      if (random.chance(0.2))
        spans.push(
          toolSpan({
            trace,
            id: id(n++),
            parent: id(n - 2),
            ...call,
            result: random.pick(['ok', 'failed', '']),
            serviceName: 'mcp',
          }),
        )
    }
    if (random.chance(0.03)) spans.push(toolSpan({ trace, id: id(n), parent: id(n), startedAtMs: atMs }))
  }
  const outcomes = Array.from({ length: Math.ceil(traces / 2) }, (_, index) =>
    outcomeOf({
      outcomeId: `${name}o${index}`,
      kind: random.pick(['complaint', 'complaint', 'review', 'flag', 'correction'] as const),
      atMs: time() + random.pick([0, 0, 1, 60_000]),
      conversation: some(0.4, conversation, ''),
      customer: some(0.6, customer, ''),
      environment: environment(),
      flag: random.pick(['hallucination', 'policy_fail']),
      reviewMinutes: random.integer(100) / 10,
    }),
  )
  return { spans, outcomes }
}
