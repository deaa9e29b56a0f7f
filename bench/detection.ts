/**
 * How early, and how often wrongly: the shipped test against what others do, on identical seeded streams.
 * Run: node bench/detection.ts            all tables and charts, written to docs/detection/ (about ten minutes of one core)
 *      node bench/detection.ts arms onset some sections only (known, combination, arms, history, repeat, onset)
 *      node bench/detection.ts --quick    the guarantees only, asserted, under a minute; exit code 1 when one is broken
 * Monte Carlo error is stated as one standard error. α = 1 % everywhere.
 */

import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { REPEAT_CONTACT_72H } from '../detectors/sequential/age-profile.ts'
import { baselineNodes } from '../detectors/sequential/baseline-nodes.ts'
import { designTest } from '../detectors/sequential/design.ts'
import { SHIPPED } from '../detectors/sequential/effects.ts'
import { bernoulliInformation } from '../detectors/sequential/power.ts'
import { designTwoSample } from '../detectors/sequential/two-sample.ts'
import { bars, pausedCurves } from './detection-charts.ts'
import { cusum, type Detector, forgetful, knownField, ours } from './detection-rivals.ts'
import {
  COMBINATION_SHARES,
  combinationLife,
  onsetLife,
  race,
  repeatLife,
  SLICED_SHARE,
  seedOf,
  sharedShocks,
  slicedArmLife,
  TWO_ARM_NAMES,
  twoArmLife,
} from './detection-scenes.ts'

const ALPHA = 0.01
const LOG_THRESHOLD = Math.log(1 / ALPHA)
const SHARE = 0.02
const LIFE = 100_000
const FOLDER = new URL('../docs/detection/', import.meta.url)
const README = new URL('README.md', FOLDER)

const known = designTest({ ...SHIPPED, baseline: SHARE })
const twoSample = designTwoSample({ ...SHIPPED, stratumMs: 300_000, windowMs: 6 * 3_600_000 })
const repeat = designTest({ ...SHIPPED, baseline: 0.12, ageProfile: REPEAT_CONTACT_72H })
const matured = designTest({ ...SHIPPED, baseline: 0.12 })

type Sample = readonly number[]
const finite = (xs: Sample) => xs.filter(Number.isFinite)
const quantile = (xs: Sample, p: number) =>
  [...xs].sort((a, b) => a - b)[Math.min(xs.length - 1, Math.floor(p * xs.length))]!
const mean = (xs: Sample) => xs.reduce((a, b) => a + b, 0) / xs.length
const errorOf = (p: number, n: number) => Math.sqrt(Math.max(p * (1 - p), 0.25 / n) / n)
const percent = (p: number, digits = 1) => `${(100 * p).toFixed(digits)} %`
const rate = (count: number, lives: number) => `${percent(count / lives)} ± ${percent(errorOf(count / lives, lives))}`
const table = (head: readonly string[], rows: readonly (readonly string[])[]) =>
  [head, head.map(() => '---'), ...rows].map((row) => `| ${row.join(' | ')} |`).join('\n')
const progress = (what: string) => process.stderr.write(`${what}\n`)

/** Mean with misses counted as the whole observation time. */
const restrictedMean = (delays: Sample, most: number) => mean(delays.map((n) => Math.min(n, most)))

function falsePauses(detectors: readonly Detector[], lives: number, seed: string): number[] {
  const paused = detectors.map(() => 0)
  for (let i = 0; i < lives; i++) {
    const stops = race(detectors, seedOf(seed, i), { share: SHARE, ratio: 1, changeAt: 0, trials: LIFE })
    for (const [d, stop] of stops.entries()) if (Number.isFinite(stop)) paused[d]!++
  }
  return paused
}

/** Delays after the change for each detector; lives that it paused before the change are left out and counted. */
function delays(detectors: readonly Detector[], lives: number, ratio: number, changeAt: number, share = SHARE) {
  const after = detectors.map(() => [] as number[])
  const early = detectors.map(() => 0)
  for (let i = 0; i < lives; i++) {
    const life = { share, ratio, changeAt, trials: changeAt + LIFE }
    for (const [d, stop] of race(detectors, seedOf('delay', ratio, changeAt, share, i), life).entries()) {
      if (stop <= changeAt) early[d]!++
      else after[d]!.push(stop - changeAt)
    }
  }
  return { after, early }
}

