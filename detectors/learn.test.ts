import { describe, expect, test } from 'vitest'
import { type Random, seededRandom } from '../lib/random.ts'
import {
  AGE_EDGES,
  ageProfileOf,
  dispersionOfBlocks,
  type HourlyHits,
  type HourlyTrials,
  hourlyBlocks,
  hourOfWeekOf,
  matureShare,
} from './learn.ts'
import { type AgeProfile, REPEAT_CONTACT_72H, shareBefore } from './sequential/age-profile.ts'
import { designTest } from './sequential/design.ts'
import { addHits, addTrials, advance, createStream, logE } from './sequential/known-rate.ts'

const HOUR_MS = 3_600_000
const WINDOW_MS = 72 * HOUR_MS
const START_MS = Date.UTC(2026, 0, 5)
const SHARE = 0.12

/** Earlier than most customers come: what a wrong written profile is measured by. */
const EARLY: AgeProfile = {
  edgesMs: [0, 4, 24, 72].map((hour) => hour * HOUR_MS),
  shares: [0.6, 0.3, 0.1],
}

/** Age at which a contact comes back, Infinity if not; rhythm multiplies the hazard by the hour of the day, in thinned form. */
function ageOf(random: Random, profile: AgeProfile, share: number, startMs: number, swing: number): number {
  let part = random.exponential(1) / (-Math.log1p(-share) * (1 + swing))
  for (const [b, width] of profile.shares.entries()) {
    if (part >= width) {
      part -= width
      continue
    }
    const ageMs = profile.edgesMs[b]! + (part / width) * (profile.edgesMs[b + 1]! - profile.edgesMs[b]!)
    const keep = (1 + swing * Math.sin((2 * Math.PI * (startMs + ageMs)) / (24 * HOUR_MS))) / (1 + swing)
    return random.chance(keep) ? ageMs : Number.POSITIVE_INFINITY
  }
  return Number.POSITIVE_INFINITY
}

/** Hourly history of a signal as the store gives it. */
function historyOf(seed: string, hours: number, perHour: number, profile: AgeProfile, swing = 0) {
  const random = seededRandom('learn', seed)
  const edges = AGE_EDGES.slice(1, -1).map((part) => part * WINDOW_MS)
  const trials: HourlyTrials[] = []
  const hits = new Map<string, { cohortMs: number; acceptedMs: number; bin: number; hits: number }>()
  const nowMs = START_MS + hours * HOUR_MS
  for (let h = 0; h < hours; h++) {
    const cohortMs = START_MS + h * HOUR_MS
    trials.push({ cohortMs, trials: perHour })
    for (let i = 0; i < perHour; i++) {
      const startMs = cohortMs + random.uniform() * HOUR_MS
      const ageMs = ageOf(random, profile, SHARE, startMs, swing)
      if (startMs + ageMs >= nowMs) continue
      const acceptedMs = Math.floor((startMs + ageMs) / HOUR_MS) * HOUR_MS
      const bin = edges.filter((edge) => edge <= ageMs).length
      const key = `${cohortMs}|${acceptedMs}|${bin}`
      const row = hits.get(key) ?? { cohortMs, acceptedMs, bin, hits: 0 }
      row.hits++
      hits.set(key, row)
    }
  }
  return { trials, hits: [...hits.values()] satisfies HourlyHits[], nowMs }
}

describe('an age profile', () => {
  test('is learned from cohorts of every age, young ones too, to within two points', () => {
    const { trials, hits, nowMs } = historyOf('profile', 14 * 24, 60, EARLY)
    const learned = ageProfileOf(trials, hits, WINDOW_MS, nowMs)!
    for (const hour of [1, 4, 12, 24, 48])
      expect(Math.abs(shareBefore(learned, hour * HOUR_MS) - shareBefore(EARLY, hour * HOUR_MS))).toBeLessThan(0.03)
    expect(learned.edgesMs.at(-1)).toBe(WINDOW_MS)
  })

  test('is not learned from too little: the written one serves', () => {
    const { trials, hits, nowMs } = historyOf('little', 48, 60, EARLY)
    expect(ageProfileOf(trials, hits, WINDOW_MS, nowMs)).toBeNull()
  })

  test('keeps the promise where the written one breaks it', () => {
    const { trials, hits, nowMs } = historyOf('promise', 14 * 24, 60, EARLY)
    const learned = ageProfileOf(trials, hits, WINDOW_MS, nowMs)!
    const paused = (profile: AgeProfile) =>
      Array.from({ length: 40 }, (_, i) => pauses(`life ${i}`, profile)).filter(Boolean).length
    expect(paused(learned)).toBeLessThanOrEqual(2)
    expect(paused(REPEAT_CONTACT_72H)).toBeGreaterThan(10)
  })
})

