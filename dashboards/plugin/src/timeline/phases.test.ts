import { expect, test } from 'vitest'
import { anIncident, aRelease } from './fixtures.ts'
import { phasesOf } from './phases.ts'

const NOW = { nowMs: 1000, silentAfterMs: 50 }
const spans = (...given: Parameters<typeof phasesOf>) =>
  phasesOf(...given).map(({ kind, fromMs, toMs, open }) => `${kind} ${fromMs}–${toMs}${open ? ' so far' : ''}`)

test('a release that serves is live until now', () => {
  expect(spans(aRelease(100, 990), [], NOW)).toEqual(['live 100–1000 so far'])
})

test('a release without a contact for long ended with its last contact', () => {
  expect(spans(aRelease(100, 700), [], NOW)).toEqual(['live 100–700'])
})

test('a release with one contact is a point', () => {
  expect(spans(aRelease(100, 100), [], NOW)).toEqual(['live 100–100'])
})

test('a pause has its true start and end: detected, accepted, and it lasts until a person ends it', () => {
  const incident = anIncident({ onset: 300, detected: 400, accepted: 410, drained: 450 })
  expect(spans(aRelease(100, 450), [incident], NOW)).toEqual([
    'live 100–400',
    'pausing 400–410',
    'paused 410–1000 so far',
  ])
})

test('an order that nobody accepted is pausing so far', () => {
  expect(spans(aRelease(100, 990), [anIncident({ detected: 900, sent: 901 })], NOW)).toEqual([
    'live 100–900',
    'pausing 900–1000 so far',
  ])
})

test('a breach that nobody was ordered to stop changes nothing', () => {
  expect(spans(aRelease(100, 990), [anIncident({ detected: 400 }, { state: 'observed' })], NOW)).toEqual([
    'live 100–1000 so far',
  ])
})

test('where recovery is told, a drained release recovers until it has', () => {
  const moments = { detected: 400, accepted: 410, drained: 450 }
  const tells = { tellsRecovery: true }
  expect(spans(aRelease(100, 450), [anIncident(moments, tells)], NOW).slice(2)).toEqual([
    'paused 410–450',
    'recovering 450–1000 so far',
  ])
  expect(spans(aRelease(100, 450), [anIncident({ ...moments, recovered: 600 }, tells)], NOW).slice(3)).toEqual([
    'recovering 450–600',
    'held 600–1000 so far',
  ])
})

test('a breach that was only observed and then closed changes nothing, whether the query says so or not', () => {
  for (const ordered of [false, null])
    expect(
      spans(aRelease(100, 990), [anIncident({ detected: 400 }, { state: 'closed', closedMs: 500, ordered })], NOW),
    ).toEqual(['live 100–1000 so far'])
})

test('an order that was closed before anybody accepted it ends there; one that was obeyed stays', () => {
  const closed = { state: 'closed', closedMs: 500, ordered: true }
  expect(spans(aRelease(100, 990), [anIncident({ detected: 400 }, closed)], NOW)).toEqual([
    'live 100–400',
    'pausing 400–500',
    'live 500–1000 so far',
  ])
  expect(spans(aRelease(100, 420), [anIncident({ detected: 400, accepted: 410 }, closed)], NOW)).toEqual([
    'live 100–400',
    'pausing 400–410',
    'paused 410–1000 so far',
  ])
})

test('a release that was resumed is live again, one that was rolled back is not', () => {
  const moments = { detected: 400, accepted: 410, drained: 450, recovered: 600 }
  expect(
    spans(aRelease(100, 990), [anIncident(moments, { tellsRecovery: true, resumedMs: 700 })], NOW).slice(3),
  ).toEqual(['recovering 450–600', 'held 600–700', 'live 700–1000 so far'])
  expect(
    spans(aRelease(100, 450), [anIncident(moments, { tellsRecovery: true, rolledBackMs: 700 })], NOW).slice(3),
  ).toEqual(['recovering 450–600', 'held 600–700', 'rolled_back 700–1000 so far'])
})

test('an order to roll back takes effect when it is accepted; its damage is repaired all the same', () => {
  const incident = anIncident(
    { detected: 400, accepted: 410, drained: 450, recovered: 600 },
    { tellsRecovery: true, rolledBackMs: 410 },
  )
  expect(spans(aRelease(100, 450), [incident], NOW).slice(2)).toEqual([
    'rolled_back 410–450',
    'recovering 450–600',
    'rolled_back 600–1000 so far',
  ])
})

test('a second pause after a resumption follows the first', () => {
  const first = anIncident({ detected: 200, accepted: 210 }, { resumedMs: 300 })
  const second = anIncident({ detected: 500, accepted: 520 }, { id: 'second' })
  expect(spans(aRelease(100, 530), [second, first], NOW)).toEqual([
    'live 100–200',
    'pausing 200–210',
    'paused 210–300',
    'live 300–500',
    'pausing 500–520',
    'paused 520–1000 so far',
  ])
})

test('spans follow each other without gap or overlap, whatever the clocks of two machines say', () => {
  const phases = phasesOf(
    aRelease(100, 990),
    [anIncident({ detected: 410, accepted: 400, drained: 405 }, { tellsRecovery: true })],
    NOW,
  )
  for (const [index, phase] of phases.entries()) {
    expect(phase.toMs).toBeGreaterThan(phase.fromMs)
    if (index > 0) expect(phase.fromMs).toBe(phases[index - 1]!.toMs)
  }
})
