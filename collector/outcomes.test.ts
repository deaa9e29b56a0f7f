import { describe, expect, test } from 'vitest'
import { decodeRequest, JSON_TYPE } from './decode.ts'
import { attributesOf, plainNamer, SPAN_ID, TRACE_ID } from './fixtures.ts'
import { readCloudEvents } from './outcomes.ts'

type Attributes = Readonly<Record<string, string | number | boolean>>

function decode(records: readonly object[], names: unknown = {}) {
  const resource = { attributes: attributesOf({ 'deployment.environment.name': 'prod' }) }
  const request = { resourceLogs: [{ resource, scopeLogs: [{ logRecords: records }] }] }
  return decodeRequest('logs', JSON_TYPE, Buffer.from(JSON.stringify(request)), plainNamer(names))
}
const record = (eventName: string, attributes: Attributes, more: object = {}) => ({
  timeUnixNano: '1700000000123456789',
  eventName,
  attributes: attributesOf(attributes),
  ...more,
})
const CONVERSATION = { 'gen_ai.conversation.id': 'c1' }

describe('outcomes from log events', () => {
  test.each(['complaint', 'correction', 'reopen', 'review', 'recontact'])('andon.%s', (kind) => {
    const { outcomes } = decode([record(`andon.${kind}`, { ...CONVERSATION, 'andon.review.minutes': 4 })])
    const reviewMinutes = kind === 'review' ? 4 : 0
    const expected = {
      kind,
      atMs: 1700000000123,
      conversation: 'c1',
      customer: '',
      environment: 'prod',
      flag: '',
      reviewMinutes,
    }
    expect(outcomes).toMatchObject([expected])
  })

  test('minutes that nobody can have spent are left out, and said', () => {
    const { outcomes, rejected } = decode([record('andon.review', { ...CONVERSATION, 'andon.review.minutes': 1e300 })])
    expect(outcomes).toMatchObject([{ kind: 'review', reviewMinutes: 0 }])
    expect(rejected).toMatchObject({ items: 0, byReason: { number: 1 } })
    expect(rejected.message).toContain('logRecords[0] andon.review.minutes must be a number from 0 to 1000000')
  })

  test('the name may stand in the attribute event.name', () => {
    expect(decode([record('', { ...CONVERSATION, 'event.name': 'andon.complaint' })]).outcomes.length).toBe(1)
  })

  test('a correction names the record that was corrected', () => {
    const corrected = { 'andon.record.type': 'case', 'andon.record.id': 'CASE-4711' }
    expect(decode([record('andon.correction', { ...CONVERSATION, ...corrected })]).outcomes[0]).toMatchObject({
      recordType: 'case',
      recordId: 'CASE-4711',
    })
  })

  test('a flag needs its name, an outcome needs somebody it belongs to; both are said with the place', () => {
    const { outcomes, rejected } = decode([
      record('andon.flag', { ...CONVERSATION, 'andon.flag.name': 'hallucination' }),
      record('andon.flag', CONVERSATION),
      record('andon.complaint', {}),
    ])
    expect(outcomes).toMatchObject([{ kind: 'flag', flag: 'hallucination' }])
    expect(rejected.items).toBe(2)
    expect(rejected.message).toContain('resourceLogs[0].scopeLogs[0].logRecords[1] (andon.flag) needs andon.flag.name')
    expect(rejected.message).toContain(
      'logRecords[2] (andon.complaint) needs gen_ai.conversation.id, user.id or a trace id',
    )
  })

  test('a trace id stands for the conversation when nothing else does', () => {
    const inTrace = { traceId: TRACE_ID, spanId: SPAN_ID }
    expect(decode([record('andon.complaint', {}, inTrace)]).outcomes[0]!.conversation).toBe(TRACE_ID)
    expect(decode([record('andon.complaint', { 'user.id': 'Ann' }, inTrace)]).outcomes[0]!.conversation).toBe('')
  })

  test('an evaluation result is a flag when its label says that it failed', () => {
    const evaluation = (label: string) =>
      record('gen_ai.evaluation.result', {
        ...CONVERSATION,
        'gen_ai.evaluation.name': 'groundedness',
        'gen_ai.evaluation.score.label': label,
      })
    expect(decode([evaluation('Fail'), evaluation('pass')]).outcomes).toMatchObject([
      { kind: 'flag', flag: 'groundedness' },
    ])
    expect(decode([evaluation('no')], { failLabels: ['no'] }).outcomes.length).toBe(1)
  })

  test('other logs are none of our business', () => {
    const { outcomes, rejected } = decode([
      record('app.start', {}),
      record('andon.praise', CONVERSATION),
      { body: { stringValue: 'x' } },
    ])
    expect([outcomes, rejected.items]).toEqual([[], 0])
  })

  test('the same record twice has one id, any other has another; a given id decides alone', () => {
    const ids = decode([
      record('andon.complaint', CONVERSATION),
      record('andon.complaint', CONVERSATION),
      record('andon.complaint', CONVERSATION, { timeUnixNano: '1700000000124456789' }),
      record('andon.correction', CONVERSATION),
      record('andon.complaint', { ...CONVERSATION, 'andon.outcome.id': 'x1' }),
      record('andon.complaint', { ...CONVERSATION, 'andon.outcome.id': 'x1' }, { timeUnixNano: '1' }),
    ]).outcomes.map((outcome) => outcome.outcomeId)
    expect(ids[1]).toBe(ids[0])
    expect(ids[5]).toBe(ids[4])
    expect(new Set(ids).size).toBe(4)
  })

  test('an observed time stands in for the time', () => {
    const noTime = record('andon.complaint', CONVERSATION, { timeUnixNano: undefined, observedTimeUnixNano: '5000000' })
    expect(decode([noTime]).outcomes[0]!.atMs).toBe(5)
  })
})

