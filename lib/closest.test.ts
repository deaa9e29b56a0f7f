import { expect, test } from 'vitest'
import { closestOf } from './closest.ts'

test.each([
  ['prot', ['host', 'port', 'token'], 'port'],
  ['puase', ['notify', 'pause', 'rollback'], 'pause'],
  ['traficGoesTo', ['trafficGoesTo', 'tolerance'], 'trafficGoesTo'],
  ['Port', ['port'], 'port'],
  ['complaint', ['complaints', 'corrections'], 'complaints'],
])('%s means one of %j: %s', (typed, known, meant) => {
  expect(closestOf(typed, known)).toBe(meant)
})

test('a word that resembles nothing gets no suggestion', () => {
  expect(closestOf('colour', ['host', 'port', 'token'])).toBeNull()
  expect(closestOf('a', ['xyz'])).toBeNull()
  expect(closestOf('anything', [])).toBeNull()
})
