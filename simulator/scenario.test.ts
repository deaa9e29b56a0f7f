import { expect, test } from 'vitest'
import { type CentreEvent, contactCentre } from './contact-centre.ts'
import { createRouting } from './routing.ts'
import { COMPLAINT_DELAY, DAY_MS, demoScenario, groundTruthOf, type Harm, REPEAT_DELAY } from './scenario.ts'

const SCENARIO = demoScenario({ startMs: Date.UTC(2026, 10, 2) })

test('the truth names one bad release per signal and ten healthy ones, each launched once', () => {
  const { bad, healthy } = groundTruthOf(SCENARIO)
  expect(bad.map((release) => release.signal).sort()).toEqual([
    'complaints',
    'duplicate_creations',
    'failed_updates',
    'repeat_contacts',
  ])
  expect(healthy).toHaveLength(10)
  const names = [...bad, ...healthy].map(({ agent, release }) => `${agent} ${release}`)
  expect(new Set(names).size).toBe(SCENARIO.launches.length)
  expect(bad.filter((release) => release.onsetMs === release.launchedAtMs)).toHaveLength(2)
  expect(bad.every((release) => release.badRate > 2 * release.healthyRate)).toBe(true)
})

test('launches are in order, inside the scenario, and every agent has one from the start', () => {
  for (const { agent } of SCENARIO.lines) {
    const times = SCENARIO.launches.filter((launch) => launch.agent === agent).map((launch) => launch.atMs)
    expect(times[0]).toBe(SCENARIO.startMs)
    expect(times).toEqual(times.toSorted((a, b) => a - b))
    expect(times.at(-1)).toBeLessThan(SCENARIO.endMs)
  }
})

test('a second fortnight follows the first with releases of its own', () => {
  const two = demoScenario({ startMs: SCENARIO.startMs, cycles: 2 })
  expect(two.launches.slice(0, SCENARIO.launches.length)).toEqual(SCENARIO.launches)
  expect(two.endMs - SCENARIO.endMs).toBe(14 * DAY_MS)
  expect(new Set(two.launches.map(({ agent, release }) => `${agent} ${release}`)).size).toBe(two.launches.length)
})

test.each([
  ['repeats', REPEAT_DELAY, 72],
  ['complaints', COMPLAINT_DELAY, 168],
])('the delays of %s are a distribution over their window', (_name, { edgesMs, shares }, windowHours) => {
  expect(edgesMs).toHaveLength(shares.length + 1)
  expect([edgesMs[0], edgesMs.at(-1)]).toEqual([0, windowHours * 3_600_000])
  expect(edgesMs).toEqual(edgesMs.toSorted((a, b) => a - b))
  expect(shares.reduce((sum, share) => sum + share, 0)).toBeCloseTo(1, 12)
})

/**
 * The information that n contacts carry against the healthy rate is n · KL(p1 ‖ p0) nats (statistics of a known-rate test); a test at 1 %,
 * shared by four signals, pauses at log(400) ≈ 6. Trials whose outcome cannot be known before the next launch are left out.
 */
test('each bad release serves until the evidence against it is more than three times what a pause needs', () => {
  const routing = createRouting()
  const begun: Extract<CentreEvent, { type: 'begun' }>[] = []
  for (const event of contactCentre({ scenario: SCENARIO, seed: 1, serve: routing.serve })) {
    if (event.type === 'launched') routing.launch(event.launch)
    if (event.type === 'begun') begun.push(event)
  }
  const matureMs: Record<Harm, number> = {
    failed_updates: 0,
    duplicate_creations: 0,
    repeat_contacts: 2 * DAY_MS,
    complaints: 2 * DAY_MS,
  }
  for (const { agent, release, signal, onsetMs, badRate: p1, healthyRate: p0 } of groundTruthOf(SCENARIO).bad) {
    const served = begun.filter(
      ({ contact }) => contact.agent === agent && contact.release === release && contact.startedAtMs >= onsetMs,
    )
    const lastMs = Math.max(...served.map(({ atMs }) => atMs)) - matureMs[signal]
    const trials = served.filter(
      ({ contact, atMs }) =>
        atMs <= lastMs &&
        (signal !== 'duplicate_creations' || contact.harm.hasCreate) &&
        (signal !== 'failed_updates' || contact.harm.hasWrite) &&
        (signal !== 'repeat_contacts' || contact.customer !== null),
    ).length
    const divergence = p1 * Math.log(p1 / p0) + (1 - p1) * Math.log((1 - p1) / (1 - p0))
    expect(trials * divergence, `${release}: ${trials} trials`).toBeGreaterThan(3 * Math.log(400) * 2)
  }
})