function calibrateCusum(lives: number): number {
  const chart = cusum(SHARE, Number.POSITIVE_INFINITY)
  const peaks: number[] = []
  for (let i = 0; i < lives; i++) {
    race([chart], seedOf('cusum', i), { share: SHARE, ratio: 1, changeAt: 0, trials: LIFE })
    peaks.push(chart.peak())
  }
  return quantile(peaks, 1 - ALPHA)
}

const floorOf = (ratio: number, share = SHARE) => LOG_THRESHOLD / bernoulliInformation(ratio * share, share)

/** Trials of the candidate that the best two-arm test needs on average: information of "which arm" in each hit. */
function twoArmFloor(ratio: number, theta: number, share = SHARE): number {
  const d = theta * ratio + 1 - theta
  const information = ratio * Math.log(ratio / d) + ((1 - theta) / theta) * Math.log(1 / d)
  return LOG_THRESHOLD / (share * information)
}

function knownSection(): string {
  progress('known baseline: healthy lives')
  const threshold = calibrateCusum(1000)
  const lives = 2000
  const field = knownField(SHARE, 2, ALPHA, threshold)
  const wrong = falsePauses(field, lives, 'healthy')
  const scenes = [1.5, 2, 3].flatMap((ratio) => [0, 30_000].map((changeAt) => ({ ratio, changeAt })))
  const columns = scenes.map(({ ratio, changeAt }) => {
    progress(`known baseline: ratio ${ratio}, change at ${changeAt}`)
    const { after, early } = delays(knownField(SHARE, ratio, ALPHA, threshold), changeAt ? 1000 : 4000, ratio, changeAt)
    if (ratio === 2 && changeAt === 0) {
      const curves = field.map(({ name }, d) => ({ name, stops: after[d]! }))
      const title = 'Bad from launch, 2 % becomes 4 %: releases paused'
      writeFileSync(new URL('launch.svg', FOLDER), pausedCurves(title, curves, floorOf(2), 20_000))
    }
    return after.map((stops, d) => {
      if (early[d]! > after[d]!.length) return 'paused before'
      const times = restrictedMean(stops, LIFE)
      return `${Math.round(quantile(stops, 0.5))} / ${Math.round(quantile(stops, 0.9))} (${(times / floorOf(ratio)).toFixed(2)}×)`
    })
  })
  writeFileSync(
    new URL('false-pauses.svg', FOLDER),
    bars(
      'Healthy releases paused within 100,000 contacts',
      field.map(({ name }, d) => ({ name, value: wrong[d]! / lives, label: percent(wrong[d]! / lives) })),
    ),
  )
  const head = ['detector', 'false pauses', ...scenes.map((s) => `${s.changeAt ? 'mid-life' : 'launch'} ×${s.ratio}`)]
  const rows = field.map(({ name }, d) => [name, rate(wrong[d]!, lives), ...columns.map((column) => column[d]!)])
  const floors = ['floor log(1/α)/KL', '', ...scenes.map((s) => `${Math.round(floorOf(s.ratio))}`)]
  return `## A known healthy share of 2 %

${lives} healthy lives of ${LIFE.toLocaleString('en')} contacts; faulty lives per column: 4,000 at launch, 1,000 in mid-life (fault after 30,000 contacts). One
standard error of a mean is about 0.015 × floor at launch, 0.04 in mid-life.
Cells: contacts until the pause, median / 90 % point (mean ÷ floor). CUSUM's threshold comes from 1,000 other healthy lives; where its false
pauses exceed 1 %, its delays flatter it.

${table(head, [...rows, floors])}

![Healthy releases paused](false-pauses.svg)

![Releases paused over time](launch.svg)
`
}

