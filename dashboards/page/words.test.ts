import { expect, test } from 'vitest'
import type { IncidentState } from '../../facts/incident.ts'
import type { Overview, ReleaseView } from '../../facts/overview.ts'
import {
  aBadDay,
  aFinding,
  anEmptyDay,
  anIncident,
  aQuietDay,
  aRelease,
  fourTriggers,
  HEALTHY,
  MINUTE,
} from '../fixtures.ts'
// @ts-expect-error plain JavaScript for the browser; page/tsconfig.json checks its types
import * as words from './words.js'

const spaced = (text: string): string => text.replaceAll('\u00a0', ' ')
const headline = (...releases: ReleaseView[]): string => spaced(words.headlineOf({ ...anEmptyDay(), releases }).text)
const healthy = aRelease({}, HEALTHY)

test('the state of the line is said in words, the worst first', () => {
  expect(spaced(words.headlineOf(aBadDay()).text)).toBe(
    '1 release being paused · 1 paused · 1 in breach, not paused · 1 at risk',
  )
  expect(headline({ ...healthy, state: 'paused' }, { ...healthy, state: 'drained' })).toBe('2 releases paused')
  expect(words.headlineOf(aQuietDay()).text).toBe('All releases within limits')
  expect(headline()).toBe('Waiting for the first contact')
  expect(headline({ ...healthy, judged: false })).toBe('1 release seen, none judged')
})

test('contacts after a pause that nobody has counted are not known, never zero', () => {
  const incident = (state: IncidentState) => anIncident(aFinding(), { state })
  expect(words.countedAfter(incident('paused'), 1234)).toBe('1,234')
  expect(words.countedAfter(incident('paused'), 0)).toBe('0')
  expect(words.countedAfter(incident('paused'), null)).toBe('not known yet')
  expect(words.countedAfter(incident('resumed'), null)).toBe('not known')
})

test.each(['watching', 'insufficient', 'no_data', 'sampled'] as const)(
  'a signal that is %s keeps its release from being called within limits',
  (finding) => {
    const view = aRelease(
      {},
      HEALTHY.map((seen, index) => (index === 3 ? { ...seen, finding } : seen)),
    )
    expect(words.standingOf(view).word).not.toBe('Within limits')
    expect(headline(healthy, view)).toBe('No limit breached')
  },
)

test('a release is at risk from half way to the pause line, or when a whole interval lies above the limit', () => {
  const line = healthy.logThreshold
  expect(words.standingOf({ ...healthy, logE: 0.49 * line }).word).toBe('Within limits')
  expect(words.standingOf({ ...healthy, logE: 0.5 * line }).word).toBe('At risk')
  const above = aRelease(
    {},
    HEALTHY.map((seen) => ({ ...seen, finding: 'watching' as const, hits: seen.hits * 4 })),
  )
  expect(words.standingOf({ ...above, logE: 0 }).word).toBe('At risk')
})

test('a shadow trigger is shown and changes nothing', () => {
  const triggers = fourTriggers(HEALTHY).map((trigger) => ({
    ...trigger,
    shadow: true,
    finding: 'breach' as const,
    logE: 9,
  }))
  expect(words.standingOf({ ...healthy, logE: 0, triggers }).word).not.toBe('At risk')
  expect(words.lineOf(triggers[0])).toBe('shadow line')
})

test('paused and at-risk releases come first, and quiet ones keep their place when traffic moves', () => {
  const order = (overview: Overview) =>
    words.inOrder(overview.releases).map((view: ReleaseView) => `${view.release.agent} ${view.release.release}`)
  expect(order(aBadDay())).toEqual([
    'crm-hygiene 2026-11-19-prompt7',
    'claims-intake 4.0.1',
    'supplier-confirmation 2026.46',
    'order-status 2026.11.2',
    'collections-voice v88',
    'collections-voice v87',
    'order-status 2026.11.1',
    'order-status 2026.11.3-rc1',
  ])
  const quiet = aQuietDay()
  const moved = {
    ...quiet,
    releases: quiet.releases.map((view, index) => ({ ...view, logE: 0.01 * ((index * 7) % 5) })),
  }
  expect(order(moved)).toEqual(order(quiet))
})

const story = (state: IncidentState, change: Parameters<typeof anIncident>[1] = {}): string =>
  spaced(words.storyOf(anIncident(aFinding(), { state, ...change }), 'Failed updates'))

test('an incident is told in one sentence, as far as it is known', () => {
  expect(story('drained')).toBe(
    'Failed updates breached; paused 21 min 1 s after the harm began; the last contact ended 4 min 11 s later.',
  )
  expect(story('pausing', { clock: { acceptedMs: null } })).toBe(
    'Failed updates breached 21 min after the harm began; the order to pause is not accepted yet.',
  )
  expect(story('observed', { reason: 'pause_budget_exhausted', clock: { acceptedMs: null } })).toContain(
    'nobody was ordered to stop: the pause budget is used up',
  )
  expect(story('paused', { clock: { onsetMs: null } })).toBe(
    'Failed updates breached; paused; whether contacts have stopped is not known yet.',
  )
})

test('a step that has not happened is null and waits, one that nobody saw is unknown, and neither has a length', () => {
  const incident = anIncident(aFinding(), {
    state: 'pausing',
    clock: { firstHarmMs: null, acceptedMs: null, stoppedMs: null },
  })
  const steps = words.stepsOf(incident, null)
  expect(steps.map(({ name, state }: { name: string; state: string }) => `${name} ${state}`)).toEqual([
    'Release start unknown',
    'Onset done',
    'First harm unknown',
    'Detected done',
    'Sent done',
    'Accepted waiting',
    'Stopped waiting',
    'Drained done',
  ])
  expect(words.between(null, 5)).toBeNull()
  expect(words.between(5, 4)).toBeNull()
  expect(spaced(words.between(0, MINUTE))).toBe('1 min')
  expect(words.stepsOf(anIncident(aFinding(), { state: 'observed' }), 0)).toHaveLength(4)
})
