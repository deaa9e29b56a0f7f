import { expect, test } from 'vitest'
import type { BusRecord, Outgoing } from '../bus/bus.ts'
import { createLetterbox, type Letter, recordsOf } from './letters.ts'

const letter = (seq: number, lane: number, body: unknown): Letter => ({
  share: { stamp: { seq, acceptedAtMs: 1, receivedAtMs: 2 }, lane, lanes: 2 },
  step: 'contacts',
  from: 1,
  attempt: 0,
  body,
})

/** As the partition of a lane holds them. */
const inPartition = (records: readonly Outgoing[], lane: number): BusRecord[] =>
  records
    .filter((record) => record.partition === lane)
    .map(({ value, headers = {} }, offset) => ({ topic: 'lanes', partition: lane, offset, atMs: 0, value, headers }))

test('a letter comes out as it went in, in sheets that fit a record, one a round and partition', () => {
  const long = letter(1, 0, { text: 'ü'.repeat(1_000) })
  const short = letter(1, 1, [])
  const rounds = recordsOf([long, short], 300)
  expect(rounds.length).toBeGreaterThan(5)
  for (const round of rounds) {
    expect(new Set(round.map((record) => record.partition)).size).toBe(round.length)
    for (const { value } of round) expect(value.length).toBeLessThanOrEqual(300)
  }
  const box = createLetterbox()
  const taken = inPartition(rounds.flat(), 0).map((record) => box.take(record))
  expect(taken.slice(0, -1).every((one) => one === null)).toBe(true)
  expect(taken.at(-1)).toEqual(long)
  expect(inPartition(rounds.flat(), 1).map((record) => createLetterbox().take(record))).toEqual([short])
})

test('sheets of a letter that was begun and not finished are not mixed with those of the one sent after it', () => {
  const first = inPartition(recordsOf([letter(1, 0, 'a'.repeat(500))], 300).flat(), 0)
  const other = inPartition(recordsOf([letter(1, 0, 'b'.repeat(500))], 300).flat(), 0)
  const box = createLetterbox()
  expect(box.take(first[0]!)).toBeNull()
  expect(box.take(other[1]!)).toBeNull()
  expect(box.take(other[0]!)?.body).toBe('b'.repeat(500))
})

test('a successor reads from the first record of a batch that is not whole', () => {
  const box = createLetterbox()
  expect(box.forget(0)).toBeNull()
  const records = inPartition(
    [1, 2, 1, 3].flatMap((seq) => recordsOf([letter(seq, 0, [])]).flat()),
    0,
  )
  for (const record of records) box.take(record)
  expect(box.forget(0)).toBe(0)
  expect(box.forget(1)).toBe(1)
  expect(box.forget(2)).toBe(3)
  expect(box.forget(3)).toBe(4)
})

test('a record that is no letter is passed over', () => {
  const stranger: BusRecord = { topic: 'lanes', partition: 0, offset: 0, atMs: 0, value: Buffer.from('?'), headers: {} }
  expect(createLetterbox().take(stranger)).toBeNull()
})
