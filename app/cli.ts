import cliProgress from 'cli-progress'
import { Command, CommanderError, InvalidArgumentError } from 'commander'
import { type Config, configJsonSchema, DEFAULT_CONFIG, readConfig } from '../config.ts'
import { AndonError } from '../lib/errors.ts'
import { createLog } from '../lib/log.ts'
import { decisionCommands } from './cli-decisions.ts'
import { recoveryCommands } from './cli-recovery.ts'
import { addContactCentre } from './contact-centre-command.ts'
import { addDeadLetters } from './dead-letters-command.ts'
import type { Role } from './roles.ts'
import type { Environment } from './secrets.ts'

/** Exit codes: 0 done, 1 it failed, 2 the input or the configuration cannot be read. */
const EXIT = { done: 0, failed: 1, unreadable: 2 } as const

const port = (text: string): number => {
  const value = Number(text)
  if (!/^\d+$/.test(text) || value > 65_535) throw new InvalidArgumentError('a port is a whole number from 0 to 65535')
  return value
}
const positive = (text: string): number => {
  const value = Number(text)
  if (!(value > 0)) throw new InvalidArgumentError('give a number above 0')
  return value
}

const ROLES: readonly string[] = ['collector', 'pipeline', 'detector', 'alerter'] satisfies Role[]
const oneOfRoles = (text: string, before: Role[] = []): Role[] => {
  if (!ROLES.includes(text)) throw new InvalidArgumentError(`there is ${ROLES.join(', ')}`)
  return [...before, text as Role]
}

