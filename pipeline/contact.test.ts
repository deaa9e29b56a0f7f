import fc from 'fast-check'
import { expect, test } from 'vitest'
import type { SpanFact } from '../facts/span.ts'
import { type ContactPart, contactsOf, partOf } from './contact.ts'
import { agentSpan, toolSpan } from './fixtures.ts'
import { placeChanges, scopesOf } from './places.ts'
import { resolveTrace } from './trace.ts'

const partWith = (
  tools: readonly (Partial<SpanFact> & { id: string })[],
  agent: Partial<SpanFact> = {},
): ContactPart => {
  const spans = [
    agentSpan({ id: 'top', conversation: 'c1', ...agent }),
    ...tools.map((tool) => toolSpan({ parent: 'top', ...tool })),
  ]
  return partOf(resolveTrace(spans, false).contacts[0]!)
}
const foldOf = (...parts: ContactPart[]) =>
  contactsOf(new Map(parts.map((part, index) => [`t${index}`, part])), null)[0]!

const create = { action: 'create', tool: 'open_case' } as const
const update = { action: 'update', tool: 'set_address' } as const

const COUNTS: readonly (readonly [
  title: string,
  tools: readonly (Partial<SpanFact> & { id: string })[],
  counts: Partial<ReturnType<typeof foldOf>>,
])[] = [
  ['reads are calls, not writes', [{ id: 'a' }], { calls: 1, writes: 0 }],
  [
    'create, update, merge and delete are writes',
    [
      { id: 'a', ...create },
      { id: 'b', ...update },
      { id: 'c', action: 'merge' },
      { id: 'd', action: 'delete' },
    ],
    { writes: 4, creates: 1 },
  ],
  [
    'a write that failed partly has failed',
    [
      { id: 'a', ...update, result: 'partial' },
      { id: 'b', ...update, result: 'failed' },
    ],
    { failedWrites: 2, failedCalls: 2 },
  ],
  [
    'an unverified write is neither ok nor failed',
    [{ id: 'a', ...create, result: 'unverified' }],
    { writes: 1, failedWrites: 0, creates: 0, created: [] },
  ],
  [
    'a failed read is a failed call, not a failed write',
    [{ id: 'a', result: 'failed' }],
    { failedCalls: 1, failedWrites: 0 },
  ],
  [
    'transfers are counted',
    [
      { id: 'a', action: 'transfer' },
      { id: 'b', action: 'transfer' },
    ],
    { transfers: 2 },
  ],
  [
    'equal successful writes are duplicates',
    [
      { id: 'a', ...update, argumentsHash: 'h' },
      { id: 'b', ...update, argumentsHash: 'h' },
      { id: 'c', ...update, argumentsHash: 'h' },
    ],
    { duplicateWrites: 2 },
  ],
  [
    'a write that failed and was tried again is no duplicate',
    [
      { id: 'a', ...update, argumentsHash: 'h', result: 'failed' },
      { id: 'b', ...update, argumentsHash: 'h' },
    ],
    { duplicateWrites: 0 },
  ],
  [
    'writes without known arguments are no duplicates',
    [
      { id: 'a', ...update },
      { id: 'b', ...update },
    ],
    { duplicateWrites: 0 },
  ],
  [
    'a create with neither record key nor arguments matches nothing',
    [{ id: 'a', ...create }],
    { creates: 1, created: [] },
  ],
]

test.each(COUNTS)('%s', (_, tools, counts) => {
  expect(foldOf(partWith(tools))).toMatchObject(counts)
})

test('creates without a record key are known by tool and arguments within their contact only', () => {
  const keyOf = (agent: Partial<SpanFact>, tool: Partial<SpanFact> = {}) =>
    partWith([{ id: 'a', ...create, argumentsHash: 'h', ...tool }], agent).created[0]!.key
  expect(keyOf({ conversation: 'c1' })).toBe(keyOf({ conversation: 'c1', startedAtMs: 5_000 }))
  expect(keyOf({ conversation: 'c1' })).not.toBe(keyOf({ conversation: 'c2' }))
  expect(keyOf({ conversation: 'c1' })).not.toBe(keyOf({ conversation: 'c1' }, { tool: 'open_ticket' }))
  expect(keyOf({ conversation: 'c1' }, { recordKey: 'k' })).toBe('k')
})

test('equal writes in two traces of one contact are duplicates', () => {
  const part = partWith([{ id: 'a', ...update, argumentsHash: 'h' }])
  expect(foldOf(part, part)).toMatchObject({ writes: 2, duplicateWrites: 1 })
})