describe('outcomes from CloudEvents', () => {
  const EVENT = {
    specversion: '1.0',
    id: '1',
    source: '/crm',
    type: 'andon.review',
    data: { conversation: 'c1', reviewMinutes: 3 },
  }
  const read = (body: unknown) => readCloudEvents(Buffer.from(JSON.stringify(body)), plainNamer(), 10)

  test('an event, sent twice, is one outcome; another source is another', () => {
    const [first, second, other] = read([EVENT, EVENT, { ...EVENT, source: '/erp' }]).outcomes
    expect(first).toMatchObject({ kind: 'review', atMs: 0, conversation: 'c1', reviewMinutes: 3 })
    expect(second!.outcomeId).toBe(first!.outcomeId)
    expect(other!.outcomeId).not.toBe(first!.outcomeId)
  })

  test('the customer of an event is the customer of a span', () => {
    const { customer } = read({ ...EVENT, data: { customer: 'ANN ' } }).outcomes[0]!
    expect(customer).toBe(plainNamer().pseudonymizer.customer('ann'))
  })

  test('however long a conversation id is, and however it came, it is the same conversation', () => {
    const conversation = `${'🙂'.repeat(200)} 17`
    const log = record('andon.complaint', { 'gen_ai.conversation.id': conversation })
    const event = read({ ...EVENT, data: { conversation } }).outcomes[0]!
    expect(event.conversation).toBe(decode([log]).outcomes[0]!.conversation)
    expect(event.conversation.isWellFormed()).toBe(true)
  })

  test.each([
    [{ ...EVENT, specversion: '0.3' }, 'specversion: must be 1.0'],
    [{ ...EVENT, id: 7 }, 'id: must be a text that is not empty'],
    [{ ...EVENT, source: undefined }, 'source: is missing; give a text that is not empty'],
    [{ ...EVENT, type: 'andon.complain' }, 'did you mean andon.complaint?'],
    [{ ...EVENT, type: 'andon.flag' }, 'data.flag: andon.flag needs the name of the flag'],
    [{ ...EVENT, time: 'yesterday' }, 'time: must be an RFC 3339 time with its zone, such as 2026-11-16T09:30:00Z'],
    [
      { ...EVENT, data: { conversation: 'c', reviewMinutes: -1 } },
      'data.reviewMinutes: must be a number from 0 to 1000000',
    ],
    [{ ...EVENT, data: {} }, 'data: give conversation or customer'],
    [null, 'event: must be a map'],
    ['x', 'event: must be a map'],
  ])('%j is refused, naming %s', (event, field) => {
    const { outcomes, errors } = read(event)
    expect(outcomes).toEqual([])
    expect(errors[0]!.message).toContain(field)
  })

  test('a batch of too many events is refused whole', () => {
    expect(() => read(Array(11).fill(EVENT))).toThrow(/more than 10 events/)
  })
})
