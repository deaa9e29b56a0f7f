import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type ClickHouseClient, createClient } from '@clickhouse/client'
import { createChdbConnection } from 'chdb/connection'
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'
import type { IncidentEvent } from '../facts/incident.ts'
import { AndonError } from '../lib/errors.ts'
import { aFinding, aTarget, createWorld, MINUTE, SECOND, START_MS } from './fixtures.ts'
import { foldEvents } from './incident.ts'
import { clickhouseJournal } from './journal.clickhouse.ts'
import { firstOfEachVersion } from './journal.ts'

type Connection = NonNullable<NonNullable<Parameters<typeof createClient>[0]>['connection']>

/** Against the real embedded engine, which may be slow on a busy machine. */
const WAIT = { timeout: 10_000 }
const folder = mkdtempSync(join(tmpdir(), 'andon-journal-'))
let client: ClickHouseClient

beforeAll(async () => {
  // The engine's connection is typed against a wider stream than the client's; it is the same interface.
  const connection = createChdbConnection({ path: folder }) as unknown as Connection
  client = createClient({ connection })
  await client.command({
    query: `CREATE TABLE incident_events (incident_id String, version UInt32, at_ms Int64, type String, body String,
      inserted_at DateTime DEFAULT now()) ENGINE = MergeTree ORDER BY (incident_id, version)`,
  })
})
beforeEach(async () => {
  await client.command({ query: 'TRUNCATE TABLE incident_events' })
})
afterAll(async () => {
  await client.close()
  rmSync(folder, { recursive: true, force: true })
})

const lineOf = (version: number, change: Partial<IncidentEvent> = {}): IncidentEvent => ({
  incidentId: 'i',
  version,
  atMs: START_MS + version,
  event: { type: 'escalated', because: `${version}` },
  ...change,
})

test('what is appended is loaded, in order of version, whatever its text', async () => {
  const journal = clickhouseJournal(client)
  const nasty = 'quote \' " back \\ line\n\nDROP TABLE incident_events; emoji 🛑 null \u0000'
  const finding = aFinding({ reason: nasty, release: { environment: '', agent: nasty, release: "r'1" } })
  const lines = [
    lineOf(1, { event: { type: 'opened', finding, reason: 'first_breach', pause: true } }),
    lineOf(2),
    lineOf(1, { incidentId: 'j' }),
  ]
  for (const line of [lines[1], lines[2], lines[0]]) await journal.append(line as IncidentEvent)
  expect(await journal.load()).toEqual([lines[0], lines[1], lines[2]])
})

test('a version that was written twice is loaded once', async () => {
  const journal = clickhouseJournal(client)
  for (const version of [1, 2, 2, 1, 3]) await journal.append(lineOf(version))
  expect((await journal.load()).map(({ version }) => version)).toEqual([1, 2, 3])
})

test('an incident lives through the store: opened, paused, and continued after a restart', async () => {
  const journal = clickhouseJournal(client)
  const first = createWorld({ targets: [aTarget()], wrapJournal: () => journal })
  first.answers('platform', 503)
  await first.alerter.handle(aFinding())
  await expect.poll(async () => (await journal.load()).length, WAIT).toBe(3)
  await first.alerter.close()

  const second = createWorld({ targets: [aTarget()], startMs: START_MS + 2 * SECOND, wrapJournal: () => journal })
  await second.alerter.resume()
  await expect.poll(() => second.incident()?.state, WAIT).toBe('paused')
  expect([...first.received, ...second.received].map(({ id }) => id)).toEqual(
    Array(2).fill(`${second.incident()?.incidentId}-pause`),
  )
  await second.run(3 * MINUTE)
  await expect.poll(() => second.incident()?.state, WAIT).toBe('drained')
  expect([...foldEvents(await journal.load()).values()]).toEqual(second.alerter.incidents())
  await second.alerter.close()
})

test('a store that cannot be reached is a retryable error, a row that cannot be read is named', async () => {
  const journal = clickhouseJournal(client)
  await client.command({ query: 'RENAME TABLE incident_events TO elsewhere' })
  const error = await journal.append(lineOf(1)).catch((caught: unknown) => caught)
  expect(error).toBeInstanceOf(AndonError)
  expect(error).toMatchObject({ code: 'journal_unavailable', retryable: true })
  await client.command({ query: 'RENAME TABLE elsewhere TO incident_events' })
  await client.insert({
    table: 'incident_events',
    values: [{ incident_id: 'i', version: 7, at_ms: 1, type: 'x', body: '{' }],
    format: 'JSONEachRow',
  })
  await expect(journal.load()).rejects.toThrow('incident i, version 7 cannot be read')
})

test('of lines that name the same version, the first wins', () => {
  const lines = [lineOf(2), lineOf(1), lineOf(1, { atMs: 0 })]
  expect(firstOfEachVersion(lines)).toEqual([lines[1], lines[0]])
})
