import { expect, test } from 'vitest'
import type { Finding } from '../facts/finding.ts'
import { type Incident, NOTHING_DECIDED } from '../facts/incident.ts'
import type { Overview, ReleaseView } from '../facts/overview.ts'
import { pageUrlOf } from './running-monitor.http.ts'
import { statusText } from './status.ts'

const AT = Date.UTC(2026, 10, 16, 8)
const release = { environment: 'production', agent: 'orders', release: '7' }
const view: ReleaseView = {
  release,
  state: 'paused',
  judged: true,
  contacts: 1234,
  identified: 1200,
  firstContactMs: AT,
  lastContactMs: AT + 3_600_000,
  logE: 2.3,
  logThreshold: 4.6,
  triggers: [
    {
      trigger: 'failed_updates',
      signal: 'failed_updates',
      title: 'Failed updates',
      action: 'pause',
      shadow: false,
      finding: 'breach',
      reason: '',
      trials: 500,
      hits: 30,
      rate: 0.06,
      low: 0.042,
      high: 0.084,
      baseline: 0.02,
      limit: 0.02,
      baselineMode: 'concurrent',
      baselineAgainst: '6',
      warnings: ['6 is itself above the written limit'],
      logE: 6,
      logThreshold: 5,
    },
  ],
  slices: [],
  contactsPerHour: [],
}
const incident: Incident = {
  incidentId: '0123456789abcdef',
  release,
  state: 'paused',
  reason: 'first_breach',
  version: 3,
  openedAtMs: AT,
  finding: { trigger: 'failed_updates', signal: 'failed_updates', contactsExposed: 321 } as Finding,
  joined: [],
  clock: {
    onsetMs: AT,
    firstHarmMs: AT,
    detectedMs: AT + 600_000,
    sentMs: AT + 600_100,
    acceptedMs: AT + 600_900,
    stoppedMs: null,
    drainedMs: null,
  },
  contactsAfterPause: 2,
  writesAfterPause: 0,
  acceptedBy: ['platform'],
  undeliverable: [],
  ...NOTHING_DECIDED,
  ordered: 'pause',
}
const overview: Overview = {
  clock: 'wall',
  nowMs: AT + 700_000,
  seq: 42,
  waitingRows: 0,
  ingestLagSeconds: 0,
  setAside: 0,
  releases: [view],
  incidents: [incident],
}

const cellsOf = (text: string, beginning: string): string[] =>
  text
    .split('\n')
    .find((line) => line.startsWith(beginning))!
    .split(/ {2,}/)

test('contacts after a pause are a number only once they are counted', () => {
  const shown = (change: Partial<Incident>) =>
    cellsOf(statusText({ ...overview, incidents: [{ ...incident, ...change }] }, ''), '01234567')
      .at(-1)!
      .trim()
  expect(shown({})).toBe('2')
  expect(shown({ contactsAfterPause: null })).toBe('not known yet')
  expect(shown({ contactsAfterPause: null, state: 'resumed' })).toBe('not known')
  expect(shown({ contactsAfterPause: null, clock: { ...incident.clock, acceptedMs: null } })).toBe('–')
})

test('status says what is set aside, and nothing of it where nothing is', () => {
  expect(statusText({ ...overview, setAside: 1_200 }, '').split('\n')[2]).toMatch(/set aside: 1,200\./)
  expect(statusText(overview, '')).not.toContain('set aside')
})

test('status shows releases, every trigger against its limit, and the clock of incidents', () => {
  const text = statusText(overview, 'monitor at http://127.0.0.1:4320')
  expect(text.split('\n')[0]).toBe('2026-11-16 08:11:40Z  monitor at http://127.0.0.1:4320, batch 42')
  expect(cellsOf(text, 'orders  ')).toEqual([
    'orders',
    '7',
    'production',
    'paused',
    '1,234',
    '97.2 %',
    '50 %',
    '2026-11-16 09:00:00Z',
  ])
  expect(cellsOf(text, 'orders 7')).toEqual([
    'orders 7',
    'failed_updates',
    '6.00 %',
    '2.00 %',
    '30',
    '500',
    '4.20 % to 8.40 %',
    '120 %',
    'breach',
    '6, at the same time',
  ])
  expect(cellsOf(text, '01234567').slice(3)).toEqual([
    'paused',
    'first_breach',
    '2026-11-16 08:00:00Z',
    '2026-11-16 08:10:00Z',
    '10 min',
    '900 ms',
    '–',
    '–',
    '321',
    '2',
  ])
})

test('an empty monitor says so, and what is not judged is never shown as fine', () => {
  const empty = statusText({ ...overview, releases: [], incidents: [] }, 'x')
  expect(empty).toContain('No contact was counted yet.')
  expect(empty).toContain('No incident.')
  const unjudged = statusText({ ...overview, releases: [{ ...view, judged: false, triggers: [] }] }, 'x')
  expect(cellsOf(unjudged, 'orders').slice(3, 7)).toEqual(['not judged', '1,234', '97.2 %', '–'])
})

test('a name from outside cannot send escape sequences to the terminal', () => {
  const hostile = { ...release, agent: 'evil\u001b[2J\r\nfake' }
  const text = statusText({ ...overview, releases: [{ ...view, release: hostile }] }, 'x')
  expect(text).not.toContain('\u001b')
  expect(text).toContain('evil�[2J��fake')
})

test.each([
  ['127.0.0.1', 'http://127.0.0.1:4320'],
  ['0.0.0.0', 'http://127.0.0.1:4320'],
  ['::', 'http://[::1]:4320'],
  ['10.0.0.4', 'http://10.0.0.4:4320'],
])('a monitor that listens on %s is reached at %s', (host, url) => {
  expect(pageUrlOf({ host, port: 4320 })).toBe(url)
})

test('a store in which nothing has happened yet has no clock', () => {
  const [first] = statusText({ ...overview, clock: 'event', nowMs: 0 }, 'no monitor runs').split('\n')
  expect(first).toBe('before the first event (event time)  no monitor runs, batch 42')
})