function combinationSection(): string {
  const designs = COMBINATION_SHARES.map((baseline) => designTest({ ...SHIPPED, baseline }))
  const lives = 150
  progress('shipped combination: healthy lives')
  let wrong = 0
  for (let i = 0; i < lives; i++) {
    const stop = combinationLife(designs, seedOf('combined', i), [1, 1, 1, 1], 0, 50_000, LOG_THRESHOLD)
    if (Number.isFinite(stop)) wrong++
  }
  const rows = [1.5, 2, 3].flatMap((ratio) =>
    [0, 10_000].map((changeAt) => {
      progress(`shipped combination: ratio ${ratio}, change at ${changeAt}`)
      const stops: number[] = []
      for (let i = 0; i < (changeAt ? 100 : 300); i++) {
        const random = seedOf('combined', ratio, changeAt, i)
        const stop = combinationLife(designs, random, [ratio, 1, 1, 1], changeAt, changeAt + 50_000, LOG_THRESHOLD)
        if (stop > changeAt) stops.push(stop - changeAt)
      }
      const times = (restrictedMean(stops, 50_000) / floorOf(ratio)).toFixed(2)
      const cells = [quantile(stops, 0.5), quantile(stops, 0.9)].map((n) => `${Math.round(n)}`)
      const own = ((Number(times) * LOG_THRESHOLD) / Math.log(800)).toFixed(2)
      const label = `failed updates ×${ratio}, ${changeAt ? 'after 10,000 contacts' : 'from launch'}`
      return [label, ...cells, `${times}×`, `${own}×`]
    }),
  )
  return `## What ships: four signals, pooled and by slice

A pause uses all four signals (weight ¼ each), pooled and by 15 slices of unequal traffic, checked every 25 contacts. Shares
2 %, 0.5 %, 12 % and 1 %; delays of delayed signals left out. False pauses over 50,000 contacts: ${rate(wrong, lives)} (${lives} lives).

The floor is that of one stream with all of α. A signal with a quarter of α, and half of that for all traffic together, must reach log(800) instead of
log(100): that alone is 1.45 × the floor, the price of watching four signals and all slices with one promise.

${table(['fault', 'median contacts', '90 % point', 'mean ÷ floor of one stream', '÷ floor at log(800)'], rows)}
`
}

