import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { ClickHouseClient } from '@clickhouse/client'
import { afterEach, beforeEach, expect, test } from 'vitest'
import type { Finding } from '../facts/finding.ts'
import { wallClock } from '../lib/clock.ts'
import { silentLog } from '../lib/log.ts'
import { type Random, seededRandom } from '../lib/random.ts'
import { openStore, rowsOf } from '../store/store.clickhouse.ts'
import { createDetector, type Detector } from './detector.clickhouse.ts'
import { FOUR_SIGNALS } from './signals/library.ts'
import { judgedTriggers, triggersSchema } from './triggers.ts'

const HOUR_MS = 3_600_000
const START_MS = Date.UTC(2026, 0, 5)
const PAUSING = { action: 'pause', trafficGoesTo: 'people' }
const triggersOf = (triggers: unknown) => judgedTriggers(triggersSchema.parse(triggers), FOUR_SIGNALS, 0.01)
const FAILED = triggersOf([{ name: 'failed', signal: 'failed_updates', ...PAUSING }])

let folder: string
let store: ClickHouseClient
let seq: number
let told: Finding[]
let waiting: { deltas: Record<string, unknown>[]; batches: Record<string, unknown>[] }

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'andon-detector-'))
  store = await openStore({ kind: 'embedded', path: folder })
  seq = 0
  told = []
  waiting = { deltas: [], batches: [] }
})
afterEach(async () => {
  await store.close()
  rmSync(folder, { recursive: true, force: true })
})

/** A detector that reads all batches written so far, in one insert, whenever it ticks. */
async function detector(triggers = FAILED, change: Partial<Parameters<typeof createDetector>[0]> = {}) {
  const inner = await createDetector({
    store,
    triggers,
    judgedEnvironments: ['production'],
    clock: wallClock,
    clockMode: 'event',
    onBreach: async (finding) => void told.push(finding),
    log: silentLog,
    ...change,
  })
  const tick = async () => {
    if (waiting.deltas.length > 0) {
      await store.insert({ table: 'deltas', values: waiting.deltas, format: 'JSONEachRow' })
      await store.insert({ table: 'batches', values: waiting.batches, format: 'JSONEachRow' })
      waiting = { deltas: [], batches: [] }
    }
    return inner.tick()
  }
  return { ...inner, tick }
}

type Traffic = Readonly<{ release: string; trials: number; hits: number; channel?: string; ageMs?: number }>

/** One batch whose contacts began at `atMs` (or `ageMs` before it), as the pipeline would have written it. */
function batch(atMs: number, traffic: readonly Traffic[], signal = 'failed_updates'): void {
  seq++
  const clock = new Date(atMs).toISOString().replace('T', ' ').replace('Z', '')
  const rows = traffic.flatMap(({ release, trials, hits, channel = 'chat', ageMs = 0 }) => {
    const slice = { environment: 'production', agent: 'orders', release, channel, queue: 'q', customer: '' }
    const minute = Math.floor((atMs - ageMs) / 60_000) * 60
    const row = (name: string, measure: string, n: number) => ({ ...slice, seq, signal: name, measure, minute, n })
    return [
      row('', 'contacts', trials),
      row(signal, 'trials', trials),
      ...['hits', 'capped_hits', 'release_capped_hits'].map((measure) => row(signal, measure, hits)),
    ].filter(({ n }) => n > 0)
  })
  waiting.deltas.push(...rows)
  const counts = { accepted_at: clock, spans: 1, new_spans: 1, outcomes: 0, points: 0 }
  waiting.batches.push({ seq, clock_at: clock, ...counts })
}

const draw = (random: Random, trials: number, share: number) =>
  Array.from({ length: trials }, () => random.chance(share)).filter(Boolean).length

/** An hour of every release in ten batches: contacts per batch and share of hits by release. */
function hour(random: Random, hourIndex: number, releases: Readonly<Record<string, readonly [number, number]>>) {
  for (let i = 0; i < 10; i++)
    batch(
      START_MS + hourIndex * HOUR_MS + i * 360_000,
      Object.entries(releases).map(([release, [trials, share]]) => ({
        release,
        trials,
        hits: draw(random, trials, share),
      })),
    )
}

