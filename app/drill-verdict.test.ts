import { expect, test } from 'vitest'
import { applyToOrder } from '../alerts/orders.ts'
import { pageOf } from '../alerts/page.ts'
import type { DrillResult } from '../facts/drill.ts'
import { drillFinding, drillVerdict, isDrillDue } from './drill-verdict.ts'

const LIMITS = { acceptWithinMs: 60_000, stopWithinMs: 180_000 }
const T = Date.UTC(2027, 0, 4, 10)
const whole = { onsetMs: T, detectedMs: T + 2_000, sentMs: T + 2_100, acceptedMs: T + 2_200, drainedMs: T + 70_000 }

test.each([
  ['the whole path in time', whole, null, 'passed'],
  [
    'no detection',
    { ...whole, detectedMs: null, sentMs: null, acceptedMs: null, drainedMs: null },
    null,
    /not detected within 60 s/,
  ],
  ['no order', { ...whole, sentMs: null, acceptedMs: null, drainedMs: null }, null, /no pause was sent/],
  ['no acceptance', { ...whole, acceptedMs: null, drainedMs: null }, null, /did not accept it/],
  ['an acceptance that is late', { ...whole, acceptedMs: T + 61_000 }, null, /accepted 61.0 s after the onset/],
  ['a release that goes on', { ...whole, drainedMs: null }, null, /not proven drained within 180 s/],
  [
    'a receiver that takes nothing',
    { ...whole, detectedMs: null, sentMs: null, acceptedMs: null },
    'it did not take 4 items',
    /could not go on: it did not take/,
  ],
] as const)('%s', (_, times, fault, reason) => {
  const verdict = drillVerdict(times, LIMITS, fault)
  expect(verdict.reason).toMatch(reason)
  expect(verdict.passed).toBe(reason === 'passed')
})

test('without a limit for stopping, acceptance is the end', () => {
  expect(drillVerdict({ ...whole, drainedMs: null }, { ...LIMITS, stopWithinMs: 0 }, null).passed).toBe(true)
})

test('a scheduled drill is due at once where there was none, then so many hours after the last began', () => {
  expect(isDrillDue(null, 24, T)).toBe(true)
  expect(isDrillDue(T, 24, T + 24 * 3_600_000 - 1)).toBe(false)
  expect(isDrillDue(T, 24, T + 24 * 3_600_000)).toBe(true)
})

test('people are told of a failed drill in its own words, and that no release was touched', () => {
  const result: DrillResult = {
    ...whole,
    drillId: 'd1',
    release: 'drill-1',
    startedAtMs: T,
    firstHarmMs: T,
    stoppedMs: null,
    endedAtMs: T + 99_000,
    contactsSent: 40,
    contactsExposed: 20,
    passed: false,
    reason: 'the fault was not detected within 60 s of the onset',
  }
  const event = { type: 'opened', finding: drillFinding(result), reason: 'drill_failed', pause: false } as const
  const order = applyToOrder(null, { incidentId: 'i', version: 1, atMs: T, event })!
  expect(order.purpose).toBe('notify')
  expect(pageOf(order, 0, {})).toMatchObject({
    severity: 'critical',
    title: 'Drill failed: Andon did not stop drill-1 as it should',
    why: 'the fault was not detected within 60 s of the onset',
    done: 'Nothing: no real release and no real target took part.',
  })
})
