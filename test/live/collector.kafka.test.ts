import { metrics } from '@opentelemetry/api'
import { OTLPMetricExporter } from '@opentelemetry/exporter-metrics-otlp-proto'
import { resourceFromAttributes } from '@opentelemetry/resources'
import { MeterProvider, PeriodicExportingMetricReader } from '@opentelemetry/sdk-metrics'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { releaseRows } from '../../app/report.clickhouse.ts'
import { readConfig, signalsOf } from '../../config.ts'
import { wallClock } from '../../lib/clock.ts'
import { runContactCentre } from '../../simulator/emit.ts'
import { createRouting } from '../../simulator/routing.ts'
import { DAY_MS, demoScenario } from '../../simulator/scenario.ts'
import { rowsOf } from '../../store/store.clickhouse.ts'
import { postTraces } from '../fixtures/otlp.ts'
import { type Collector, complaintsOf, findCollector, startCollector } from './collector/collector.ts'
import { hasKafka } from './kafka/broker.ts'
import { type Cluster, type Instance, type Space, startCluster } from './kafka/cluster.ts'

const binary = findCollector()
const START_MS = Date.UTC(2026, 10, 2)

/** What a deployment may change of the committed exporter. */
const WAYS = {
  'as-committed': {},
  'json-gzip-keyed': { encoding: 'otlp_json', compression: 'gzip', keyed: true },
  'json-plain': { encoding: 'otlp_json', compression: 'none' },
  'proto-gzip-keyed': { compression: 'gzip', keyed: true },
  'without-kafka': { straight: true },
} satisfies Record<string, Way>
type Way = { encoding?: 'otlp_json'; compression?: 'gzip' | 'none'; keyed?: boolean; straight?: boolean }

test.skipIf(!binary)("the Collector's own check takes the configuration as it is committed", () => {
  expect(complaintsOf(binary!, 'deploy/otel-collector.yaml')).toBe('')
})

