/** `node bench/kafka.ts [--spans 60000] [--rounds 3]`: what reading from Kafka costs the pipeline (test/live/kafka/throughput.ts). */
import { parseArgs } from 'node:util'
import { compareThroughput } from '../test/live/kafka/throughput.ts'

const { values } = parseArgs({
  options: { spans: { type: 'string', default: '60000' }, rounds: { type: 'string', default: '3' } },
})
const { bytesPerSpan } = await compareThroughput({
  spans: Number(values.spans),
  rounds: Number(values.rounds),
  onRound: (round) => console.log(round),
})
console.log({ bytesPerSpan })
