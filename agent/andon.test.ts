import { context, SpanKind, SpanStatusCode, trace } from '@opentelemetry/api'
import { AsyncLocalStorageContextManager } from '@opentelemetry/context-async-hooks'
import { InMemoryLogRecordExporter, LoggerProvider, SimpleLogRecordProcessor } from '@opentelemetry/sdk-logs'
import { InMemorySpanExporter, SimpleSpanProcessor, TracerProvider } from '@opentelemetry/sdk-trace'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type ActionKind, OUTCOME_KINDS, WRITE_ACTIONS } from '../facts/span.ts'
import { ACTION_KINDS } from './action.ts'
import { createAndon } from './index.ts'
import { outcomeEvent } from './names.ts'

beforeAll(() => {
  context.setGlobalContextManager(new AsyncLocalStorageContextManager().enable())
})
afterAll(() => context.disable())

/** An agent whose spans and log events end up in memory. */
function listen(fields: Partial<Parameters<typeof createAndon>[0]> = {}) {
  const spans = new InMemorySpanExporter()
  const records = new InMemoryLogRecordExporter()
  const tracerProvider = new TracerProvider({ spanProcessors: [new SimpleSpanProcessor({ exporter: spans })] })
  const loggerProvider = new LoggerProvider({ processors: [new SimpleLogRecordProcessor({ exporter: records })] })
  const andon = createAndon({
    agent: 'order-status',
    release: 'r1',
    channel: 'whatsapp',
    tracerProvider,
    loggerProvider,
    ...fields,
  })
  return {
    andon,
    tracerProvider,
    spans: () => spans.getFinishedSpans(),
    records: () => records.getFinishedLogRecords(),
  }
}

const CONTACT = {
  conversation: 'c-1',
  customer: '+999 555 0101',
  intent: 'where_is_my_order',
  queue: 'orders',
} as const
const CREATE = {
  tool: 'create_case',
  action: 'create',
  system: 'crm',
  recordType: 'case',
  recordKey: 'o-7|+999 555 0101',
} as const

test('a contact with one action becomes an agent span and a tool span that carries its own identity', async () => {
  const { andon, spans } = listen()
  const answer = await andon.contact(CONTACT, async (contact) => {
    const created = await contact.action(CREATE, async () => ({ recordId: 'case-9' }))
    contact.end('resolved')
    return created.recordId
  })
  expect(answer).toBe('case-9')
  const [tool, agent] = spans()
  expect([agent!.name, agent!.kind]).toEqual(['invoke_agent order-status', SpanKind.INTERNAL])
  const identity = {
    'gen_ai.agent.name': 'order-status',
    'gen_ai.agent.version': 'r1',
    'gen_ai.conversation.id': 'c-1',
    'user.id': '+999 555 0101',
    'andon.intent': 'where_is_my_order',
    'andon.channel': 'whatsapp',
    'andon.queue': 'orders',
  }
  expect(agent!.attributes).toEqual({
    ...identity,
    'gen_ai.operation.name': 'invoke_agent',
    'andon.contact.end': 'resolved',
  })
  expect(tool!.name).toBe('execute_tool create_case')
  expect(tool!.attributes).toEqual({
    ...identity,
    'gen_ai.operation.name': 'execute_tool',
    'gen_ai.tool.name': 'create_case',
    'andon.action': 'create',
    'andon.system': 'crm',
    'andon.record.type': 'case',
    'andon.record.key': 'o-7|+999 555 0101',
    'andon.record.id': 'case-9',
  })
  expect(tool!.parentSpanContext?.spanId).toBe(agent!.spanContext().spanId)
})

