/**
 * `node bench/fuzz.ts [--telemetry] [--minutes 10] [--seed N]`: fuzzes every route of the API of a real monitor with requests made from its OpenAPI document.
 * Prints answers by route and status. Exit code 1 for a 500, or a secret or an identity in an answer, the log, the metrics or the store; each fault names its
 * seed and number, and the same seed sends the same requests as long as the answers give it the same ids to ask about.
 * With --telemetry it sends hostile OTLP and CloudEvents instead: exit code 1 for a 5xx, a healthy contact that is not counted, something acknowledged that
 * is not stored, or a total on which a recount disagrees.
 */
import { parseArgs } from 'node:util'
import { fuzz } from '../test/live/fuzz.ts'
import { fuzzTelemetry } from '../test/live/fuzz-telemetry.ts'

const { values } = parseArgs({
  options: {
    telemetry: { type: 'boolean', default: false },
    minutes: { type: 'string', default: '10' },
    seed: { type: 'string', default: '1' },
  },
})
const untilMs = performance.now() + Number(values.minutes) * 60_000
const { requests, answers, faults } = await (values.telemetry ? fuzzTelemetry : fuzz)(
  Number(values.seed),
  () => performance.now() > untilMs,
)
for (const [operation, statuses] of Object.entries(answers).sort())
  console.log(
    `${operation.padEnd(24)} ${Object.entries(statuses)
      .map(([status, n]) => `${status}: ${n}`)
      .join('  ')}`,
  )
console.log(`${requests} requests, seed ${values.seed}, ${faults.length} faults`)
for (const fault of faults) console.log(JSON.stringify(fault))
process.exitCode = faults.length > 0 ? 1 : 0
