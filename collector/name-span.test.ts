import { describe, expect, test } from 'vitest'
import type { SpanFact } from '../facts/span.ts'
import { decodeRequest, JSON_TYPE } from './decode.ts'
import { attributesOf, PARENT_ID, plainNamer, requestOf, SPAN_ID } from './fixtures.ts'

type Attributes = Readonly<Record<string, string | number | boolean>>

/** The fact of one span with these attributes. */
function name(attributes: Attributes, more: { names?: unknown; resource?: Attributes; span?: object } = {}): SpanFact {
  const request = requestOf({ attributes: attributesOf(attributes), ...more.span }, more.resource)
  return decodeRequest('traces', JSON_TYPE, Buffer.from(JSON.stringify(request)), plainNamer(more.names)).spans[0]!
}

const TOOL = { 'gen_ai.operation.name': 'execute_tool', 'gen_ai.tool.name': 'update_order' }
const tool = (attributes: Attributes, more: Parameters<typeof name>[1] = {}) => name({ ...TOOL, ...attributes }, more)

describe('the role of a span, by convention', () => {
  test.each([
    [{ 'gen_ai.operation.name': 'invoke_agent' }, 'agent'],
    [{ 'gen_ai.operation.name': 'invoke_workflow' }, 'agent'],
    [{ 'gen_ai.operation.name': 'create_agent' }, 'link'],
    [{ 'gen_ai.operation.name': 'chat' }, 'link'],
    [{ 'gen_ai.operation.name': 'chat', 'openinference.span.kind': 'TOOL' }, 'tool'],
    [{ 'openinference.span.kind': 'AGENT' }, 'agent'],
    [{ 'openinference.span.kind': 'CHAIN' }, 'link'],
    [{ 'traceloop.span.kind': 'workflow' }, 'agent'],
    [{ 'traceloop.span.kind': 'tool' }, 'tool'],
    [{ 'langfuse.observation.type': 'agent' }, 'agent'],
    [{ 'langsmith.span.kind': 'tool' }, 'tool'],
    [{ 'ai.operationId': 'ai.toolCall' }, 'tool'],
    [{ 'ai.operationId': 'ai.generateText', 'ai.telemetry.functionId': 'support' }, 'agent'],
    [{ 'ai.operationId': 'ai.generateText' }, 'link'],
    [{ 'ai.operationId': 'ai.generateText.doGenerate', 'ai.telemetry.functionId': 'support' }, 'link'],
    [{ 'mcp.method.name': 'tools/call' }, 'tool'],
    [{ 'mcp.method.name': 'tools/list' }, 'link'],
    [{ 'http.request.method': 'GET' }, 'link'],
  ] as const)('%j is %s', (attributes, role) => expect(name(attributes).role).toBe(role))
})

describe('the two ends of one MCP call are one action', () => {
  const mcp = { ...TOOL, 'mcp.method.name': 'tools/call' }
  const roleOf = (kind: number, names: unknown, parentSpanId: string = PARENT_ID) =>
    name(mcp, { names, span: { kind, parentSpanId } }).role
  test.each([
    ['client', 'tool', 'link'],
    ['server', 'link', 'tool'],
    ['none', 'link', 'link'],
  ] as const)('counting at %s: client %s, server %s', (mcpSetting, client, server) => {
    expect([roleOf(3, { mcp: mcpSetting }), roleOf(2, { mcp: mcpSetting })]).toEqual([client, server])
  })
  test('a server span without a parent is all there is of its call', () => expect(roleOf(2, {}, '')).toBe('tool'))
})

