import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { ageCompensator, COMPLAINT_7D, REPEAT_CONTACT_72H } from './age-profile.ts'
import { designTest, type TestDesign } from './design.ts'
import { DEFAULT_EFFECTS } from './effects.ts'
import {
  addHits,
  addTrials,
  advance,
  createStream,
  logE,
  type RateCell,
  removeTrials,
  type StreamState,
  scoreOf,
} from './known-rate.ts'
import { logSum } from './log-domain.ts'
import { onset } from './onset.ts'

const MINUTE = 60_000
const HOUR = 60 * MINUTE
// the Poisson form that the vectors are written for; 100 trials owe 4 hits: exactly one onset cell
const failed = designTest({ baseline: 0.04, hitsAre: 'events' })
const repeat = designTest({ baseline: 0.12, ageProfile: REPEAT_CONTACT_72H })

const cell = (index: number, hits: number, exposure: number): RateCell => ({
  index,
  startMs: index * MINUTE,
  lastMs: index * MINUTE,
  hits,
  exposure,
  planned: exposure,
})

describe('test vectors (SciPy, 1e-9)', () => {
  test('one ratio: r = 2 with 5 hits where 2 were owed', () => {
    expect(scoreOf(failed)({ hits: 5, exposure: 2 }, 2)).toBeCloseTo(1.4657359028, 9)
  })

  test('the grid from launch only', () => {
    const scores = DEFAULT_EFFECTS.weights.map((w, m) => Math.log(w) + scoreOf(failed)({ hits: 5, exposure: 2 }, m))
    expect(logSum(scores)).toBeCloseTo(1.091505993573, 9)
  })

  test('five times: 0.4 owed, then a hit', () => {
    const state = createStream(failed)
    for (let i = 0; i < 5; i++) {
      addTrials(failed, state, i * MINUTE, 10)
      addHits(failed, state, i * MINUTE, 1)
    }
    expect(logE(failed, state)).toBeCloseTo(0.687822199165, 9)
  })

  test('6 hits owed, none came: the second cell opened at 4', () => {
    const state = createStream(failed)
    addTrials(failed, state, 0, 100)
    addTrials(failed, state, MINUTE, 50)
    expect(state.newestCell).toBe(1)
    expect(logE(failed, state)).toBeCloseTo(-0.658593324554, 9)
  })

  test('then eight hits, the last one after the third cell opened', () => {
    const cells = { live: [cell(0, 0, 4), cell(1, 7, 4), cell(2, 1, 0)], closed: [], groups: [] }
    const state: StreamState = { ...createStream(failed), hits: 8, exposure: 8, newestCell: 2, cells }
    expect(logE(failed, state)).toBeCloseTo(-0.480307316346, 9)
  })

  test('an uncertain baseline: nodes 0.8, 1 and 1.25', () => {
    const nodes = { multipliers: [0.8, 1, 1.25], weights: [0.25, 0.5, 0.25] }
    const design = designTest({ baseline: 0.04, nodes })
    const state = createStream(design)
    for (let i = 0; i < 6; i++) {
      addTrials(design, state, i * MINUTE, 12.5)
      addHits(design, state, i * MINUTE, 1)
    }
    expect(logE(design, state)).toBeCloseTo(0.332512313466, 9)
  })
})

type Batch = Readonly<{ gapMs: number; ageMs: number; trials: number; hits: number; moved: number }>

function play(design: TestDesign, batches: readonly Batch[], between: (state: StreamState) => StreamState) {
  let state = createStream(design)
  let nowMs = 1_700_000_000_000
  const path: number[] = []
  for (const { gapMs, ageMs, trials, hits, moved } of batches) {
    state = between(state)
    nowMs += gapMs
    advance(design, state, nowMs)
    addTrials(design, state, nowMs - ageMs, trials)
    state = between(state)
    addHits(design, state, nowMs - ageMs, hits)
    removeTrials(design, state, nowMs - ageMs, moved)
    path.push(logE(design, state))
  }
  return { state, path }
}

