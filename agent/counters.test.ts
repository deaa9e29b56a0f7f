import {
  AggregationTemporality,
  InMemoryMetricExporter,
  MeterProvider,
  PeriodicExportingMetricReader,
} from '@opentelemetry/sdk-metrics'
import { expect, test } from 'vitest'
import { createAndon } from './index.ts'

test('contacts, actions and outcomes are counted by agent, release, place and what happened', async () => {
  const exporter = new InMemoryMetricExporter(AggregationTemporality.CUMULATIVE)
  const reader = new PeriodicExportingMetricReader({ exporter, exportIntervalMillis: 3_600_000 })
  const andon = createAndon({
    agent: 'crm',
    release: '4.2',
    channel: 'email',
    meterProvider: new MeterProvider({ readers: [reader] }),
  })
  for (const result of ['ok', 'failed', 'failed'] as const) {
    await andon.contact({ conversation: result, customer: 'u-1' }, async (contact) => {
      await contact.action({ tool: 'update_contact', action: 'update' }, () => ({ result }))
      await contact.action({ tool: 'find_contact', action: 'read' }, () => 'found')
      contact.end('resolved')
    })
  }
  await andon
    .contact({ conversation: 'x' }, (contact) =>
      contact.action({ tool: 'bulk', action: 'update' }, () => ({ items: 2, failedItems: 1 })),
    )
    .then(() => andon.outcome({ kind: 'complaint', conversation: 'x', at: 0 }))
  await reader.forceFlush()
  const metrics = exporter.getMetrics().at(-1)!.scopeMetrics[0]!.metrics
  const countOf = (name: string, wanted: object) =>
    metrics
      .find((metric) => metric.descriptor.name === name)!
      .dataPoints.filter((point) => Object.entries(wanted).every(([key, value]) => point.attributes[key] === value))
      .reduce((sum, point) => sum + Number(point.value), 0)
  const who = { 'gen_ai.agent.name': 'crm', 'gen_ai.agent.version': '4.2' }
  expect(countOf('andon.contacts', { ...who, 'andon.contact.end': 'resolved', 'andon.channel': 'email' })).toBe(3)
  expect(countOf('andon.contacts', who)).toBe(4)
  expect(countOf('andon.actions', { ...who, 'andon.action': 'update', 'andon.write.result': 'failed' })).toBe(2)
  expect(countOf('andon.actions', { ...who, 'andon.action': 'update', 'andon.write.result': 'partial' })).toBe(1)
  expect(countOf('andon.actions', { ...who, 'andon.action': 'update', 'andon.write.result': 'ok' })).toBe(1)
  expect(countOf('andon.actions', { ...who, 'andon.action': 'read', 'andon.write.result': 'ok' })).toBe(3)
  expect(countOf('andon.outcomes', { ...who, 'andon.outcome': 'complaint' })).toBe(1)
  const names = new Set(
    metrics.flatMap((metric) => metric.dataPoints.flatMap((point) => Object.keys(point.attributes))),
  )
  expect(
    names.has('user.id') || names.has('gen_ai.conversation.id'),
    'an id in a metric is a series per customer',
  ).toBe(false)
  await reader.shutdown()
})
