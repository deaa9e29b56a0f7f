/** `node bench/chaos.ts [--rounds 30] [--seed 1]`: the long form of test/live/kill.test.ts, with what it found. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { chaos } from '../test/live/chaos.ts'

const { values } = parseArgs({
  options: { rounds: { type: 'string', default: '30' }, seed: { type: 'string', default: '1' } },
})
const folder = mkdtempSync(join(tmpdir(), 'andon-chaos-'))
try {
  const result = await chaos({
    folder,
    rounds: Number(values.rounds),
    seed: Number(values.seed),
    onRound: (round) => process.stderr.write(`round ${round} of ${values.rounds}\r`),
  })
  const reopened = [...result.reopenedAfterMs].sort((a, b) => a - b)
  console.log({ ...result, reopenedAfterMs: { median: reopened[reopened.length >> 1], max: reopened.at(-1) } })
  process.exitCode =
    result.lost === 0 && result.countedTwice === 0 && result.incidents <= 1 && result.webhookIds <= 1 ? 0 : 1
} finally {
  rmSync(folder, { recursive: true, force: true })
}
