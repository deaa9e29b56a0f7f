import fc from 'fast-check'
import { expect, test } from 'vitest'
import type { SpanFact } from '../facts/span.ts'
import { agentSpan, spanIdOf, spanOf, toolSpan, traceIdOf } from './fixtures.ts'
import { resolveTrace } from './trace.ts'

type Told = { conversation: string; agent: string; release: string; facts: string[] }

const nameOf = (spanId: string): string => Buffer.from(spanId, 'hex').toString().replaceAll('\0', '')
const tell = (spans: readonly SpanFact[], expired = false): { contacts: Told[]; held: boolean } => {
  const { contacts, held } = resolveTrace(spans, expired)
  return {
    held,
    contacts: contacts.map(({ conversation, agent, release, facts }) => ({
      conversation,
      agent,
      release,
      facts: facts.map((fact) => nameOf(fact.spanId)),
    })),
  }
}
const contact = (facts: string[], more: Partial<Told> = {}): Told => ({
  conversation: 'c1',
  agent: 'desk',
  release: 'r1',
  facts,
  ...more,
})

const top = agentSpan({ id: 'top', conversation: 'c1', startedAtMs: 1_000 })
const tool = toolSpan({ id: 'tool', parent: 'top', startedAtMs: 1_010 })

type Case = readonly [
  title: string,
  spans: readonly SpanFact[],
  now: ReturnType<typeof tell>,
  afterHold?: ReturnType<typeof tell>,
]

const CASES: readonly Case[] = [
  [
    'a tool span takes conversation and release from its agent span',
    [tool, top],
    { held: false, contacts: [contact(['top', 'tool'])] },
  ],
  [
    'a tool span without its agent span waits, then counts with an unknown slice',
    [toolSpan({ id: 'tool', parent: 'top', conversation: 'c1' })],
    { held: true, contacts: [] },
    { held: false, contacts: [contact(['tool'], { agent: '', release: '' })] },
  ],
  [
    'a tool span that carries its own identity counts at once, and still waits to be joined',
    [toolSpan({ id: 'tool', parent: 'top', agentName: 'desk', release: 'r1', conversation: 'c1' })],
    { held: true, contacts: [contact(['tool'])] },
    { held: false, contacts: [contact(['tool'])] },
  ],
  [
    "a tool span whose resource is not the agent's does not carry an identity",
    [
      toolSpan({
        id: 'tool',
        parent: 'top',
        agentName: 'desk',
        serviceName: 'mcp-server',
        release: 'r5',
        conversation: 'c1',
      }),
    ],
    { held: true, contacts: [] },
  ],
  [
    'a nested agent joins the contact of the outermost one',
    [
      top,
      agentSpan({ id: 'inner', parent: 'top', agentName: 'refunds', release: 'r7', conversation: '' }),
      toolSpan({ id: 'tool', parent: 'inner' }),
    ],
    { held: false, contacts: [contact(['top', 'inner', 'tool'])] },
  ],
  [
    'a handoff inside one conversation joins the agent that began',
    [
      spanOf({ id: 'root' }),
      { ...top, parentSpanId: spanIdOf('root') },
      agentSpan({
        id: 'second',
        parent: 'root',
        agentName: 'billing',
        release: 'r2',
        conversation: 'c1',
        startedAtMs: 2_000,
      }),
    ],
    { held: false, contacts: [contact(['top', 'second'])] },
  ],
  [
    'two conversations in one trace are two contacts',
    [
      spanOf({ id: 'root' }),
      { ...top, parentSpanId: spanIdOf('root') },
      agentSpan({ id: 'other', parent: 'root', conversation: 'c2', startedAtMs: 2_000 }),
      toolSpan({ id: 'tool', parent: 'other' }),
    ],
    { held: false, contacts: [contact(['top']), contact(['other', 'tool'], { conversation: 'c2' })] },
  ],
  [
    'an agent span whose local parent is missing waits: there may be an agent above it',
    [agentSpan({ id: 'top', parent: 'lost', parentIsRemote: 0, conversation: 'c1' }), tool],
    { held: true, contacts: [] },
    { held: false, contacts: [contact(['top', 'tool'])] },
  ],
  [
    'an agent span whose parent runs elsewhere does not wait for it',
    [agentSpan({ id: 'top', parent: 'lost', parentIsRemote: 1, conversation: 'c1' }), tool],
    { held: false, contacts: [contact(['top', 'tool'])] },
  ],
  [
    'a parent in another process that did come counts as parent',
    [top, agentSpan({ id: 'inner', parent: 'top', parentIsRemote: 1, agentName: 'refunds' })],
    { held: false, contacts: [contact(['top', 'inner'])] },
  ],
  [
    'a tool span beside the agent span belongs to it',
    [
      spanOf({ id: 'root' }),
      { ...top, parentSpanId: spanIdOf('root') },
      toolSpan({ id: 'tool', parent: 'root', startedAtMs: 1_010 }),
    ],
    { held: false, contacts: [contact(['top', 'tool'])] },
  ],
  [
    'client and server span of one MCP call are one action',
    [top, toolSpan({ id: 'client', parent: 'top' }), toolSpan({ id: 'server', parent: 'client', serviceName: 'mcp' })],
    { held: false, contacts: [contact(['top', 'client'])] },
  ],
  [
    'so they are with spans of the transport between',
    [
      top,
      toolSpan({ id: 'client', parent: 'top' }),
      spanOf({ id: 'http', parent: 'client' }),
      toolSpan({ id: 'server', parent: 'http' }),
    ],
    { held: false, contacts: [contact(['top', 'client'])] },
  ],
  [
    'another tool called by a tool is an action of its own',
    [top, toolSpan({ id: 'outer', parent: 'top' }), toolSpan({ id: 'inner', parent: 'outer', tool: 'search' })],
    { held: false, contacts: [contact(['top', 'inner', 'outer'])] },
  ],
  [
    'the same tool called by an agent below is an action of its own',
    [
      top,
      toolSpan({ id: 'a', parent: 'top' }),
      agentSpan({ id: 'sub', parent: 'a' }),
      toolSpan({ id: 'b', parent: 'sub' }),
    ],
    { held: false, contacts: [contact(['top', 'sub', 'a', 'b'])] },
  ],
  [
    'parents that form a circle end the search for an agent',
    [toolSpan({ id: 'a', parent: 'b' }), spanOf({ id: 'b', parent: 'a' }), top],
    { held: false, contacts: [contact(['top', 'a'])] },
  ],
  [
    'a span that is its own parent is a root',
    [agentSpan({ id: 'top', parent: 'top', conversation: 'c1' }), tool],
    { held: false, contacts: [contact(['top', 'tool'])] },
  ],
  [
    'without a conversation id the trace is the conversation',
    [{ ...top, conversation: '' }, tool],
    { held: false, contacts: [contact(['top', 'tool'], { conversation: traceIdOf('t') })] },
  ],
  [
    'a conversation id on any span of the trace names it, when it is the only one',
    [
      { ...top, conversation: '' },
      { ...tool, conversation: 'c9' },
    ],
    { held: false, contacts: [contact(['top', 'tool'], { conversation: 'c9' })] },
  ],
  [
    'spans that are neither agent nor tool are no contact',
    [spanOf({ id: 'root', conversation: 'c1' })],
    { held: false, contacts: [] },
  ],
]

