import { expect, test } from 'vitest'
import { splitLongLists } from './long-lists.ts'

test('a short list stays one parameter', () => {
  const query = 'SELECT {keys:Array(String)}, {n:UInt64}'
  expect(splitLongLists(query, { keys: ['a'], n: 1 })).toEqual({ query, params: { keys: ['a'], n: 1 } })
})

test('a long list becomes several, in order, wherever the statement asks for it, and no value enters the statement', () => {
  const keys = Array.from({ length: 3_000 }, (_, i) => `${i}'); DROP TABLE x --${'k'.repeat(20)}`)
  const { query, params } = splitLongLists('a IN {keys:Array(String)} OR b IN {keys:Array(String)} AND {seq:UInt64}', {
    keys,
    seq: 7,
  })
  const names = Object.keys(params).filter((name) => name.startsWith('keys_'))
  expect(names.length).toBeGreaterThan(2)
  expect(names.flatMap((name) => params[name])).toEqual(keys)
  const all = `arrayConcat(${names.map((name) => `{${name}:Array(String)}`).join(', ')})`
  expect(query).toBe(`a IN ${all} OR b IN ${all} AND {seq:UInt64}`)
  expect(params.seq).toBe(7)
})

test('lists of numbers and empty lists are left alone', () => {
  expect(splitLongLists('q', { empty: [], numbers: Array.from({ length: 99_999 }, (_, i) => i) }).query).toBe('q')
})
