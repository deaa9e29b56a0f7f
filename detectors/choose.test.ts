import { expect, test } from 'vitest'
import { designsOf } from './baseline.ts'
import { chooseBaseline, type Past, type Sibling, smallestRatio, stratumOf } from './choose.ts'
import { FOUR_SIGNALS, SIGNAL_LIBRARY } from './signals/library.ts'
import { judgedTriggers, triggersSchema } from './triggers.ts'

const HOUR_MS = 3_600_000
const NOW_MS = Date.UTC(2026, 0, 5)

const trigger = (baseline: unknown, signal = 'failed_updates') =>
  judgedTriggers(
    triggersSchema.parse([{ name: 't', signal, ...(baseline === undefined ? {} : { baseline }) }]),
    FOUR_SIGNALS,
    0.01,
  )[0]!

const sibling = (change: Partial<Sibling>): Sibling => ({
  release: 'r1',
  trials: 50_000,
  hits: 1000,
  share: 0.02,
  lastMs: NOW_MS - 60_000,
  recentTrials: 2000,
  breached: false,
  dispersion: 1,
  slices: [{ channel: 'chat', queue: 'q', trials: 50_000, hits: 1000, share: 0.02, recentTrials: 2000 }],
  ...change,
})

const past = (...siblings: Sibling[]): Past => ({
  nowMs: NOW_MS,
  siblings,
  others: { trials: 0, hits: 0, share: 0 },
  learned: null,
  fromBin: null,
  windowMs: null,
})

const AUTO = { mode: 'auto', rate: 0.02 }
const gone = { lastMs: NOW_MS - 24 * HOUR_MS }

test.each([
  ['a release that runs now', AUTO, past(sibling({})), 'concurrent', 'r1, which runs at the same time'],
  [
    'one that ended yesterday',
    AUTO,
    past(sibling(gone)),
    'previous',
    'no other release runs; compared with the history of r1',
  ],
  ['too short a history', AUTO, past(sibling({ ...gone, hits: 60 })), 'written', 'r1 left 60 hits, 100 are needed'],
  ['no history', AUTO, past(), 'written', 'there is no earlier release; compared with the written rate of 2 %'],
  ['only bad ones', AUTO, past(sibling({ breached: true })), 'written', 'every earlier release was found bad'],
  [
    'a bad one beside a good one',
    AUTO,
    past(sibling({ release: 'bad', breached: true }), sibling({})),
    'concurrent',
    'r1',
  ],
  ['a rate', 0.02, past(sibling({})), 'written', 'the written rate of 2 % is kept to'],
  ['previous insisted on', { mode: 'previous', rate: 0.02 }, past(sibling({ hits: 20 })), 'previous', 'history of r1'],
  [
    'concurrent insisted on, none there',
    { mode: 'concurrent', rate: 0.02 },
    past(),
    'written',
    'no other release runs',
  ],
  ['nothing written, nothing known', undefined, past(), 'written', 'the typical share of 2 %: write down your own'],
  [
    'nothing written, other queues known',
    undefined,
    { ...past(), others: { trials: 10_000, hits: 300, share: 0.03 } },
    'pooled',
    'other queues pooled, 3 % of their trials',
  ],
] as const)('%s: %j', (_, baseline, known, mode, reason) => {
  const chosen = chooseBaseline(trigger(baseline), known)
  expect(chosen.mode).toBe(mode)
  expect(chosen.reason).toContain(reason)
  expect(designsOf(chosen, { tolerance: 0, hitsAre: 'trials' }).arms === null).toBe(mode !== 'concurrent')
})

test('a baseline above the written limit is said to be bad, a short history to hide small rises', () => {
  const bad = chooseBaseline(trigger(AUTO), past(sibling({ ...gone, hits: 2000 })))
  expect(bad.warnings.join()).toContain('r1 is itself above the written limit (4 % against 2 %)')
  const short = chooseBaseline(trigger(AUTO), past(sibling({ ...gone, trials: 6000, hits: 120 })))
  expect(short.smallestRatio).toBeGreaterThan(1.2)
  expect(short.warnings.join()).toMatch(
    /120 hits of history: a sustained rise below 1\.\d times at launch is not found/,
  )
  expect(smallestRatio(0, trigger(AUTO))).toBeNull()
  expect(smallestRatio(500, trigger(AUTO))!).toBeLessThan(smallestRatio(100, trigger(AUTO))!)
})

test('a quantity without a limit is compared beyond what was usual, and not judged where history does not tell it', () => {
  const [, slow] = judgedTriggers(triggersSchema.parse([{ name: 't', signal: 'handling_time' }]), SIGNAL_LIBRARY, 0.01)
  const known = { ...past(sibling({ trials: 50_000, hits: 4800 })), fromBin: 48 }
  const chosen = chooseBaseline(slow!, known)
  expect(chosen).toMatchObject({ mode: 'concurrent', fromBin: 48 })
  expect(chosen.reason).toBe(
    'compared with r1, which runs at the same time; a hit is a contact with durationSeconds of 64 or more, which at most 10 % of the contacts had in the past',
  )
  const previous = chooseBaseline(slow!, { ...known, siblings: [sibling({ ...gone, trials: 50_000, hits: 4800 })] })
  expect(previous).toMatchObject({ mode: 'previous', fromBin: 48, rate: expect.closeTo(0.096, 3) })
  expect(chooseBaseline(slow!, past())).toMatchObject({
    mode: 'none',
    fromBin: null,
    reason: 'history holds too few values to tell what is usual: not judged',
  })
  expect(chooseBaseline(slow!, { ...past(), fromBin: 48 })).toMatchObject({
    mode: 'none',
    reason:
      'no other release runs; there is no earlier release; other queues left 0 hits; nothing to compare with: not judged',
  })
})

test('a delayed signal says where its age profile comes from', () => {
  const repeats = trigger(0.12, 'repeat_contacts')
  expect(chooseBaseline(repeats, past()).profileReason).toContain('the written default')
  const learned = { profile: repeats.ageProfile!, trials: 9_000, days: 20, hourOfWeek: null }
  expect(chooseBaseline(repeats, { ...past(), learned }).profileReason).toBe(
    'the age profile is learned from 9,000 contacts; fewer than 20,000 are marginal',
  )
})

test('strata are as short as traffic allows, and never shorter than a delayed signal can use', () => {
  expect(stratumOf(24 * 60 * 100, null)).toBe(60_000)
  expect(stratumOf(240, null)).toBe(1.6 * HOUR_MS)
  expect(stratumOf(1, null)).toBe(6 * HOUR_MS)
  expect(stratumOf(24 * 6000, 72 * HOUR_MS)).toBe(HOUR_MS)
})
