import { expect, test } from 'vitest'
import { createDesk, type Desk } from './desk.ts'
import type { Letter, Step } from './letters.ts'

const letter = (seq: number, step: Step, from: number, change: Partial<Letter> = {}): Letter => ({
  share: { stamp: { seq, acceptedAtMs: 0, receivedAtMs: 0 }, lane: 0, lanes: 2 },
  step,
  from,
  attempt: 0,
  body: null,
  ...change,
})
const nextOf = (desk: Desk): string | null => {
  const task = desk.next()
  return task && `${task.work.seq} ${task.step}`
}
const finishNext = (desk: Desk): void => {
  const { work, step } = desk.next()!
  desk.finish(work, step)
}

test('a step waits for the letters of all lanes, and for the step before', () => {
  const desk = createDesk(0, 4)
  expect(nextOf(desk)).toBeNull()
  desk.put(letter(5, 'contacts', 0))
  desk.put(letter(5, 'contacts', 1))
  expect(nextOf(desk)).toBeNull()
  desk.put(letter(5, 'traces', -1))
  expect(nextOf(desk)).toBe('5 traces')
  finishNext(desk)
  expect(nextOf(desk)).toBe('5 contacts')
  finishNext(desk)
  desk.put(letter(5, 'keys', 0))
  desk.put(letter(5, 'keys', 0))
  expect(nextOf(desk)).toBeNull()
  desk.put(letter(5, 'keys', 1))
  expect(nextOf(desk)).toBe('5 keys')
})

test('each step is done in the order of the batches; the first batch follows the last one that is whole', () => {
  const desk = createDesk(0, 4)
  desk.put(letter(6, 'traces', -1))
  expect(nextOf(desk)).toBeNull()
  desk.put(letter(5, 'traces', -1))
  finishNext(desk)
  expect(nextOf(desk)).toBe('6 traces')
  finishNext(desk)
  for (const from of [0, 1]) desk.put(letter(6, 'contacts', from))
  expect(nextOf(desk)).toBeNull()
  for (const from of [0, 1]) desk.put(letter(5, 'contacts', from))
  expect(nextOf(desk)).toBe('5 contacts')
})

test('a batch that became whole elsewhere is forgotten, and lets the next one go on', () => {
  const desk = createDesk(0, 4)
  desk.put(letter(6, 'traces', -1))
  desk.forget(5)
  expect(nextOf(desk)).toBe('6 traces')
  desk.put(letter(5, 'traces', -1))
  finishNext(desk)
  expect(nextOf(desk)).toBeNull()
})

test('another attempt begins a batch anew; letters of the one before are void', () => {
  const desk = createDesk(0, 4)
  desk.put(letter(5, 'traces', -1))
  const old = desk.next()!
  desk.put(letter(5, 'traces', -1, { attempt: 9 }))
  desk.finish(old.work, old.step)
  expect(nextOf(desk)).toBe('5 traces')
  finishNext(desk)
  for (const from of [0, 1]) desk.put(letter(5, 'contacts', from))
  expect(nextOf(desk)).toBeNull()
  for (const from of [0, 1]) desk.put(letter(5, 'contacts', from, { attempt: 9 }))
  expect(nextOf(desk)).toBe('5 contacts')
})

test('letters to another lane are none of its own', () => {
  const desk = createDesk(0, 4)
  desk.put(
    letter(5, 'traces', -1, { share: { stamp: { seq: 5, acceptedAtMs: 0, receivedAtMs: 0 }, lane: 1, lanes: 2 } }),
  )
  expect(nextOf(desk)).toBeNull()
})
