import fc from 'fast-check'
import { expect, test } from 'vitest'
import type { Incident, IncidentEvent, IncidentEventBody } from '../facts/incident.ts'
import { aFinding, SECOND, START_MS } from './fixtures.ts'
import { applyEvent, foldEvents, isLegal } from './incident.ts'

const finding = aFinding()
const OPENED: IncidentEventBody = { type: 'opened', finding, reason: 'first_breach', pause: true }
const NOTICED: IncidentEventBody = { type: 'opened', finding, reason: 'notify_only', pause: false }
const SENT: IncidentEventBody = {
  type: 'attempted',
  target: 'platform',
  attempt: 1,
  outcome: 'sending',
  status: 0,
  elapsedMs: 0,
}
const ACCEPTED: IncidentEventBody = { type: 'accepted', target: 'platform', enforces: true }
const STOPPED: IncidentEventBody = {
  type: 'stopped',
  stoppedAtMs: START_MS + 9 * SECOND,
  contactsAfterPause: 2,
  writesAfterPause: 1,
}
const DRAINED: IncidentEventBody = {
  type: 'drained',
  drainedAtMs: START_MS + 20 * SECOND,
  contactsAfterPause: 2,
  writesAfterPause: 3,
}

/** Line n happens n seconds after the start. */
const linesOf = (...events: IncidentEventBody[]): IncidentEvent[] =>
  events.map((event, index) => ({ incidentId: 'i', version: index + 1, atMs: START_MS + index * SECOND, event }))
const foldOf = (...events: IncidentEventBody[]): Incident => foldEvents(linesOf(...events)).get('i') as Incident

test('an incident runs from pausing over paused and stopped to drained, and its clock keeps every step', () => {
  const incident = foldOf(OPENED, SENT, ACCEPTED, STOPPED, DRAINED)
  expect(incident).toMatchObject({
    state: 'drained',
    version: 5,
    contactsAfterPause: 2,
    writesAfterPause: 3,
    acceptedBy: ['platform'],
  })
  expect(incident.clock).toEqual({
    onsetMs: finding.onsetMs,
    firstHarmMs: finding.firstHarmMs,
    detectedMs: finding.decidedAtMs,
    sentMs: START_MS + SECOND,
    acceptedMs: START_MS + 2 * SECOND,
    stoppedMs: START_MS + 9 * SECOND,
    drainedMs: START_MS + 20 * SECOND,
  })
})

test('what has not happened is null, never zero', () => {
  expect(foldOf(OPENED).clock).toMatchObject({ sentMs: null, acceptedMs: null, stoppedMs: null, drainedMs: null })
})

test('contacts after the pause are not known before somebody has counted them', () => {
  for (const incident of [foldOf(NOTICED), foldOf(OPENED), foldOf(OPENED, ACCEPTED)])
    expect(incident).toMatchObject({ contactsAfterPause: null, writesAfterPause: null })
})

test("a chat tool's acceptance leaves the incident pausing", () => {
  const incident = foldOf(OPENED, SENT, { type: 'accepted', target: 'chat', enforces: false })
  expect(incident).toMatchObject({ state: 'pausing', acceptedBy: [], clock: { acceptedMs: null } })
})

test('a second acceptance is kept and moves neither clock nor state', () => {
  const incident = foldOf(
    OPENED,
    SENT,
    ACCEPTED,
    STOPPED,
    { type: 'accepted', target: 'second', enforces: true },
    ACCEPTED,
  )
  expect(incident).toMatchObject({
    state: 'stopped',
    acceptedBy: ['platform', 'second'],
    clock: { acceptedMs: START_MS + 2 * SECOND },
  })
})

test('late facts reopen a stopped incident, and it can stop again', () => {
  const late: IncidentEventBody = { type: 'reopened', because: 'a late contact' }
  expect(foldOf(OPENED, ACCEPTED, STOPPED, DRAINED, late)).toMatchObject({
    state: 'paused',
    contactsAfterPause: null,
    writesAfterPause: null,
    clock: { stoppedMs: null, drainedMs: null },
  })
  expect(foldOf(OPENED, ACCEPTED, STOPPED, late, { ...STOPPED, contactsAfterPause: 3 })).toMatchObject({
    state: 'stopped',
    contactsAfterPause: 3,
  })
})

test('a notice is never sent as an order', () => {
  expect(foldOf(NOTICED, SENT)).toMatchObject({ state: 'observed', clock: { sentMs: null } })
})

test('an observed incident is promoted by a finding that acts, and keeps what it knew', () => {
  const acting = aFinding({ triggerHash: 'acting', decidedAtMs: START_MS + 60 * SECOND })
  const incident = foldOf(NOTICED, SENT, { type: 'opened', finding: acting, reason: 'first_breach', pause: true })
  expect(incident).toMatchObject({
    state: 'pausing',
    reason: 'first_breach',
    openedAtMs: START_MS,
    finding: acting,
    joined: [finding],
  })
  expect(incident.clock.detectedMs).toBe(START_MS + 60 * SECOND)
})

