import { ClickHouseError } from '@clickhouse/client'
import { expect, test } from 'vitest'
import { AndonError } from '../lib/errors.ts'
import { createPatience, type Verdict } from './patience.ts'

const refused = (type: string) => new ClickHouseError({ message: type, code: '1', type })
const gone = new AndonError('store_gone', 'the engine ended', { retryable: true })
const memory = refused('MEMORY_LIMIT_EXCEEDED')
const away = new AndonError('store_unavailable', 'busy', { retryable: true, cause: refused('TOO_MANY_PARTS') })

/** What is said of each failure of one batch. */
const verdicts = (errors: readonly Error[], seq = 1, patience = createPatience()): Verdict[] =>
  errors.map((error) => patience.verdictOn(seq, error))
const again = (times: number): Verdict[] => Array.from({ length: times }, () => 'again')

test('a batch that fails three times in one way is given up, whatever came between', () => {
  const overflow = refused('DECIMAL_OVERFLOW')
  expect(verdicts([overflow, overflow, overflow])).toEqual([...again(2), 'hopeless'])
  expect(verdicts([overflow, memory, overflow, gone, overflow])).toEqual([...again(4), 'hopeless'])
  expect(verdicts([overflow, refused('TOO_LARGE_ARRAY_SIZE'), new TypeError('no')])).toEqual(again(3))
})

test('want of memory and an engine that ends are one way, which takes ten times, at every half again', () => {
  const patience = createPatience()
  const ten = Array.from({ length: 10 }, (_, n) => (n % 2 === 0 ? memory : gone))
  expect(verdicts(ten, 1, patience)).toEqual([...again(9), 'hopeless'])
  expect(verdicts(ten, 2, patience)).toEqual([...again(9), 'hopeless'])
})

test('halves of a batch that was given up are given up at once where they fail in the same way', () => {
  const patience = createPatience()
  const overflow = refused('DECIMAL_OVERFLOW')
  verdicts([overflow, overflow, overflow], 1, patience)
  expect(verdicts([overflow], 2, patience)).toEqual(['hopeless'])
  expect(verdicts([refused('TOO_LARGE_ARRAY_SIZE')], 3, patience)).toEqual(['again'])
})

test('a store that is away says nothing of the batch', () => {
  expect(new Set(verdicts(Array.from({ length: 20 }, () => away)))).toEqual(new Set(['away']))
})