function twoArmSection(): string {
  const base = { share: SHARE, changeAt: 0, perMinute: 10, shock: () => 1 }
  const wrongRows: string[][] = []
  const healthy = (label: string, theta: number, lives: number, trials: number, shocks: boolean) => {
    progress(`two arms: ${label}`)
    const wrong = TWO_ARM_NAMES.map(() => 0)
    for (let i = 0; i < lives; i++) {
      const random = seedOf('arms', label, i)
      const shock = shocks ? sharedShocks(seedOf('shocks', i)) : base.shock
      const stops = twoArmLife(twoSample, random, { ...base, theta, ratio: 1, trials, shock }, ALPHA)
      for (const [d, stop] of stops.entries()) if (Number.isFinite(stop)) wrong[d]!++
    }
    wrongRows.push([label, ...wrong.map((count) => rate(count, lives))])
  }
  healthy('even split', 0.5, 300, 50_000, false)
  healthy('candidate gets 10 %', 0.1, 300, 10_000, false)
  healthy('candidate gets 90 %', 0.9, 300, 50_000, false)
  healthy('even split, shared shocks', 0.5, 300, 50_000, true)
  const scenes = [
    { ratio: 1.5, theta: 0.5, changeAt: 0 },
    { ratio: 2, theta: 0.5, changeAt: 0 },
    { ratio: 3, theta: 0.5, changeAt: 0 },
    { ratio: 2, theta: 0.1, changeAt: 0 },
    { ratio: 2, theta: 0.5, changeAt: 20_000 },
  ]
  const delayRows = scenes.map(({ ratio, theta, changeAt }) => {
    progress(`two arms: ratio ${ratio}, part ${theta}, change at ${changeAt}`)
    const after = TWO_ARM_NAMES.map(() => [] as number[])
    for (let i = 0; i < (changeAt ? 150 : 300); i++) {
      const life = { ...base, theta, ratio, changeAt, trials: changeAt + 20_000 }
      const stops = twoArmLife(twoSample, seedOf('arms', ratio, theta, changeAt, i), life, ALPHA)
      for (const [d, stop] of stops.entries()) if (stop > changeAt) after[d]!.push(Math.min(20_000, stop - changeAt))
    }
    const floor = twoArmFloor(ratio, theta)
    const label = `×${ratio}, candidate ${percent(theta, 0)}, ${changeAt ? `after ${changeAt}` : 'launch'}`
    return [
      label,
      `${Math.round(floor)}`,
      ...after.map((stops) => `${Math.round(mean(stops))} (${(mean(stops) / floor).toFixed(2)}×)`),
    ]
  })
  const slicedRows = [8, 16, 25, 50].map((perStratum) => {
    progress(`two arms by slice: ${perStratum} contacts a stratum`)
    const cells = scenes
      .filter(({ theta }) => theta === 0.5)
      .map(({ ratio, changeAt }) => {
        const stops = Array.from({ length: 300 }, (_, i) => {
          const life = { ratio, changeAt, trials: changeAt + 30_000, perMinute: 10, perStratum }
          return slicedArmLife(seedOf('sliced', ratio, changeAt, i), life, LOG_THRESHOLD)
        }).filter((stop) => stop > changeAt)
        const after = stops.map((stop) => Math.min(stop - changeAt, 30_000))
        return `${(mean(after) / twoArmFloor(ratio, 0.5, SLICED_SHARE)).toFixed(2)}×`
      })
    return [`${perStratum}${perStratum === 16 ? ' (shipped)' : ''}`, ...cells]
  })
  const healthySliced = Array.from({ length: 300 }, (_, i) => {
    const life = { ratio: 1, changeAt: 0, trials: 20_000, perMinute: 10, perStratum: 16 }
    return slicedArmLife(seedOf('sliced healthy', i), life, LOG_THRESHOLD)
  })
  return `## Against a stable release that runs at the same time

The healthy share (2 %) is known to nobody. Ten contacts a minute over both arms; strata of five
minutes (50 contacts; the waiting for their end is in the figures). Shared shocks: hourly CV 0.3, daily CV 0.15 and a daily
rhythm of ± 30 % that move both arms. False pauses:

${table(['healthy', ...TWO_ARM_NAMES], wrongRows)}

Candidate contacts until the pause, mean (÷ two-sample floor):

${table(['fault', 'floor', ...TWO_ARM_NAMES], delayRows)}

As shipped, contacts are compared slice by slice (15 slices of unequal traffic whose healthy shares differ by eight times), in strata that hold about
so many contacts of both arms. Mean ÷ two-sample floor at an even split, 300 lives per cell, standard error about 0.05. False pauses of 300 healthy
lives of 20,000 candidate contacts: ${rate(finite(healthySliced).length, 300)}.

${table(['contacts a stratum', 'launch ×1.5', 'launch ×2', 'launch ×3', 'after 20,000 ×2'], slicedRows)}
`
}

/** Healthy lives of 20,000 contacts paused against a history of `trials`: averaged over nodes, and with its rate plugged in. */
function historyPauses(trials: number, lives: number, seed: string): number[] {
  const wrong = [0, 0]
  for (let i = 0; i < lives; i++) {
    const random = seedOf(seed, trials, i)
    let hits = 0
    for (let n = 0; n < trials; n++) if (random.uniform() < SHARE) hits++
    const baseline = (hits + 0.5) / trials
    const contenders = [
      ours('nodes', designTest({ ...SHIPPED, baseline, nodes: baselineNodes(hits) }), LOG_THRESHOLD),
      ours('plug-in', designTest({ ...SHIPPED, baseline }), LOG_THRESHOLD),
    ]
    const stops = race(contenders, random, { share: SHARE, ratio: 1, changeAt: 0, trials: 20_000 })
    for (const [d, stop] of stops.entries()) if (Number.isFinite(stop)) wrong[d]!++
  }
  return wrong
}

