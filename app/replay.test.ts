import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { parseConfig } from '../config.ts'
import { idOf } from '../lib/hash.ts'
import { silentLog } from '../lib/log.ts'
import { replayFiles } from './replay.ts'
import type { Report } from './report.clickhouse.ts'

/**
 * The words of the product, one case an agent, through OTLP and the whole path into the report: each agent below is expected to count
 * exactly what the words say. All cases share one replay, so every customer, conversation and record has a name of its case.
 */

const HOUR = 3_600_000
const DAY = 24 * HOUR
const START = Date.UTC(2026, 0, 5, 9)
/** The last event time of the replay: the clock by which contacts are mature. */
const END = START + 40 * DAY + 30_000

type Attributes = Readonly<Record<string, string | number | boolean>>
type Span = Readonly<{
  trace: string
  id: string
  parent?: string
  at: number
  kind?: number
  state?: string
  error?: boolean
  attributes: Attributes
  resource: Attributes
}>

const attributesOf = (values: Attributes) =>
  Object.entries(values).map(([key, value]) => ({
    key,
    value:
      typeof value === 'string'
        ? { stringValue: value }
        : typeof value === 'number'
          ? { intValue: String(value) }
          : { boolValue: value },
  }))

const lineOf = ({ trace, id, parent, at, kind = 1, state, error, attributes, resource }: Span): string =>
  JSON.stringify({
    resourceSpans: [
      {
        resource: { attributes: attributesOf(resource) },
        scopeSpans: [
          {
            spans: [
              {
                traceId: idOf('trace', trace),
                spanId: idOf('span', trace, id).slice(0, 16),
                ...(parent && { parentSpanId: idOf('span', trace, parent).slice(0, 16) }),
                ...(state && { traceState: state }),
                name: id,
                kind,
                startTimeUnixNano: `${START + at}000000`,
                endTimeUnixNano: `${START + at + 1_000}000000`,
                attributes: attributesOf(attributes),
                status: error ? { code: 2 } : {},
              },
            ],
          },
        ],
      },
    ],
  })

const lines: string[] = []

/** An agent of one release; what it does becomes lines of the replay, in the order in which it is done. */
function agentOf(name: string, more: Attributes = {}) {
  const resource = { 'service.name': name, 'service.version': '1', ...more }
  const span = (given: Omit<Span, 'resource'>) => lines.push(lineOf({ resource, ...given }))
  return {
    span,
    contact: (id: string, at: number, attributes: Attributes = {}, more: Partial<Span> = {}) =>
      span({
        trace: id,
        id: 'agent',
        at,
        attributes: {
          'gen_ai.operation.name': 'invoke_agent',
          'gen_ai.agent.name': name,
          'gen_ai.conversation.id': id,
          ...attributes,
        },
        ...more,
      }),
    call: (id: string, call: string, at: number, attributes: Attributes = {}, more: Partial<Span> = {}) =>
      span({
        trace: id,
        id: call,
        parent: 'agent',
        at,
        attributes: { 'gen_ai.operation.name': 'execute_tool', 'gen_ai.tool.name': 'tool', ...attributes },
        ...more,
      }),
  }
}

const complaint = (id: string, at: number, data: Readonly<Record<string, string>>) =>
  lines.push(
    JSON.stringify({
      specversion: '1.0',
      id,
      source: '/crm',
      type: 'andon.complaint',
      time: new Date(START + at).toISOString(),
      data,
    }),
  )

const who = (customer: string, intent = 'refund'): Attributes => ({ 'user.id': customer, 'andon.intent': intent })

const folder = mkdtempSync(join(tmpdir(), 'andon-words-'))
let report: Report
beforeAll(async () => {
  tell()
  const file = join(folder, 'words.jsonl')
  writeFileSync(file, lines.join('\n'))
  report = await replayFiles({
    files: [file],
    config: parseConfig('names: { failure: { resultMatches: ["Error*"] } }', 'andon.yaml'),
    env: {},
    log: silentLog,
    slices: true,
    skipBad: false,
    storePath: null,
  })
}, 60_000)
afterAll(() => rmSync(folder, { recursive: true, force: true }))