/** Runs one command line; resolves to the exit code. Modules load with the command that needs them. */
export async function run(args: readonly string[], env: Environment): Promise<number> {
  let exitCode: number = EXIT.done
  const program = new Command('andon')
    .description(
      'The andon cord for customer-facing AI agents: notices that a release went bad, pauses it, and puts every second on the clock.',
    )
    .version('0.1.0')
    .showHelpAfterError('(andon --help shows what there is)')
    .exitOverride()
    .addHelpText('after', HELP)

  const configured = (command: Command) =>
    command.option('-c, --config <file>', 'configuration (default: andon.yaml where it exists)')
  const stored = (command: Command) =>
    configured(command).option('--store <dir>', 'directory of the store (default: store.path of the configuration)')

  stored(program.command('serve'))
    .description('run the monitor: receive telemetry, count, judge, pause')
    .option('--port <n>', 'port of the OTLP receiver', port)
    .option('--page-port <n>', 'port of the page, API and metrics', port)
    .option('--role <roles...>', 'only these roles, over Kafka: collector, pipeline, detector, alerter', oneOfRoles)
    .action(async (options) => {
      const { serve } = await import('./serve.ts')
      await serve({ config: withOptions(readConfig(options.config), options), env, roles: options.role ?? null })
    })

  addDeadLetters(stored(program.command('dead-letters')), env)

  program
    .command('demo')
    .description(
      'a contact centre whose agents send real telemetry; bad releases are paused; the clock of every incident is shown',
    )
    .option('--once', 'end when the story is told; exit code 0 only if exactly the bad releases were paused')
    .option('--seed <n>', 'another run of the same story', positive, 1)
    .option('--seconds <n>', 'wall time the fortnight takes', positive)
    .option('--playbook <name>', 'judge by one of playbooks/, with the traffic of its agent')
    .option('--plain', 'lines instead of a live screen (default when the output is no terminal)')
    .action(async (options) => {
      const [{ demo }, { playbookNamed }] = await Promise.all([import('./demo.ts'), import('./playbooks.ts')])
      exitCode = (await demo({
        once: options.once === true,
        seed: options.seed,
        seconds: options.seconds ?? null,
        plain: options.plain === true,
        playbook: options.playbook === undefined ? null : playbookNamed(options.playbook),
        env,
      }))
        ? EXIT.done
        : EXIT.failed
    })

  addContactCentre(program.command('contact-centre'), env)

  program
    .command('replay')
    .description(
      'count and judge recorded OTLP (JSON lines or protobuf, plain or gzip) as if it arrived now; nothing is sent',
    )
    .argument('<files...>', 'files to replay, in this order')
    .option('-c, --config <file>', 'configuration (default: the plain andon.* convention)')
    .option('--report <format>', 'json, or text', 'text')
    .option('--slices', 'rows by channel and queue as well')
    .option('--skip-bad', 'count what cannot be read instead of stopping')
    .option('--store <dir>', 'keep the store here (default: a temporary one)')
    .option('--protobuf-signal <signal>', 'what protobuf files hold: traces, logs or metrics', 'traces')
    .action(async (files: string[], options) => {
      exitCode = await replay(files, options, env)
    })

  configured(program.command('check'))
    .description('validate the configuration and explain what it does')
    .argument('[file]', 'configuration file')
    .option('--schema', 'print the JSON Schema of the configuration, for editors')
    .option('--json', 'print the explanation as JSON')
    .option('--per-hour <n>', 'contacts an hour that a release gets: how long until a fault is found', positive)
    .option('--measure', 'take the traffic, and the baseline of a release that began now, from the store')
    .option('--store <dir>', 'the store to measure (default: store.path of the configuration)')
    .option('--life <days>', 'planned life of a release', positive)
    .action(async (file: string | undefined, options) => {
      if (options.schema) return void console.log(JSON.stringify(configJsonSchema(), null, 2))
      const { check } = await import('./check-command.ts')
      const config = withOptions(readConfig(file ?? options.config), options)
      const { perHour = null, life = null } = options
      console.log(
        await check({ config, env, perHour, life, measure: options.measure === true, json: options.json === true }),
      )
    })

  stored(program.command('status'))
    .description('releases, signals and incidents as a table')
    .option('--json', 'print the overview as JSON')
    .option('--watch', 'again every two seconds')
    .action(async (options) => {
      const { status } = await import('./status.ts')
      await status({
        config: withOptions(readConfig(options.config), options),
        env,
        json: options.json === true,
        watch: options.watch === true,
      })
    })

  stored(program.command('explain'))
    .description('why an incident was opened: the evidence step by step, replayed from the store to the same decision')
    .argument('<incident>', 'id of the incident, or how it begins')
    .option('--trigger <name>', 'a trigger that joined the incident (default: the one that opened it)')
    .option('--svg <file>', 'write the picture here: evidence against time, onset, rate against baseline')
    .option('--json', 'print every step as JSON')
    .action(async (incident: string, options) => {
      const { explain } = await import('./explain.ts')
      const config = withOptions(readConfig(options.config), options)
      const { trigger = null, svg = null } = options
      const same = await explain({ config, env, incident, trigger, svg, json: options.json === true })
      exitCode = same ? EXIT.done : EXIT.failed
    })

  stored(program.command('recount'))
    .description('recompute every total from the raw facts by separately written SQL and compare')
    .option('--json', 'print the comparison as JSON')
    .action(async (options) => {
      const { recountCommand } = await import('./recount.ts')
      exitCode = (await recountCommand({
        config: withOptions(readConfig(options.config), options),
        env,
        json: options.json === true,
      }))
        ? EXIT.done
        : EXIT.failed
    })

  stored(program.command('pseudonym'))
    .description('pseudonyms of customers, for holders of the secret: one identity per argument, or per line of stdin')
    .argument('[identities...]', 'customer identities as the agents send them')
    .action(async (identities: string[], options) => {
      const { pseudonyms } = await import('./people.ts')
      await pseudonyms({ config: withOptions(readConfig(options.config), options), env, identities })
    })

  stored(program.command('forget'))
    .description('erase customers: their pseudonyms disappear from every table, totals stay')
    .argument('[identities...]', 'customer identities, or one per line of stdin')
    .option('--pseudonyms', 'the arguments are pseudonyms already')
    .option('--yes', 'do it (without: say what would be erased)')
    .action(async (identities: string[], options) => {
      const { forget } = await import('./people.ts')
      await forget({
        config: withOptions(readConfig(options.config), options),
        env,
        identities,
        arePseudonyms: options.pseudonyms === true,
        doIt: options.yes === true,
      })
    })

  recoveryCommands({
    program,
    stored,
    env,
    configOf: (options) => withOptions(readConfig(options.config), options),
    fail: () => {
      exitCode = EXIT.failed
    },
  })

  decisionCommands({
    program,
    configured: stored,
    env,
    configOf: (options) => withOptions(readConfig(options.config), options),
    fail: () => {
      exitCode = EXIT.failed
    },
  })

  try {
    await program.parseAsync([...args], { from: 'user' })
    return exitCode
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode === 0 ? EXIT.done : EXIT.unreadable
    if (error instanceof AndonError) {
      console.error(error.message)
      return ['config', 'unreadable', 'secret', 'bad_target', 'bad_entry', 'unknown_item'].includes(error.code)
        ? EXIT.unreadable
        : EXIT.failed
    }
    const { syscall, message } = error as NodeJS.ErrnoException
    if (syscall === undefined) throw error
    console.error(message) // what the system refused: no fault of Andon, so no stack
    return EXIT.failed
  }
}