function historySection(): string {
  const rows = [1000, 5000, 25_000].map((trials) => {
    progress(`finite history of ${trials}`)
    const wrong = [0, 0]
    const stops: number[] = []
    for (let i = 0; i < 250; i++) {
      const random = seedOf('history', trials, i)
      let hits = 0
      for (let n = 0; n < trials; n++) if (random.uniform() < SHARE) hits++
      const baseline = (hits + 0.5) / trials
      const nodes = designTest({ ...SHIPPED, baseline, nodes: baselineNodes(hits) })
      const contenders = [
        ours('nodes', nodes, LOG_THRESHOLD),
        ours('plug-in', designTest({ ...SHIPPED, baseline }), LOG_THRESHOLD),
      ]
      const healthy = race(contenders, random, { share: SHARE, ratio: 1, changeAt: 0, trials: 50_000 })
      for (const [d, stop] of healthy.entries()) if (Number.isFinite(stop)) wrong[d]!++
      stops.push(race([contenders[0]!], random, { share: SHARE, ratio: 2, changeAt: 0, trials: 60_000 })[0]!)
    }
    const missed = stops.length - finite(stops).length
    const found = missed < 50 ? `${(restrictedMean(stops, 60_000) / floorOf(2)).toFixed(2)}×` : '–'
    const cells = [
      `${trials.toLocaleString('en')} (about ${trials * SHARE})`,
      rate(wrong[1]!, 250),
      rate(wrong[0]!, 250),
    ]
    return [...cells, found, percent(missed / stops.length)]
  })
  return `## A baseline learned from a finite history

Lives of 50,000 contacts, 250 histories per row, share 2 %.

${table(['history: contacts (hits)', 'false pauses, rate plugged in', 'false pauses, averaged over nodes', '×2 from launch: mean ÷ floor of a known rate', 'not found in 60,000'], rows)}
`
}

function repeatSection(): string {
  const lives = 60
  const scene = (label: string, ratio: number, changeAtHour: number, hours: number, count = lives) => {
    progress(`repeat contacts: ${label}`)
    const stops: [number[], number[]] = [[], []]
    for (let i = 0; i < count; i++) {
      const random = seedOf('repeat', label, i)
      const life = { perHour: 60, ratio, changeAtHour, hours: changeAtHour + hours }
      const found = repeatLife(repeat, matured, random, life, LOG_THRESHOLD)
      for (const d of [0, 1] as const) stops[d].push(found[d]!)
    }
    return { label, stops }
  }
  const healthy = scene('healthy, three weeks', 1, 0, 504, 150)
  const rows = [
    scene('×1.5 from launch', 1.5, 0, 336),
    scene('×2 from launch', 2, 0, 336),
    scene('×1.5 after a week', 1.5, 168, 336),
    scene('×2 after a week', 2, 168, 336),
  ].map(({ label, stops }) => {
    const cells = stops.map((hours) => {
      const after = hours.filter((h) => h > 0)
      return `${quantile(after, 0.5).toFixed(1)} (${quantile(after, 0.9).toFixed(1)})`
    })
    return [label, ...cells]
  })
  const wrong = healthy.stops.map((hours) => rate(finite(hours).length, hours.length))
  return `## Repeat contacts: a signal that takes 72 h to show

Healthy share 12 % (×1.5 of the hazard is 17.4 %), 60 contacts an hour with a daily rhythm of ± 80 %. Hours from the fault to the pause, median (90 % point), ${lives} lives
per row; healthy: 150 lives of three weeks.

${table(['', 'Andon, hazard by age, cohort restarts', 'waiting for cohorts to mature'], [['false pauses', ...wrong], ...rows])}
`
}

