import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parse } from 'yaml'
import { wallClock } from '../../../lib/clock.ts'
import { freePort } from '../ports.ts'

export const MANIFEST = parse(readFileSync(new URL('builder.yaml', import.meta.url), 'utf8')) as {
  dist: { name: string; version: string }
}
export const VERSION = MANIFEST.dist.version
/** Where `npm run collector` puts it. */
export const BINARY = fileURLToPath(
  new URL(`../../../node_modules/.cache/andon-otelcol-${VERSION}/otelcol`, import.meta.url),
)
const COMMITTED = fileURLToPath(new URL('../../../deploy/otel-collector.yaml', import.meta.url))

/** The OpenTelemetry Collector of OTELCOL, or the one that was built; null, said loudly, where there is none. */
export function findCollector(): string | null {
  const binary = process.env.OTELCOL ?? BINARY
  if (existsSync(binary)) return binary
  console.warn(
    `SKIPPED: no OpenTelemetry Collector: deploy/otel-collector.yaml is NOT run here. Build one (npm run collector, with Go), or name one: OTELCOL=path npx vitest run test/live`,
  )
  return null
}

/** What its own check says about configurations that are merged in this order; '' when it takes them. */
export function complaintsOf(binary: string, ...configs: readonly string[]): string {
  const { status, stderr } = spawnSync(binary, ['validate', ...configs.map((config) => `--config=${config}`)], {
    encoding: 'utf8',
  })
  return status === 0 ? '' : stderr
}

export type Collector = Readonly<{
  process: ChildProcess
  /** OTLP/HTTP and OTLP/gRPC. */
  http: string
  grpc: string
  log: () => string
  end: (signal: 'SIGTERM' | 'SIGKILL') => Promise<void>
}>

/**
 * Runs deploy/otel-collector.yaml as it is committed, with addresses of loopback and whatever `changes` says merged over it, as the Collector merges
 * configurations. Resolves when its health check answers.
 */
export async function startCollector(binary: string, changes: object): Promise<Collector> {
  const folder = mkdtempSync(join(tmpdir(), 'andon-otelcol-'))
  const [http, grpc, health] = [await freePort(), await freePort(), await freePort()]
  const at = (port: number) => ({ endpoint: `127.0.0.1:${port}` })
  const addresses = join(folder, 'addresses.yaml')
  const own = join(folder, 'changes.yaml')
  writeFileSync(
    addresses,
    JSON.stringify({
      receivers: { otlp: { protocols: { http: at(http), grpc: at(grpc) } } },
      extensions: { health_check: at(health) },
      service: { telemetry: { metrics: { level: 'none' } } },
    }),
  )
  writeFileSync(own, JSON.stringify(changes))
  const child = spawn(
    binary,
    [COMMITTED, addresses, own].map((file) => `--config=${file}`),
    { stdio: ['ignore', 'ignore', 'pipe'] },
  )
  const ended = new Promise<void>((resolve) => child.once('exit', () => resolve()))
  process.once('exit', () => child.kill('SIGKILL'))
  let log = ''
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    log += text
  })
  const end = async (signal: 'SIGTERM' | 'SIGKILL') => {
    child.kill(signal)
    await ended
    rmSync(folder, { recursive: true, force: true })
  }
  for (let attempt = 0; attempt < 200; attempt++) {
    const answer = await fetch(`http://127.0.0.1:${health}/`).catch(() => null)
    if (answer?.ok)
      return { process: child, http: `http://127.0.0.1:${http}`, grpc: `127.0.0.1:${grpc}`, log: () => log, end }
    if (child.exitCode !== null) break
    await wallClock.sleep(50)
  }
  await end('SIGKILL')
  throw new Error(`the Collector did not start:\n${log.slice(-3_000)}`)
}