describe.skipIf(!binary || !hasKafka())('agents, a real Collector, Kafka, roles', { timeout: 120_000 }, () => {
  let cluster: Cluster
  let space: Space
  let roles: Instance
  const collectors: Collector[] = []
  beforeAll(async () => {
    cluster = await startCluster()
    space = await cluster.space({
      signals: [{ name: 'declined', title: 'Declined', evaluator: 'counters', trials: 'payments', hits: 'declined' }],
    })
    roles = await space.start('collector', 'pipeline')
  }, 400_000)
  afterAll(async () => {
    for (const collector of collectors) await collector.end('SIGKILL')
    await cluster?.close()
  })

  const changesOf = (way: Way) => (way.straight ? straight() : kafkaOf(space, way))

  /** The Collector's OTLP exporter as it is, into the receiver. */
  const straight = () => ({
    exporters: { otlp_http: { endpoint: roles.receive } },
    service: {
      pipelines: Object.fromEntries(
        ['traces', 'metrics', 'logs'].map((signal) => [signal, { exporters: ['otlp_http'] }]),
      ),
    },
  })

  const kafkaOf = ({ topics }: Space, { encoding, compression, keyed }: Way) => {
    const signal = (topic: string) => ({ topic, ...(encoding && { encoding }) })
    return {
      exporters: {
        kafka: {
          brokers: cluster.broker.brokers,
          traces: signal(topics.spans),
          metrics: signal(topics.metrics),
          logs: signal(topics.logs),
          ...(compression && { producer: { compression } }),
          ...(keyed && { partition_traces_by_id: true, partition_metrics_by_resource_attributes: true }),
        },
      },
    }
  }

  /** A day and a half of the demo's contact centre through its real SDK exporters, under an environment of its own. */
  const aDay = (collector: Collector, environment: string) =>
    runContactCentre({
      scenario: { ...demoScenario({ startMs: START_MS }), environment, endMs: START_MS + 1.5 * DAY_MS },
      seed: 5,
      receiver: { endpoint: collector.http, outcomes: { endpoint: roles.receive } },
      routing: createRouting(),
      clock: wallClock,
      speed: Number.POSITIVE_INFINITY,
      stepMs: 3 * 3_600_000,
    })

  /** Counters of a release, as the SDK sends them: 40 payments, of which 7 are declined. */
  async function pay(collector: Collector, environment: string): Promise<void> {
    const exporter = new OTLPMetricExporter({ url: `${collector.http}/v1/metrics` })
    const provider = new MeterProvider({
      resource: resourceFromAttributes({
        'service.name': 'payments',
        'service.version': '1',
        'deployment.environment.name': environment,
      }),
      readers: [new PeriodicExportingMetricReader({ exporter, exportIntervalMillis: 3_600_000 })],
    })
    const meter = provider.getMeter('payments')
    meter.createCounter('payments').add(40)
    meter.createCounter('declined').add(7)
    await provider.forceFlush()
    await provider.shutdown()
    metrics.disable()
  }

  test.each(Object.entries(WAYS))('%s: totals are what was sent', async (environment, way) => {
    const collector = await startCollector(binary!, changesOf(way))
    collectors.push(collector)
    const sent = await aDay(collector, environment)
    await pay(collector, environment)
    const signals = signalsOf(readConfig(space.configFile))
    const counted = async () =>
      (await releaseRows(space.store, signals, { slices: false, clockMs: wallClock.nowMs() })).filter(
        (row) => row.environment === environment,
      )
    const expected = sent.releases
      .map(({ agent, release, contacts }) => ({ agent, release, contacts }))
      .sort((a, b) => a.agent.localeCompare(b.agent) || a.release.localeCompare(b.release))
    const totals = async () => {
      const rows = await counted()
      const sum = (of: 'calls' | 'contacts') => rows.reduce((all, row) => all + row[of], 0)
      const payments =
        "SELECT measure, sum(deltas.n) AS n FROM deltas WHERE signal = 'declined' AND measure IN ('trials', 'hits') AND environment = {environment:String} GROUP BY measure ORDER BY measure"
      const complaints = 'SELECT uniqExact(outcome_id) AS n FROM outcomes WHERE environment = {environment:String}'
      return {
        releases: rows
          .filter(({ contacts }) => contacts > 0)
          .map(({ agent, release, contacts }) => ({ agent, release, contacts })),
        spans: sum('contacts') + sum('calls'),
        outcomes: (await rowsOf<{ n: number }>(space.store, complaints, { environment }))[0]!.n,
        payments: Object.fromEntries(
          (await rowsOf<{ measure: string; n: number }>(space.store, payments, { environment })).map(
            ({ measure, n }) => [measure, n],
          ),
        ),
      }
    }
    await expect.poll(totals, { timeout: 40_000, interval: 250 }).toEqual({
      releases: expected,
      spans: sent.spans,
      outcomes: sent.outcomes,
      payments: { trials: 40, hits: 7 },
    })
    await collector.end('SIGTERM')
  })

  test('a Collector that is killed and a broker that is away lose nothing that was acknowledged', async () => {
    let collector = await startCollector(binary!, changesOf({}))
    collectors.push(collector)
    const load = { acknowledged: new Set<string>(), refused: 0, sent: 0 }
    const stopping = new AbortController()
    const sender = async (name: number) => {
      while (!stopping.signal.aborted) {
        const contact = {
          conversation: `c-${name}-${load.sent++}`,
          agent: 'agent',
          release: '1',
          environment: 'killed',
          startedAtMs: START_MS,
        }
        const status = await postTraces(collector.http, [contact]).then(
          (answer) => answer.status,
          () => 0,
        )
        if (status === 200) load.acknowledged.add(contact.conversation)
        else load.refused++
      }
    }
    const senders = Array.from({ length: 8 }, (_, name) => sender(name))
    await expect.poll(() => load.acknowledged.size, { timeout: 20_000 }).toBeGreaterThan(100)
    await collector.end('SIGKILL')
    collector = await startCollector(binary!, changesOf({}))
    collectors.push(collector)
    const before = load.acknowledged.size
    await expect.poll(() => load.acknowledged.size, { timeout: 20_000 }).toBeGreaterThan(before + 50)
    if (cluster.broker.isOurs) {
      await cluster.broker.kill()
      await wallClock.sleep(1_000)
      await cluster.broker.start()
    }
    const again = load.acknowledged.size
    await expect.poll(() => load.acknowledged.size, { timeout: 30_000 }).toBeGreaterThan(again + 50)
    await collector.end('SIGKILL')
    stopping.abort()
    await Promise.all(senders)
    expect(load.refused).toBeGreaterThan(0)
    const lost = async () => {
      const sql =
        "SELECT DISTINCT conversation FROM spans WHERE environment = 'killed' AND seq <= (SELECT max(seq) FROM batches)"
      const held = new Set(
        (await rowsOf<{ conversation: string }>(space.store, sql)).map(({ conversation }) => conversation),
      )
      return [...load.acknowledged].filter((conversation) => !held.has(conversation)).length
    }
    await expect.poll(lost, { timeout: 40_000, interval: 500 }).toBe(0)
  })
})