test('a contact joins the span that is active, and spans opened inside an action join the action', async () => {
  const { andon, spans, tracerProvider } = listen()
  const tracer = tracerProvider.getTracer('app')
  await tracer.startActiveSpan('POST /webhook', async (request) => {
    await andon.contact(CONTACT, (contact) => contact.action(CREATE, () => tracer.startSpan('POST crm').end()))
    request.end()
  })
  const parentOf = (name: string) => {
    const parent = spans().find((span) => span.name === name)!.parentSpanContext?.spanId
    return spans().find((span) => span.spanContext().spanId === parent)?.name
  }
  expect(parentOf('POST crm')).toBe('execute_tool create_case')
  expect(parentOf('execute_tool create_case')).toBe('invoke_agent order-status')
  expect(parentOf('invoke_agent order-status')).toBe('POST /webhook')
})

test('a tool that throws is a failed write with an error type, and the error reaches the agent', async () => {
  const { andon, spans } = listen()
  const boom = new RangeError('Mrs Miller lives at 5 Elm Street')
  const seen = await andon.contact(CONTACT, (contact) =>
    contact.action(CREATE, () => Promise.reject(boom)).catch((error) => error),
  )
  expect(seen).toBe(boom)
  const [tool, agent] = spans()
  expect(tool!.status.code).toBe(SpanStatusCode.ERROR)
  expect(tool!.attributes).toMatchObject({ 'andon.write.result': 'failed', 'error.type': 'RangeError' })
  expect(
    JSON.stringify([tool!.status, tool!.events, tool!.attributes]),
    'an error message may quote a customer',
  ).not.toContain('Elm')
  expect(agent!.status.code, 'the agent coped').toBe(SpanStatusCode.UNSET)
})

test('a contact that throws is failed, ended once, and the error is passed on', async () => {
  const { andon, spans } = listen()
  const boom = new Error('model overloaded')
  await expect(andon.contact(CONTACT, () => Promise.reject(boom))).rejects.toBe(boom)
  expect(spans().map((span) => [span.status.code, span.attributes['error.type']])).toEqual([
    [SpanStatusCode.ERROR, 'Error'],
  ])
})

test.each([
  ['a failed result', { result: 'failed' }, { 'andon.write.result': 'failed' }],
  ['an unverified result', { result: 'unverified' }, { 'andon.write.result': 'unverified' }],
  ['refused items', { items: 3, failedItems: 1 }, { 'andon.write.items': 3, 'andon.write.failed_items': 1 }],
  ['a word that is no result', { result: 'forty-two' }, {}],
  ['items of its own', { items: 3 }, {}],
  ['nothing', undefined, {}],
  ['text', 'Error: not found', {}],
])('an action that returns %s says just that', async (_name, returned, said) => {
  const { andon, spans } = listen()
  await andon.contact(CONTACT, (contact) => contact.action({ tool: 't', action: 'update' }, () => returned))
  const stated = Object.entries(spans()[0]!.attributes).filter(([name]) => name.startsWith('andon.write.'))
  expect(Object.fromEntries(stated)).toEqual(said)
})

test('a contact over several messages is begun and ended by hand, at times that were given', () => {
  const { andon, spans } = listen()
  const contact = andon.startContact({ ...CONTACT, startTime: 1_600_000_000_250 })
  const action = contact.startAction({ ...CREATE, startTime: new Date(1_600_000_001_000) })
  action.end({ result: 'ok', endTime: 1_600_000_002_000.5 })
  action.end({ result: 'failed' })
  contact.end('transferred', { endTime: 1_600_000_060_000 })
  contact.end('resolved')
  const [tool, agent] = spans()
  expect([agent!.startTime, agent!.endTime]).toEqual([[1_600_000_000, 250_000_000], [1_600_000_060, 0]]) // biome-ignore format: pairs
  expect([tool!.startTime, tool!.endTime]).toEqual([[1_600_000_001, 0], [1_600_000_002, 500_000]]) // biome-ignore format: pairs
  expect(agent!.attributes['andon.contact.end']).toBe('transferred')
  expect(tool!.attributes['andon.write.result']).toBe('ok')
  expect(() => andon.startContact({ ...CONTACT, startTime: Number.NaN })).toThrow(/not a moment/)
})

