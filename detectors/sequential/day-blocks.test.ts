import { expect, test } from 'vitest'
import { createDayBlocks, type DayBlockState, dayBlocksLogE, endBlock, expose, hit } from './day-blocks.ts'
import { designTest } from './design.ts'
import { addHits, addTrials, createStream, logE } from './known-rate.ts'

test('vector: one block with c = 0.3, six owed (a cell opened at four), then twelve hits', () => {
  const state = createDayBlocks(0.3)
  expose(state, 6)
  hit(state, 12)
  expect(dayBlocksLogE(state)).toBeCloseTo(3.07016890225, 9)
})

test('almost no day variation gives the plain test', () => {
  const frail = createDayBlocks(1e-5)
  const design = designTest({ baseline: 0.04, hitsAre: 'events' })
  const plain = createStream(design)
  for (let i = 0; i < 30; i++) {
    addTrials(design, plain, i * 60_000, 100)
    if (i > 0) endBlock(frail)
    // the plain stream opens its cell with the first trial after four are owed
    expose(frail, i === 0 ? 3.9999999 : 4)
    addHits(design, plain, i * 60_000, i % 3 === 0 ? 7 : 4)
    hit(frail, i % 3 === 0 ? 7 : 4)
  }
  expect(dayBlocksLogE(frail)).toBeCloseTo(logE(design, plain), 2)
})

test('a single terrible day proves little, many of them do', () => {
  const state = createDayBlocks(0.15)
  const plain = designTest({ baseline: 0.04 })
  const known = createStream(plain)
  const day = () => {
    for (let i = 0; i < 200; i++) {
      expose(state, 0.7)
      hit(state)
    }
    endBlock(state)
  }
  day()
  addTrials(plain, known, 0, 3500)
  addHits(plain, known, 0, 200)
  const first = dayBlocksLogE(state)
  expect(first).toBeLessThan(Math.log(100))
  expect(logE(plain, known)).toBeGreaterThan(Math.log(100))
  for (let i = 0; i < 6; i++) day()
  expect(dayBlocksLogE(state)).toBeGreaterThan(Math.log(100))
})

test('continues bit-identically after store and restore', () => {
  const through = createDayBlocks(0.2)
  let stored = createDayBlocks(0.2)
  for (let i = 0; i < 200; i++) {
    stored = JSON.parse(JSON.stringify(stored)) as DayBlockState
    for (const state of [through, stored]) {
      expose(state, 0.3 + (i % 7))
      if (i % 2 === 0) hit(state)
      if (i % 10 === 9) endBlock(state)
    }
  }
  expect(dayBlocksLogE(stored)).toBe(dayBlocksLogE(through))
})