const batchesOf = (maxGapMs: number, maxAgeMs: number) =>
  fc.array(
    fc.record({
      gapMs: fc.integer({ min: 0, max: maxGapMs }),
      ageMs: fc.integer({ min: 0, max: maxAgeMs }),
      trials: fc.integer({ min: 0, max: 400 }),
      hits: fc.integer({ min: 0, max: 30 }),
      moved: fc.integer({ min: 0, max: 5 }),
    }),
    { minLength: 1, maxLength: 120 },
  )

/** The definition, written out: every onset hypothesis on its own, cell by cell, nothing closed or remembered. */
function evidenceByDefinition(
  trials: readonly { minute: number; count: number; hits: number }[],
  share: number,
): number {
  const { ratios, weights } = DEFAULT_EFFECTS
  const cells: { hits: number; owed: number; lastMinute: number }[] = [{ hits: 0, owed: 0, lastMinute: 0 }]
  for (const { minute, count, hits } of trials) {
    const newest = cells.at(-1)!
    if (newest.owed >= 4 && minute > newest.lastMinute) cells.push({ hits: 0, owed: 0, lastMinute: minute })
    const open = cells.at(-1)!
    open.hits += hits
    open.owed += count * share
    open.lastMinute = minute
  }
  let evidence = 0
  let spent = 0
  for (let s = 0; s < cells.length; s++) {
    const prior = s === 0 ? 0.5 : 0.5 * (250 / (249 + s) - 250 / (250 + s))
    spent += prior
    const since = cells.slice(s)
    const hits = since.reduce((sum, c) => sum + c.hits, 0)
    const owed = since.reduce((sum, c) => sum + c.owed, 0)
    for (const [m, r] of ratios.entries()) evidence += prior * weights[m]! * r ** hits * Math.exp(-(r - 1) * owed)
  }
  return Math.log(evidence + 1 - spent)
}

describe('the stream of an immediate signal', () => {
  test('equals the sum over all onsets written out, also after hundreds of cells have closed', () => {
    const history = fc.array(
      fc.record({ count: fc.integer({ min: 1, max: 80 }), share: fc.double({ min: 0, max: 0.15, noNaN: true }) }),
      { minLength: 1, maxLength: 300 },
    )
    fc.assert(
      fc.property(history, (minutes) => {
        const state = createStream(failed)
        const trials = minutes.map(({ count, share }, minute) => ({ minute, count, hits: Math.round(count * share) }))
        for (const { minute, count, hits } of trials) {
          addTrials(failed, state, minute * MINUTE, count)
          addHits(failed, state, minute * MINUTE, hits)
        }
        expect(logE(failed, state)).toBeCloseTo(evidenceByDefinition(trials, 0.04), 8)
      }),
      { numRuns: 60 },
    )
  })

  test('a late hit counts only for onsets that hold its exposure', () => {
    const state = createStream(failed)
    addTrials(failed, state, 0, 100)
    addTrials(failed, state, MINUTE, 100)
    addHits(failed, state, 0, 3) // hits of first-cell contacts, seen after the second cell opened
    expect(state.cells.live.map((c) => c.hits)).toEqual([3, 0])
    const both = logSum([
      Math.log(1 - 0.5 - 0.5 * (1 - 250 / 251)),
      ...DEFAULT_EFFECTS.ratios.flatMap((r, m) => {
        const w = Math.log(DEFAULT_EFFECTS.weights[m]!)
        const later = Math.log(0.5 * (1 - 250 / 251))
        return [w + Math.log(0.5) + 3 * Math.log(r) - (r - 1) * 8, w + later - (r - 1) * 4]
      }),
    ])
    expect(logE(failed, state)).toBeCloseTo(both, 12)
  })

  test('a total outage of thousands of contacts in one batch stays finite and is found', () => {
    const state = createStream(failed)
    for (let i = 0; i < 40; i++) addTrials(failed, state, i * MINUTE, 100)
    addTrials(failed, state, HOUR, 5000)
    addHits(failed, state, HOUR, 5000)
    const evidence = logE(failed, state)
    expect(evidence).toBeGreaterThan(9000)
    expect(Number.isFinite(evidence)).toBe(true)
  })

  test('trials of a written rate are priced exactly: a hit among n trials multiplies by ψ/(1−p+ψp)', () => {
    for (const baseline of [0.005, 0.1]) {
      const design = designTest({ baseline })
      const odds = 2
      const byHand = 7 * Math.log(odds) - 30 * Math.log(1 - baseline + odds * baseline)
      expect(scoreOf(design)({ hits: 7, exposure: 30 * design.hitsPerTrial }, 2)).toBeCloseTo(byHand, 12)
    }
  })

  test('hits that are events of their own pay the Poisson price, as a trial may bring several', () => {
    const design = designTest({ baseline: 0.1, hitsAre: 'events' })
    expect(scoreOf(design)({ hits: 7, exposure: 3 }, 2)).toBeCloseTo(7 * Math.log(2) - 3, 12)
  })

  test('the fair bet holds exactly: over one trial the expected evidence never rises', () => {
    for (const baseline of [0.001, 0.02, 0.05, 0.1, 0.4]) {
      const design = designTest({ baseline })
      const miss = createStream(design)
      const hit = createStream(design)
      for (const state of [miss, hit]) addTrials(design, state, 0, 1)
      addHits(design, hit, 0, 1)
      const mean = baseline * Math.exp(logE(design, hit)) + (1 - baseline) * Math.exp(logE(design, miss))
      expect(mean).toBeCloseTo(1, 12)
    }
  })
})

