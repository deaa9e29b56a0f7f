import { type Command, InvalidArgumentError, Option } from 'commander'
import type { Config } from '../config.ts'
import { VERDICTS } from '../facts/incident.ts'
import { GATE_STAGES } from '../releases/gate.ts'
import type { Environment } from './secrets.ts'

const minutes = (text: string): number => {
  const [, n, unit] = /^(\d+(?:\.\d+)?)(m|h)?$/.exec(text) ?? []
  const value = Number(n) * (unit === 'h' ? 60 : 1)
  if (!(value > 0 && value <= 1440)) throw new InvalidArgumentError('give minutes (30, 30m) or hours (2h), at most 24h')
  return value
}

type Edges = Readonly<{
  program: Command
  configured: (command: Command) => Command
  configOf: (options: { config?: string; store?: string }) => Config
  fail: () => void
  env: Environment
}>

/** The commands with which people decide; all go through the API of the running monitor, with a name and a reason. */
export function decisionCommands(edges: Edges): void {
  const { program, configured, configOf, env } = edges
  const decisions = () => import('./decisions.ts')
  const signed = (command: Command) =>
    configured(command)
      .requiredOption('--by <name>', 'who decides')
      .requiredOption('--reason <text>', 'why; it is kept with the decision')
      .option('--json', 'print the answer as JSON')
  const named = (command: Command) =>
    command
      .argument('<agent>', 'the agent')
      .argument('<release>', 'its release')
      .option('--environment <name>', 'where several environments have the release')

  for (const [word, description] of [
    ['pause', 'pull the cord: stop a release, or one channel or queue of it'],
    ['rollback', 'go back to the previous release'],
  ] as const)
    signed(named(program.command(word)).description(description))
      .option('--channel <name>', 'only this channel')
      .option('--queue <name>', 'only this queue')
      .option('--traffic <where>', 'where traffic goes (default: as the record or the triggers say)')
      .action(async (agent: string, release: string, options) =>
        (await decisions()).orderRelease(configOf(options), env, word, { agent, release, ...options }),
      )

  const onIncident = (word: string, description: string, path: string = word) =>
    signed(program.command(word).description(description).argument('<incident>', 'its id, or how it begins')).action(
      async (incident: string, options) =>
        (await decisions()).decideIncident(configOf(options), env, { incident, word: path, ...options }),
    )
  onIncident('ack', 'somebody has it: stops the clock of the acknowledgement', 'acknowledge')
  onIncident('snooze', 'no re-fire and no escalation for a while').addOption(
    new Option('--for <time>', 'minutes (30m) or hours (2h), at most 24h').argParser(minutes).default(60, '60m'),
  )
  onIncident('override', 'the pause was wrong: the release goes on, and is judged anew')
  onIncident('resume', 'the release is fit again: refused until recovery is complete, or waived by name')
    .option('--channel <name>', 'only this channel of what is stopped; the rest stays stopped')
    .option('--queue <name>', 'only this queue of what is stopped')
  onIncident('accept', 'the order was carried out by hand')
  onIncident('close', 'the verdict on an incident').addOption(
    new Option('--verdict <verdict>', 'was the release bad?').choices(VERDICTS).makeOptionMandatory(),
  )
  releaseCommands(edges, signed, named)
}

function releaseCommands(
  { program, configured, configOf, fail, env }: Edges,
  signed: (command: Command) => Command,
  named: (command: Command) => Command,
): void {
  const decisions = () => import('./decisions.ts')
  const release = program.command('release').description('what a release is: owner, changes, permissions, autonomy')
  configured(release.command('list').description('every release that was seen or registered'))
    .option('--json', 'print as JSON')
    .action(async (options) => (await decisions()).listReleases(configOf(options), env, options.json === true))
  configured(named(release.command('show').description('one release: record, state, and how it came there')))
    .option('--json', 'print as JSON')
    .action(async (agent: string, name: string, options) =>
      (await decisions()).showRelease(configOf(options), env, { agent, release: name, ...options }),
    )
  signed(named(release.command('register').description('say what a release is; replaces its record')))
    .option('--file <file>', 'record as YAML or JSON; options below go before it')
    .option('--owner <name>', 'person or team that answers for it')
    .option('--prompt <text>', 'what changed in prompts')
    .option('--policy <text>', 'what changed in policies')
    .option('--model <text>', 'what changed in models')
    .option('--allow <actions...>', 'writes that it may make: create, update, merge, delete, transfer')
    .option('--systems <systems...>', 'systems that it may change')
    .option('--autonomy <level>', 'read-only, suggested, "reviewed update", "limited automatic", "broad automatic"')
    .option('--previous <release>', 'what a rollback goes back to')
    .option('--triggers <names...>', 'triggers that must judge it')
    .option('--traffic <where>', 'where traffic goes when a person stops it')
    .action(async (agent: string, name: string, options) =>
      (await decisions()).registerRelease(configOf(options), env, { agent, release: name, ...options }),
    )
  signed(named(release.command('retire').description('it takes no contact any more'))).action(
    async (agent: string, name: string, options) =>
      (await decisions()).retireRelease(configOf(options), env, { agent, release: name, ...options }),
  )

  configured(named(program.command('gate').description('may this release go on? exit code 1 when not; for CI/CD')))
    .addOption(
      new Option('--stage <stage>', 'deploy: before its first contact; promote: before more traffic, or more autonomy')
        .choices(GATE_STAGES)
        .default('promote'),
    )
    .option('--json', 'print the verdict as JSON')
    .action(async (agent: string, name: string, options) => {
      const passed = await (await decisions()).gateRelease(configOf(options), env, { agent, release: name, ...options })
      if (!passed) fail()
    })

  configured(program.command('audit').description('every decision: who, when, why, on what evidence'))
    .addOption(new Option('--format <format>', 'csv or json').choices(['csv', 'json']).default('csv'))
    .option('--incident <id>', 'only this incident')
    .option('--from <time>', 'only since then (RFC 3339)')
    .option('--until <time>', 'only before then (RFC 3339)')
    .action(async (options) => (await decisions()).printAudit(configOf(options), env, options))
}
