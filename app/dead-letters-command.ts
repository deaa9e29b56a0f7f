import type { Command } from 'commander'
import type { Bus } from '../bus/bus.ts'
import type { KafkaConfig } from '../bus/config.ts'
import { readConfig } from '../config.ts'
import { AndonError } from '../lib/errors.ts'
import { createLog } from '../lib/log.ts'
import type { Environment } from './secrets.ts'

/** `andon dead-letters list | replay`. */
export function addDeadLetters(command: Command, env: Environment): void {
  const withBus = async (self: Command, work: (bus: Bus, kafka: KafkaConfig) => Promise<void>) => {
    const { kafka, log } = readConfig(self.optsWithGlobals().config)
    if (!kafka) throw new AndonError('config', 'dead letters stand in Kafka: name its brokers under kafka')
    const { busOf } = await import('./open.ts')
    const bus = busOf(kafka, env, createLog(log.level === 'info' ? 'error' : log.level))
    try {
      await work(bus, kafka)
    } finally {
      await bus.close()
    }
  }
  command.description('records from Kafka that could not be read: list them, or send them to their topics again')
  command
    .command('list', { isDefault: true })
    .description('what was put aside and not replayed since, with the reason')
    .option('--json', 'print JSON lines')
    .action((options, self: Command) =>
      withBus(self, async (bus, kafka) => {
        const { deadLetterTable, listDeadLetters } = await import('./dead-letters.ts')
        const letters = await listDeadLetters(bus, kafka)
        if (options.json) for (const letter of letters) console.log(JSON.stringify(letter))
        else console.log(letters.length === 0 ? 'no dead letters' : deadLetterTable(letters))
      }),
    )
  command
    .command('replay')
    .description('send them to their topics again, for instance after an update; what still cannot be read comes back')
    .action((_, self: Command) =>
      withBus(self, async (bus, kafka) => {
        const { replayDeadLetters } = await import('./dead-letters.ts')
        console.log(`${await replayDeadLetters(bus, kafka)} records sent again`)
      }),
    )
}