const viewOf = (running: Detector, release: string) =>
  running.views().find((view) => view.release.release === release)!.triggers[0]!

test('a candidate beside a stable release is compared with it: a shared outage pauses nobody, a bad candidate is paused', async () => {
  const random = seededRandom('concurrent')
  for (let h = 0; h < 8; h++) hour(random, h, { r1: [40, 0.02] })
  const running = await detector()
  for (let h = 8; h < 14; h++) hour(random, h, { r1: [20, 0.12], r2: [20, 0.12] })
  await running.tick()
  expect(viewOf(running, 'r2')).toMatchObject({ baselineMode: 'concurrent', baselineAgainst: 'r1' })
  expect(viewOf(running, 'r2').baselineReason).toContain('r1, which runs at the same time')
  expect(told.filter((finding) => finding.release.release === 'r2')).toEqual([])
  for (let h = 14; h < 40 && told.every((finding) => finding.release.release !== 'r2'); h++) {
    hour(random, h, { r1: [20, 0.02], r2: [20, 0.08] })
    await running.tick()
  }
  const breach = told.find((finding) => finding.release.release === 'r2')
  expect(breach).toMatchObject({ baselineMode: 'concurrent', by: 'evidence' })
  expect(breach!.reason).toContain('above those of r1, which runs at the same time')
  expect(Math.abs(breach!.onsetMs! - (START_MS + 14 * HOUR_MS))).toBeLessThan(4 * HOUR_MS)
})

test('a release that takes all the traffic over is compared with the history of the one before, and a slice with its own share', async () => {
  const random = seededRandom('previous')
  const lenient = triggersOf([
    { name: 'failed', signal: 'failed_updates', baseline: { mode: 'auto', rate: 0.12 }, ...PAUSING },
  ])
  for (let h = 0; h < 12; h++) {
    hour(random, h, { r1: [60, 0.01] })
    batch(START_MS + h * HOUR_MS + 1_000_000, [
      { release: 'r1', trials: 100, hits: draw(random, 100, 0.1), channel: 'voice' },
    ])
  }
  const running = await detector(lenient)
  for (let h = 12; h < 20; h++) {
    hour(random, h, { r2: [60, 0.01] })
    batch(START_MS + h * HOUR_MS + 1_000_000, [
      { release: 'r2', trials: 100, hits: draw(random, 100, 0.1), channel: 'voice' },
    ])
    await running.tick()
  }
  expect(viewOf(running, 'r2')).toMatchObject({ baselineMode: 'previous', baselineAgainst: 'r1' })
  expect(viewOf(running, 'r2').baselineReason).toContain('handed its traffic over')
  expect(viewOf(running, 'r2').warnings!.join()).toMatch(/a sustained rise below 1\.\d times at launch is not found/)
  // voice is ten times as bad as chat, as it always was: healthy
  expect(told.filter((finding) => finding.release.release === 'r2')).toEqual([])
})

test('without history the written rate serves, and a stable release above it is said to be bad itself', async () => {
  const random = seededRandom('written')
  const auto = triggersOf([
    { name: 'failed', signal: 'failed_updates', baseline: { mode: 'auto', rate: 0.02 }, ...PAUSING },
  ])
  const running = await detector(auto)
  hour(random, 0, { r1: [30, 0.06] })
  await running.tick()
  expect(viewOf(running, 'r1').baselineReason).toBe(
    'no other release runs; there is no earlier release; compared with the written rate of 2 %',
  )
  hour(random, 1, { r1: [30, 0.06], r2: [30, 0.06] })
  await running.tick()
  const insisting = await detector(
    triggersOf([{ name: 'failed', signal: 'failed_updates', baseline: { mode: 'concurrent', rate: 0.02 } }]),
    { write: false },
  )
  await insisting.tick()
  expect(viewOf(insisting, 'r2').warnings!.join()).toContain('r1 is itself above the written limit')
})

