import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { explainIncident } from '../../app/explain.ts'
import { explanationText } from '../../app/explain-text.ts'
import { replayFiles } from '../../app/replay.ts'
import type { Report } from '../../app/report.clickhouse.ts'
import { configSchema, signalsOf } from '../../config.ts'
import { silentLog } from '../../lib/log.ts'
import { seededRandom } from '../../lib/random.ts'
import { recount } from '../../recount/recount.clickhouse.ts'
import { openStore, rowsOf } from '../../store/store.clickhouse.ts'
import { type TestContact, traceRequest } from '../fixtures/otlp.ts'

const START_MS = Date.UTC(2026, 0, 5)
const HOUR_MS = 3_600_000
const folder = mkdtempSync(join(tmpdir(), 'andon-slower-'))
const config = configSchema.parse({
  store: { path: join(folder, 'store') },
  signals: ['handling_time'],
  triggers: [{ name: 'slow', signal: 'handling_time', action: 'pause', trafficGoesTo: 'previous release' }],
})
let report: Report

/** r1 alone for six hours, then beside r2. From hour 8 to 10 both take twice as long; from hour 12 on r2 takes twice as long as r1. */
const slowness = (release: string, hour: number): number =>
  (hour >= 8 && hour < 10 ? 2 : 1) * (release === 'r2' && hour >= 12 ? 2 : 1)

beforeAll(async () => {
  const random = seededRandom('slower')
  const contacts = Array.from({ length: 18 * 60 }, (_, minute): TestContact => {
    const release = minute >= 6 * 60 && random.chance(0.5) ? 'r2' : 'r1'
    return {
      conversation: `c${minute}`,
      agent: 'orders',
      release,
      startedAtMs: START_MS + minute * 60_000,
      durationMs: Math.ceil(60_000 * Math.exp(random.normal(0, 0.5)) * slowness(release, minute / 60)),
      customer: `customer ${minute}`,
      intent: 'order status',
      channel: 'chat',
      queue: 'first line',
      writes: [],
    }
  })
  const lines = Array.from({ length: contacts.length / 60 }, (_, i) =>
    JSON.stringify(traceRequest(contacts.slice(60 * i, 60 * i + 60))),
  )
  const file = join(folder, 'traces.jsonl')
  writeFileSync(file, lines.join('\n'))
  const options = { config, env: {}, log: silentLog, slices: false, skipBad: false, storePath: config.store.path }
  report = await replayFiles({ ...options, files: [file] })
}, 120_000)
afterAll(() => rmSync(folder, { recursive: true, force: true }))

test('a release that takes longer than the one beside it is paused; an hour in which everybody takes longer pauses nobody', async () => {
  const [incident] = report.incidents
  expect(report.incidents.map(({ release }) => release)).toEqual(report.incidents.map(() => 'r2'))
  expect(incident).toMatchObject({ signal: 'handling_time', action: 'pause', release: 'r2' })
  expect(Date.parse(incident!.onset!)).toBeGreaterThan(START_MS + 10 * HOUR_MS)
  expect(Date.parse(incident!.detected)).toBeGreaterThan(START_MS + 12 * HOUR_MS)
})

test('the decision is computed again from the store and says what was usual; the first release, which has no past, was not judged', async () => {
  const store = await openStore({ kind: 'embedded', path: config.store.path })
  try {
    const [row] = await rowsOf<{ id: string }>(store, 'SELECT any(incident_id) AS id FROM incident_events')
    const explained = await explainIncident(store, row!.id)
    expect(explained.retraced.differences).toEqual([])
    expect(explained.finding.trigger).toMatch(/^slow-p(50|90|99)$/)
    expect(explained.finding.trials).toBeGreaterThan(explained.finding.hits)
    const text = explanationText(explained)
    expect(text).toContain('compared with r1, which runs at the same time; a hit is a contact with durationSeconds of')
    expect(text).toContain('Replayed from the store: the same decision')
    expect(explained.retraced.minutes.some(({ hits }) => hits > 0)).toBe(true)
    const first = await rowsOf(
      store,
      "SELECT DISTINCT finding FROM evidence_history WHERE release = 'r1' AND trigger != ''",
    )
    expect(first).toEqual([{ finding: 'insufficient' }])
    expect((await recount({ store, signals: signalsOf(config) })).differences).toEqual([])
  } finally {
    await store.close()
  }
})
