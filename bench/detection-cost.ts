/**
 * What a step of the test costs in processor time of one core. Run: node bench/detection-cost.ts
 * A step is one batch of a stream: clock, trials, one hit, evidence. State is full: closed cells, live cells, open cohorts.
 */

import { REPEAT_CONTACT_72H } from '../detectors/sequential/age-profile.ts'
import { baselineNodes } from '../detectors/sequential/baseline-nodes.ts'
import { designTest, type TestDesign } from '../detectors/sequential/design.ts'
import { SHIPPED } from '../detectors/sequential/effects.ts'
import { addHits, addTrials, advance, createStream, logE } from '../detectors/sequential/known-rate.ts'
import { seededRandom } from '../lib/random.ts'

const MINUTE_MS = 60_000

/** Microseconds per step, fastest of five rounds; `hitAgeMs` is how long before the clock the hit's contact began. */
function stepCost(design: TestDesign, perStep: number, hitAgeMs: number): { microseconds: number; bytes: number } {
  const random = seededRandom('cost')
  const state = createStream(design)
  let nowMs = 0
  const steps = (count: number) => {
    for (let i = 0; i < count; i++) {
      nowMs += MINUTE_MS
      advance(design, state, nowMs)
      addTrials(design, state, nowMs, perStep)
      addHits(design, state, nowMs - random.integer(hitAgeMs), 1)
      logE(design, state)
    }
  }
  steps(20_000)
  const rounds = Array.from({ length: 5 }, () => {
    const before = process.cpuUsage()
    steps(10_000)
    return process.cpuUsage(before).user / 10_000
  })
  return { microseconds: Math.min(...rounds), bytes: JSON.stringify(state).length }
}

/** Stored streams that can be read back, stepped once and evaluated per second: nothing remembered between two. */
function coldStreamsPerSecond(design: TestDesign, perStep: number): number {
  const state = createStream(design)
  for (let i = 0; i < 5000; i++) {
    advance(design, state, i * MINUTE_MS)
    addTrials(design, state, i * MINUTE_MS, perStep)
  }
  const copies = Array.from({ length: 3000 }, () => structuredClone(state))
  const before = process.cpuUsage()
  for (const copy of copies) {
    advance(design, copy, 5001 * MINUTE_MS)
    addTrials(design, copy, 5001 * MINUTE_MS, perStep)
    addHits(design, copy, 5001 * MINUTE_MS, 1)
    logE(design, copy)
  }
  return (1e6 * copies.length) / process.cpuUsage(before).user
}

const known = designTest({ ...SHIPPED, baseline: 0.02 })
const nodes = designTest({ ...SHIPPED, baseline: 0.02, nodes: baselineNodes(500) })
const repeat = designTest({ ...SHIPPED, baseline: 0.12, ageProfile: REPEAT_CONTACT_72H })
const rows = [
  ['known baseline, hit in the newest cells', stepCost(known, 50, 5 * MINUTE_MS), coldStreamsPerSecond(known, 50)],
  [
    `history of 500 hits, ${nodes.nodeMultipliers.length} nodes`,
    stepCost(nodes, 50, 5 * MINUTE_MS),
    coldStreamsPerSecond(nodes, 50),
  ],
  [
    'repeat contact 72 h, hit anywhere in the window',
    stepCost(repeat, 8, 4000 * MINUTE_MS),
    coldStreamsPerSecond(repeat, 8),
  ],
] as const
console.log('| stream | µs per step | state, bytes | cold streams per second |\n| --- | --- | --- | --- |')
for (const [name, { microseconds, bytes }, cold] of rows) {
  console.log(
    `| ${name} | ${microseconds.toFixed(1)} | ${bytes.toLocaleString('en')} | ${Math.round(cold).toLocaleString('en')} |`,
  )
}
