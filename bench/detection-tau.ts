/** Pairs of real agents' runs as "the release before" and "the release": decision and interval, with what so few conversations can show. */

import { readFileSync } from 'node:fs'
import { gunzipSync } from 'node:zlib'
import { baselineNodes } from '../detectors/sequential/baseline-nodes.ts'
import { designTest } from '../detectors/sequential/design.ts'
import { SHIPPED } from '../detectors/sequential/effects.ts'
import { addHits, addTrials, createStream, logE } from '../detectors/sequential/known-rate.ts'
import { mixedInterval, oddsRatioBelow } from '../detectors/sequential/ratio-interval.ts'
import {
  addAtRisk,
  addStratumHits,
  advanceTwoSample,
  createTwoSample,
  designTwoSample,
  twoSampleLogE,
} from '../detectors/sequential/two-sample.ts'

const LOG_THRESHOLD = Math.log(100)
const MINUTE_MS = 60_000
/** Conversations of both runs that are compared at a time. */
const STRATUM = 25

type Call = { name: string; requestor?: string }
type Conversation = { reward: number; messages: { role: string; tool_calls?: Call[]; error?: boolean }[] }
/** Hit, miss, or no trial. */
type Outcome = boolean | null

const READS = /^(get|find|search|list|calculate|think|transfer|check)_?/

/** Whether a write failed; null without one. A tool message answers the calls before it in order. */
function failedWrite({ messages }: Conversation): Outcome {
  let waiting: Call[] = []
  let outcome: Outcome = null
  for (const message of messages) {
    if (message.tool_calls?.length) waiting = [...message.tool_calls]
    if (message.role !== 'tool') continue
    const call = waiting.shift()
    if (!call || call.requestor === 'user' || READS.test(call.name)) continue
    outcome = (outcome ?? false) || message.error === true
  }
  return outcome
}

const PAIRS = [
  ['t1-retail-aj-0623', 't1-retail-aj-0618'],
  ['t1-retail-aj-0618', 't1-retail-aj-0623'],
  ['t2-airline-sonnet45', 't2-airline-azure4o'],
  ['t2-airline-azure4o', 't2-airline-sonnet45'],
] as const

/** A Markdown table of all pairs and both signals. */
export function tauTable(folder: string): string {
  const read = (run: string) =>
    gunzipSync(readFileSync(`${folder}/${run}.jsonl.gz`))
      .toString('utf8')
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as Conversation)
  const rows = PAIRS.flatMap(([before, after]) =>
    [
      { signal: 'failed updates', of: failedWrite },
      { signal: 'task failed', of: ({ reward }: Conversation): Outcome => reward === 0 },
    ].map(({ signal, of }) => rowOf(`${before} → ${after}`, signal, read(before).map(of), read(after).map(of))),
  )
  const head = [
    'release before → release',
    'signal',
    'before',
    'after',
    'rate ratio, 90 %',
    'log E, history',
    'log E, side by side',
    'decision',
  ]
  return [head, head.map(() => '---'), ...rows].map((row) => `| ${row.join(' | ')} |`).join('\n')
}

function rowOf(pair: string, signal: string, before: readonly Outcome[], after: readonly Outcome[]): string[] {
  const [a, b] = [counts(before), counts(after)]
  const hits = a.hits + b.hits
  const below = oddsRatioBelow(b.hits, hits, (hits * b.trials) / (a.trials + b.trials))
  const { low, high } = mixedInterval([{ share: 1, below }])
  const [history, arms] = [againstHistory(a, after), sideBySide(before, after)]
  const pauses = Math.max(history, arms) >= LOG_THRESHOLD
  const share = ({ hits, trials }: typeof a) => `${hits} of ${trials}`
  return [
    pair,
    signal,
    share(a),
    share(b),
    `${low.toFixed(2)} – ${high.toFixed(2)}`,
    history.toFixed(2),
    arms.toFixed(2),
    pauses ? 'pause' : 'none',
  ]
}

const counts = (outcomes: readonly Outcome[]) => ({
  trials: outcomes.filter((one) => one !== null).length,
  hits: outcomes.filter((one) => one === true).length,
})

/** Greatest log E when the release is watched alone, against the finite history of the one before. */
function againstHistory(before: Readonly<{ trials: number; hits: number }>, after: readonly Outcome[]): number {
  const design = designTest({
    ...SHIPPED,
    baseline: (before.hits + 0.5) / before.trials,
    nodes: baselineNodes(before.hits),
  })
  const state = createStream(design)
  let greatest = 0
  for (const [i, outcome] of after.entries()) {
    if (outcome === null) continue
    addTrials(design, state, i * MINUTE_MS, 1)
    if (outcome) addHits(design, state, i * MINUTE_MS, 1)
    greatest = Math.max(greatest, logE(design, state))
  }
  return greatest
}

/** Greatest log E when both runs are taken as served at the same time, in strata of equal position. */
function sideBySide(before: readonly Outcome[], after: readonly Outcome[]): number {
  const design = designTwoSample({ ...SHIPPED, stratumMs: STRATUM * MINUTE_MS, windowMs: 1000 * MINUTE_MS })
  const state = createTwoSample(design)
  let greatest = 0
  for (let i = 0; i <= Math.max(before.length, after.length) + STRATUM; i++) {
    const atMs = i * MINUTE_MS
    advanceTwoSample(design, state, atMs)
    greatest = Math.max(greatest, twoSampleLogE(design, state))
    const [stable, candidate] = [before[i] ?? null, after[i] ?? null]
    if (candidate !== null) addAtRisk(design, state, 'candidate', atMs, 1)
    if (stable !== null) addAtRisk(design, state, 'stable', atMs, 1)
    if (candidate || stable)
      addStratumHits(design, state, atMs, { candidate: candidate ? 1 : 0, stable: stable ? 1 : 0 })
  }
  return greatest
}
