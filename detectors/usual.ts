import type { Delta } from './evidence.ts'
import { BIN_OF_MEASURE_SQL, binOf, IS_BIN_SQL, leastValueOf } from './signals/value-bins.ts'

/**
 * A quantity (handling time, number of calls) is judged without a model of its distribution: three yes-or-no tests, "this contact lies beyond what was
 * usual" at the median, the 90 % and the 99 % point of history. The median sees a shift of everything, the upper two see a tail. Each takes a third of
 * the trigger's weight, so together they are one average of e-processes, whatever they have to do with each other.
 */
export const USUAL_POINTS = [0.5, 0.9, 0.99] as const

/** Values beyond a point that history must have: fewer do not tell where it lies. */
const FEWEST_BEYOND = 10

/** Contacts by bin of their value. */
export type Histogram = ReadonlyMap<number, number>

/**
 * Lowest bin beyond the `point` of a histogram: at most 1 − point of its values lie in it or above. Null where history is too short to tell.
 * Any answer is valid as long as it rests on nothing that the test will see.
 */
export function beyondUsual(histogram: Histogram, point: number): number | null {
  const total = [...histogram.values()].reduce((sum, n) => sum + n, 0)
  if (total * (1 - point) < FEWEST_BEYOND) return null
  let below = 0
  for (const [bin, n] of [...histogram].sort(([a], [b]) => a - b)) {
    below += n
    if (below >= point * total - 1e-9) return bin + 1
  }
  return null
}

const HITS = ['hits', 'capped_hits', 'release_capped_hits'] as const

/**
 * Counts as a test reads them: of a quantity, contacts in `fromBin` or above are its hits. A contact whose value grows from batch to batch becomes a hit
 * when it passes the bin. Customers are not capped: what is usual for one of them is part of what is usual.
 */
export function readBy(fromBin: number | null, deltas: readonly Delta[]): readonly Delta[] {
  if (fromBin === null) return deltas
  return deltas.flatMap((delta) => {
    const bin = binOf(delta.measure)
    if (bin === null) return [delta]
    return bin < fromBin ? [] : HITS.map((measure) => ({ ...delta, measure }))
  })
}

/** Whether a row of `deltas` counts hits, as SQL: those of the signal itself, or of a quantity the bins beyond what was usual. */
export const isHitSql = (fromBin: number | null, measure: 'hits' | 'capped_hits'): string =>
  fromBin === null ? `measure = '${measure}'` : `(${IS_BIN_SQL} AND ${BIN_OF_MEASURE_SQL} >= ${fromBin})`

/** "durationSeconds of 45.3 or more". */
export const beyondWords = (value: string, fromBin: number): string =>
  `${value} of ${Number(leastValueOf(fromBin).toPrecision(3)).toLocaleString('en-US')} or more`