test.each<[string, IncidentEventBody[]]>([
  ['nothing comes before it is opened', [SENT]],
  ['it is not opened while it acts', [OPENED, OPENED]],
  ['it is not stopped before it is accepted', [OPENED, STOPPED]],
  ['it is not drained before it is stopped', [OPENED, ACCEPTED, DRAINED]],
  ['it is not reopened before it is stopped', [OPENED, ACCEPTED, { type: 'reopened', because: 'no' }]],
  ['it is not escalated when it is stopped', [OPENED, ACCEPTED, STOPPED, { type: 'escalated', because: 'no' }]],
  ['nobody accepts the pause of an observed incident', [NOTICED, ACCEPTED]],
  ['it does not stop earlier than it was accepted', [OPENED, ACCEPTED, { ...STOPPED, stoppedAtMs: START_MS }]],
])('%s: a broken invariant', (_, events) => {
  expect(() => foldOf(...events)).toThrow(/broken invariant: incident i/)
})

test('a gap in the versions is a broken invariant', () => {
  const [first, , third] = linesOf(OPENED, SENT, ACCEPTED)
  expect(() => foldEvents([first as IncidentEvent, third as IncidentEvent])).toThrow(
    'continues with version 3, expected 2',
  )
})

const anyEvent: fc.Arbitrary<IncidentEventBody> = fc.oneof(
  fc.constantFrom<IncidentEventBody>(OPENED, NOTICED, SENT, ACCEPTED),
  fc.constantFrom<IncidentEventBody>(
    { type: 'joined', finding },
    { type: 'accepted', target: 'chat', enforces: false },
    { type: 'undeliverable', target: 'platform', reason: '410' },
    { type: 'reopened', because: 'late' },
    { type: 'escalated', because: 'limit' },
  ),
  fc
    .nat({ max: 900 })
    .map((s): IncidentEventBody => ({ ...STOPPED, stoppedAtMs: START_MS + s * SECOND }) as IncidentEventBody),
  fc
    .nat({ max: 900 })
    .map((s): IncidentEventBody => ({ ...DRAINED, drainedAtMs: START_MS + s * SECOND }) as IncidentEventBody),
)

/** The lines of a random sequence that the fold takes: what it refuses throws and leaves the incident as it was. */
function takenOf(events: readonly IncidentEventBody[]): { lines: IncidentEvent[]; states: Incident[] } {
  const lines: IncidentEvent[] = []
  const states: Incident[] = []
  for (const event of events) {
    const line = { incidentId: 'i', version: lines.length + 1, atMs: START_MS + lines.length * SECOND, event }
    const before = states.at(-1) ?? null
    try {
      states.push(applyEvent(before, line))
      lines.push(line)
    } catch (error) {
      expect(String(error)).toContain('broken invariant')
    }
  }
  return { lines, states }
}

test('no sequence of events reaches a state whose clock contradicts it', () => {
  fc.assert(
    fc.property(fc.array(anyEvent, { maxLength: 30 }), (events) => {
      for (const { state, clock, acceptedBy } of takenOf(events).states) {
        const isAccepted = clock.acceptedMs !== null
        expect(isAccepted).toBe(state === 'paused' || state === 'stopped' || state === 'drained')
        expect(acceptedBy.length > 0).toBe(isAccepted)
        expect(clock.stoppedMs !== null).toBe(state === 'stopped' || state === 'drained')
        expect(clock.drainedMs !== null).toBe(state === 'drained')
        if (clock.stoppedMs !== null) expect(clock.stoppedMs).toBeGreaterThanOrEqual(clock.acceptedMs ?? Infinity)
      }
    }),
    { numRuns: 500 },
  )
})

test('folding any line a second time, at any later moment, changes nothing', () => {
  fc.assert(
    fc.property(fc.array(anyEvent, { maxLength: 30 }), fc.infiniteStream(fc.nat({ max: 3 })), (events, stutters) => {
      const { lines, states } = takenOf(events)
      let incident: Incident | null = null
      lines.forEach((line, index) => {
        incident = applyEvent(incident, line)
        const back = stutters.next().value ?? 0
        for (const earlier of lines.slice(Math.max(0, index - back), index + 1))
          incident = applyEvent(incident, earlier)
        expect(incident).toEqual(states[index])
      })
      expect([...foldEvents(lines).values()]).toEqual(states.slice(-1))
    }),
    { numRuns: 300 },
  )
})

test('isLegal agrees with the fold', () => {
  expect(isLegal('none', 'opened')).toBe(true)
  expect(isLegal('drained', 'reopened')).toBe(true)
  expect(isLegal('drained', 'escalated')).toBe(false)
})