function onsetSection(): string {
  const rows = [
    [1.5, 30_000],
    [2, 30_000],
    [3, 30_000],
    [2, 0],
    [2, 300],
    [3, 300],
    [2, 2000],
  ].map(([ratio, changeAt]) => {
    progress(`onset: ratio ${ratio}, change at ${changeAt}`)
    const lives = Array.from({ length: 300 }, (_, i) => {
      const life = { share: SHARE, ratio: ratio!, changeAt: changeAt!, trials: LIFE }
      return onsetLife(known, seedOf('onset', ratio!, changeAt!, i), life, LOG_THRESHOLD)
    })
    const found = lives.filter((life) => life !== null).filter(({ pausedAt }) => pausedAt > changeAt!)
    const trueMs = (changeAt! + 1) * 60_000
    const errors = found.map((life) => Math.abs(life.estimate.medianMs - trueMs) / 60_000)
    const delay = quantile(
      found.map((life) => life.pausedAt - changeAt!),
      0.5,
    )
    const covered = found.filter(({ estimate }) => estimate.lowMs <= trueMs && trueMs <= estimate.highMs).length
    const inRatio = found.filter((life) => {
      const { low, high } = life.estimate.ratioInterval
      return low <= ratio! && ratio! <= high
    }).length
    const launch = quantile(
      found.map((life) => life.estimate.launchProbability),
      0.5,
    )
    const cells = [
      `${Math.round(quantile(errors, 0.5))} (delay ${delay})`,
      percent(covered / found.length),
      percent(inRatio / found.length),
    ]
    return [
      `×${ratio}, ${changeAt ? `after ${changeAt!.toLocaleString('en')}` : 'launch'}`,
      ...cells,
      launch.toFixed(2),
    ]
  })
  return `## When did it begin, and how bad is it?

${table(['fault', 'median error of the onset, contacts', '90 % range covers', '90 % ratio interval covers', 'median P(launch)'], rows)}
`
}

/** One guarantee and whether this run bore it out, within its Monte Carlo error. */
export type Promised = Readonly<{ text: string; holds: boolean }>
const promise = (text: string, holds: boolean): Promised => ({ text, holds })

/** "Mean delay at most so many floors", within three standard errors. */
function within(what: string, stops: Sample, floor: number, most: number): Promised {
  const times = stops.map((n) => n / floor)
  const error = Math.sqrt(mean(times.map((t) => (t - mean(times)) ** 2)) / times.length)
  const text = `${what}: mean ${mean(times).toFixed(2)} ± ${error.toFixed(2)} × floor, at most ${most}`
  return promise(text, mean(times) <= most + 3 * error)
}

/** "At most α" with three standard errors of Monte Carlo; the same judge for ours and for the broken variant. */
function withinAlpha(count: number, lives: number): boolean {
  return count / lives <= ALPHA + 3 * errorOf(ALPHA, lives)
}

