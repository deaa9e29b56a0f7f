import { expect, test } from 'vitest'
import { anIncident, aRelease } from './fixtures.ts'
import { type Key, type KeyState, wishOf } from './keys.ts'
import { lanesOf } from './lanes.ts'

const incident = anIncident({ onset: 300_000, detected: 400_000, accepted: 410_000 })
const { lanes } = lanesOf(
  {
    releases: [aRelease(100_000, 410_000), aRelease(50_000, 90_000, { release: 'old' })],
    incidents: [incident],
    evidence: new Map(),
    problems: [],
    found: null,
  },
  { fromMs: 0, toMs: 1_000_000 },
  { nowMs: 1_000_000, silentAfterMs: 50 },
  'newest',
)
const STATE: KeyState = { lanes, index: 0, atMs: null, range: { fromMs: 0, toMs: 1_000_000 }, lanesInSight: 5 }
const press = (key: string, state: Partial<KeyState> = {}, held: Partial<Key> = {}) =>
  wishOf({ key, shiftKey: false, ctrlKey: false, metaKey: false, altKey: false, ...held }, { ...STATE, ...state })

test.each([
  ['ArrowDown', -1, 0],
  ['ArrowDown', 0, 1],
  ['ArrowDown', 1, 1],
  ['ArrowUp', -1, 0],
  ['ArrowUp', 0, 0],
  ['Home', 1, 0],
  ['End', 0, 1],
  ['PageDown', 0, 1],
  ['PageUp', 1, 0],
])('%s on lane %d leads to lane %d', (key, index, to) => {
  expect(press(key, { index })).toEqual({ kind: 'lane', index: to })
})

test('left and right step through the moments of a lane and stop at its ends', () => {
  const right = (atMs: number | null) => press('ArrowRight', { atMs })
  expect([null, 100_000, 300_000, 400_000].map(right)).toEqual(
    [100_000, 300_000, 400_000, 410_000].map((atMs) => ({ kind: 'moment', atMs })),
  )
  expect(right(410_000)).toBeNull()
  expect(press('ArrowLeft', { atMs: 400_000 })).toEqual({ kind: 'moment', atMs: 300_000 })
})

test('moments outside the range are not stepped to', () => {
  expect(press('ArrowRight', { range: { fromMs: 350_000, toMs: 405_000 } })).toEqual({ kind: 'moment', atMs: 400_000 })
})

test('plus and minus zoom around the moment stood on, else around the middle', () => {
  expect(press('+')).toEqual({ kind: 'range', range: { fromMs: 250_000, toMs: 750_000 } })
  expect(press('+', { atMs: 0 })).toEqual({ kind: 'range', range: { fromMs: 0, toMs: 500_000 } })
  expect(press('-')).toEqual({ kind: 'range', range: { fromMs: -500_000, toMs: 1_500_000 } })
})

test('shift with an arrow moves in time', () => {
  expect(press('ArrowRight', {}, { shiftKey: true })).toEqual({
    kind: 'range',
    range: { fromMs: 200_000, toMs: 1_200_000 },
  })
})

test('F fits the latest incident; a release without one stays', () => {
  expect(press('f')).toEqual({ kind: 'range', range: { fromMs: 240_000, toMs: 470_000 } })
  expect(press('f', { index: 1 })).toBeNull()
})

test('Enter opens, Escape closes', () => {
  expect(press('Enter')).toEqual({ kind: 'open' })
  expect(press('Enter', { index: -1 })).toEqual({ kind: 'lane', index: 0 })
  expect(press('Escape')).toEqual({ kind: 'close' })
})

test('keys of the browser and of Grafana stay theirs', () => {
  expect(press('ArrowDown', {}, { ctrlKey: true })).toBeNull()
  expect(press('t')).toBeNull()
  expect(press('ArrowDown', { lanes: [], index: -1 })).toBeNull()
})
