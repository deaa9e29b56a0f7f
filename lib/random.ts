import { createHash } from 'node:crypto'
import { assert } from './errors.ts'

/**
 * A seeded stream of random numbers: the same seed gives the same stream on every machine and in every release.
 * Not for secrets. All methods draw from one shared state, so their order of use matters.
 */
export type Random = Readonly<{
  /** In [0, 1), with 32 random bits. */
  uniform: () => number
  /** Whole number in [0, below). */
  integer: (below: number) => number
  /** True with this probability. */
  chance: (probability: number) => boolean
  /** Exponential waiting time with this mean, > 0. */
  exponential: (mean: number) => number
  normal: (mean: number, deviation: number) => number
  /** Number of events where `mean` are expected. */
  poisson: (mean: number) => number
  /** One of the items, each as likely as the others; the list must not be empty. */
  pick: <T>(items: readonly T[]) => T
  /** One of the items, in proportion to its `weight` (>= 0, not all 0). */
  pickWeighted: <T extends Readonly<{ weight: number }>>(items: readonly T[]) => T
}>

/** Largest mean for which exp(-mean) is still far from underflow; larger means are drawn as a sum, which is exact. */
const POISSON_CHUNK = 500

/**
 * A stream named by `seed`: parts are hashed together, so ('demo', 1) and ('demo', 2) are unrelated streams and every
 * simulated thing can own one that no other thing disturbs.
 * Source: sfc32 by Chris Doty-Humphrey (PractRand): 128 bits of state, period of at least 2^32.
 */
export function seededRandom(...seed: readonly (string | number)[]): Random {
  const bytes = createHash('sha256').update(seed.join('\u001f')).digest()
  const next = sfc32(bytes.readUInt32LE(0), bytes.readUInt32LE(4), bytes.readUInt32LE(8), 1)
  for (let round = 0; round < 12; round++) next() // PractRand's warm-up: spreads the seed over the whole state
  const uniform = () => next() / 2 ** 32
  const exponential = (mean: number) => -mean * Math.log(1 - uniform())
  const integer = (below: number) => {
    assert(below > 0, `a random integer below ${below} does not exist`)
    return Math.floor(uniform() * below)
  }
  return {
    uniform,
    integer,
    exponential,
    chance: (probability) => uniform() < probability,
    normal: (mean, deviation) =>
      // Box and Muller (1958); the second value of the pair is dropped, so that a draw always costs two uniforms.
      mean + deviation * Math.sqrt(-2 * Math.log(1 - uniform())) * Math.cos(2 * Math.PI * uniform()),
    poisson: (mean) => {
      assert(mean >= 0 && Number.isFinite(mean), `a Poisson mean is finite and not negative, got ${mean}`)
      let events = 0
      for (let rest = mean; rest > 0; rest -= POISSON_CHUNK)
        events += poissonByProduct(Math.min(rest, POISSON_CHUNK), uniform)
      return events
    },
    pick: (items) => {
      assert(items.length > 0, 'cannot pick from an empty list')
      return items[integer(items.length)]!
    },
    pickWeighted: (items) => {
      const total = items.reduce((sum, item) => sum + item.weight, 0)
      assert(total > 0, 'cannot pick where all weights are 0')
      let rest = uniform() * total
      for (const item of items) {
        rest -= item.weight
        if (rest < 0) return item
      }
      return items.findLast((item) => item.weight > 0)! // rounding left a sliver above the last weight
    },
  }
}

/** Knuth's method: how many uniforms multiply before the product falls below exp(-mean). */
function poissonByProduct(mean: number, uniform: () => number): number {
  const floor = Math.exp(-mean)
  let events = 0
  for (let product = uniform(); product > floor; product *= uniform()) events++
  return events
}

/** The generator itself: each call gives 32 bits as a whole number in [0, 2^32). `counter` starts at 1 in PractRand. */
export function sfc32(seedA: number, seedB: number, seedC: number, counter: number): () => number {
  let a = seedA | 0
  let b = seedB | 0
  let c = seedC | 0
  let d = counter | 0
  return () => {
    const out = (((a + b) | 0) + d) | 0
    d = (d + 1) | 0
    a = b ^ (b >>> 9)
    b = (c + (c << 3)) | 0
    c = (((c << 21) | (c >>> 11)) + out) | 0
    return out >>> 0
  }
}
