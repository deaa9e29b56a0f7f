import { type ChildProcess, spawn } from 'node:child_process'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { wallClock } from '../../../lib/clock.ts'
import type { StoreOptions } from '../../../store/store.clickhouse.ts'
import { freePort } from '../ports.ts'

/** The users of deploy/clickhouse/grants.sql, and one who may do everything. */
export type User = 'andon_admin' | 'andon_pipeline' | 'andon_detector' | 'andon_alerter' | 'andon_reader'

export const PASSWORD = 'a password of these tests'
export const DATABASE = 'andon'

/** A ClickHouse server as far as the tests need one. */
export type Server = Readonly<{
  url: string
  /** Of the native protocol, on 127.0.0.1; 0 where nobody asked for it. */
  nativePort: number
  as: (user: User) => Extract<StoreOptions, { kind: 'server' }>
  /** Its process is killed; connections are refused until `start`, which finds what was durable. */
  stop: () => Promise<void>
  start: () => Promise<void>
  close: () => Promise<void>
}>

const ENGINE = fileURLToPath(new URL('engine.ts', import.meta.url))
const GRANTS = new URL('../../../deploy/clickhouse/grants.sql', import.meta.url)
/** What deploy/clickhouse/storage.xml keeps free, for the small file systems of tests. */
const KEEP_FREE_BYTES = 16 * 2 ** 20
/** It serves until its input is closed: what a test leaves behind ends with the test. */
const serve = (protocols: readonly string[]) =>
  [
    `CREATE DATABASE IF NOT EXISTS ${DATABASE}`,
    ...protocols.map((protocol) => `SYSTEM START LISTEN ${protocol}`),
    "SELECT count() FROM file('-', 'LineAsString')",
  ].join('; ')

/**
 * ClickHouse's own server on loopback, HTTP and, if asked for, native, with users, passwords and the grants of the composition, over a store in
 * `path`. It is the engine of the embedded store's library, as `clickhouse local` with SYSTEM START LISTEN: the interfaces, their limits and errors,
 * sessions and access control are the server's own code. What it lacks of `clickhouse-server`: TLS, users made by SQL, replication, system logs; a
 * wrong password over the native protocol ends it. CLICKHOUSE_URL names another one.
 */
export async function startServer(path: string, { native }: { native: boolean } = { native: false }): Promise<Server> {
  const [port, nativePort] = [await freePort(), native ? await freePort() : 0]
  const [command, ...args] = serverCommand(path, {
    host: '127.0.0.1',
    from: '127.0.0.1',
    port,
    nativePort,
    password: () => PASSWORD,
  })
  const url = `http://127.0.0.1:${port}`
  let engine: ChildProcess | null = null
  const stop = async () => {
    const ending = engine
    engine = null
    if (!ending || ending.exitCode !== null || ending.signalCode !== null) return
    const ended = new Promise((resolve) => ending.once('exit', resolve))
    ending.kill('SIGKILL')
    await ended
  }
  const start = async () => {
    const started = spawn(command!, args, { stdio: ['pipe', 'ignore', 'pipe'] })
    engine = started
    let complaint = ''
    started.stderr.setEncoding('utf8').on('data', (text: string) => {
      complaint = (complaint + text).slice(-2_000)
    })
    const kill = () => started.kill('SIGKILL')
    process.once('exit', kill)
    started.once('exit', () => process.off('exit', kill))
    for (let attempt = 0; attempt < 600; attempt++) {
      if (started.exitCode !== null) throw new Error(`ClickHouse ended with ${started.exitCode}: ${complaint}`)
      if (await fetch(`${url}/ping`).catch(() => null)) return
      await wallClock.sleep(50)
    }
    throw new Error(`ClickHouse did not start within 30 s: ${complaint}`)
  }
  await start()
  return {
    url,
    nativePort,
    as: (username) => ({ kind: 'server', url, username, password: PASSWORD, database: DATABASE }),
    stop,
    start,
    close: stop,
  }
}

/** Where it listens, from where users may come, and their passwords. */
type Place = Readonly<{
  host: string
  from: string
  port: number
  /** 0: the native protocol is not listened for. */
  nativePort: number
  password: (user: string) => string
}>

/**
 * What to run for a server whose store and configuration lie in `path`; it ends when its input is closed. SQL makes no users in it, so those of
 * grants.sql stand in its users file, with the same grants.
 */
export function serverCommand(path: string, place: Place): readonly string[] {
  mkdirSync(path, { recursive: true })
  const [config, users] = [join(path, 'config.xml'), join(path, 'users.xml')]
  writeFileSync(
    config,
    `<clickhouse>
  <listen_host>${place.host}</listen_host>
  <http_port>${place.port}</http_port>
  ${place.nativePort ? `<tcp_port>${place.nativePort}</tcp_port>` : ''}
  <max_server_memory_usage>${1 << 30}</max_server_memory_usage>
  <users_config>${users}</users_config>
  <storage_configuration><disks><default><keep_free_space_bytes>${KEEP_FREE_BYTES}</keep_free_space_bytes></default></disks></storage_configuration>
</clickhouse>`,
  )
  writeFileSync(users, usersOf(readFileSync(GRANTS, 'utf8'), place))
  const node = [process.execPath, '--disable-warning=ExperimentalWarning', ENGINE]
  return [
    ...node,
    `--config-file=${config}`,
    `--path=${join(path, 'data')}`,
    `--query=${serve(place.nativePort ? ['TCP', 'HTTP'] : ['HTTP'])}`,
  ]
}

/** Statements of grants.sql as a users file: a grant without its user stands with the user. */
function usersOf(sql: string, { from, password }: Place): string {
  const grants = [...sql.matchAll(/^(GRANT .+) TO (\w+);$/gm)]
  const profiles = [...sql.matchAll(/^CREATE SETTINGS PROFILE IF NOT EXISTS (\w+) SETTINGS (.+) TO \1;$/gm)]
  const element = (name: string, ...inner: string[]) => `<${name}>${inner.join('')}</${name}>`
  const user = (name: string, ...own: string[]) =>
    element(
      name,
      element('password', password(name)),
      element('networks', element('ip', from)),
      element('profile', profiles.some(([, profile]) => profile === name) ? name : 'default'),
      element('quota', 'default'),
      ...own,
    )
  const settings = (list: string) =>
    list.split(', ').map((setting) => {
      const [name, value] = setting.split(' = ') as [string, string]
      return element(name, value)
    })
  return element(
    'clickhouse',
    element('profiles', '<default/>', ...profiles.map(([, name, list]) => element(name!, ...settings(list!)))),
    element('quotas', '<default/>'),
    element(
      'users',
      // Who makes the database at the start, and cannot be reached from anywhere.
      element(
        'default',
        '<password/>',
        element('networks', element('ip', '::1')),
        '<profile>default</profile><quota>default</quota>',
      ),
      user('andon_admin', '<access_management>1</access_management>'),
      ...[...new Set(grants.map(([, , name]) => name!))].map((name) =>
        user(
          name,
          element('grants', ...grants.filter(([, , to]) => to === name).map(([, grant]) => element('query', grant!))),
        ),
      ),
    ),
  )
}