describe('names, first hit wins', () => {
  test('the release is the service.version of the resource, then what the span says, then metadata', () => {
    const spanSays = { 'gen_ai.agent.version': '2', 'langfuse.release': '3', metadata: '{"version":"4"}' }
    expect(name(spanSays, { resource: { 'service.version': '1' } }).release).toBe('1')
    expect(name(spanSays).release).toBe('2')
    expect(name({ ...spanSays, 'gen_ai.agent.version': '' }).release).toBe('3')
    expect(name({ metadata: '{"version":"4"}' }).release).toBe('4')
    expect(name({ metadata: '{"version":"4"}' }, { resource: { 'service.version': '1' } }).release).toBe('1')
    expect(name({ 'traceloop.association.properties.release': '5' }).release).toBe('5')
    expect(name({}).release).toBe('')
  })

  test('of one name on span and resource the span goes first', () => {
    const environment = 'deployment.environment.name'
    expect(name({ [environment]: 'canary' }, { resource: { [environment]: 'prod' } }).environment).toBe('canary')
  })

  test('names of the configuration go before the built-in ones', () => {
    const names = { aliases: { release: ['app.release'], channel: ['app.channel'], queue: ['app.queue', 'app.line'] } }
    const resource = { 'service.version': '1', 'app.release': '9' }
    const fact = name({ 'app.channel': 'voice', 'andon.channel': 'chat', 'app.line': 'Group 70' }, { names, resource })
    expect(fact).toMatchObject({ release: '9', channel: 'voice', queue: 'Group 70' })
  })

  test('agent, conversation, customer and place, with the resource standing in where it may', () => {
    const resource = {
      'service.name': 'shop',
      'deployment.environment': 'prod',
      'andon.channel': 'chat',
      'andon.region': 'eu',
      'andon.autonomy': 'Read-Only',
      'user.id': 'nobody',
      'session.id': 'none',
    }
    const fact = name(
      { 'agent.name': 'helper', 'andon.intent': '  Where is\u00a0 my ORDER ', 'andon.channel': 'voice' },
      { resource },
    )
    expect(fact).toMatchObject({
      agentName: 'helper',
      serviceName: 'shop',
      environment: 'prod',
      channel: 'voice',
      region: 'eu',
    })
    expect(fact).toMatchObject({ autonomy: 'read-only', intent: 'Where is my ORDER', customer: '', conversation: '' })
    expect(name({ 'langfuse.session.id': 'l', 'session.id': 's' }).conversation).toBe('s')
    expect(name({ 'session.id': 17 }).conversation).toBe('17')
  })

  test('two spellings of a customer are one pseudonym, and it is not the identity', () => {
    const { customer } = name({ 'user.id': 'Ann  Example' })
    expect(customer).toMatch(/^[0-9a-f]{32}$/)
    expect(name({ 'enduser.id': ' ann example ' }).customer).toBe(customer)
  })

  test('a very long text stays short and stays itself', () => {
    const long = (end: string) => name({ 'session.id': `${'x'.repeat(5000)}${end}` }).conversation
    expect(long('1').length).toBe(256)
    expect(long('1')).not.toBe(long('2'))
  })

  test.each([
    ['an escape of half a pair', 'a\ud800b', 'a\ufffdb'],
    ['a cut through an emoji', `${'x'.repeat(222)}${'🙂'.repeat(50)}`, /^x{222}\ufffd(…|\.{3})[0-9a-f]{32}$/],
  ])('%s leaves text that the store takes', (_what, given, kept) => {
    const { queue, recordId, tool } = name(
      { 'gen_ai.operation.name': 'execute_tool', 'andon.queue': given, 'andon.record.id': given },
      { span: { name: given } },
    )
    for (const text of [queue, recordId, tool]) expect(text).toMatch(kept)
  })
})

