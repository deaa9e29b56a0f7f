import { type Command, InvalidArgumentError } from 'commander'
import type { Environment } from './secrets.ts'

const positive = (text: string): number => {
  const value = Number(text)
  if (!(value > 0)) throw new InvalidArgumentError('give a number above 0')
  return value
}

/** `andon contact-centre`: the demo's agents and their platform, for a monitor that runs elsewhere. */
export function addContactCentre(command: Command, env: Environment): void {
  command
    .description(
      "the demo's agents and their platform alone, for a monitor that runs elsewhere: it ends with the last fortnight",
    )
    .option('--otlp <url>', 'where spans and logs go (OTLP/HTTP)', 'http://127.0.0.1:4318')
    .option('--outcomes <url>', 'where complaints from other systems go: an Andon receiver (default: as --otlp)')
    .option('--platform-host <host>', 'where the platform listens for pauses', '127.0.0.1')
    .option('--platform-port <n>', 'its port', positive, 4330)
    .option(
      '--secret-file <path>',
      'file with the whsec_ secret of the pauses (default: the variable ANDON_PLATFORM_SECRET)',
    )
    .option(
      '--pager-secret-file <path>',
      "file with the key of Grafana's alerts: where it is given, they are taken and logged",
    )
    .option('--pager-port <n>', 'the port for them, on the host of the platform', positive, 4331)
    .option('--token-file <path>', 'file with the bearer token of --outcomes')
    .option('--seconds <n>', 'wall time the fortnight takes', positive, 600)
    .option('--seed <n>', 'another run of the same story', positive, 1)
    .action(async (options) => {
      const { contactCentre } = await import('./contact-centre.ts')
      await contactCentre({ ...options, env })
    })
}