describe('the stream of a delayed signal', () => {
  test('one contact at rest owes its age compensator: exactly in the end, to half a percent on the way', () => {
    for (const profile of [REPEAT_CONTACT_72H, COMPLAINT_7D]) {
      const design = designTest({ baseline: 0.12, ageProfile: profile })
      for (const startMs of [0, 7 * MINUTE, 14 * MINUTE, 34 * MINUTE]) {
        const state = createStream(design)
        advance(design, state, startMs)
        addTrials(design, state, startMs, 1)
        for (const hours of [0.5, 3, 10, 30, 71, 200]) {
          advance(design, state, startMs + hours * HOUR)
          const owed = ageCompensator(profile, 0.12, hours * HOUR)
          expect(Math.abs(state.exposure - owed)).toBeLessThan(0.005 * design.hitsPerTrial)
        }
        expect(state.exposure).toBeCloseTo(-Math.log(1 - 0.12), 12)
        expect(state.risk?.open.length).toBe(0)
      }
    }
  })

  test('contacts of one bin owe exactly, however their starts are spread and whoever has left', () => {
    const state = createStream(repeat)
    const starts = [0, 1, 5, 6, 11, 14].map((minute) => minute * MINUTE)
    for (const startMs of starts) {
      advance(repeat, state, startMs)
      addTrials(repeat, state, startMs, 3)
    }
    const hitMs = 5 * HOUR
    advance(repeat, state, hitMs)
    for (const startMs of starts.slice(3)) addHits(repeat, state, startMs, 1)
    advance(repeat, state, 100 * HOUR)
    const whole = ageCompensator(REPEAT_CONTACT_72H, 0.12, 72 * HOUR)
    const left = starts.slice(3).map((startMs) => ageCompensator(REPEAT_CONTACT_72H, 0.12, hitMs - startMs))
    expect(state.exposure).toBeCloseTo(15 * whole + left.reduce((a, b) => a + b), 9)
  })

  test('a contact that arrives 10 h late pays for 10 h before its hit', () => {
    const state = createStream(repeat)
    advance(repeat, state, 100 * HOUR)
    addTrials(repeat, state, 90 * HOUR, 1)
    expect(state.exposure).toBeCloseTo(0.0511333486, 9)
    addHits(repeat, state, 90 * HOUR, 1)
    advance(repeat, state, 200 * HOUR)
    expect(state.exposure).toBeCloseTo(0.0511333486, 9)
  })

  test('a contact that moved away owes nothing more, and what it paid stays', () => {
    const state = createStream(repeat)
    advance(repeat, state, 0)
    addTrials(repeat, state, 0, 10)
    advance(repeat, state, 5 * HOUR)
    const paid = state.exposure
    removeTrials(repeat, state, 0, 10)
    advance(repeat, state, 50 * HOUR)
    expect(state.exposure).toBe(paid)
  })

  test('a weekly rhythm moves exposure in time and keeps its total', () => {
    const hourOfWeek = Array.from({ length: 168 }, (_, h) => (h % 24 < 12 ? 1.5 : 0.5))
    const design = designTest({ baseline: 0.12, ageProfile: REPEAT_CONTACT_72H, hourOfWeek })
    const early = createStream(design)
    advance(design, early, 4 * 24 * HOUR)
    addTrials(design, early, 4 * 24 * HOUR, 1)
    advance(design, early, 4 * 24 * HOUR + HOUR)
    expect(early.exposure).toBeCloseTo(1.5 * ageCompensator(REPEAT_CONTACT_72H, 0.12, HOUR), 12)
    const late = createStream(design)
    advance(design, late, 4 * 24 * HOUR + HOUR)
    addTrials(design, late, 4 * 24 * HOUR, 1)
    expect(late.exposure).toBeCloseTo(1.5 * ageCompensator(REPEAT_CONTACT_72H, 0.12, HOUR), 12)
  })

  test('onset cells last at least an hour, and at most 90 are live', () => {
    const state = createStream(repeat)
    for (let minute = 0; minute < 14 * 24 * 60; minute += 5) {
      advance(repeat, state, minute * MINUTE)
      addTrials(repeat, state, minute * MINUTE, 50)
    }
    expect(state.cells.live.length).toBeLessThanOrEqual(90)
    expect(state.cells.live.length).toBeGreaterThan(70)
    expect(state.cells.groups.length).toBe(16)
    expect(state.newestCell).toBe(14 * 24 - 1)
    expect(JSON.stringify(state).length).toBeLessThan(30_000)
  })
})

