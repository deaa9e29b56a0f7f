import type { Command } from 'commander'
import type { Config } from '../config.ts'
import type { Environment } from './secrets.ts'

/** The commands about what to do after a pause, and before one. `configOf` reads the configuration that the options name. */
export function recoveryCommands(edges: {
  program: Command
  stored: (command: Command) => Command
  configOf: (options: { config?: string; store?: string }) => Config
  fail: () => void
  env: Environment
}): void {
  const { program, stored, configOf, fail, env } = edges

  stored(program.command('affected'))
    .description('what an incident touched: contacts, customers, records, cases, and what is still to be done')
    .argument('<incident>', 'id of the incident, or how it begins')
    .option('--format <format>', 'table, csv or json (default: table on a terminal, else csv)')
    .option('--refresh', 'list it anew, with facts that arrived since')
    .action(async (incident: string, options) => {
      const { affectedCommand } = await import('./recovery-commands.ts')
      await affectedCommand({
        config: configOf(options),
        env,
        incident,
        format: options.format,
        refresh: options.refresh === true,
      })
    })

  stored(program.command('recover'))
    .description('enter into the recovery ledger what was done; without a step: how far the recovery is')
    .argument('<incident>', 'id of the incident, or how it begins')
    .argument(
      '[step]',
      'record_corrected, customer_recontacted, case_routed, audit_closed, unrecoverable (with --kind and --reason) or waived (whole incident, with --reason)',
    )
    .argument('[item]', 'the item as `andon affected` lists it')
    .option('--kind <kind>', 'for unrecoverable: contact, customer, record, case or audit')
    .option('--by <name>', 'who did it (required with a step)')
    .option('--reason <text>', 'why')
    .option('--gate', 'exit code 1 while the release must not be deployed again')
    .option('--json', 'print the state as JSON')
    .action(async (incident: string, step: string | undefined, item: string | undefined, options) => {
      const { recoverCommand } = await import('./recovery-commands.ts')
      const isAllowed = await recoverCommand({
        config: configOf(options),
        env,
        incident,
        step,
        item,
        kind: options.kind,
        by: options.by,
        reason: options.reason,
        json: options.json === true,
      })
      if (options.gate === true && !isAllowed) fail()
    })

  stored(program.command('drill'))
    .description(
      'a fault with known onset in a release of its own: does the whole path hold, and how fast is it? (two minutes)',
    )
    .option('--quick', 'end with the acceptance, without the proof that the release stopped (seconds)')
    .option('--running', 'let the monitor that runs on this configuration drill itself, and wait for the result')
    .option('--json', 'print the result as JSON')
    .action(async (options) => {
      const { drillCommand, liveDrillCommand } = await import('./drill-command.ts')
      if (options.running === true) {
        if (!(await liveDrillCommand({ config: configOf(options), env, json: options.json === true }))) fail()
        return
      }
      const passed = await drillCommand({
        config: configOf(options),
        env,
        json: options.json === true,
        quick: options.quick === true,
      })
      if (!passed) fail()
    })
}