describe('times, place in the trace, sampling', () => {
  test.each([
    [{ startTimeUnixNano: '5000000', endTimeUnixNano: '7000000' }, 5, 7],
    [{ endTimeUnixNano: '7000000' }, 7, 7],
    [{ startTimeUnixNano: '5000000' }, 5, 5],
    [{ startTimeUnixNano: '5000000', endTimeUnixNano: '4000000' }, 5, 5],
    [{}, 0, 0],
  ])('%j lasts from %i to %i', (span, startedAtMs, endedAtMs) =>
    expect(name({}, { span })).toMatchObject({ startedAtMs, endedAtMs }),
  )

  test.each([
    [0, -1],
    [0x100, 0],
    [0x300, 1],
    [0x201, -1],
  ])('flags %i: parent remote %i', (flags, parentIsRemote) =>
    expect(name({}, { span: { flags } }).parentIsRemote).toBe(parentIsRemote),
  )

  test.each([
    ['ot=th:c', 1],
    ['vendor=x,ot=rv:1234;th:08', 1],
    ['ot=th:0', 0],
    ['ot=rv:abcdef', 0],
    ['boot=th:c', 0],
    ['', 0],
  ])('trace state "%s": sampled %i', (traceState, sampled) =>
    expect(name({}, { span: { traceState } }).sampled).toBe(sampled),
  )

  test('services that sample silently are named in the configuration', () => {
    const names = { sampledServices: ['edge-*'] }
    expect(name({}, { names, resource: { 'service.name': 'edge-1' } }).sampled).toBe(1)
    expect(name({}, { names, resource: { 'service.name': 'core' } }).sampled).toBe(0)
  })
})

describe('what a tool call did', () => {
  const ERROR = { span: { status: { code: 2 } } }
  test.each([
    [{ 'andon.write.result': 'OK', 'andon.write.failed_items': 2, 'error.type': 'x' }, 'ok', 'what it says goes first'],
    [{ 'andon.write.result': 'unverified' }, 'unverified', 'said to be unverified'],
    [{ 'andon.write.items': 3, 'andon.write.failed_items': 1 }, 'partial', 'some items failed'],
    [{ 'andon.write.items': 3, 'andon.write.failed_items': 3 }, 'failed', 'all items failed'],
    [{ 'andon.write.failed_items': '1' }, 'partial', 'failed items of an unknown number'],
    [{ 'error.type': 'timeout' }, 'failed', 'an error type'],
    [{ 'andon.write.result': 'splendid' }, 'ok', 'a word that is none'],
    [{ 'langfuse.observation.level': 'ERROR' }, 'failed', 'Langfuse says so'],
    [{}, 'ok', 'nothing says otherwise'],
  ] as readonly (readonly [Attributes, string, string])[])('%j is %s: %s', (attributes, result) =>
    expect(tool(attributes).result).toBe(result),
  )

  test('status ERROR alone is a failure; on other spans there is no result', () => {
    expect(tool({}, ERROR).result).toBe('failed')
    expect(name({ 'gen_ai.operation.name': 'invoke_agent' }, ERROR).result).toBe('')
  })

  test('what counts as failure is configurable', () => {
    const names = { failure: { ignoreErrorTypes: ['not_found'], status: true } }
    expect(tool({ 'error.type': 'not_found' }, { names, ...ERROR }).result).toBe('ok')
    expect(tool({ 'error.type': 'other' }, { names }).result).toBe('failed')
    expect(tool({}, { names: { failure: { status: false } }, ...ERROR }).result).toBe('ok')
  })

  test.each([
    ['Error: no such order', 'failed'],
    ['# var_7 = "Error: x"', 'failed'],
    ['No Error', 'ok'],
    ['{"ok": false}', 'failed'],
    ['{"ok": true, "detail": {"status": "denied"}}', 'failed'],
    ['{"ok": true}', 'ok'],
  ])('the result text %s is %s by rule', (text, result) => {
    const names = {
      failure: {
        resultMatches: ['Error*', '# var_* = "Error*'],
        resultFields: { ok: [false], 'detail.status': ['denied'] },
      },
    }
    expect(tool({ 'gen_ai.tool.call.result': text }, { names }).result).toBe(result)
    expect(tool({ 'output.value': text }).result).toBe('ok')
  })

  test('rules by tool name fill in what the span does not say', () => {
    const rule = { action: 'update', recordType: 'order', system: 'crm' }
    const names = {
      tools: { 'update_*': rule, update_order_status: { action: 'read' }, hand_over: { action: 'transfer' } },
    }
    expect(tool({}, { names })).toMatchObject(rule)
    expect(tool({ 'andon.action': 'Delete', 'andon.system': 'erp' }, { names })).toMatchObject({
      action: 'delete',
      system: 'erp',
    })
    expect(tool({ 'gen_ai.tool.name': 'update_order_status' }, { names }).action).toBe('read')
    expect(tool({ 'gen_ai.tool.name': 'hand_over' }, { names }).action).toBe('transfer')
    expect(tool({ 'gen_ai.tool.name': 'other' }, { names }).action).toBe('')
  })

  test('the tool is named by attribute, else by the name of the span', () => {
    const unnamed = { 'gen_ai.operation.name': 'execute_tool' }
    expect(name(unnamed, { span: { name: 'execute_tool find_order' } }).tool).toBe('find_order')
    expect(name({ 'langfuse.observation.type': 'tool' }, { span: { name: 'find_order' } }).tool).toBe('find_order')
  })

  test('amounts, items and currency are numbers and capitals, else nothing', () => {
    const given = { 'andon.amount': '12.5', 'andon.currency': 'eur', 'andon.write.items': 'many' }
    expect(tool(given)).toMatchObject({ amount: 12.5, currency: 'EUR', items: 0 })
  })
})

