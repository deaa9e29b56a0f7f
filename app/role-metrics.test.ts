import { expect, test } from 'vitest'
import type { Membership } from '../bus/bus.ts'
import { AndonError } from '../lib/errors.ts'
import { createRoleMetrics } from './role-metrics.ts'

const member = (lag: Record<string, number> | null, terms = lag ? 1 : 0): Membership => ({
  isLeading: () => terms > 0,
  terms: () => terms,
  isMember: () => true,
  lag: () => lag,
  close: async () => {},
})

const metricsOf = (ready: () => Promise<boolean>, members = new Map<string, Membership>()) =>
  createRoleMetrics({ members: () => members, pipeline: 'andon-pipeline', lanes: 'andon-lanes', ready })

const sample = (text: string, series: string): number | undefined => {
  const line = text.split('\n').find((one) => one.startsWith(`${series} `))
  return line === undefined ? undefined : Number(line.slice(series.length))
}

test('a process that runs roles is up when its health says so, and not when its health cannot be read', async () => {
  let health = async () => true
  const { registry } = metricsOf(() => health())
  expect(sample(await registry.metrics(), 'andon_up')).toBe(1)
  health = async () => false
  expect(sample(await registry.metrics(), 'andon_up')).toBe(0)
  health = () => Promise.reject(new Error('the store is gone'))
  expect(sample(await registry.metrics(), 'andon_up')).toBe(0)
})

test('what waits over Kafka is told in records of the group, never as a constant number of rows', async () => {
  const members = new Map([
    ['andon-pipeline', member({ otlp_spans: 7, otlp_logs: 0 })],
    ['andon-alerter', member(null)],
    ['andon-lanes', member({ andon_lanes: 2 }, 3)],
  ])
  const text = await metricsOf(async () => true, members).registry.metrics()
  expect(text).not.toContain('andon_waiting_rows')
  expect(sample(text, 'andon_bus_lag_records{group="andon-pipeline",topic="otlp_spans"}')).toBe(7)
  expect(sample(text, 'andon_role_active{group="andon-pipeline"}')).toBe(1)
  expect(sample(text, 'andon_role_active{group="andon-alerter"}')).toBe(0)
  expect(sample(text, 'andon_lanes_led{group="andon-lanes"}')).toBe(3)
})

test('rows are counted from zero, so that a first batch is an increase', async () => {
  const text = await metricsOf(async () => true).registry.metrics()
  for (const kind of ['span', 'outcome', 'point'])
    expect(sample(text, `andon_accepted_rows_total{kind="${kind}"}`)).toBe(0)
})

test('a term that fails is counted by its group and still fails; one that was replaced, or ended, has not failed', async () => {
  const metrics = metricsOf(async () => true)
  const ends: (() => Promise<void>)[] = [
    async () => {},
    () => Promise.reject(new AndonError('superseded', 'another one is active', { retryable: true })),
    () => Promise.reject(new Error('the journal is gone')),
  ]
  const failed: string[] = []
  for (const end of ends)
    await metrics
      .countFailures('andon-alerter', end)()
      .catch((error: Error) => failed.push(error.message))
  expect(failed).toEqual(['another one is active', 'the journal is gone'])
  const text = await metrics.registry.metrics()
  expect(sample(text, 'andon_role_failures_total{group="andon-alerter"}')).toBe(1)
})
