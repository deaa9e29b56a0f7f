import type { BusRecord, Outgoing } from '../bus/bus.ts'
import { idOf } from '../lib/hash.ts'
import type { Share } from './share.ts'

/** The steps of a batch that lanes do, in their order (pipeline/steps.clickhouse.ts). */
export const STEPS = ['traces', 'contacts', 'keys', 'charges', 'caps', 'whole'] as const
export type Step = (typeof STEPS)[number]

/**
 * What one lane (or, before the first step, whoever orders the batches) hands to another for a step: one letter a sender, step and batch, empty
 * ones included, so that a lane knows when it has all of them. Letters name pseudonyms only.
 */
export type Letter = Readonly<{
  /** The batch, its stamp and the receiving lane. */
  share: Share
  step: Step
  /** The lane that sends; -1: the orderer. */
  from: number
  /** Greater when a batch is counted anew from its records: what belongs to an earlier attempt is void. */
  attempt: number
  body: unknown
}>

/** Brokers refuse records above about a megabyte; a letter that is longer goes as several records. */
const MOST_BYTES = 900_000
const HEADER = 'andon.letter'

/** `whole`: hash of all sheets, so that those of two letters are never mixed. */
type Envelope = Omit<Letter, 'body'> & Readonly<{ sheet: number; sheets: number; whole: string }>

/** Records of letters, in rounds to be sent one after the other: no round has two records of one partition. */
export function recordsOf(letters: readonly Letter[], mostBytes = MOST_BYTES): Outgoing[][] {
  const rounds: Outgoing[][] = []
  for (const { body, ...rest } of letters) {
    const text = JSON.stringify(body)
    const bytes = Buffer.from(text)
    const sheets = Math.max(1, Math.ceil(bytes.length / mostBytes))
    const whole = sheets === 1 ? '' : idOf(text)
    for (let sheet = 0; sheet < sheets; sheet++) {
      const envelope: Envelope = { ...rest, sheet, sheets, whole }
      const value = bytes.subarray(sheet * mostBytes, (sheet + 1) * mostBytes)
      const round = rounds[sheet] ?? []
      round.push({ partition: rest.share.lane, value, headers: { [HEADER]: JSON.stringify(envelope) } })
      rounds[sheet] = round
    }
  }
  return rounds
}

export type Letterbox = Readonly<{
  /** The letter that this record completes; null when sheets are missing, or when it is none. Records may come twice. */
  take: (record: BusRecord) => Letter | null
  /** Batches up to this one are whole. Returns the first offset that is still needed; null before the first record. */
  forget: (upTo: number) => number | null
}>

/** Puts letters together, and knows from where a successor must read to have all of them. */
export function createLetterbox(): Letterbox {
  const incomplete = new Map<string, { seq: number; sheets: (Uint8Array | undefined)[] }>()
  /** In the order of the partition. */
  const seen: { offset: number; seq: number }[] = []
  let next: number | null = null
  return {
    take: ({ headers, value, offset }) => {
      next = offset + 1
      const header = headers[HEADER]
      if (header === undefined) return null
      const { sheet, sheets, whole, ...rest } = JSON.parse(header) as Envelope
      const { seq } = rest.share.stamp
      seen.push({ offset, seq })
      if (sheets === 1) return { ...rest, body: bodyOf(value) }
      const key = `${seq} ${rest.step} ${rest.from} ${rest.attempt} ${whole}`
      const found = incomplete.get(key) ?? { seq, sheets: new Array<Uint8Array | undefined>(sheets).fill(undefined) }
      incomplete.set(key, found)
      found.sheets[sheet] = value
      if (found.sheets.includes(undefined)) return null
      incomplete.delete(key)
      return { ...rest, body: bodyOf(Buffer.concat(found.sheets as Uint8Array[])) }
    },
    forget: (upTo) => {
      for (const [key, { seq }] of incomplete) if (seq <= upTo) incomplete.delete(key)
      const needed = seen.findIndex(({ seq }) => seq > upTo)
      seen.splice(0, needed < 0 ? seen.length : needed)
      return seen[0]?.offset ?? next
    },
  }
}

const bodyOf = (bytes: Uint8Array): unknown => JSON.parse(Buffer.from(bytes).toString())