/** The rows of an agent, by channel. */
const rowsOf = (agent: string) =>
  Object.fromEntries(report.releases.filter((row) => row.agent === agent).map((row) => [row.channel ?? '', row]))
const rowOf = (agent: string) => {
  const rows = report.releases.filter((row) => row.agent === agent)
  expect(rows, agent).toHaveLength(1)
  return rows[0]!
}

function tell(): void {
  const window = agentOf('window')
  for (const [customer, gap] of [
    ['inside', 72 * HOUR],
    ['outside', 72 * HOUR + 1],
  ] as const) {
    window.contact(`${customer} 2`, gap, who(customer)) // the later one is told first
    window.contact(`${customer} 1`, 0, who(customer))
  }

  const ties = agentOf('ties')
  ties.contact('tie 10', 0, { ...who('tie'), 'andon.channel': 'second' })
  ties.contact('tie 1', 0, { ...who('tie'), 'andon.channel': 'first' })

  const empty = agentOf('empty')
  for (const n of [1, 2]) {
    empty.contact(`no intent ${n}`, n * HOUR, { 'user.id': 'somebody' })
    empty.contact(`no customer ${n}`, n * HOUR, { 'andon.intent': 'refund' })
    empty.contact(`blank ${n}`, n * HOUR, who(' \t '))
  }

  const spelling = agentOf('spelling')
  spelling.contact('spelling 1', 0, who('Ann@Example.org'))
  spelling.contact('spelling 2', HOUR, who(' ann@example.ORG '))

  const outbound = agentOf('outbound')
  outbound.contact('outbound 1', 0, who('debtor'))
  outbound.contact('outbound 2', HOUR, { ...who('debtor'), 'andon.contact.initiator': 'agent' })
  outbound.contact('outbound 3', 72.5 * HOUR, who('debtor')) // out of the window of the first, within that of the call

  const parts = agentOf('parts')
  for (const n of [1, 2]) parts.contact('one conversation', n * HOUR, who('talker'), { trace: `part ${n}` })
  parts.contact('another conversation', 5 * HOUR, who('talker'))

  agentOf('left').contact('left', 0, { ...who('wanderer'), 'andon.channel': 'voice' })
  agentOf('reached').contact('reached', HOUR, { ...who('wanderer'), 'andon.channel': 'chat' })

  agentOf('apart', { 'deployment.environment.name': 'staging' }).contact('staged', 0, who('tester'))
  agentOf('apart too').contact('live', HOUR, who('tester'))

  const capped = agentOf('capped')
  for (let n = 0; n < 6; n++) capped.contact(`shared ${n}`, n * HOUR, who('shared account'))

  const sampled = agentOf('sampled')
  for (const n of [1, 2]) sampled.contact(`sampled ${n}`, n * HOUR, who('watched'), { state: 'vendor=1,ot=th:c;rv:1' })

  const young = agentOf('young')
  const until = END - START - 72 * HOUR
  young.contact('just mature', until, who('just mature'))
  young.contact('not yet', until + 1, who('not yet'))

  const failures = agentOf('failures')
  const writes: readonly (readonly [string, Attributes, boolean])[] = [
    ['explicit ok goes before an error', { 'andon.write.result': 'ok', 'error.type': 'timeout' }, false],
    ['explicit failure', { 'andon.write.result': 'failed' }, true],
    ['one of five items', { 'andon.write.items': 5, 'andon.write.failed_items': 1 }, true],
    ['an error type', { 'error.type': 'timeout' }, true],
    ['an error as text', { 'gen_ai.tool.call.result': 'Error: no such order' }, true],
    ['nothing', { 'gen_ai.tool.call.result': 'done' }, false],
  ]
  for (const [what, attributes] of writes) {
    failures.call(what, 'write', HOUR, { 'andon.action': 'update', ...attributes }) // before its agent, as exporters do
    failures.contact(what, 0)
  }
  failures.contact('a failed read is no failed write', 0)
  failures.call('a failed read is no failed write', 'read', 0, { 'andon.action': 'read' }, { error: true })
  failures.contact('status', 0)
  failures.call('status', 'write', 0, { 'andon.action': 'delete' }, { error: true })

  const create = (key: string): Attributes => ({
    'andon.action': 'create',
    'andon.record.type': 'case',
    'andon.record.key': key,
    'gen_ai.tool.call.id': 'call_1', // models reuse ids
  })
  const creator = agentOf('creator')
  const again = agentOf('creates again')
  creator.contact('first create', 0)
  creator.call('first create', 'create', 0, create('K 1'))
  again.contact('same record', 30 * DAY)
  again.call('same record', 'create', 30 * DAY, create(' k  1'))
  again.contact('too late', 0)
  again.call('too late', 'create', 1, create('K 2'))
  again.call('too late', 'later', 30 * DAY + 2, create('K 2'))
  again.contact('failed first', 0)
  again.call('failed first', 'create', 0, create('K 3'), { error: true })
  again.call('failed first', 'retry', HOUR, create('K 3'))
  again.contact('no key', 0)
  for (const n of [1, 2])
    again.call('no key', `create ${n}`, n * HOUR, {
      'andon.action': 'create',
      'gen_ai.tool.call.arguments': n === 1 ? '{"a":1,"b":[2]}' : '{ "b": [2], "a": 1 }',
    })

  const mcp = agentOf('mcp')
  mcp.contact('both ends', 0)
  mcp.call('both ends', 'tool', 0, { 'andon.action': 'update' })
  mcp.call('both ends', 'client', 1, { 'mcp.method.name': 'tools/call' }, { parent: 'tool', kind: 3 })
  mcp.call('both ends', 'server', 2, { 'mcp.method.name': 'tools/call' }, { parent: 'client', kind: 2, error: true })

  const outer = agentOf('outer')
  outer.call('nested', 'inner call', 3, { 'andon.action': 'update' }, { parent: 'inner' })
  agentOf('inner').contact('inner conversation', 2, {}, { trace: 'nested', id: 'inner', parent: 'agent' })
  outer.contact('nested', 1)
  agentOf('handed to').contact('nested', 5, {}, { trace: 'nested', id: 'handoff' })

  const blamed = agentOf('blamed')
  blamed.contact('named', 0, who('angry'))
  blamed.contact('latest', 8 * DAY, who('angry', 'other'))
  complaint('by conversation, long after', 39 * DAY, { conversation: 'named' })
  complaint('by customer, seven days later', 15 * DAY, { customer: 'ANGRY' })
  complaint('by customer, too late', 15 * DAY + 1, { customer: 'angry' })
  complaint('by a conversation that nobody knows, and a customer', 9 * DAY, { conversation: '?', customer: 'angry' })
  complaint('twice', 9 * DAY, { conversation: 'latest' })
  complaint('twice', 9 * DAY, { conversation: 'latest' })
  complaint('about nobody', 9 * DAY, { customer: 'unknown' })

  agentOf('clock').contact('last', END - START)
}