test('killed and opened again at any batch, with or without its evidence stored, the detector ends in the very same state', async () => {
  const random = seededRandom('kill')
  let running = await detector()
  for (let h = 0; h < 16; h++) {
    hour(random, h, h < 6 ? { r1: [40, 0.02] } : { r1: [h < 10 ? 20 : 1, 0.02], r2: [30, h < 12 ? 0.02 : 0.05] })
    await running.tick()
    if (h === 8)
      await running.restartAfterOverride({ environment: 'production', agent: 'orders', release: 'r2' }, 'failed')
    if (h === 7 || h === 12) await running.save()
    if (h === 9 || h === 12 || h === 14) {
      await store.close()
      store = await openStore({ kind: 'embedded', path: folder })
      running = await detector()
    }
  }
  await running.tick()
  await running.save()
  const bodies = () =>
    rowsOf(
      store,
      'SELECT release_key, argMax(body, evidence.seq) AS body FROM evidence GROUP BY release_key ORDER BY 1',
    )
  const after = await bodies()
  await store.command({ query: 'TRUNCATE TABLE evidence' })
  const straight = await detector()
  await straight.tick()
  await straight.save()
  expect(await bodies()).toEqual(after)
  expect(after).toHaveLength(3)
})

test('after an override the evidence starts anew at half the alpha, twice at a quarter, and old contacts stay out of it', async () => {
  const release = { environment: 'production', agent: 'orders', release: 'r1' }
  const running = await detector(triggersOf([{ name: 'failed', signal: 'failed_updates', baseline: 0.02, ...PAUSING }]))
  const random = seededRandom('override')
  hour(random, 0, { r1: [40, 0.3] })
  await running.tick()
  expect(told).toHaveLength(1)
  const restart = await running.restartAfterOverride(release, 'failed')
  expect(restart).toMatchObject({ overrides: 1, alphaSpent: 0.01, alphaNext: 0.005 })
  expect(restart.logThreshold).toBeCloseTo(Math.log(200), 9)
  // hits of contacts begun before the override come late: they are known by now
  batch(START_MS + HOUR_MS, [{ release: 'r1', trials: 40, hits: 40, ageMs: 1_800_000 }])
  await running.tick()
  expect(viewOf(running, 'r1')).toMatchObject({ trials: 0, hits: 0, finding: 'no_data' })
  hour(random, 2, { r1: [40, 0.3] })
  await running.tick()
  expect(told).toHaveLength(2)
  expect(told[1]).toMatchObject({ overrides: 1, logThreshold: expect.closeTo(Math.log(200), 6) })
  expect(await running.restartAfterOverride(release, 'failed')).toMatchObject({ overrides: 2, alphaSpent: 0.015 })
  await expect(running.restartAfterOverride(release, 'nothing')).rejects.toThrow("trigger 'nothing' has no evidence")
})

test('an override right after the evidence was stored outlives a kill, also where nothing more comes of the release', async () => {
  const release = { environment: 'production', agent: 'orders', release: 'r1' }
  const triggers = triggersOf([{ name: 'failed', signal: 'failed_updates', baseline: 0.02, ...PAUSING }])
  const killed = await detector(triggers)
  const random = seededRandom('override and kill')
  hour(random, 0, { r1: [40, 0.3] })
  await killed.tick()
  await killed.save()
  await killed.restartAfterOverride(release, 'failed')
  const next = await detector(triggers)
  expect(viewOf(next, 'r1')).toMatchObject({ trials: 0, hits: 0, finding: 'no_data' })
  hour(random, 1, { r2: [40, 0.02] })
  await next.tick()
  await next.save()
  const last = await detector(triggers)
  expect(viewOf(last, 'r1')).toMatchObject({ trials: 0, hits: 0, finding: 'no_data' })
  expect(await last.restartAfterOverride(release, 'failed')).toMatchObject({ overrides: 2 })
})

test('a ceiling is a breach by itself, once enough trials were seen', async () => {
  const ceiling = { rate: 0.1, minTrials: 30 }
  const running = await detector(
    triggersOf([{ name: 'failed', signal: 'failed_updates', baseline: 0.09, ceiling, ...PAUSING }]),
  )
  batch(START_MS, [{ release: 'r1', trials: 20, hits: 4 }])
  await running.tick()
  expect(told).toEqual([])
  batch(START_MS + 60_000, [{ release: 'r1', trials: 20, hits: 1 }])
  await running.tick()
  expect(told).toHaveLength(1)
  expect(told[0]).toMatchObject({ by: 'ceiling', reason: expect.stringContaining('above the ceiling of 10.0 %') })
})
