import { expect, test } from 'vitest'
import type { Delta } from './evidence.ts'
import { SHIPPED } from './sequential/effects.ts'
import { advanceTwoSample, createTwoSample, designTwoSample, twoSampleLogE } from './sequential/two-sample.ts'
import { feedArms } from './streams.ts'

const MINUTE_MS = 60_000
const SLICE = { environment: 'production', agent: 'a', release: 'r', channel: 'chat', queue: 'q' }

/** One contact a minute, the arms in turn; of ten contacts of an arm, `hits` are hits. */
function armOf(first: number, minutes: number, hits: number): Delta[] {
  return Array.from({ length: minutes / 2 }, (_, i) => {
    const row = { ...SLICE, signal: 's', minuteMs: (2 * i + first) * MINUTE_MS, n: 1 }
    const trial: Delta = { ...row, measure: 'trials' }
    return i % 10 < hits ? [trial, { ...row, measure: 'capped_hits' } as Delta] : [trial]
  }).flat()
}

function evidenceOf(candidateHits: number, stableHits: number, portions: number): number {
  const design = designTwoSample({ ...SHIPPED, stratumMs: 100 * MINUTE_MS, windowMs: 360 * MINUTE_MS })
  const state = createTwoSample(design)
  const arms = { candidate: armOf(0, 300, candidateHits), stable: armOf(1, 300, stableHits) }
  for (let portion = 0; portion < portions; portion++) {
    const [fromMs, toMs] = [portion, portion + 1].map((p) => (p * 300 * MINUTE_MS) / portions) as [number, number]
    const part = (deltas: readonly Delta[]) => deltas.filter(({ minuteMs }) => minuteMs >= fromMs && minuteMs < toMs)
    advanceTwoSample(design, state, toMs)
    const both = { candidate: part(arms.candidate), stable: part(arms.stable) }
    feedArms(design, state, both, 'capped_hits', toMs, () => 0)
  }
  advanceTwoSample(design, state, 400 * MINUTE_MS)
  return twoSampleLogE(design, state)
}

test.each([1, 3, 30])(
  'two arms in which six of ten contacts are hits are equal, also when hours arrive as %i batches of whole strata',
  (portions) => {
    expect(evidenceOf(6, 6, portions)).toBeLessThan(0)
    expect(evidenceOf(9, 6, portions)).toBeGreaterThan(3)
  },
)
