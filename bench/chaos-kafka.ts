import { parseArgs } from 'node:util'
import { seededRandom } from '../lib/random.ts'
import { chaos, type Fault } from '../test/live/kafka/chaos.ts'
import { startCluster } from '../test/live/kafka/cluster.ts'

/** Long form of test/live/roles.kafka.test.ts: random faults on a real broker under load, then what broker and store being away does. */
const { values } = parseArgs({
  options: {
    rounds: { type: 'string', default: '20' },
    seed: { type: 'string', default: '1' },
    /** Parts in which batches are counted, by both processes. */
    lanes: { type: 'string', default: '1' },
    outage: { type: 'string', default: '60' },
    faults: { type: 'string' },
    /** A small file system for the store, for the fault `disk`: it is filled to the last byte. */
    folder: { type: 'string' },
  },
})
const random = seededRandom('rounds', values.seed)
const faults: Fault[] = values.faults
  ? (values.faults.split(',') as Fault[])
  : Array.from({ length: Number(values.rounds) }, () => random.pick(['kill', 'stop', 'rebalance'] as const))

const cluster = await startCluster(values.folder ? { parent: values.folder } : {})
try {
  let round = 0
  const result = await chaos(cluster, {
    faults,
    seed: Number(values.seed),
    lanes: Number(values.lanes),
    outageMs: Number(values.outage) * 1000,
    onStuck: (log) => console.error(log),
    onFault: (fault) => console.error(`${++round}/${faults.length} ${fault}`),
  })
  console.log(JSON.stringify(result, null, 2))
} finally {
  await cluster.close()
}