/** Whether a healthy life of ten days, whose customers come back early, is paused. */
function pauses(seed: string, profile: AgeProfile): boolean {
  const random = seededRandom('learn', seed)
  const design = designTest({ baseline: SHARE, ageProfile: profile })
  const state = createStream(design)
  const due = new Map<number, number[]>()
  for (let step = 0; step < 240 * 4; step++) {
    const nowMs = START_MS + step * 900_000
    advance(design, state, nowMs)
    addTrials(design, state, nowMs, 15)
    for (let i = 0; i < 15; i++) {
      const at = step + Math.ceil(ageOf(random, EARLY, SHARE, nowMs, 0) / 900_000)
      if (Number.isFinite(at)) due.set(at, [...(due.get(at) ?? []), nowMs])
    }
    for (const cohortMs of due.get(step) ?? []) addHits(design, state, cohortMs, 1)
    if (due.has(step) && logE(design, state) >= Math.log(100)) return true
  }
  return false
}

test('the rhythm of the week is learned on the clock of acceptance, and is 1 on average', () => {
  const { trials, hits, nowMs } = historyOf('rhythm', 28 * 24, 60, EARLY, 0.5)
  const profile = ageProfileOf(trials, hits, WINDOW_MS, nowMs)!
  const blocks = hourlyBlocks(trials, hits, profile, SHARE, nowMs)
  const rhythm = hourOfWeekOf(blocks)!
  expect(rhythm).toHaveLength(168)
  const at = (hour: number) =>
    Array.from({ length: 7 }, (_, day) => rhythm[day * 24 + hour]!).reduce((a, b) => a + b) / 7
  expect(at(6)).toBeGreaterThan(1.3)
  expect(at(18)).toBeLessThan(0.7)
  expect(rhythm.reduce((a, b) => a + b) / 168).toBeCloseTo(1, 1)
  const short = historyOf('short', 10 * 24, 60, EARLY)
  expect(hourOfWeekOf(hourlyBlocks(short.trials, short.hits, EARLY, SHARE, short.nowMs))).toBeNull()
})

test('overdispersion is 1 for chance alone, and grows with bursts and with good and bad days', () => {
  const random = seededRandom('learn', 'dispersion')
  const blocksOf = (hourCv: number, dayCv: number) => {
    const blocks = new Map<number, { hits: number; exposure: number }>()
    for (let day = 0; day < 28; day++) {
      const good = Math.max(0.1, random.normal(1, dayCv))
      for (let hour = 0; hour < 24; hour++) {
        const mean = 6 * good * Math.max(0.1, random.normal(1, hourCv))
        blocks.set(START_MS + (day * 24 + hour) * HOUR_MS, { hits: random.poisson(mean), exposure: 6 })
      }
    }
    return blocks
  }
  expect(dispersionOfBlocks(blocksOf(0, 0), null, 0)).toBeLessThan(1.6)
  expect(dispersionOfBlocks(blocksOf(0.6, 0), null, 0)).toBeGreaterThan(2)
  expect(dispersionOfBlocks(blocksOf(0, 0.2), null, 0)).toBeGreaterThan(3)
  expect(dispersionOfBlocks(new Map(), null, 0)).toBe(1)
})

test('contacts of different ages give the share of mature ones', () => {
  const steps = [1, 0.5, 0.25].map((share) => ({ share, trials: 10_000 }))
  const hits = steps.reduce((sum, { share, trials }) => sum + trials * (1 - 0.88 ** share), 0)
  expect(matureShare(steps, hits)).toMatchObject({ share: expect.closeTo(0.12, 9), trials: 17_500 })
  expect(matureShare([], 0)).toEqual({ share: 0, trials: 0 })
})
