import fc from 'fast-check'
import { expect, test } from 'vitest'
import type { Incident, IncidentEventBody } from '../facts/incident.ts'
import { aFinding, HOUR, MINUTE, quietActivity, SECOND, START_MS } from './fixtures.ts'
import { applyEvent } from './incident.ts'
import { applyToOrder, type Order } from './orders.ts'
import { escalateUnaccepted, quietMsOf, type ReleaseActivity, watch } from './watch.ts'

const limits = { stopWithinMs: 5 * MINUTE, maxEscalations: 3 }
const OPENED: IncidentEventBody = { type: 'opened', finding: aFinding(), reason: 'first_breach', pause: true }
const ACCEPTED: IncidentEventBody = { type: 'accepted', target: 'platform', enforces: true }
const STOPPED: IncidentEventBody = {
  type: 'stopped',
  stoppedAtMs: START_MS + 30 * SECOND,
  contactsAfterPause: 2,
  writesAfterPause: 1,
}
const DRAINED: IncidentEventBody = {
  type: 'drained',
  drainedAtMs: START_MS + 50 * SECOND,
  contactsAfterPause: 2,
  writesAfterPause: 1,
}

/** All happens at the start: accepted = START_MS. */
function caseOf(...events: IncidentEventBody[]): { incident: Incident; order: Order } {
  let incident: Incident | null = null
  let order: Order | null = null
  for (const [index, event] of events.entries()) {
    const line = { incidentId: 'i', version: index + 1, atMs: START_MS, event }
    incident = applyEvent(incident, line)
    order = applyToOrder(order, line)
  }
  return { incident: incident as Incident, order: order as Order }
}

const after = (afterMs: number, change: Partial<ReleaseActivity> = {}) => ({
  nowMs: START_MS + afterMs,
  limits,
  activity: { ...quietActivity(START_MS + afterMs), ...change },
})
const lastAt = (afterMs: number, contacts = 2): Partial<ReleaseActivity> => ({
  lastContactStartedAtMs: START_MS + afterMs,
  lastSpanEndedAtMs: START_MS + afterMs + 20 * SECOND,
  contactsAfterPause: contacts,
  writesAfterPause: 1,
})

test('quiet is a minute, or three p99 gaps of a slower release', () => {
  expect(quietMsOf({ gapP99Ms: null })).toBe(MINUTE)
  expect(quietMsOf({ gapP99Ms: 20 * SECOND })).toBe(MINUTE)
  expect(quietMsOf({ gapP99Ms: 21 * SECOND })).toBe(63 * SECOND)
})

test.each<[string, IncidentEventBody[], ReturnType<typeof after>, object]>([
  ['before acceptance nothing is verified', [OPENED], after(HOUR), { record: null, reason: 'not_accepted_yet' }],
  ['a minute is not over', [OPENED, ACCEPTED], after(59_999), { record: null, reason: 'quiet_too_short' }],
  [
    'without a contact after acceptance it stopped at acceptance',
    [OPENED, ACCEPTED],
    after(MINUTE),
    { record: { type: 'stopped', stoppedAtMs: START_MS, contactsAfterPause: 0, writesAfterPause: 0 } },
  ],
  [
    'it stopped at the start of the last contact',
    [OPENED, ACCEPTED],
    after(90 * SECOND, lastAt(30 * SECOND)),
    { record: { ...STOPPED } },
  ],
  [
    'a contact within the last minute is running',
    [OPENED, ACCEPTED],
    after(89 * SECOND, lastAt(30 * SECOND)),
    { record: null, reason: 'running' },
  ],
  [
    'quiet of the whole pipe proves nothing',
    [OPENED, ACCEPTED],
    after(2 * MINUTE, { otherInputAtMs: START_MS + 59_999 }),
    { record: null, reason: 'unproven' },
  ],
  [
    'no other input proves nothing',
    [OPENED, ACCEPTED],
    after(2 * MINUTE, { otherInputAtMs: null }),
    { record: null, reason: 'unproven' },
  ],
  [
    'slow traffic needs longer quiet',
    [OPENED, ACCEPTED],
    after(5 * MINUTE, { gapP99Ms: 2 * MINUTE }),
    { record: null, reason: 'quiet_too_short' },
  ],
  [
    'slow traffic within its quiet is not escalated',
    [OPENED, ACCEPTED],
    after(10 * MINUTE, { gapP99Ms: 4 * MINUTE }),
    { record: null, reason: 'quiet_too_short' },
  ],
  [
    'a contact at the limit is not yet past it',
    [OPENED, ACCEPTED],
    after(5 * MINUTE, lastAt(5 * MINUTE)),
    { record: null, reason: 'running' },
  ],
  [
    'a contact past the limit escalates',
    [OPENED, ACCEPTED],
    after(6 * MINUTE, lastAt(5 * MINUTE + 1)),
    { record: { type: 'escalated', because: '2 contacts began in the 6 min since the pause was accepted' } },
  ],
  [
    'unprovable quiet past limit and quiet escalates',
    [OPENED, ACCEPTED],
    after(6 * MINUTE, { otherInputAtMs: null }),
    { record: { type: 'escalated' } },
  ],
  [
    'a fourth escalation is left to people',
    [OPENED, ACCEPTED, ...Array(3).fill({ type: 'escalated', because: '' })],
    after(HOUR, lastAt(HOUR)),
    { record: null, reason: 'running' },
  ],
  [
    'after the last contact its spans still run',
    [OPENED, ACCEPTED, STOPPED],
    after(100 * SECOND, lastAt(30 * SECOND)),
    { record: null, reason: 'quiet_too_short' },
  ],
  [
    'it is drained at the end of the last span',
    [OPENED, ACCEPTED, STOPPED],
    after(110 * SECOND, lastAt(30 * SECOND)),
    { record: { ...DRAINED } },
  ],
  [
    'more writes before it is drained are expected',
    [OPENED, ACCEPTED, STOPPED],
    after(100 * SECOND, { ...lastAt(30 * SECOND), writesAfterPause: 9 }),
    { record: null },
  ],
  [
    'a later contact reopens what stopped',
    [OPENED, ACCEPTED, STOPPED],
    after(HOUR, lastAt(31 * SECOND)),
    { record: { type: 'reopened', because: 'a contact began after the release was declared stopped' } },
  ],
  [
    'a late contact in between reopens too',
    [OPENED, ACCEPTED, STOPPED],
    after(HOUR, lastAt(30 * SECOND, 3)),
    { record: { type: 'reopened', because: 'contacts after the pause are 3, were 2' } },
  ],
  [
    'a later span reopens what drained',
    [OPENED, ACCEPTED, STOPPED, DRAINED],
    after(HOUR, { ...lastAt(30 * SECOND), lastSpanEndedAtMs: START_MS + 51 * SECOND }),
    { record: { type: 'reopened' } },
  ],
  [
    'a late write reopens what drained',
    [OPENED, ACCEPTED, STOPPED, DRAINED],
    after(HOUR, { ...lastAt(30 * SECOND), writesAfterPause: 2 }),
    { record: { type: 'reopened', because: 'writes after the pause are 2, were 1' } },
  ],
  [
    'nothing new leaves it drained',
    [OPENED, ACCEPTED, STOPPED, DRAINED],
    after(HOUR, lastAt(30 * SECOND)),
    { record: null, reason: 'settled' },
  ],
  [
    'an observed incident has nothing to verify',
    [{ ...OPENED, pause: false, reason: 'notify_only' }],
    after(HOUR),
    { record: null, reason: 'observed' },
  ],
])('%s', (_, events, given, wanted) => {
  expect(watch({ ...caseOf(...events), ...given })).toMatchObject(wanted)
})

