/**
 * A quantity that has no limit of its own is counted by bins, eight to an octave, so that what was usual can be learned later and told to 9 %.
 * Totals per bin are sums of signed deltas like all others: exact in any order.
 */
const PER_OCTAVE = 8
/** Values of 0 and less. */
const LOWEST = -160
const HIGHEST = 320
const PREFIX = 'bin_'

/** Bin of a value of the contact, as SQL. */
export const binSql = (value: string): string =>
  `toInt32(if(${value} > 0, greatest(${LOWEST}, least(${HIGHEST}, floor(${PER_OCTAVE} * log2(${value})))), ${LOWEST}))`

/** Name of the measure that counts the contacts of a bin, as SQL of that bin. */
export const binMeasureSql = (bin: string): string => `concat('${PREFIX}', toString(${bin}))`

/** Measure of a bin, as a condition and as its bin, in SQL over `deltas`. */
export const IS_BIN_SQL = `startsWith(measure, '${PREFIX}')`
export const BIN_OF_MEASURE_SQL = `toInt32OrZero(substring(measure, ${PREFIX.length + 1}))`

export type BinMeasure = `bin_${number}`

/** Bin that a measure counts; null for every other measure. */
export const binOf = (measure: string): number | null =>
  measure.startsWith(PREFIX) ? Number(measure.slice(PREFIX.length)) : null

/** Smallest value that lies in a bin or above it. */
export const leastValueOf = (bin: number): number =>
  bin <= LOWEST ? Number.NEGATIVE_INFINITY : 2 ** (bin / PER_OCTAVE)
