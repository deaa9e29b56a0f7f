/**
 * `node bench/lanes.ts [--spans 60000] [--lanes 4]`: what waits in Kafka is counted by one pipeline alone, by one in lanes, and by two in lanes,
 * each over a store of its own. Beside spans/s it says how much processor time the pipelines took for a span: where cores and store are not the
 * limit, that is what another process divides.
 */
import { readFileSync } from 'node:fs'
import { parseArgs } from 'node:util'
import { wallClock } from '../lib/clock.ts'
import { createLoadTemplate } from '../simulator/load.ts'
import { rowsOf } from '../store/store.clickhouse.ts'
import { type Cluster, type Instance, type Space, startCluster } from '../test/live/kafka/cluster.ts'

const { values } = parseArgs({
  options: { spans: { type: 'string', default: '60000' }, lanes: { type: 'string', default: '4' } },
})
const template = createLoadTemplate({ contactsPerRequest: 50, toolsPerContact: 3, agent: 'load', release: '1.0.0' })
const requests = Array.from({ length: Math.ceil(Number(values.spans) / template.spans) }, (_, i) =>
  template.stamp(i, wallClock.nowMs()),
)
const spans = requests.length * template.spans

const cluster = await startCluster()
try {
  const runs = [
    { instances: 1, lanes: 1 },
    { instances: 1, lanes: Number(values.lanes) },
    { instances: 2, lanes: Number(values.lanes) },
  ]
  for (const run of runs) console.log(await measure(cluster, run))
} finally {
  await cluster.close()
}

async function measure({ bus, space }: Cluster, { instances, lanes }: { instances: number; lanes: number }) {
  const place = await space({}, { lanes })
  const { spans: topic } = place.topics
  const pipelines = await Promise.all(Array.from({ length: instances }, () => place.start('pipeline')))
  await until(async () => (await spansIn(place)) === 0) // the tables are there, and nothing is counted yet
  await wallClock.sleep(3_000)
  const before = pipelines.map(processorMs)
  const startedMs = wallClock.nowMs()
  for (let i = 0; i < requests.length; i += 20)
    await bus.send(
      topic,
      requests.slice(i, i + 20).map((value) => ({ value })),
    )
  await until(async () => (await spansIn(place)) >= spans)
  const elapsedMs = wallClock.nowMs() - startedMs
  const spentMs = pipelines.map((pipeline, index) => processorMs(pipeline) - before[index]!)
  for (const pipeline of pipelines) await pipeline.end('SIGTERM')
  await place.close()
  return {
    instances,
    lanes,
    spansPerSecond: Math.round((spans / elapsedMs) * 1000),
    microsecondsPerSpan: spentMs.map((ms) => Math.round((ms * 1000) / spans)),
  }
}

/** User and system time of a process so far (proc(5), fields 14 and 15, in hundredths of a second). */
function processorMs({ process: { pid } }: Instance): number {
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]!.split(' ')
  return (Number(fields[11]) + Number(fields[12])) * 10
}

async function spansIn({ store }: Space): Promise<number> {
  try {
    const [row] = await rowsOf<{ n: number }>(store, 'SELECT toUInt64(sum(new_spans)) AS n FROM batches')
    return row?.n ?? 0
  } catch {
    return -1
  }
}

async function until(holds: () => Promise<boolean>): Promise<void> {
  while (!(await holds())) await wallClock.sleep(200)
}