describe('the four signals, in the words of the product', () => {
  test('a repeat starts within 72 h of the start, to the millisecond, and is charged to the earlier contact', () => {
    expect(rowOf('window')).toMatchObject({ contacts: 4, identified: 4, repeatContacts: 1, repeatArrivals: 1 })
  })
  test('of two contacts that start together, the one with the smaller id as text comes first', () => {
    const { first, second } = rowsOf('ties')
    expect(first).toMatchObject({ repeatContacts: 1, repeatArrivals: 0 })
    expect(second).toMatchObject({ repeatContacts: 0, repeatArrivals: 1 })
  })
  test('an empty customer or intent matches nothing', () => {
    expect(rowOf('empty')).toMatchObject({ contacts: 6, identified: 2, repeatContacts: 0 })
    expect(rowOf('empty').signals.repeat_contacts).toMatchObject({ trials: 0, rate: null, low: null, high: null })
  })
  test('spellings of one customer are one customer', () => {
    expect(rowOf('spelling')).toMatchObject({ repeatContacts: 1 })
  })
  test('what an agent begins is no repeat, but may be followed by one', () => {
    expect(rowOf('outbound')).toMatchObject({ contacts: 3, repeatContacts: 1, repeatArrivals: 1 })
  })
  test('parts of one conversation are one contact and never repeat each other', () => {
    expect(rowOf('parts')).toMatchObject({ contacts: 2, repeatContacts: 1, repeatArrivals: 1 })
  })
  test('the customer may come back over another agent and channel', () => {
    expect(rowOf('left')).toMatchObject({ channel: 'voice', repeatContacts: 1, repeatArrivals: 0 })
    expect(rowOf('reached')).toMatchObject({ channel: 'chat', repeatContacts: 0, repeatArrivals: 1 })
  })
  test('another environment has customers of its own', () => {
    expect(rowOf('apart')).toMatchObject({ environment: 'staging', contacts: 1, repeatContacts: 0 })
    expect(rowOf('apart too')).toMatchObject({ repeatArrivals: 0 })
  })
  test('one customer counts at most three times a day in the evidence; both figures are told', () => {
    expect(rowOf('capped')).toMatchObject({ repeatContacts: 5, repeatContactsCapped: 3, repeatArrivals: 5 })
  })
  test('sampled contacts are counted, and the same pairs on both sides, but not judged', () => {
    expect(rowOf('sampled')).toMatchObject({
      contacts: 2,
      repeatContacts: 1,
      repeatArrivals: 1,
      repeatContactsCapped: 0,
    })
    expect(rowOf('sampled').signals.repeat_contacts).toMatchObject({ hits: 0, trials: 0 })
  })
  test('a contact is mature when its window is over, to the millisecond', () => {
    expect(rowOf('young').signals.repeat_contacts).toMatchObject({ trials: 1 })
    expect(rowOf('young').signals.complaints).toMatchObject({ trials: 0 })
  })
  test('whether a write failed is told by the first that speaks', () => {
    expect(rowOf('failures')).toMatchObject({
      contacts: 8,
      calls: 8,
      failedCalls: 6,
      writes: 7,
      failedWrites: 5,
      contactsWithWrite: 7,
      contactsWithFailedWrite: 5,
    })
    expect(rowOf('failures').signals.failed_updates).toMatchObject({ hits: 5, trials: 7, rate: 5 / 7 })
  })
  test('a record created again within 30 days, by anyone, is charged to who created it again', () => {
    expect(rowOf('creator')).toMatchObject({ creates: 1, duplicateCreations: 0 })
    expect(rowOf('creates again')).toMatchObject({
      creates: 6,
      duplicateCreations: 2, // the same record, and the same arguments within one contact
      duplicateWrites: 1, // only arguments that were sent can be equal
      contactsWithDuplicateWrite: 1,
    })
    expect(rowOf('creates again').signals.duplicate_creations).toMatchObject({ hits: 2, trials: 4 })
  })
  test('a call seen from both ends is one', () => {
    expect(rowOf('mcp')).toMatchObject({ contacts: 1, calls: 1, writes: 1 })
  })
  test('agents within an agent, and those it hands over to, share its contact', () => {
    expect(rowOf('outer')).toMatchObject({ contacts: 1, calls: 1, writes: 1 })
    for (const agent of ['inner', 'handed to']) expect(rowsOf(agent)).toEqual({})
  })
  test('a complaint is about its conversation, else about the latest contact of seven days, else about nobody known', () => {
    expect(rowOf('blamed')).toMatchObject({ contacts: 2, complaints: 4 })
    expect(rowOf('blamed').signals.complaints).toMatchObject({ hits: 2, trials: 2 })
    expect(rowOf('')).toMatchObject({ environment: '', release: '', contacts: 0, complaintsUnattributed: 2 })
  })
  test('nothing is lost', () => {
    expect(report.clock).toBe('event')
    expect(report.accepted.rejected).toBe(0)
    expect(report.accepted.spans).toBe(report.accepted.distinct)
  })
})