describe('record key and arguments', () => {
  const names = {
    tools: { update_order: { action: 'update', recordType: 'order', recordKey: ['customer.email', 'items[0].id'] } },
  }
  const withArguments = (args: unknown) =>
    tool({ 'gen_ai.tool.call.arguments': typeof args === 'string' ? args : JSON.stringify(args) }, { names })

  test('the key is made of all its paths, or there is none', () => {
    const full = withArguments({ customer: { email: 'A@b.c' }, items: [{ id: 7 }], note: 1 })
    expect(full.recordKey).toMatch(/^[0-9a-f]{32}$/)
    expect(withArguments({ customer: { email: 'a@B.C ' }, items: [{ id: '7' }] }).recordKey).toBe(full.recordKey)
    expect(withArguments({ customer: { email: 'a@b.c' }, items: [] }).recordKey).toBe('')
    expect(withArguments('not JSON').recordKey).toBe('')
  })

  test('without a key, a rule may make tool and arguments the key, for anyone', () => {
    const rule = { action: 'create', recordType: 'order', recordKey: ['id'], withoutKey: 'anyone' }
    const key = (args: string) =>
      tool({ 'gen_ai.tool.call.arguments': args }, { names: { tools: { update_order: rule } } }).recordKey
    expect(key('{"sku":"a","n":1}')).toMatch(/^[0-9a-f]{32}$/)
    expect(key('{ "n": 1, "sku": "a" }')).toBe(key('{"sku":"a","n":1}'))
    expect(key('{"sku":"A","n":1}')).not.toBe(key('{"sku":"a","n":1}'))
    expect(key('{"id":7,"n":1}')).toBe(key('{"id":"7","n":2}'))
    expect(key('')).toBe('')
  })

  test('an explicit key goes first, and belongs to its record type', () => {
    const key = (type: string) => tool({ 'andon.record.key': 'W1', 'andon.record.type': type }).recordKey
    expect(key('order')).not.toBe(key('invoice'))
    expect(key('order')).not.toBe(name({ 'user.id': 'W1' }).customer)
  })

  test('the id of the record is kept as given, from its attribute or from the arguments, and never a list', () => {
    const names = { tools: { update_order: { action: 'update', recordId: 'order.id' } } }
    const idIn = (args: object) => tool({ 'gen_ai.tool.call.arguments': JSON.stringify(args) }, { names }).recordId
    expect(tool({ 'andon.record.id': ' CASE-4711 ' }).recordId).toBe('CASE-4711')
    expect(idIn({ order: { id: 7 } })).toBe('7')
    expect(idIn({ order: { id: [7, 8] } })).toBe('')
    expect(idIn({})).toBe('')
  })

  test('the policy is kept as given, the reviewer as a pseudonym of its own kind', () => {
    const fact = tool({ 'andon.policy': 'refund-v3', 'andon.reviewer': 'Ann Lee' })
    expect(fact.policy).toBe('refund-v3')
    expect(fact.reviewer).toMatch(/^[0-9a-f]{32}$/)
    expect(tool({ 'andon.reviewer': ' ann  lee' }).reviewer).toBe(fact.reviewer)
    expect(name({ 'user.id': 'Ann Lee' }).customer).not.toBe(fact.reviewer)
    expect(tool({}).reviewer).toBe('')
  })

  test.each([
    ['{"a":1,"b":[1,2]}', '{ "b": [1, 2], "a": 1.0 }', true],
    ['{"a":1}', '{"a":"1"}', false],
    ['{"id":9007199254740993}', '{"id":9007199254740992}', false],
    ['{"a":[1,2]}', '{"a":[2,1]}', false],
    ['free text', 'free text', true],
    ['free text', 'Free text', false],
  ])('arguments %s and %s are equal: %s', (one, other, isEqual) => {
    expect(withArguments(one).argumentsHash === withArguments(other).argumentsHash).toBe(isEqual)
  })

  test('arguments as a map hash like the same arguments as text; none hash to nothing', () => {
    const value = {
      kvlistValue: {
        values: [
          { key: 'b', value: { intValue: '2' } },
          { key: 'a', value: { stringValue: 'x' } },
        ],
      },
    }
    const attributes = [...attributesOf(TOOL), { key: 'gen_ai.tool.call.arguments', value }]
    expect(name({}, { span: { attributes } }).argumentsHash).toBe(withArguments({ a: 'x', b: 2 }).argumentsHash)
    expect(tool({}).argumentsHash).toBe('')
  })

  const number = (name: string, value: object) => ({ key: name, value })
  const decodedWith = (attribute: object) => {
    const span = { attributes: [...attributesOf(TOOL), attribute] }
    return decodeRequest('traces', JSON_TYPE, Buffer.from(JSON.stringify(requestOf(span))), plainNamer())
  }
  test.each([
    ['andon.amount', { doubleValue: 1e16 }, 'amount'],
    ['andon.amount', { doubleValue: 'NaN' }, 'amount'],
    ['andon.amount', { kvlistValue: { values: [number('toString', { intValue: '5' })] } }, 'amount'],
    ['andon.write.items', { doubleValue: 1.5 }, 'items'],
    ['andon.write.items', { intValue: '4294967296' }, 'items'],
    ['andon.write.failed_items', { intValue: '-1' }, 'failedItems'],
    ['andon.write.failed_items', { stringValue: 'many' }, 'failedItems'],
  ] as const)('%s %j is left out, its sender is told, and the span is taken', (key, value, field) => {
    const { spans, rejected } = decodedWith(number(key, value))
    expect(spans[0]).toMatchObject({ [field]: 0, result: 'ok', role: 'tool' })
    expect(rejected).toMatchObject({ items: 0, byReason: { number: 1 } })
    expect(rejected.message).toMatch(
      new RegExp(`^span ${SPAN_ID}: ${key} must be a (whole )?number from .*; it was taken without it$`),
    )
  })

  test.each([
    ['andon.amount', { doubleValue: -49.9 }, 'amount', -49.9],
    ['andon.amount', { intValue: '1000000000000000' }, 'amount', 1e15],
    ['andon.write.items', { stringValue: '4294967295' }, 'items', 4_294_967_295],
  ] as const)('%s %j is kept', (key, value, field, expected) => {
    const { spans, rejected } = decodedWith(number(key, value))
    expect(spans[0]).toMatchObject({ [field]: expected })
    expect(rejected.message).toBe('')
  })
})
