import { expect, test } from 'vitest'
import type { Finding } from '../facts/finding.ts'
import type { DecisionReason, IncidentEventBody } from '../facts/incident.ts'
import { aFinding, MINUTE, START_MS } from './fixtures.ts'
import { applyToOrder, type Order } from './orders.ts'
import type { Links } from './page.ts'
import { bodyOf, payloadSchema } from './payload.ts'

const PAGE = { pageUrl: 'http://127.0.0.1:4319/' }

function orderOf(
  change: Partial<Finding> = {},
  reason: DecisionReason = 'first_breach',
  ...more: IncidentEventBody[]
): Order {
  const opened: IncidentEventBody = {
    type: 'opened',
    finding: aFinding(change),
    reason,
    pause: reason === 'first_breach',
  }
  return [opened, ...more].reduce<Order | null>(
    (order, event, index) =>
      applyToOrder(order, { incidentId: 'i', version: index + 1, atMs: START_MS + index * MINUTE, event }),
    null,
  ) as Order
}
const dataOf = (order: Order, escalation = 0) => payloadSchema.parse(JSON.parse(bodyOf(order, escalation, PAGE))).data
const summaryOf = (change: Partial<Finding>, reason?: DecisionReason) => dataOf(orderOf(change, reason)).summary

test.each<[string, Partial<Finding>, DecisionReason, string]>([
  [
    'a pause',
    {},
    'first_breach',
    'Pausing order-status r43 (production): failed_updates 6.1 % (61 of 1000 contacts) against a baseline of 2 % since about 2027-01-04 09:50 UTC, ' +
      'strongest on whatsapp / orders, 412 contacts exposed. Next: check that new contacts go to the human queue and that the release takes none. Read on: http://127.0.0.1:4319/incidents/i',
  ],
  [
    'a rollback over all channels, onset unknown',
    { action: 'rollback', channel: '', queue: '', onsetMs: null, contactsExposed: 1 },
    'first_breach',
    'Rolling back order-status r43 (production): failed_updates 6.1 % (61 of 1000 contacts) against a baseline of 2 %, 1 contact exposed. ' +
      'Next: check that new contacts go to the human queue and that the release takes none. Read on: http://127.0.0.1:4319/incidents/i',
  ],
])('%s says who, what, since when, how many and what to do next', (_, change, reason, wanted) => {
  expect(summaryOf(change, reason)).toBe(wanted)
})

test.each<[DecisionReason, Partial<Finding>, string, string]>([
  [
    'notify_only',
    { action: 'notify' },
    'order-status r43 (production) breached a limit: ',
    'Next: decide whether to stop it.',
  ],
  [
    'observe_only',
    {},
    'breached a limit, not paused: Andon runs in observe-only mode',
    'Next: decide whether to stop it by hand.',
  ],
  ['pause_budget_exhausted', {}, 'not paused: the pause budget is exhausted', 'Next: look for a shared outage first'],
  [
    'unknown_release',
    { release: { environment: '', agent: 'a', release: '' } },
    'a unknown release (no environment) breached a limit',
    'set gen_ai.agent.name and service.version',
  ],
])('a notification by %s says what was held back and what to do', (reason, change, headline, next) => {
  expect(summaryOf(change, reason)).toContain(headline)
  expect(summaryOf(change, reason)).toContain(next)
})

test('every optional figure can be missing, and the body still fits its schema', () => {
  const bare = {
    channel: '',
    queue: '',
    trials: 0,
    hits: 0,
    onsetMs: null,
    onsetLowMs: null,
    onsetHighMs: null,
    firstHarmMs: null,
    trafficGoesTo: '',
  }
  expect(dataOf(orderOf(bare))).toMatchObject({
    slice: { channel: null, queue: null },
    onset: null,
    clock: { firstHarm: null },
    measured: { rate: null },
  })
})

test('the runbook is the one that the page serves, unless another is configured', () => {
  const linksWith = (links: Links) => payloadSchema.parse(JSON.parse(bodyOf(orderOf(), 0, links))).data.links
  expect(linksWith({ pageUrl: 'https://andon.example.com/' }).runbook).toBe(
    'https://andon.example.com/docs/runbooks/release-paused.md',
  )
  expect(linksWith({}).runbook).toBe('docs/runbooks/release-paused.md')
})

test('without a page people are sent to the runbook', () => {
  const { links, summary } = payloadSchema.parse(
    JSON.parse(bodyOf(orderOf(), 0, { runbook: 'https://wiki.example/andon' })),
  ).data
  expect(links).toEqual({ runbook: 'https://wiki.example/andon' })
  expect(summary).toContain('Read on: https://wiki.example/andon')
})

test('an escalation says why, and has its own time', () => {
  const order = orderOf({}, 'first_breach', { type: 'escalated', because: '7 contacts began' })
  expect(dataOf(order, 1)).toMatchObject({ escalation: { number: 1, because: '7 contacts began' } })
  expect(dataOf(order, 1).summary).toMatch(/^Still not stopped: 7 contacts began\. Pausing/)
  expect(JSON.parse(bodyOf(order, 1, PAGE)).timestamp).toBe('2027-01-04T10:01:00.000Z')
  expect(dataOf(order, 0).escalation).toBeNull()
})

test('the stated false-pause probability is that of the threshold', () => {
  expect(dataOf(orderOf({ logThreshold: Math.log(400) })).evidence.falsePauseProbability).toBeCloseTo(0.0025, 12)
})