const HELP = `
First steps:
  npm start                         the demo
  andon serve                       receive on http://127.0.0.1:4318, page on http://127.0.0.1:4320
  andon check andon.yaml            is my configuration right, and what does it do?
  andon replay traces.jsonl.gz      what would Andon have said about last month?

A release was paused:
  andon status                      what is stopped, since when, and how far it came
  andon ack INCIDENT                you have it; then affected, recover, and resume or close

ANDON_URL and ANDON_TOKEN: the monitor that commands speak to, where it runs elsewhere, and the token they show.

Every command explains itself: andon <command> --help. Documentation: README.md and docs/.
`

function withOptions(config: Config, options: { store?: string; port?: number; pagePort?: number }): Config {
  return {
    ...config,
    store: { ...config.store, path: options.store ?? config.store.path },
    receive: { ...config.receive, port: options.port ?? config.receive.port },
    page: { ...config.page, port: options.pagePort ?? config.page.port },
  }
}

type ReplayCommand = {
  config?: string
  report: string
  slices?: boolean
  skipBad?: boolean
  store?: string
  protobufSignal: string
}

async function replay(files: string[], options: ReplayCommand, env: Environment): Promise<number> {
  if (options.report !== 'json' && options.report !== 'text')
    throw new AndonError('config', `--report: there is json and text, found ${options.report}`)
  if (!['traces', 'logs', 'metrics'].includes(options.protobufSignal))
    throw new AndonError(
      'config',
      `--protobuf-signal: there is traces, logs and metrics, found ${options.protobufSignal}`,
    )
  const [{ replayFiles }, { reportText }] = await Promise.all([import('./replay.ts'), import('./report-text.ts')])
  const config = options.config ? readConfig(options.config) : DEFAULT_CONFIG
  const bar = process.stderr.isTTY
    ? new cliProgress.SingleBar(
        {
          format: ' replay {bar} {percentage} %  {rows} rows  {duration_formatted}',
          stream: process.stderr,
          hideCursor: true,
        },
        cliProgress.Presets.shades_classic,
      )
    : null
  bar?.start(1000, 0, { rows: 0 })
  try {
    const { skipped, ...report } = await replayFiles({
      files,
      config,
      env,
      log: createLog(config.log.level === 'info' ? 'warn' : config.log.level),
      slices: options.slices === true,
      skipBad: options.skipBad === true,
      storePath: options.store ?? null,
      protobufSignal: options.protobufSignal as 'traces',
      onProgress: (share, rows) => bar?.update(Math.round(share * 1000), { rows }),
    })
    bar?.stop()
    for (const message of skipped.slice(0, 20)) console.error(`skipped: ${message}`)
    if (skipped.length > 0) console.error(`not read, and skipped: ${skipped.length}`)
    console.log(options.report === 'json' ? JSON.stringify(report, null, 2) : reportText(report))
    return EXIT.done
  } finally {
    bar?.stop()
  }
}
