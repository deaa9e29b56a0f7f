/**
 * A release on its own against the history of the one before, where hours and days vary beyond chance: false pauses and delay, with the
 * overdispersion that the product learns and without. Run: node bench/detection-days.ts [lives]
 */

import { daysOf, dispersionOfBlocks, hourlyBlocks, hourOfWeekOf } from '../detectors/learn.ts'
import { baselineNodes } from '../detectors/sequential/baseline-nodes.ts'
import { designTest } from '../detectors/sequential/design.ts'
import { SHIPPED } from '../detectors/sequential/effects.ts'
import { addHits, addTrials, createStream, logE } from '../detectors/sequential/known-rate.ts'
import { type Random, seededRandom } from '../lib/random.ts'

const HOUR_MS = 3_600_000
const SHARE = 0.02
const PER_HOUR = 300
/** Two weeks: about 100,000 contacts. */
const WATCHED_HOURS = 14 * 24
const LOG_THRESHOLD = Math.log(100)

type Noise = Readonly<{ hourCv: number; dayCv: number; historyDays: number }>
type Hour = Readonly<{ cohortMs: number; trials: number; hits: number }>

/** Log-normal with mean 1. */
const level = (random: Random, cv: number): number =>
  cv === 0 ? 1 : Math.exp(random.normal(-0.5 * Math.log1p(cv * cv), Math.sqrt(Math.log1p(cv * cv))))

function hoursOf(random: Random, { hourCv, dayCv }: Noise, from: number, count: number, ratio: number): Hour[] {
  let day = 1
  return Array.from({ length: count }, (_, i) => {
    const hour = from + i
    if (i === 0 || hour % 24 === 0) day = level(random, dayCv)
    const trials = random.poisson(PER_HOUR * (1 + 0.5 * Math.sin((2 * Math.PI * hour) / 24)))
    const share = SHARE * ratio * day * level(random, hourCv)
    return { cohortMs: hour * HOUR_MS, trials, hits: Math.min(trials, random.poisson(trials * share)) }
  })
}

/** Contacts until the pause, by the test that is told φ and by the one that is not; Infinity: none in two weeks. */
function life(random: Random, noise: Noise, ratio: number): { told: number; untold: number } {
  const past = hoursOf(random, noise, 0, noise.historyDays * 24, 1)
  const hits = past.reduce((sum, hour) => sum + hour.hits, 0)
  const baseline = (hits + 0.5) / past.reduce((sum, hour) => sum + hour.trials, 0)
  const accepted = past.map((hour) => ({ ...hour, acceptedMs: hour.cohortMs, bin: 0 }))
  const blocks = hourlyBlocks(past, accepted, null, baseline, Number.POSITIVE_INFINITY)
  const hourOfWeek = hourOfWeekOf(blocks)
  const stopOf = (dispersion: number): number => {
    const nodes = baselineNodes(hits / dispersion)
    const design = designTest({ ...SHIPPED, baseline, nodes, dispersion, ...(hourOfWeek && { hourOfWeek }) })
    const state = createStream(design)
    for (const hour of live) {
      addTrials(design, state, hour.cohortMs, hour.trials)
      addHits(design, state, hour.cohortMs, hour.hits)
      if (logE(design, state) >= LOG_THRESHOLD) return state.trials
    }
    return Number.POSITIVE_INFINITY
  }
  const live = hoursOf(random, noise, noise.historyDays * 24, WATCHED_HOURS, ratio)
  return { told: stopOf(dispersionOfBlocks(blocks, hourOfWeek, daysOf(blocks))), untold: stopOf(1) }
}

const lives = Number(process.argv[2] ?? 300)
console.log(
  '| hours vary by | days by | history, days | chance alone: paused | told φ: paused | ×2, chance alone: median contacts | ×2, told φ |',
)
console.log('| --- | --- | --- | --- | --- | --- | --- |')
for (const noise of [
  { hourCv: 0, dayCv: 0, historyDays: 14 },
  { hourCv: 0.3, dayCv: 0, historyDays: 14 },
  { hourCv: 0.3, dayCv: 0.15, historyDays: 14 },
  { hourCv: 0.3, dayCv: 0.15, historyDays: 35 },
]) {
  const run = (ratio: number, count: number) =>
    Array.from({ length: count }, (_, i) => life(seededRandom('days', JSON.stringify(noise), ratio, i), noise, ratio))
  const [healthy, bad] = [run(1, lives), run(2, Math.ceil(lives / 3))]
  const paused = (by: 'told' | 'untold') =>
    `${healthy.filter((one) => Number.isFinite(one[by])).length} of ${healthy.length}`
  const median = (by: 'told' | 'untold') =>
    bad
      .map((one) => one[by])
      .sort((a, b) => a - b)
      [Math.floor(bad.length / 2)]!.toLocaleString('en-US')
  const cells = [`${noise.hourCv * 100} %`, `${noise.dayCv * 100} %`, `${noise.historyDays}`]
  console.log(`| ${[...cells, paused('untold'), paused('told'), median('untold'), median('told')].join(' | ')} |`)
}
