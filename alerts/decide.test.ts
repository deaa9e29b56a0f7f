import fc from 'fast-check'
import { expect, test } from 'vitest'
import type { Finding } from '../facts/finding.ts'
import type { DecisionReason, Incident } from '../facts/incident.ts'
import { type DecideInput, decide, incidentIdOf, tellsPeople } from './decide.ts'
import { aFinding, defaultSafety, HOUR, MINUTE, SECOND, START_MS } from './fixtures.ts'
import { applyEvent } from './incident.ts'

const inputOf = (change: Partial<DecideInput> = {}): DecideInput => ({
  finding: aFinding(),
  incidents: [],
  safety: defaultSafety,
  nowMs: START_MS,
  pausesSentMs: [],
  lastContactStartedAtMs: START_MS - SECOND,
  mode: 'live',
  ...change,
})

const silence = { fromMs: START_MS - HOUR, untilMs: START_MS + HOUR }
const silenced = (match: object) => ({ safety: { ...defaultSafety, silences: [{ ...silence, ...match }] } })
const opened = (reason: DecisionReason, finding: Finding = aFinding()): Incident =>
  applyEvent(null, {
    incidentId: incidentIdOf(finding),
    version: 1,
    atMs: START_MS - HOUR,
    event: { type: 'opened', finding, reason, pause: reason === 'first_breach' },
  })

test.each<[string, Partial<DecideInput>, DecisionReason]>([
  ['a first breach pauses', {}, 'first_breach'],
  ['a first breach of a rollback trigger rolls back', { finding: aFinding({ action: 'rollback' }) }, 'first_breach'],
  ['a trigger that only notifies pauses nobody', { finding: aFinding({ action: 'notify' }) }, 'notify_only'],
  ['a shadow trigger pauses nobody', { finding: aFinding({ shadow: true }) }, 'shadow'],
  ['observe-only pauses nobody', { safety: { ...defaultSafety, observeOnly: true } }, 'observe_only'],
  ['a silence without matcher covers all', silenced({}), 'silenced'],
  ['a silence of the agent covers it', silenced({ agent: 'order-status' }), 'silenced'],
  ['a silence of the release covers it', silenced({ agent: 'order-status', release: 'r43' }), 'silenced'],
  ['a silence of the channel covers it', silenced({ channel: 'whatsapp' }), 'silenced'],
  ['a silence of another agent does not', silenced({ agent: 'collections' }), 'first_breach'],
  ['a silence of another release does not', silenced({ release: 'r42' }), 'first_breach'],
  ['a silence of another environment does not', silenced({ environment: 'staging' }), 'first_breach'],
  [
    'a silence of a channel does not cover evidence pooled over all',
    { ...silenced({ channel: 'whatsapp' }), finding: aFinding({ channel: '' }) },
    'first_breach',
  ],
  ['a silence that begins now covers now', silenced({ fromMs: START_MS }), 'silenced'],
  ['a silence that ends now does not', silenced({ untilMs: START_MS }), 'first_breach'],
  [
    'a release whose last contact began 24 h ago is paused',
    { lastContactStartedAtMs: START_MS - 24 * HOUR },
    'first_breach',
  ],
  ['one millisecond more is stale', { lastContactStartedAtMs: START_MS - 24 * HOUR - 1 }, 'stale'],
  ['a release without any contact is stale', { lastContactStartedAtMs: null }, 'stale'],
  [
    'a stale release is not even told to people',
    { lastContactStartedAtMs: null, finding: aFinding({ action: 'notify' }) },
    'stale',
  ],
  ['replay pauses nobody', { mode: 'replay' }, 'replay'],
  [
    'a third pause in ten minutes exceeds the budget',
    { pausesSentMs: [START_MS - 9 * MINUTE, START_MS - MINUTE] },
    'pause_budget_exhausted',
  ],
  [
    'a pause ten minutes ago is out of the budget',
    { pausesSentMs: [START_MS - 10 * MINUTE, START_MS - MINUTE] },
    'first_breach',
  ],
  ['a budget of nothing pauses nobody', { safety: { ...defaultSafety, maxPauses: 0 } }, 'pause_budget_exhausted'],
  [
    'a release without name is never paused',
    { finding: aFinding({ release: { environment: 'production', agent: 'order-status', release: '' } }) },
    'unknown_release',
  ],
  [
    'an agent without name is never paused',
    { finding: aFinding({ release: { environment: 'production', agent: '', release: 'r43' } }) },
    'unknown_release',
  ],
  [
    'an absent environment is a known one',
    { finding: aFinding({ release: { environment: '', agent: 'a', release: 'r' } }) },
    'first_breach',
  ],
])('%s', (_, change, reason) => {
  const input = inputOf(change)
  const incidentId = incidentIdOf(input.finding)
  expect(decide(input)).toEqual({ does: 'open', reason, pause: reason === 'first_breach', incidentId })
})

test.each(['watching', 'clear', 'insufficient', 'no_data', 'sampled'] as const)(
  'a finding that is %s does nothing and says so',
  (kind) => {
    expect(decide(inputOf({ finding: aFinding({ kind }) }))).toEqual({
      does: 'nothing',
      reason: kind,
      pause: false,
      incidentId: null,
    })
  },
)

test('a second trigger joins the open incident of its release, whatever its own action', () => {
  const incident = opened('first_breach')
  const finding = aFinding({ trigger: 'complaints', triggerHash: 'hash-complaints', action: 'notify' })
  const { incidentId } = incident
  expect(decide(inputOf({ finding, incidents: [incident] }))).toEqual({
    does: 'join',
    reason: 'joined_open_incident',
    pause: false,
    incidentId,
  })
})

