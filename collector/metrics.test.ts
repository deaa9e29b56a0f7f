import { expect, test } from 'vitest'
import { decodeRequest, JSON_TYPE } from './decode.ts'
import { attributesOf, plainNamer } from './fixtures.ts'

type Attributes = Readonly<Record<string, string | number | boolean>>
const RESOURCE = { 'service.name': 'shop', 'service.version': 'r1', 'deployment.environment.name': 'prod' }

function decode(metrics: readonly object[], resource: Attributes = RESOURCE, scope: object = {}) {
  const request = {
    resourceMetrics: [{ resource: { attributes: attributesOf(resource) }, scopeMetrics: [{ scope, metrics }] }],
  }
  return decodeRequest('metrics', JSON_TYPE, Buffer.from(JSON.stringify(request)), plainNamer())
}
const point = (attributes: Attributes, more: object = { asInt: '3' }) => ({
  startTimeUnixNano: '1000000',
  timeUnixNano: '2000000',
  attributes: attributesOf(attributes),
  ...more,
})

test('a sum is a point of its release and slice', () => {
  const sum = {
    aggregationTemporality: 1,
    isMonotonic: true,
    dataPoints: [point({ 'andon.channel': 'chat', 'andon.queue': 'q' })],
  }
  expect(decode([{ name: 'updates', sum }]).points).toMatchObject([
    {
      name: 'updates',
      environment: 'prod',
      agent: 'shop',
      release: 'r1',
      channel: 'chat',
      queue: 'q',
      startMs: 1,
      atMs: 2,
      value: 3,
      temporality: 'delta',
      monotonic: 1,
    },
  ])
})

test('a gauge has no temporality; an agent name on the point goes before the service', () => {
  const gauge = { dataPoints: [point({ 'gen_ai.agent.name': 'helper' }, { asDouble: 0.5 })] }
  const [fact] = decode([{ name: 'load', gauge }]).points
  expect(fact).toMatchObject({ value: 0.5, temporality: 'gauge', monotonic: 0, agent: 'helper' })
})

test('a histogram is its count and its sum', () => {
  const histogram = {
    aggregationTemporality: 'AGGREGATION_TEMPORALITY_CUMULATIVE',
    dataPoints: [point({}, { count: '7', sum: 2.5 })],
  }
  const { points } = decode([{ name: 'duration', histogram }])
  expect(points.map(({ name, value, temporality }) => [name, value, temporality])).toEqual([
    ['duration.count', 7, 'cumulative'],
    ['duration.sum', 2.5, 'cumulative'],
  ])
})

test('a series is told by resource, scope and attributes, not by their order', () => {
  const series = (attributes: Attributes, resource: Attributes = RESOURCE, scope: object = {}) =>
    decode([{ name: 'x', gauge: { dataPoints: [point(attributes)] } }], resource, scope).points[0]!.series
  const one = series({ a: '1', b: '2' })
  expect(series({ b: '2', a: '1' })).toBe(one)
  expect(
    new Set([
      one,
      series({ a: '1' }),
      series({ a: '1', b: '2' }, {}),
      series({ a: '1', b: '2' }, RESOURCE, { name: 's' }),
    ]).size,
  ).toBe(4)
})

test('points without temporality or value are rejected one by one, points that record nothing are skipped', () => {
  const { points, rejected } = decode([
    { name: 'a', sum: { dataPoints: [point({}), point({})] } },
    { name: 'b', gauge: { dataPoints: [point({}, {}), point({}, { flags: 1 }), point({})] } },
  ])
  expect(points.length).toBe(1)
  expect(rejected.items).toBe(3)
  expect(rejected.message).toContain('metrics[0].sum.aggregationTemporality must be 1 (delta) or 2 (cumulative)')
  expect(rejected.message).toContain('metrics[1].gauge.dataPoints[0] needs asDouble or asInt')
})

test('a number that no double holds exactly is turned away, as a point and as the count of a histogram', () => {
  const sum = (value: object) => ({
    name: 'calls',
    sum: { aggregationTemporality: 1, isMonotonic: true, dataPoints: [point({}, value)] },
  })
  const histogram = { aggregationTemporality: 1, dataPoints: [point({}, { count: '9223372036854775807', sum: 1 })] }
  const { points, rejected } = decode([
    sum({ asDouble: 1e300 }),
    sum({ asInt: '-9223372036854775808' }),
    sum({ asInt: '9007199254740991' }),
    { name: 'took', histogram },
  ])
  expect(points.map(({ value }) => value)).toEqual([Number.MAX_SAFE_INTEGER])
  expect(rejected).toMatchObject({ items: 3, byReason: { value: 3 } })
  expect(rejected.message).toContain('dataPoints[0].count must be a number from')
})
