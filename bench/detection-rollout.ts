/**
 * A roll-out as products live it, through the evidence and the baselines that ship: a stable release, a candidate at 10 %, then half, then all
 * of the traffic, which takes its baseline from the stable release beside it and later from that one's history.
 * Run: node bench/detection-rollout.ts [LIVES]   prints a table for docs/detection/noise.md
 */

import { chooseBaseline, type Past, type Sibling } from '../detectors/choose.ts'
import {
  applyBatch,
  type Delta,
  emptyEvidence,
  evidenceOf,
  hasHandedOver,
  switchBaseline,
  testsOf,
} from '../detectors/evidence.ts'
import { judge } from '../detectors/judge.ts'
import { daysOf, dispersionOfBlocks, hourlyBlocks, hourOfWeekOf } from '../detectors/learn.ts'
import { FOUR_SIGNALS } from '../detectors/signals/library.ts'
import { judgedTriggers, triggersSchema } from '../detectors/triggers.ts'
import { releaseKeyOf } from '../facts/slice.ts'
import { seededRandom } from '../lib/random.ts'

const HOUR_MS = 3_600_000
const BATCH_MS = 600_000
/** Contacts of both releases in ten minutes. */
const PER_BATCH = 30
const SLICES = [
  { channel: 'chat', weight: 6, share: 0.02 },
  { channel: 'voice', weight: 3, share: 0.05 },
  { channel: 'mail', weight: 1, share: 0.01 },
]
const RELEASE = { environment: 'production', agent: 'a', release: 'new' }
const STABLE = { ...RELEASE, release: 'old' }
const TESTS = testsOf(
  judgedTriggers(
    triggersSchema.parse([{ name: 't', signal: 'failed_updates', action: 'pause', trafficGoesTo: 'people' }]),
    FOUR_SIGNALS,
    0.01,
  ),
)

export type Rollout = Readonly<{ ratio: number; badFromHour: number; hours: number; swing: number }>

const candidatePart = (hour: number) => (hour < 24 ? 0.1 : hour < 48 ? 0.5 : 1)

/** Hour of the candidate's life at which it is paused, Infinity if never; and the baselines that it went through. */
export function rolloutLife(seed: number, life: Rollout): { pausedAt: number; modes: string[] } {
  const random = seededRandom('rollout', seed, life.ratio)
  const shareOf = (share: number, atMs: number) =>
    share * (1 + life.swing * Math.sin((2 * Math.PI * atMs) / (24 * HOUR_MS)))
  const counted = new Map(SLICES.map(({ channel }) => [channel, { trials: 0, hits: 0 }]))
  const hourly = new Map<number, { trials: number; hits: number }>()
  const serve = (atMs: number, part: number, ratio: number) => {
    const deltas = { old: [] as Delta[], new: [] as Delta[] }
    for (const { channel, weight, share } of SLICES) {
      const n = random.poisson((PER_BATCH * weight) / 10)
      const counts = { old: { trials: 0, hits: 0 }, new: { trials: 0, hits: 0 } }
      for (let i = 0; i < n; i++) {
        const arm = random.uniform() < part ? 'new' : 'old'
        counts[arm].trials++
        if (random.uniform() < shareOf(share, atMs) * (arm === 'new' ? ratio : 1)) counts[arm].hits++
      }
      const past = counted.get(channel)!
      past.trials += counts.old.trials
      past.hits += counts.old.hits
      const cohortMs = Math.floor(atMs / HOUR_MS) * HOUR_MS
      const hour = hourly.get(cohortMs) ?? { trials: 0, hits: 0 }
      hour.trials += counts.old.trials
      hour.hits += counts.old.hits
      hourly.set(cohortMs, hour)
      for (const arm of ['old', 'new'] as const)
        for (const measure of ['trials', 'capped_hits', 'release_capped_hits'] as const) {
          const amount = counts[arm][measure === 'trials' ? 'trials' : 'hits']
          const slice = { environment: 'production', agent: 'a', release: arm, channel, queue: 'q' }
          if (amount > 0) deltas[arm].push({ ...slice, signal: 'failed_updates', measure, minuteMs: atMs, n: amount })
        }
    }
    return new Map([
      [releaseKeyOf(RELEASE), deltas.new],
      [releaseKeyOf(STABLE), deltas.old],
    ])
  }
  for (let atMs = 0; atMs < 14 * 24 * HOUR_MS; atMs += BATCH_MS) serve(atMs, 0, 1)
  const launchMs = 14 * 24 * HOUR_MS
  const evidence = emptyEvidence(RELEASE)
  const modes: string[] = []
  for (let i = 0; i * BATCH_MS < life.hours * HOUR_MS; i++) {
    const atMs = launchMs + i * BATCH_MS
    const hour = (i * BATCH_MS) / HOUR_MS
    const byRelease = serve(atMs, candidatePart(hour), hour >= life.badFromHour ? life.ratio : 1)
    const [test] = TESTS
    if (!evidenceOf(evidence, test!) && byRelease.get(releaseKeyOf(RELEASE))!.length === 0) continue
    applyBatch(evidence, { seq: i + 1, clockMs: atMs }, byRelease, TESTS, ({ trigger }) => {
      const baseline = chooseBaseline(trigger, pastOf(counted, hourly, atMs))
      modes.push(baseline.mode)
      return baseline
    })
    if (judge(evidence, TESTS).breaches.length > 0) return { pausedAt: hour, modes }
    const state = evidenceOf(evidence, test!)!
    if (!hasHandedOver(state)) continue
    const baseline = chooseBaseline(test!.trigger, pastOf(counted, hourly, atMs), ['concurrent'])
    modes.push(baseline.mode)
    switchBaseline(state, test!, baseline, atMs)
  }
  return { pausedAt: Number.POSITIVE_INFINITY, modes }
}