describe('any stream', () => {
  test('is bit-identical whether it ran through or was stored and restored between any two steps', () => {
    const restored = (state: StreamState) => JSON.parse(JSON.stringify(state)) as StreamState
    const nodes = { multipliers: [0.9, 1, 1.1], weights: [0.25, 0.5, 0.25] }
    const designs = [failed, repeat, designTest({ baseline: 0.02, nodes, dispersion: 1.5, tolerance: 0.1 })]
    fc.assert(
      fc.property(fc.constantFrom(...designs), batchesOf(3 * HOUR, 20 * HOUR), (design, batches) => {
        const through = play(design, batches, (state) => state)
        const stored = play(design, batches, restored)
        expect(stored.path).toEqual(through.path)
        expect(JSON.stringify(stored.state)).toBe(JSON.stringify(through.state))
        expect(through.path.every(Number.isFinite)).toBe(true)
        expect(onset(design, stored.state)).toEqual(onset(design, through.state))
      }),
      { numRuns: 60 },
    )
  })

  test('loses no hit and no trial: totals are what was fed', () => {
    fc.assert(
      fc.property(batchesOf(6 * HOUR, 100 * HOUR), (batches) => {
        const { state } = play(repeat, batches, (s) => s)
        expect(state.hits).toBe(batches.reduce((sum, b) => sum + b.hits, 0))
        expect(state.trials).toBe(batches.reduce((sum, b) => sum + b.trials, 0))
        expect(state.risk!.open.every((open) => open >= 0)).toBe(true)
      }),
      { numRuns: 60 },
    )
  })

  test('stays small over a million trials and half a year', () => {
    for (const design of [designTest({ baseline: 0.02 }), repeat]) {
      const state = createStream(design)
      for (let i = 0; i < 20_000; i++) {
        const nowMs = i * 13 * MINUTE
        advance(design, state, nowMs)
        addTrials(design, state, nowMs, 50)
        if (i % 2 === 0) addHits(design, state, nowMs - (i % 7) * HOUR, 1)
      }
      expect(state.trials).toBe(1_000_000)
      expect(JSON.stringify(state).length).toBeLessThan(30_000)
    }
  })

  test('continues only under the design that started it', () => {
    expect(() => advance(repeat, createStream(failed), 1)).toThrow('design')
  })
})
