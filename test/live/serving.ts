import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'

const MAIN = fileURLToPath(new URL('../../main.ts', import.meta.url))

/** `andon serve` in a process of its own, as users run it. */
export type Serving = Readonly<{
  process: ChildProcess
  /** Addresses of its doors. */
  receive: string
  page: string
  /** The embedded engine's process; null while there is none. */
  enginePid: () => number | null
  /** All that it logged so far. */
  log: () => string
  ended: Promise<void>
}>

/**
 * Starts it on a configuration file and waits until it listens. `env` is added to the environment: secrets stand there. No `roles`: all of them.
 * @throws Error with the end of its log when it ends before that
 */
export async function startServing(
  config: string,
  env: Readonly<Record<string, string>> = {},
  roles: readonly string[] = [],
): Promise<Serving> {
  const role = roles.length > 0 ? ['--role', ...roles] : []
  const child = spawn(
    process.execPath,
    ['--disable-warning=TimeoutNegativeWarning', MAIN, 'serve', '--config', config, ...role],
    {
      env: { ...process.env, ...env },
      stdio: ['ignore', 'ignore', 'pipe'],
    },
  )
  const ended = new Promise<void>((resolve) => child.once('exit', () => resolve()))
  const kill = () => child.kill('SIGKILL')
  process.once('exit', kill) // what a failed test started is ended with it
  void ended.then(() => process.off('exit', kill))
  let log = ''
  const { receive, page } = await new Promise<{ receive: string; page: string }>((resolve, reject) => {
    child.stderr!.on('data', (chunk: Buffer) => {
      log += chunk.toString()
      const line = log.split('\n').find((text) => text.includes('andon is listening'))
      if (line) resolve(JSON.parse(line) as { receive: string; page: string })
    })
    child.once('exit', (code) =>
      reject(new Error(`serve ended with ${code} before it listened:\n${log.slice(-2_000)}`)),
    )
  })
  return { process: child, receive, page, enginePid: () => engineOf(child.pid!), log: () => log, ended }
}

function engineOf(parent: number): number | null {
  const { status, stdout } = spawnSync('pgrep', ['-P', String(parent)], { encoding: 'utf8' })
  return status === 0 ? Number(stdout.trim().split('\n')[0]) : null
}