const unaccepted = (afterMs: number, change: object = {}) =>
  escalateUnaccepted({
    ...caseOf(OPENED),
    enforcing: 1,
    refused: 0,
    hasReserve: false,
    nowMs: START_MS + afterMs,
    limits,
    ...change,
  })

test('a pause that nobody accepted is escalated after the limit', () => {
  expect(unaccepted(5 * MINUTE - 1)).toBeNull()
  expect(unaccepted(5 * MINUTE)).toEqual({ type: 'escalated', because: 'nobody has accepted the pause for 5 min' })
})

test('a pause that every target refused goes to the reserve at once', () => {
  expect(unaccepted(0, { refused: 1, hasReserve: true })).toMatchObject({
    because: 'every target that enforces has refused it',
  })
  expect(unaccepted(0, { refused: 1 })).toBeNull()
  expect(unaccepted(0, { enforcing: 2, refused: 1, hasReserve: true })).toBeNull()
  expect(unaccepted(0, { enforcing: 0, hasReserve: true })).toMatchObject({ because: 'nobody enforces it' })
})

test('a pause that was accepted, or escalated enough, is not escalated for want of acceptance', () => {
  expect(unaccepted(HOUR, caseOf(OPENED, ACCEPTED))).toBeNull()
  expect(unaccepted(HOUR, caseOf(OPENED, ...Array(3).fill({ type: 'escalated', because: '' })))).toBeNull()
})

test('whatever telemetry says, one answer is worked off in three lines, all of them legal', () => {
  const timeMs = fc.option(fc.integer({ min: START_MS - HOUR, max: START_MS + 2 * HOUR }), { nil: null })
  const activity = fc.record({
    lastContactStartedAtMs: timeMs,
    lastSpanEndedAtMs: timeMs,
    contactsAfterPause: fc.nat({ max: 3 }),
    writesAfterPause: fc.nat({ max: 3 }),
    gapP99Ms: fc.option(fc.nat({ max: HOUR }), { nil: null }),
    otherInputAtMs: timeMs,
  })
  fc.assert(
    fc.property(fc.array(activity, { minLength: 1, maxLength: 6 }), fc.nat({ max: 3 * HOUR }), (answers, afterMs) => {
      let { incident, order } = caseOf(OPENED, ACCEPTED)
      for (const given of answers) {
        const next = () => watch({ incident, order, activity: given, nowMs: START_MS + afterMs, limits })
        for (let steps = 0; steps < 3; steps += 1) {
          const { record } = next()
          if (record === null) break
          const line = { incidentId: 'i', version: incident.version + 1, atMs: START_MS + afterMs, event: record }
          incident = applyEvent(incident, line)
          order = applyToOrder(order, line) as Order
        }
        const { record } = next()
        // Only a contact later than now can call for one escalation after the other.
        if (record !== null)
          expect([record.type, (given.lastContactStartedAtMs ?? 0) > START_MS + afterMs]).toEqual(['escalated', true])
      }
    }),
    { numRuns: 1000 },
  )
})
