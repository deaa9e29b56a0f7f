import type { Command } from 'commander'
import type { KafkaConfig } from '../bus/config.ts'
import { readConfig } from '../config.ts'
import { wallClock } from '../lib/clock.ts'
import { createLog } from '../lib/log.ts'
import type { Environment } from './secrets.ts'

/** `andon dead-letters list | replay`: of Kafka where the configuration names it, else of the store. */
export function addDeadLetters(command: Command, env: Environment): void {
  command.description('what could not be read from Kafka, or counted in the store: list it, or have it taken again')
  command
    .command('list', { isDefault: true })
    .description('what was put aside and not replayed since, with the reason')
    .option('--json', 'print JSON lines')
    .action((options, self: Command) =>
      withLetters(self, env, async (letters) => {
        const { rows, text } = await letters.list()
        if (options.json) for (const row of rows) console.log(JSON.stringify(row))
        else console.log(rows.length === 0 ? 'no dead letters' : text)
      }),
    )
  command
    .command('replay')
    .description('have them taken again, for instance after an update; what still fails comes back')
    .action((_, self: Command) => withLetters(self, env, async (letters) => console.log(await letters.replay())))
}

type Letters = Readonly<{
  list: () => Promise<{ rows: readonly object[]; text: string }>
  /** Returns what is to be told. */
  replay: () => Promise<string>
}>

async function withLetters(self: Command, env: Environment, work: (letters: Letters) => Promise<void>): Promise<void> {
  const options = self.optsWithGlobals<{ config?: string; store?: string }>()
  const given = readConfig(options.config)
  const config = { ...given, store: { ...given.store, path: options.store ?? given.store.path } }
  if (config.kafka) return withBus(config.kafka, config.log.level, env, work)
  const { openExistingStore } = await import('./existing-store.clickhouse.ts')
  const { listSetAside, replaySetAside } = await import('../pipeline/set-aside.clickhouse.ts')
  const { setAsideTable } = await import('./dead-letters.ts')
  const store = await openExistingStore(config, env)
  try {
    await work({
      list: async () => {
        const rows = await listSetAside(store)
        return { rows, text: setAsideTable(rows) }
      },
      replay: async () =>
        `${await replaySetAside(store, wallClock.nowMs())} facts accepted again; \`andon serve\` counts them`,
    })
  } finally {
    await store.close()
  }
}

async function withBus(
  kafka: KafkaConfig,
  level: string,
  env: Environment,
  work: (letters: Letters) => Promise<void>,
): Promise<void> {
  const { busOf } = await import('./open.ts')
  const { deadLetterTable, listDeadLetters, replayDeadLetters } = await import('./dead-letters.ts')
  const bus = busOf(kafka, env, createLog(level === 'info' ? 'error' : level))
  try {
    await work({
      list: async () => {
        const rows = await listDeadLetters(bus, kafka)
        return { rows, text: deadLetterTable(rows) }
      },
      replay: async () => `${await replayDeadLetters(bus, kafka)} records sent again`,
    })
  } finally {
    await bus.close()
  }
}