/** The guarantees with their Monte Carlo error, under a minute; bench/detection.test.ts asserts each. */
export function quick(): Promised[] {
  const lives = 1000
  const [right, wrong] = falsePauses(
    [ours('ours', known, LOG_THRESHOLD), forgetful(known, LOG_THRESHOLD)],
    lives,
    'quick',
  )
  const limit = percent(ALPHA + 3 * errorOf(ALPHA, lives), 2)
  const kept = [
    promise(
      `known baseline: ${rate(right!, lives)} of healthy lives paused, at most ${limit}`,
      withinAlpha(right!, lives),
    ),
    promise(`the broken variant is caught: ${rate(wrong!, lives)} paused`, !withinAlpha(wrong!, lives)),
  ]
  const targets = [
    { ratio: 1.5, changeAt: 0, most: 1.4, lives: 600 },
    { ratio: 2, changeAt: 0, most: 1.4, lives: 1000 },
    { ratio: 3, changeAt: 0, most: 1.5, lives: 1000 },
    { ratio: 2, changeAt: 30_000, most: 2.9, lives: 300 },
  ]
  for (const { ratio, changeAt, most, lives } of targets) {
    const stops = delays([ours('ours', known, LOG_THRESHOLD)], lives, ratio, changeAt).after[0]!
    kept.push(within(`×${ratio} after ${changeAt}`, stops, floorOf(ratio), most))
  }
  const armStops = Array.from({ length: 200 }, (_, i) => {
    const life = { ratio: 2, changeAt: 0, trials: 30_000, perMinute: 10, perStratum: 16 }
    return slicedArmLife(seedOf('quick sliced', i), life, LOG_THRESHOLD)
  })
  kept.push(within('×2 beside a stable release, by slice', armStops, twoArmFloor(2, 0.5, SLICED_SHARE), 1.4))
  const [nodes, plugIn] = historyPauses(5000, 300, 'quick history')
  kept.push(
    promise(`a history of 100 hits: ${rate(nodes!, 300)} of healthy lives paused`, withinAlpha(nodes!, 300)),
    promise(`a plugged-in rate is caught: ${rate(plugIn!, 300)} paused`, !withinAlpha(plugIn!, 300)),
  )
  const begun = Array.from({ length: 150 }, (_, i) => {
    const life = { share: SHARE, ratio: 2, changeAt: 2000, trials: 40_000 }
    return onsetLife(known, seedOf('quick onset', i), life, LOG_THRESHOLD)
  }).filter((life) => life !== null && life.pausedAt > 2000)
  const covered = begun.filter(
    (life) => life!.estimate.lowMs <= 2001 * 60_000 && 2001 * 60_000 <= life!.estimate.highMs,
  )
  const part = covered.length / begun.length
  kept.push(
    promise(
      `the 90 % range of the onset covers it in ${rate(covered.length, begun.length)} of lives`,
      part >= 0.9 - 3 * errorOf(0.9, begun.length),
    ),
  )
  let shared = 0
  for (let i = 0; i < 150; i++) {
    const life = {
      share: SHARE,
      ratio: 1,
      changeAt: 0,
      theta: 0.5,
      perMinute: 10,
      trials: 20_000,
      shock: sharedShocks(seedOf('shocks', i)),
    }
    if (Number.isFinite(twoArmLife(twoSample, seedOf('quick arms', i), life, ALPHA)[0]!)) shared++
  }
  kept.push(promise(`two arms under shared shocks: ${rate(shared, 150)} paused`, withinAlpha(shared, 150)))
  const healthy = Array.from({ length: 40 }, (_, i) =>
    repeatLife(
      repeat,
      matured,
      seedOf('quick repeat', i),
      { perHour: 60, ratio: 1, changeAtHour: 0, hours: 240 },
      LOG_THRESHOLD,
    ),
  )
  const paused = healthy.filter(([hours]) => Number.isFinite(hours)).length
  kept.push(promise(`repeat contacts: ${rate(paused, 40)} of healthy lives paused`, withinAlpha(paused, 40)))
  const hours = Array.from(
    { length: 30 },
    (_, i) =>
      repeatLife(
        repeat,
        matured,
        seedOf('quick repeat fault', i),
        { perHour: 60, ratio: 1.5, changeAtHour: 0, hours: 200 },
        LOG_THRESHOLD,
      )[0]!,
  )
  const median = quantile(hours, 0.5)
  kept.push(promise(`repeat contacts 12 → 17.4 %: median ${median.toFixed(1)} h, at most 24 h`, median <= 24))
  return kept
}

const SECTIONS = [
  { name: 'known', title: '## A known healthy share', write: knownSection },
  { name: 'combination', title: '## What ships', write: combinationSection },
  { name: 'arms', title: '## Against a stable release', write: twoArmSection },
  { name: 'history', title: '## A baseline learned', write: historySection },
  { name: 'repeat', title: '## Repeat contacts', write: repeatSection },
  { name: 'onset', title: '## When did it begin', write: onsetSection },
]

if (import.meta.main && process.argv.includes('--quick')) {
  const promises = quick()
  for (const { text, holds } of promises) console.log(`${holds ? 'holds ' : 'BROKEN'}  ${text}`)
  process.exitCode = promises.every(({ holds }) => holds) ? 0 : 1
} else if (import.meta.main) {
  mkdirSync(FOLDER, { recursive: true })
  const chosen = process.argv.slice(2)
  const before = existsSync(README) ? readFileSync(README, 'utf8').split(/^(?=## )/m) : []
  const body = SECTIONS.map(({ name, title, write }) =>
    chosen.length === 0 || chosen.includes(name)
      ? write()
      : `${before.find((text) => text.startsWith(title))?.trimEnd()}\n`,
  ).join('\n')
  writeFileSync(
    README,
    `# Detection, measured

Written by \`node bench/detection.ts\` (seeded: the same figures every time). α = 1 %; ± is one standard error of the simulation.
What the figures mean, and where the promise ends: [the test behind a pause](../statistics.md). Real data: [noise](noise.md).

${body}`,
  )
}
