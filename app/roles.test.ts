import { randomUUID } from 'node:crypto'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { parseConfig } from '../config.ts'
import { silentLog } from '../lib/log.ts'
import { run } from './cli.ts'
import { startRoles } from './roles.ts'

const start = (yaml: string, roles: Parameters<typeof startRoles>[0]['roles'], env = {}) =>
  startRoles({ config: parseConfig(yaml, 'andon.yaml'), env, log: silentLog, roles })

const KAFKA = 'kafka: { brokers: ["127.0.0.1:1"] }\n'

test('roles without Kafka, and roles apart over an embedded store, are refused with what to set', async () => {
  await expect(start('', ['collector'])).rejects.toThrow(/kafka: \{ brokers:/)
  await expect(start(KAFKA, ['pipeline'])).rejects.toThrow(/store\.server\.url/)
})

test('a secret that is not there is named before anything starts', async () => {
  const server =
    'store: { server: { url: "http://127.0.0.1:1", password: { env: CLICKHOUSE_PASSWORD } } }\nidentity: { secret: { env: KEY } }\n'
  await expect(start(KAFKA + server, ['pipeline'])).rejects.toThrow(/CLICKHOUSE_PASSWORD is not set/)
  const login =
    'kafka: { brokers: ["127.0.0.1:1"], tls: true, sasl: { mechanism: plain, username: u, password: { env: KAFKA_PASSWORD } } }\n'
  await expect(start(login, ['collector'])).rejects.toThrow(/KAFKA_PASSWORD is not set/)
})

test.each([
  ['kafka: { brokers: [] }', /kafka\.brokers/],
  ['kafka: { brokers: ["http://kafka:9092"] }', /host:port/],
  ['kafka: { brokers: ["k:1"], sasl: { mechanism: plain, username: u, password: { env: P } } }', /as it is/],
  ['kafka: { brokers: ["k:1"], topics: { spans: "a b" } }', /letters, digits/],
  ['store: { server: { url: "http://user:pass@host:8123" } }', /without user, password and path/],
  ['store: { server: { url: "http://host:8123" } }', /the same pseudonyms/],
  ['store: { server: { url: "http://host:8123" } }', /needs kafka as well/],
  ['store: { server: { url: "http://host:8123", database: "a; DROP" } }', /letters, digits and _/],
])('a configuration that cannot work is told where and why: %s', (yaml, why) => {
  expect(() => parseConfig(yaml, 'andon.yaml')).toThrow(why)
})

test('a role that is none is refused by the command line', async () => {
  const config = join(tmpdir(), randomUUID())
  expect(await run(['serve', '--role', 'conductor', '--config', config], {})).toBe(2)
})