test('the earliest part that knows an attribute describes the contact; the last one says how it ended', () => {
  const early = partWith([], { startedAtMs: 1_000, customer: '', intent: 'refund', contactEnd: 'escalated' })
  const late = partWith([], { startedAtMs: 9_000, customer: 'u', intent: 'delivery', contactEnd: 'resolved' })
  expect(foldOf(late, early)).toMatchObject({
    startedAtMs: 1_000,
    endedAtMs: 9_100,
    customer: 'u',
    intent: 'refund',
    contactEnd: 'resolved',
  })
})

test('the order of parts does not matter', () => {
  const parts = [1, 2, 3, 4].map(
    (n) =>
      [
        `t${n}`,
        partWith([{ id: 'a', ...update, argumentsHash: `h${n % 2}` }], {
          startedAtMs: 1_000 * (n % 3),
          customer: n > 2 ? `u${n}` : '',
        }),
      ] as const,
  )
  fc.assert(
    fc.property(fc.shuffledSubarray([...parts], { minLength: 4 }), (shuffled) => {
      expect(contactsOf(new Map(shuffled), 500)).toEqual(contactsOf(new Map(parts), 500))
    }),
  )
})

test('a conversation that never changes its id begins a new contact after more than the idle time, measured from the latest end', () => {
  const at = (startedAtMs: number, endedAtMs: number) => partWith([], { startedAtMs, endedAtMs })
  const parts = new Map([
    ['t1', at(0, 50_000)],
    ['t2', at(1_000, 2_000)],
    ['t3', at(60_000, 61_000)],
    ['t4', at(71_001, 72_000)],
  ])
  expect(contactsOf(parts, 10_000).map((contact) => contact.startedAtMs)).toEqual([0, 71_001])
  expect(contactsOf(parts, null)).toHaveLength(1)
  const ids = contactsOf(parts, 10_000).map((contact) => contact.contactId)
  expect(new Set(ids).size).toBe(2)
})

const scopeOf = scopesOf(['', 'production', 'prod'])

test('a contact that changes nothing about where it stands leaves its places alone', () => {
  const before = foldOf(partWith([], { customer: 'u' }))
  expect(placeChanges(before, { ...before, calls: 7, queue: 'q2' }, scopeOf)).toEqual([])
})

test('a contact that moves in time leaves its places and takes new ones; another intent describes the same place anew', () => {
  const before = foldOf(partWith([], { customer: 'u' }))
  const moved = placeChanges(before, { ...before, startedAtMs: 500 }, scopeOf).map(({ place, gone }) => [
    place.key,
    place.atMs,
    gone,
  ])
  expect(moved).toEqual([
    ['c//c1', 500, 0],
    ['u//u', 500, 0],
    ['c//c1', 1_000, 1],
    ['u//u', 1_000, 1],
  ])
  expect(
    placeChanges(before, { ...before, intent: 'refund' }, scopeOf).map(({ place, gone }) => [place.intent, gone]),
  ).toEqual([
    ['refund', 0],
    ['refund', 0],
  ])
})

test('judged environments share their customers, every other environment has its own', () => {
  const keyIn = (environment: string) =>
    placeChanges(null, foldOf(partWith([], { customer: 'u', environment })), scopeOf)[1]!.place.key
  expect(keyIn('production')).toBe(keyIn(''))
  expect(keyIn('staging')).not.toBe(keyIn(''))
  expect(keyIn('staging')).not.toBe(keyIn('test/eu'))
})

test('a contact that is no more leaves all its places', () => {
  const before = foldOf(partWith([{ id: 'a', ...create, recordKey: 'k' }], { customer: 'u' }))
  expect(placeChanges(before, null, scopeOf).map(({ place, gone }) => [place.key, gone])).toEqual([
    ['c//c1', 1],
    ['u//u', 1],
    ['r//k', 1],
  ])
})

test('a contact of two hundred thousand calls is folded', () => {
  const [top, call] = [agentSpan({ id: 'top', conversation: 'c1' }), toolSpan({ id: 'call', startedAtMs: 5_000 })]
  const [contact] = resolveTrace([top, call], true).contacts
  const facts = [top, ...new Array<SpanFact>(200_000).fill(call)]
  expect(partOf({ ...contact!, facts })).toMatchObject({ calls: 200_000, startedAtMs: 1_000, endedAtMs: 5_100 })
})
