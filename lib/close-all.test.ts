import { expect, test } from 'vitest'
import { closeAll } from './close-all.ts'

test('everything is closed, the last first; what could not be is named, each with its reason', async () => {
  const closed: string[] = []
  const closing = (what: string, reason?: string) => ({
    what,
    close: async () => {
      closed.push(what)
      if (reason) throw new Error(reason)
    },
  })
  await closeAll([closing('store'), closing('bus')])
  expect(closed.splice(0)).toEqual(['bus', 'store'])
  const error = await closeAll([closing('store', 'gone'), closing('bus'), closing('page', 'hung')]).catch((e) => e)
  expect(closed).toEqual(['page', 'bus', 'store'])
  expect(error).toBeInstanceOf(AggregateError)
  expect(error.message).toBe('could not be closed: page (hung), store (gone)')
  expect(error.errors).toHaveLength(2)
})

test('one that throws at once keeps nothing else from being closed', async () => {
  let isClosed = false
  const throwing = () => {
    throw new Error('at once')
  }
  const closers = [
    { what: 'store', close: () => (isClosed = true) },
    { what: 'bus', close: throwing },
  ]
  await expect(closeAll(closers)).rejects.toThrow('bus (at once)')
  expect(isClosed).toBe(true)
})
