import { expect, test } from 'vitest'
import { createRouting } from './routing.ts'

const SOON = 0.2
const LATE = 0.9

function twoReleases() {
  const routing = createRouting()
  routing.launch({ agent: 'a', release: 'old', share: 1 })
  routing.launch({ agent: 'a', release: 'new', share: 0.7 })
  return routing
}

test('a new release takes its share, the one before it the rest', () => {
  const routing = twoReleases()
  expect([routing.serve('a', SOON), routing.serve('a', LATE)]).toEqual(['new', 'old'])
})

test('what a paused release would have served goes to the one before', () => {
  const routing = twoReleases()
  expect(routing.pause('a', 'new', 'previous_release')).toBe('paused')
  expect([routing.serve('a', SOON), routing.serve('a', LATE)]).toEqual(['old', 'old'])
  routing.launch({ agent: 'a', release: 'newest', share: 0.5 })
  expect([routing.serve('a', SOON), routing.serve('a', LATE)]).toEqual(['newest', 'old'])
})

test('or to people, only its own share', () => {
  const routing = twoReleases()
  routing.pause('a', 'new', 'people')
  expect([routing.serve('a', SOON), routing.serve('a', LATE)]).toEqual([null, 'old'])
})

test('people take over when nothing is left', () => {
  const routing = twoReleases()
  routing.pause('a', 'old', 'previous_release')
  expect([routing.serve('a', SOON), routing.serve('a', LATE)]).toEqual(['new', null])
  routing.pause('a', 'new', 'previous_release')
  expect(routing.serve('a', SOON)).toBeNull()
  expect(createRouting().serve('nobody', SOON)).toBeNull()
})

test('pausing again changes nothing, pausing what does not run is told', () => {
  const routing = twoReleases()
  routing.pause('a', 'new', 'people')
  expect(routing.pause('a', 'new', 'previous_release')).toBe('already_paused')
  expect(routing.serve('a', SOON)).toBeNull()
  expect(routing.pause('a', 'next', 'people')).toBe('unknown_release')
  expect(routing.pause('b', 'new', 'people')).toBe('unknown_release')
})