test('what is not known is not sent: no empty identity that could match another', async () => {
  const { andon, spans } = listen({ channel: '' })
  await andon.contact({ conversation: 'c-2', customer: '' }, () => {})
  expect(spans()[0]!.attributes).toEqual({
    'gen_ai.operation.name': 'invoke_agent',
    'gen_ai.agent.name': 'order-status',
    'gen_ai.agent.version': 'r1',
    'gen_ai.conversation.id': 'c-2',
  })
})

test('attributes of the caller are added but never replace the identity', async () => {
  const { andon, spans } = listen()
  const attributes = { 'app.shop': 'berlin', 'gen_ai.conversation.id': 'forged' }
  await andon.contact({ ...CONTACT, attributes }, (contact) => contact.action({ tool: 't', attributes }, () => {}))
  for (const span of spans())
    expect(span.attributes).toMatchObject({ 'app.shop': 'berlin', 'gen_ai.conversation.id': 'c-1' })
})

test('arguments are sent as JSON only when given', async () => {
  const { andon, spans } = listen()
  await andon.contact(CONTACT, async (contact) => {
    await contact.action({ tool: 't', arguments: { b: 1, a: [2] } }, () => {})
    await contact.action({ tool: 't' }, () => {})
  })
  expect(spans().map((span) => span.attributes['gen_ai.tool.call.arguments'])).toEqual([
    '{"b":1,"a":[2]}',
    undefined,
    undefined,
  ])
})

test('an outcome is a log event with the time at which it happened', () => {
  const { andon, records } = listen({ environment: 'production' })
  andon.outcome({ kind: 'complaint', conversation: 'c-1', at: 1_600_000_000_000, id: 'complaint-1' })
  andon.outcome({
    kind: 'review',
    customer: 'u-1',
    reviewMinutes: 12,
    at: new Date(1_600_000_000_000),
    environment: 'staging',
  })
  const [complaint, review] = records()
  expect([complaint!.eventName, complaint!.hrTime]).toEqual(['andon.complaint', [1_600_000_000, 0]])
  expect(complaint!.attributes).toEqual({
    'gen_ai.conversation.id': 'c-1',
    'deployment.environment.name': 'production',
    'andon.outcome.id': 'complaint-1',
  })
  expect(review!.attributes).toEqual({
    'user.id': 'u-1',
    'deployment.environment.name': 'staging',
    'andon.review.minutes': 12,
  })
})

test('an outcome about nobody, or a flag without a name, is refused where it is made', () => {
  const { andon, records } = listen()
  expect(() => andon.outcome({ kind: 'complaint', at: 0 })).toThrow(/conversation or a customer/)
  expect(() => andon.outcome({ kind: 'flag', customer: 'u', at: 0 })).toThrow(/flag/)
  expect(records()).toEqual([])
})

test('without an SDK everything works and nothing is recorded', async () => {
  const andon = createAndon({ agent: 'order-status' })
  const value = await andon.contact(CONTACT, async (contact) => {
    expect(contact.span.isRecording()).toBe(false)
    await contact.action(CREATE, () => 1)
    return 2
  })
  andon.outcome({ kind: 'complaint', conversation: 'c-1', at: 0 })
  expect(value).toBe(2)
  expect(trace.getActiveSpan()).toBeUndefined()
})

test('an agent without a name is refused', () => {
  expect(() => createAndon({ agent: '' })).toThrow(/needs `agent`/)
})

test('the words of the library are the words of the monitor', () => {
  const monitorActions: readonly Exclude<ActionKind, ''>[] = ACTION_KINDS
  expect(monitorActions).toEqual(expect.arrayContaining([...WRITE_ACTIONS]))
  expect(Object.keys(outcomeEvent)).toEqual([...OUTCOME_KINDS])
})