test('the same trigger said again changes nothing', () => {
  const incident = opened('first_breach')
  expect(decide(inputOf({ incidents: [incident] }))).toMatchObject({ does: 'nothing', reason: 'joined_open_incident' })
})

test('another release of the same agent has an incident of its own', () => {
  const finding = aFinding({ release: { environment: 'production', agent: 'order-status', release: 'r44' } })
  expect(decide(inputOf({ finding, incidents: [opened('first_breach')] }))).toMatchObject({ does: 'open', pause: true })
})

test.each<[string, DecisionReason, Partial<DecideInput>, object]>([
  [
    'a notice does not swallow a later pause',
    'notify_only',
    {},
    { does: 'promote', pause: true, reason: 'first_breach' },
  ],
  ['a shadow does not swallow a later pause', 'shadow', {}, { does: 'promote', pause: true, reason: 'first_breach' }],
  [
    'a silence postpones, it does not forgive',
    'silenced',
    {},
    { does: 'promote', pause: true, reason: 'first_breach' },
  ],
  [
    'a stale release that takes contacts again is paused',
    'stale',
    {},
    { does: 'promote', pause: true, reason: 'first_breach' },
  ],
  [
    'the end of observe-only pauses what is still in breach',
    'observe_only',
    {},
    { does: 'promote', pause: true, reason: 'first_breach' },
  ],
  [
    'a shadow does not swallow a later notice',
    'shadow',
    { finding: aFinding({ action: 'notify' }) },
    { does: 'promote', pause: false, reason: 'notify_only' },
  ],
  [
    'a pause held back is told although a notice was',
    'notify_only',
    { pausesSentMs: [START_MS, START_MS] },
    { does: 'promote', pause: false, reason: 'pause_budget_exhausted' },
  ],
  [
    'what the budget held back stays with people',
    'pause_budget_exhausted',
    {},
    { does: 'nothing', pause: false, reason: 'joined_open_incident' },
  ],
  [
    'a second notice joins',
    'notify_only',
    { finding: aFinding({ action: 'notify', triggerHash: 'other' }) },
    { does: 'join', pause: false },
  ],
])('%s', (_, reason, change, wanted) => {
  expect(decide(inputOf({ incidents: [opened(reason)], ...change }))).toMatchObject(wanted)
})

test('a replay of the same facts names the same incident, a changed trigger another', () => {
  const again = aFinding({ decidedAtMs: START_MS + HOUR, hits: 99, logE: 9, seq: 1 })
  expect(incidentIdOf(again)).toBe(incidentIdOf(aFinding()))
  expect(incidentIdOf(aFinding({ triggerHash: 'changed' }))).not.toBe(incidentIdOf(aFinding()))
})

test('every reason either pauses, tells people or stays silent, and silence is never an accident', () => {
  expect(
    ['notify_only', 'unknown_release', 'observe_only', 'pause_budget_exhausted'].every((reason) =>
      tellsPeople(reason as DecisionReason),
    ),
  ).toBe(true)
  expect(
    ['replay', 'shadow', 'silenced', 'stale', 'first_breach', 'joined_open_incident'].some((reason) =>
      tellsPeople(reason as DecisionReason),
    ),
  ).toBe(false)
})

test('whatever the order of findings, there is one incident per release and never more pauses than the budget', () => {
  const findings = fc.array(
    fc.record({
      agent: fc.constantFrom('a', 'b', 'c', 'd', ''),
      trigger: fc.constantFrom('t1', 't2'),
      action: fc.constantFrom('pause', 'notify', 'rollback'),
      kind: fc.constantFrom('breach', 'clear'),
      shadow: fc.boolean(),
      afterMs: fc.integer({ min: 0, max: 4 * MINUTE }),
    }),
    { maxLength: 40 },
  )
  fc.assert(
    fc.property(findings, (steps) => {
      const incidents = new Map<string, Incident>()
      const pausesSentMs: number[] = []
      let nowMs = START_MS
      for (const { agent, trigger, action, kind, shadow, afterMs } of steps) {
        nowMs += afterMs
        const release = { environment: 'production', agent, release: 'r1' }
        const finding = aFinding({
          release,
          trigger,
          triggerHash: trigger,
          action: action as 'pause',
          kind: kind as 'breach',
          shadow,
        })
        const decision = decide(
          inputOf({ finding, incidents: [...incidents.values()], nowMs, pausesSentMs, lastContactStartedAtMs: nowMs }),
        )
        if (decision.pause) {
          expect([finding.kind, finding.shadow, agent !== '', action !== 'notify']).toEqual([
            'breach',
            false,
            true,
            true,
          ])
          pausesSentMs.push(nowMs)
        }
        if (decision.does !== 'open' && decision.does !== 'promote') continue
        const before = incidents.get(decision.incidentId) ?? null
        const line = { incidentId: decision.incidentId, version: (before?.version ?? 0) + 1, atMs: nowMs }
        const event = { type: 'opened', finding, reason: decision.reason, pause: decision.pause } as const
        incidents.set(decision.incidentId, applyEvent(before, { ...line, event }))
      }
      expect(new Set([...incidents.values()].map(({ release }) => release.agent)).size).toBe(incidents.size)
      for (const sentMs of pausesSentMs)
        expect(
          pausesSentMs.filter((other) => other <= sentMs && other > sentMs - 10 * MINUTE).length,
        ).toBeLessThanOrEqual(2)
    }),
    { numRuns: 200 },
  )
})
