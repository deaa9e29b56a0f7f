import { expect, test } from 'vitest'
import { anIncident, aRelease } from './fixtures.ts'
import { lanesOf } from './lanes.ts'
import { namesOf } from './model.ts'
import { incidentAt } from './pick.ts'
import { scaleOf } from './scale.ts'
import { laneInWords, summaryOf } from './words.ts'

const release = aRelease(100, 420)
const incident = anIncident({ onset: 300, detected: 400, accepted: 410, drained: 420 })
const evidence = new Map([[release.key, { timesMs: [100, 400], shares: [0.2, 1.04] }]])
const NOW = { nowMs: 1000, silentAfterMs: 50 }
const lanes = lanesOf(
  {
    releases: [release, aRelease(10, 20, { release: 'old' })],
    incidents: [incident],
    evidence,
    problems: [],
    found: null,
  },
  { fromMs: 90, toMs: 1000 },
  NOW,
  'agent',
)
const lane = lanes.lanes[0]!
const plain = (text: string) => text.replaceAll('\u00a0', ' ')

test('a lane in words says what it shows', () => {
  expect(plain(laneInWords(lane, (ms) => `t${ms}`, 1000))).toBe(
    'order-status 2026.11.2, production: Paused. First contact t100, last t420. Evidence at 104 % of the pause line. ' +
      'Latest incident: Onset t300, Detected t400 (+100 ms), Accepted t410 (+10 ms), Drained t420 (+10 ms).',
  )
})

test('the summary counts lanes, and those where somebody must act', () => {
  expect(plain(summaryOf(lanes.lanes, lanes.total))).toBe('1 of 2 releases active in this range · 1 paused')
  expect(plain(summaryOf(lanes.lanes, 1))).toBe('1 release · 1 paused')
  expect(plain(summaryOf(lanes.lanes, 1, 1))).toBe('1 release · 1 paused')
  expect(plain(summaryOf(lanes.lanes, 1000, 1234))).toContain('· the latest 1000 of 1,234 releases were read')
})

test('names that would turn round the text beside them are made visible, empty ones have a word', () => {
  expect(namesOf({ environment: '', agent: 'a\u202Eb', release: '\u0000' })).toEqual({
    environment: 'no environment',
    agent: 'a\\u202eb',
    release: '\\u0000',
  })
})

test('a place means the incident of the mark under it, of the span, else the nearest', () => {
  const second = anIncident({ detected: 800, accepted: 810 }, { id: 'second' })
  const resumed = anIncident({ onset: 300, detected: 400, accepted: 410 }, { resumedMs: 500 })
  const both = lanesOf(
    { releases: [release], incidents: [resumed, second], evidence: new Map(), problems: [], found: null },
    { fromMs: 0, toMs: 1000 },
    NOW,
    'agent',
  ).lanes[0]!
  const at = (ms: number) => incidentAt(both, ms, scaleOf({ fromMs: 0, toMs: 1000 }, 1000), 13)?.id
  expect([305, 450, 520, 790, 950].map(at)).toEqual(['first', 'first', 'first', 'second', 'second'])
  expect(
    incidentAt({ ...both, incidents: [], marks: [], phases: [] }, 5, scaleOf({ fromMs: 0, toMs: 10 }, 10), 13),
  ).toBeNull()
})
