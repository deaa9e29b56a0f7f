/**
 * A quantity without a limit, judged beyond the median, the 90 % and the 99 % point of history (detectors/usual.ts): false pauses, and contacts
 * until a pause, beside a stable release and against the history of the one before. Run: node bench/detection-quantities.ts [lives]
 */

import { UNSEEN_HITS } from '../detectors/baseline.ts'
import { baselineNodes } from '../detectors/sequential/baseline-nodes.ts'
import { designTest } from '../detectors/sequential/design.ts'
import { SHIPPED } from '../detectors/sequential/effects.ts'
import { addHits, addTrials, createStream, logE } from '../detectors/sequential/known-rate.ts'
import { logSum } from '../detectors/sequential/log-domain.ts'
import {
  addAtRisk,
  addStratumHits,
  advanceTwoSample,
  createTwoSample,
  designTwoSample,
  twoSampleLogE,
} from '../detectors/sequential/two-sample.ts'
import { leastValueOf } from '../detectors/signals/value-bins.ts'
import { beyondUsual, USUAL_POINTS } from '../detectors/usual.ts'
import { type Random, seededRandom } from '../lib/random.ts'

const MINUTE_MS = 60_000
const HISTORY = 20_000
const LIFE = 20_000
const LOG_THRESHOLD = Math.log(100)
/** Standard deviation of the logarithm: the 90 % point is 2.8 times the median. */
const SPREAD = 0.8
/** Contacts of both arms a minute, and minutes a stratum. */
const PER_MINUTE = 4
const STRATUM_MINUTES = 4

type Scene = Readonly<{ name: string; draw: (random: Random) => number }>
const usual = (random: Random) => 60 * Math.exp(random.normal(0, SPREAD))
const HEALTHY: Scene = { name: 'healthy', draw: usual }
const SCENES: readonly Scene[] = [1.1, 1.2, 1.5, 2]
  .map((ratio): Scene => ({ name: `everything ×${ratio}`, draw: (random) => ratio * usual(random) }))
  .concat({ name: '3 % of contacts ×10', draw: (random) => usual(random) * (random.chance(0.03) ? 10 : 1) })

/** Values from which a contact is a hit, and how many of the history's contacts were, by point. */
function limitsOf(random: Random): { limits: number[]; hits: number[] } {
  const values = Array.from({ length: HISTORY }, () => usual(random))
  const histogram = new Map<number, number>()
  for (const value of values) {
    const bin = Math.floor(8 * Math.log2(value))
    histogram.set(bin, (histogram.get(bin) ?? 0) + 1)
  }
  const limits = USUAL_POINTS.map((point) => leastValueOf(beyondUsual(histogram, point)!))
  return { limits, hits: limits.map((limit) => values.filter((value) => value >= limit).length) }
}

const meanLog = (logs: readonly number[]): number => logSum(logs) - Math.log(logs.length)

/** Contacts of the release until it is paused against the history of the one before; Infinity: not in its life. */
function alone(random: Random, { draw }: Scene): number {
  const { limits, hits } = limitsOf(random)
  const tests = hits.map((count) =>
    designTest({ ...SHIPPED, baseline: (count + 0.5) / HISTORY, nodes: baselineNodes(Math.max(UNSEEN_HITS, count)) }),
  )
  const states = tests.map(createStream)
  for (let n = 1; n <= LIFE; n++) {
    const value = draw(random)
    let isHit = false
    for (const [i, test] of tests.entries()) {
      addTrials(test, states[i]!, n * MINUTE_MS, 1)
      if (value < limits[i]!) continue
      addHits(test, states[i]!, n * MINUTE_MS, 1)
      isHit = true
    }
    if (isHit && meanLog(tests.map((test, i) => logE(test, states[i]!))) >= LOG_THRESHOLD) return n
  }
  return Number.POSITIVE_INFINITY
}

/** The same beside a stable release that serves half of the traffic. */
function beside(random: Random, { draw }: Scene): number {
  const { limits } = limitsOf(random)
  const design = designTwoSample({ ...SHIPPED, stratumMs: STRATUM_MINUTES * MINUTE_MS, windowMs: 360 * MINUTE_MS })
  const states = limits.map(() => createTwoSample(design))
  let candidates = 0
  for (let minute = 0; candidates < LIFE; minute++) {
    for (const state of states) advanceTwoSample(design, state, minute * MINUTE_MS)
    const isEnd = minute % STRATUM_MINUTES === 0
    if (isEnd && meanLog(states.map((state) => twoSampleLogE(design, state))) >= LOG_THRESHOLD) return candidates
    const hits = limits.map(() => ({ candidate: 0, stable: 0 }))
    for (let i = 0; i < PER_MINUTE; i++) {
      const arm = random.chance(0.5) ? 'candidate' : 'stable'
      if (arm === 'candidate') candidates++
      const value = arm === 'candidate' ? draw(random) : usual(random)
      for (const [k, limit] of limits.entries()) {
        addAtRisk(design, states[k]!, arm, minute * MINUTE_MS, 1)
        if (value >= limit) hits[k]![arm]++
      }
    }
    for (const [k, both] of hits.entries()) addStratumHits(design, states[k]!, minute * MINUTE_MS, both)
  }
  return Number.POSITIVE_INFINITY
}

const lives = Number(process.argv[2] ?? 200)
const WAYS = [
  { name: 'alone', run: alone },
  { name: 'beside', run: beside },
]
const run = (scene: Scene, way: (typeof WAYS)[number], count: number): number[] =>
  Array.from({ length: count }, (_, i) => way.run(seededRandom('quantities', scene.name, way.name, i), scene)).sort(
    (a, b) => a - b,
  )

console.log('| | against the history of the one before | beside a stable release, even split |\n| --- | --- | --- |')
const wrong = WAYS.map((way) => `${run(HEALTHY, way, lives).filter(Number.isFinite).length} of ${lives} paused`)
console.log(`| healthy, ${LIFE.toLocaleString('en-US')} contacts | ${wrong.join(' | ')} |`)
for (const scene of SCENES) {
  const cells = WAYS.map((way) => {
    const stops = run(scene, way, lives / 2)
    const at = (p: number) => stops[Math.floor(p * stops.length)]!
    const words = (n: number) => (Number.isFinite(n) ? n.toLocaleString('en-US') : 'not found')
    return `${words(at(0.5))} (${words(at(0.9))})`
  })
  console.log(`| ${scene.name}: contacts, median (90 %) | ${cells.join(' | ')} |`)
}
