import type { Value } from './otlp/raw.ts'

/** What a number may be: beyond it totals would lose their exactness, or the store its column. */
export type Bounds = Readonly<{ least: number; most: number; whole?: boolean }>

/** Items of one bulk call: a column of 32 bits. */
export const ITEMS: Bounds = { least: 0, most: 4_294_967_295, whole: true }
/** Money, in whichever currency. */
export const AMOUNT: Bounds = { least: -1e15, most: 1e15 }
/** Minutes of one review: about two years. */
export const REVIEW_MINUTES: Bounds = { least: 0, most: 1e6 }
/** Of a metric point: whole numbers up to here are exact in a double. */
export const POINT: Bounds = { least: -Number.MAX_SAFE_INTEGER, most: Number.MAX_SAFE_INTEGER }

/** The number that a value is, or that its text says; NaN when it is none, as lists and objects are. */
export function numberOf(value: Value): number {
  if (typeof value === 'number') return value
  if (typeof value === 'bigint') return Number(value)
  return typeof value === 'string' && value.trim() !== '' ? Number(value) : Number.NaN
}

export const isWithin = (number: number, { least, most, whole }: Bounds): boolean =>
  number >= least && number <= most && (!whole || Number.isInteger(number))

/** What a number must be, for the one who sends it. */
export const boundsText = ({ least, most, whole }: Bounds): string =>
  `${whole ? 'a whole number' : 'a number'} from ${least} to ${most}`