type Counts = { trials: number; hits: number }

/** What the store would tell of the stable release, by the functions that read it there. */
function pastOf(counted: ReadonlyMap<string, Counts>, hourly: ReadonlyMap<number, Counts>, nowMs: number): Past {
  const slices = [...counted].map(([channel, { trials, hits }]) => ({
    channel,
    queue: 'q',
    trials,
    hits,
    share: hits / trials,
    recentTrials: trials / 14,
  }))
  const sum = (key: 'trials' | 'hits' | 'recentTrials') => slices.reduce((total, slice) => total + slice[key], 0)
  const trials = [...hourly].map(([cohortMs, hour]) => ({ cohortMs, trials: hour.trials }))
  const hits = [...hourly].map(([cohortMs, hour]) => ({ cohortMs, acceptedMs: cohortMs, bin: 0, hits: hour.hits }))
  const blocks = hourlyBlocks(trials, hits, null, sum('hits') / sum('trials'), nowMs)
  const hourOfWeek = hourOfWeekOf(blocks)
  const old: Sibling = {
    release: 'old',
    trials: sum('trials'),
    hits: sum('hits'),
    share: sum('hits') / sum('trials'),
    recentTrials: sum('recentTrials'),
    lastMs: nowMs,
    breached: false,
    dispersion: dispersionOfBlocks(blocks, hourOfWeek, daysOf(blocks)),
    slices,
  }
  const others = { trials: 0, hits: 0, share: 0 }
  return {
    nowMs,
    siblings: [old],
    others,
    learned: { profile: null, trials: sum('trials'), days: daysOf(blocks), hourOfWeek },
    fromBin: null,
    windowMs: null,
  }
}

if (import.meta.main) {
  const lives = Number(process.argv[2] ?? 300)
  console.log('| roll-out 10 %, 50 %, 100 % | paused | hours from the fault, median (90 %) |\n| --- | --- | --- |')
  for (const [label, life] of [
    ['healthy, three weeks', { ratio: 1, badFromHour: 0, hours: 504, swing: 0 }],
    ['healthy, daily rhythm of ± 30 %', { ratio: 1, badFromHour: 0, hours: 504, swing: 0.3 }],
    ['×2 from launch', { ratio: 2, badFromHour: 0, hours: 336, swing: 0 }],
    ['×2 after 30 h, at half of the traffic', { ratio: 2, badFromHour: 30, hours: 336, swing: 0 }],
    ['×2 after 100 h, at all of the traffic', { ratio: 2, badFromHour: 100, hours: 436, swing: 0 }],
  ] as const) {
    const stops = Array.from({ length: life.ratio === 1 ? lives : lives / 3 }, (_, i) => rolloutLife(i, life).pausedAt)
    const found = stops.filter(Number.isFinite).map((hour) => hour - life.badFromHour)
    const sorted = found.sort((a, b) => a - b)
    const at = (p: number) => sorted[Math.floor(p * sorted.length)]?.toFixed(1) ?? '–'
    console.log(
      `| ${label} | ${found.length} of ${stops.length} | ${life.ratio === 1 ? '' : `${at(0.5)} (${at(0.9)})`} |`,
    )
  }
}
