import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { releaseRows } from '../../app/report.clickhouse.ts'
import type { Outgoing } from '../../bus/bus.ts'
import { readConfig, signalsOf } from '../../config.ts'
import { wallClock } from '../../lib/clock.ts'
import { seededRandom } from '../../lib/random.ts'
import { recount } from '../../recount/recount.clickhouse.ts'
import { connectStore, rowsOf } from '../../store/store.clickhouse.ts'
import {
  type IncidentField,
  incidentRequest,
  type OtlpRequest,
  type TauConversation,
  tauRequest,
} from '../real/convert.ts'
import { sumsOf, tauFigures } from '../real/counting.ts'
import { hasData, namesIn, readCsv, readJson, readJsonLines } from '../real/data.ts'
import { hasKafka } from './kafka/broker.ts'
import { type Cluster, type Instance, type Space, startCluster } from './kafka/cluster.ts'

/** How many pipelines count each. ALL_PIPELINES=1 runs the combinations that npm test leaves out. */
const WITH = process.env.ALL_PIPELINES ? { tau: [1, 3], incidents: [1, 3] } : { tau: [1], incidents: [3] }
/** More than one share four lanes. */
const busOf = (pipelines: number) => ({ lanes: pipelines > 1 ? 4 : 1 })
const possible = hasKafka() && hasData('tau') && hasData('incidents')

describe.skipIf(!possible)('real data over Kafka', { timeout: 240_000 }, () => {
  let cluster: Cluster
  beforeAll(async () => {
    cluster = await startCluster()
  }, 400_000)
  afterAll(() => cluster?.close())

  /** Shuffled, one in ten twice, `perRecord` requests in one record; Kafka's client spreads records without key over the partitions. */
  async function produce(space: Space, requests: readonly OtlpRequest[], perRecord: number): Promise<void> {
    const random = seededRandom('over kafka', requests.length)
    const shuffled = [...requests, ...requests.filter(() => random.chance(0.1))]
      .map((request) => ({ request, place: random.uniform() }))
      .sort((a, b) => a.place - b.place)
      .map(({ request }) => request)
    const records: Outgoing[] = []
    for (let i = 0; i < shuffled.length; i += perRecord)
      records.push({
        value: Buffer.from(
          JSON.stringify({
            resourceSpans: shuffled.slice(i, i + perRecord).flatMap(({ resourceSpans }) => resourceSpans),
          }),
        ),
      })
    await cluster.bus.createTopics([{ topic: space.topics.spans, partitions: 6 }])
    for (let i = 0; i < records.length; i += 20) await cluster.bus.send(space.topics.spans, records.slice(i, i + 20))
    const bounds = await cluster.bus.bounds(space.topics.spans)
    expect(bounds.filter(({ next }) => next > 0).length).toBeGreaterThan(3)
  }

  const spansIn = async ({ store }: Space): Promise<number> => {
    try {
      return (
        await rowsOf<{ n: number }>(
          store,
          "SELECT uniqExactIf((trace_id, span_id), span_id != '') AS n FROM spans WHERE seq <= (SELECT max(seq) FROM batches)",
        )
      )[0]!.n
    } catch {
      return 0 // the active pipeline has not made the tables yet
    }
  }
  const untilCounted = async (space: Space, spans: number) => {
    await expect.poll(() => spansIn(space), { timeout: 200_000, interval: 500 }).toBe(spans)
    await wallClock.sleep(500)
  }
  /** Of several pipelines the active one is killed once it has counted something. */
  async function startAndKill(space: Space, pipelines: number): Promise<Instance[]> {
    const started = await Promise.all(Array.from({ length: pipelines }, () => space.start('pipeline')))
    if (pipelines === 1) return started
    await expect.poll(() => spansIn(space), { timeout: 100_000, interval: 100 }).toBeGreaterThan(0)
    for (const pipeline of started) if (await pipeline.isActive('pipeline')) await pipeline.end('SIGKILL')
    return started
  }
  const spansOf = (requests: readonly OtlpRequest[]) =>
    requests.reduce(
      (sum, { resourceSpans }) =>
        sum +
        resourceSpans.reduce(
          (all, { scopeSpans }) => all + scopeSpans.reduce((n, { spans }) => n + spans.length, 0),
          0,
        ),
      0,
    )

  test.each(WITH.tau)(
    'conversations of real agents are counted as the truth says; pipelines: %i',
    async (pipelines) => {
      const file = fileURLToPath(new URL('../fixtures/tau.yaml', import.meta.url))
      const config = readConfig(file)
      const judged = { names: config.names, judge: { environments: config.judge.environments } }
      const space = await cluster.space(judged, busOf(pipelines))
      const requests = namesIn('tau/dev/')
        .filter((name) => name.endsWith('.jsonl.gz'))
        .flatMap((name) => readJsonLines<TauConversation>(`tau/dev/${name}`).map(tauRequest))
      await produce(space, requests, 5)
      await startAndKill(space, pipelines)
      await untilCounted(space, spansOf(requests))
      const rows = await releaseRows(space.store, signalsOf(config), { slices: true, clockMs: wallClock.nowMs() })
      for (const truth of readJson<Record<string, string | number>[]>('tau/dev/truth.json'))
        expect(
          rows.filter((row) => row.release === truth.release && row.queue === truth.queue),
          String(truth.run),
        ).toMatchObject([tauFigures(truth)])
      await space.close()
    },
  )

  test.each(WITH.incidents)(
    'incidents of a service desk are counted as the truth says; pipelines: %i',
    async (pipelines) => {
      const space = await cluster.space({}, busOf(pipelines))
      const incidents = readCsv<IncidentField>('incidents/dev/incidents.csv.gz')
      const truth = readJson<{ repeat: Record<string, { backward: number }> }>('incidents/dev/truth.json').repeat[
        'caller+category 72h'
      ]!
      const requests = incidents.map(incidentRequest)
      await produce(space, requests, 20)
      const started = await startAndKill(space, pipelines)
      await untilCounted(space, spansOf(requests))
      const { sum } = sumsOf(space.store)
      expect(await sum('', 'contacts')).toBe(incidents.length)
      expect(await sum('repeat_contacts', 'hits')).toBe(truth.backward)
      expect(await sum('repeat_contacts', 'arrivals')).toBe(truth.backward)
      await Promise.all(started.map((pipeline) => pipeline.end('SIGTERM'))) // a recount wants a store that stands still
      const config = readConfig(space.configFile)
      const session = connectStore({ ...space.login, session: 'recount' })
      const { differences } = await recount({ store: session, signals: signalsOf(config) })
      await session.close()
      expect(differences).toEqual([])
      await space.close()
    },
  )
})
