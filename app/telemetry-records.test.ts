import { describe, expect, test } from 'vitest'
import type { BusRecord } from '../bus/bus.ts'
import { kafkaConfig } from '../bus/config.ts'
import { createNamer } from '../collector/name-span.ts'
import { PLAIN_NAMES } from '../collector/names.ts'
import { createPseudonymizer } from '../collector/pseudonym.ts'
import { createLoadTemplate } from '../simulator/load.ts'
import { traceRequest } from '../test/fixtures/otlp.ts'
import { createReader, recordsOf } from './telemetry-records.ts'

const { topics } = kafkaConfig.parse({ brokers: ['localhost:9092'] })
const namer = createNamer(PLAIN_NAMES, createPseudonymizer({ secret: 'a secret of these tests only', keyVersion: 1 }))
const WRITTEN_MS = Date.UTC(2026, 5, 1)

const read = (topic: string, value: Uint8Array, counted: Record<string, number> = {}) =>
  createReader(topics, namer, (reason, n) => {
    counted[reason] = (counted[reason] ?? 0) + n
  })({ topic, partition: 3, offset: 7, atMs: WRITTEN_MS, value, headers: {} } satisfies BusRecord)

const contact = { conversation: 'c', agent: 'desk', release: 'r1', startedAtMs: WRITTEN_MS - 5_000 }

describe('what stands in the telemetry topics', () => {
  test('otlp_json and otlp_proto are told apart by their first byte', () => {
    const json = read(topics.spans, Buffer.from(JSON.stringify(traceRequest([contact]))))
    expect(json).toMatchObject({ spans: [{ agentName: 'desk', release: 'r1', conversation: 'c' }] })
    const template = createLoadTemplate({ contactsPerRequest: 2, toolsPerContact: 1, agent: 'load', release: '1' })
    const proto = read(topics.spans, template.stamp(1, WRITTEN_MS))
    expect(proto).toMatchObject({ spans: [{}, {}, {}, {}] })
  })

  test('an empty record is an empty request', () => {
    expect(read(topics.metrics, Buffer.alloc(0))).toEqual({ spans: [], outcomes: [], points: [] })
  })

  test('outcomes are CloudEvents; bad ones are counted, good ones taken', () => {
    const event = (id: string, data: object) => ({
      specversion: '1.0',
      id,
      source: '/crm',
      type: 'andon.complaint',
      data,
    })
    const counted: Record<string, number> = {}
    const body = Buffer.from(JSON.stringify([event('1', { conversation: 'c' }), event('2', {})]))
    expect(read(topics.outcomes, body, counted)).toMatchObject({ outcomes: [{ conversation: 'c', atMs: WRITTEN_MS }] })
    expect(counted).toEqual({ outcome: 1 })
  })

  test('a fact that tells no time happened when its record was written, however often it is read', () => {
    const request = JSON.stringify(traceRequest([contact])).replaceAll(
      /"(start|end)TimeUnixNano":"\d+"/g,
      '"$1TimeUnixNano":"0"',
    )
    for (let time = 0; time < 2; time++)
      expect(read(topics.spans, Buffer.from(request))).toMatchObject({ spans: [{ startedAtMs: WRITTEN_MS }] })
  })

  test.each([
    ['JSON that ends too early', Buffer.from('{"resourceSpans":[')],
    ['no OTLP at all', Buffer.from([0x0a, 0xff, 0xff, 0xff])],
  ])('%s is poison with a reason', (_, value) => {
    const found = read(topics.spans, value)
    expect(found).toMatchObject({ poison: { partition: 3, offset: 7 }, reason: expect.stringMatching(/\w{4}/) })
  })

  test('a collector writes each request to the topic of its signal, as it came', () => {
    const body = Buffer.from('body')
    expect(recordsOf(topics, { signal: 'logs', body })).toEqual({ topic: 'otlp_logs', records: [{ value: body }] })
    expect(recordsOf(topics, { signal: 'outcomes', body }).topic).toBe('andon_outcomes')
  })
})