for (const [title, spans, now, afterHold] of CASES)
  test(title, () => {
    expect(tell(spans)).toEqual(now)
    if (afterHold) expect(tell(spans, true)).toEqual(afterHold)
  })

test('the order of arrival does not matter', () => {
  for (const [title, spans] of CASES)
    fc.assert(
      fc.property(fc.shuffledSubarray([...spans], { minLength: spans.length }), (shuffled) => {
        expect(tell(shuffled), title).toEqual(tell(spans))
      }),
      { numRuns: 10 },
    )
})

test('a call fails when either side says so, and takes the record key of the side that knows it', () => {
  const client = toolSpan({ id: 'client', parent: 'top', action: 'create' })
  const server = toolSpan({
    id: 'server',
    parent: 'client',
    action: '',
    result: 'failed',
    recordKey: 'k1',
    errorType: 'timeout',
  })
  const call = resolveTrace([top, client, server], false).contacts[0]!.facts[1]
  expect(call).toMatchObject({ action: 'create', result: 'failed', recordKey: 'k1', errorType: 'timeout' })
})

test('attributes come from the outermost agent first, then from nested agents, tools and other spans', () => {
  const spans = [
    spanOf({ id: 'root', queue: 'q', intent: 'refund' }),
    { ...top, parentSpanId: spanIdOf('root'), channel: 'chat' },
    { ...tool, channel: 'voice', intent: 'delivery' },
  ]
  const { sources } = resolveTrace(spans, false).contacts[0]!
  expect(sources.map((source) => nameOf(source.spanId))).toEqual(['top', 'tool', 'root'])
})

test('a chain of ten thousand spans is walked once', () => {
  const chain = Array.from({ length: 10_000 }, (_, n) =>
    spanOf({ id: String(n), parent: n === 0 ? 'top' : String(n - 1) }),
  )
  const startedMs = performance.now()
  expect(tell([...chain.reverse(), toolSpan({ id: 'last', parent: '9999' }), top]).contacts).toEqual([
    contact(['top', 'last']),
  ])
  expect(performance.now() - startedMs).toBeLessThan(2_000)
})

test('tool spans that carry their own identity in two environments are two contacts, whichever comes first', () => {
  const own = { agentName: 'desk', release: 'r1', conversation: 'c1', parent: 'lost' }
  const calls = [
    toolSpan({ id: 'a', ...own, environment: 'production', startedAtMs: 1_000 }),
    toolSpan({ id: 'b', ...own, environment: 'staging', startedAtMs: 2_000 }),
  ]
  for (const spans of [calls, calls.toReversed()])
    expect(resolveTrace(spans, false).contacts.map(({ environment, facts }) => [environment, facts.length])).toEqual([
      ['production', 1],
      ['staging', 1],
    ])
})

test('a trace of ten thousand conversations is resolved in one pass', () => {
  const agents = Array.from({ length: 10_000 }, (_, n) => agentSpan({ id: String(n), conversation: `c${n}` }))
  expect(resolveTrace(agents, false).contacts).toHaveLength(10_000)
})

test("of spans that are each other's parents in a ring the earliest is the root, in whatever order they come", () => {
  const ring = [
    agentSpan({ id: 'b', parent: 'c', conversation: 'c1', startedAtMs: 2_000 }),
    agentSpan({ id: 'a', parent: 'b', conversation: 'c1', startedAtMs: 1_000 }),
    agentSpan({ id: 'c', parent: 'a', conversation: 'c1', startedAtMs: 3_000 }),
    toolSpan({ id: 't', parent: 'c', startedAtMs: 3_500 }),
  ]
  fc.assert(
    fc.property(fc.shuffledSubarray(ring, { minLength: ring.length }), (spans) => {
      expect(resolveTrace(spans, false).contacts.map((one) => nameOf(one.top!.spanId))).toEqual(['a'])
    }),
  )
})
