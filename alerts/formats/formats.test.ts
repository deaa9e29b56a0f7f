import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { DecisionReason } from '../../facts/incident.ts'
import { incidentIdOf } from '../decide.ts'
import { aFinding, MINUTE, START_MS } from '../fixtures.ts'
import { applyToOrder, type Order } from '../orders.ts'
import { alertmanagerBody } from './alertmanager.ts'
import { pagerdutyBody } from './pagerduty.ts'
import { alertmanagerFault, pagerdutyFault, slackFault } from './peers.fixtures.ts'
import { slackBody } from './slack.ts'
import type { Stage, Telling } from './telling.ts'
import { clip } from './text.ts'

const ROUTING_KEY = '0123456789abcdef0123456789ABCDEF'
const LINKS = { pageUrl: 'https://andon.example.com', runbook: 'https://wiki.example.com/paused' }

function orderOf(change: object = {}, reason: DecisionReason = 'first_breach', because?: string): Order {
  const finding = aFinding(change)
  const incidentId = incidentIdOf(finding)
  const opened = { type: 'opened', finding, reason, pause: reason === 'first_breach' } as const
  const order = applyToOrder(null, { incidentId, version: 1, atMs: START_MS, event: opened })!
  return because === undefined
    ? order
    : applyToOrder(order, {
        incidentId,
        version: 2,
        atMs: START_MS + 5 * MINUTE,
        event: { type: 'escalated', because },
      })!
}
const telling = (change: Partial<Telling> = {}): Telling => ({
  order: orderOf(),
  escalation: 0,
  stage: 'opened',
  atMs: START_MS,
  links: LINKS,
  ...change,
})

describe('PagerDuty', () => {
  test('a pause triggers an alert that says what, why, what was done and what to do', () => {
    const event = JSON.parse(pagerdutyBody(telling(), ROUTING_KEY))
    expect(event).toMatchObject({
      event_action: 'trigger',
      routing_key: ROUTING_KEY,
      client_url: `https://andon.example.com/incidents/${telling().order.incidentId}`,
      payload: {
        severity: 'critical',
        source: 'order-status',
        component: 'r43',
        group: 'production',
        class: 'failed_updates',
        timestamp: '2027-01-04T10:00:00.000Z',
        custom_details: {
          why: 'log E 6.1 reached the pause line 4.61 after 1000 contacts',
          done: 'Ordered: no new contact for this release, traffic goes to the human queue.',
          next: 'Next: check that new contacts go to the human queue and that the release takes none.',
        },
      },
      links: [{ text: 'Incident' }, { text: 'Runbook' }],
    })
    expect(event.payload.summary).toMatch(/^Pausing order-status r43 \(production\): failed_updates 6.1 %/)
  })

  test('one incident is one alert: escalation, acknowledgement and end name the same key', () => {
    const keys = (['opened', 'acknowledged', 'resolved'] as Stage[]).map((stage) => {
      const event = JSON.parse(pagerdutyBody(telling({ stage }), ROUTING_KEY))
      return [event.event_action, event.dedup_key]
    })
    const again = telling({ order: orderOf({}, 'first_breach', 'nobody answered'), escalation: 1 })
    const key = `andon-${telling().order.incidentId}`
    expect(keys).toEqual([
      ['trigger', key],
      ['acknowledge', key],
      ['resolve', key],
    ])
    const escalated = JSON.parse(pagerdutyBody(again, ROUTING_KEY))
    expect(escalated.dedup_key).toBe(key)
    expect(escalated.payload.summary).toMatch(/^Still not stopped: order-status r43 .*nobody answered/)
  })

  test('a limit that only tells people is a warning and says that nothing was ordered', () => {
    const event = JSON.parse(
      pagerdutyBody(telling({ order: orderOf({ action: 'notify', trafficGoesTo: '' }, 'notify_only') }), ROUTING_KEY),
    )
    expect(event.payload.severity).toBe('warning')
    expect(event.payload.custom_details.done).toBe('Nothing: the trigger only tells people.')
  })
})

describe('Slack', () => {
  test('a name from telemetry can notify nobody and format nothing', () => {
    const release = { environment: 'production', agent: '<!channel> & *bold*', release: '<https://evil.example|r43>' }
    const body = slackBody(telling({ order: orderOf({ release }) }))
    expect(slackFault(body)).toBeNull()
    expect(body).not.toContain('<!channel>')
    expect(body).toContain('&lt;!channel&gt; &amp; *bold*')
    expect(body).not.toContain('"mrkdwn","')
  })

  test('without addresses the runbook is named and there is no button', () => {
    const { blocks } = JSON.parse(slackBody(telling({ links: {} })))
    expect(blocks.at(-1)).toMatchObject({
      type: 'section',
      text: { text: 'Runbook: docs/runbooks/release-paused.md' },
    })
  })

  test('the end of an incident is one line', () => {
    const { blocks } = JSON.parse(slackBody(telling({ stage: 'resolved' })))
    expect(blocks[0].text.text).toBe('Closed: Pausing order-status r43 (production)')
  })
})

describe('Alertmanager', () => {
  test('one incident is one group; it fires until it is closed', () => {
    const firing = JSON.parse(alertmanagerBody(telling(), 'on-call'))
    const resolved = JSON.parse(alertmanagerBody(telling({ stage: 'resolved', atMs: START_MS + MINUTE }), 'on-call'))
    expect(firing).toMatchObject({ status: 'firing', state: 'alerting', receiver: 'on-call', version: '4' })
    expect(firing.alerts[0]).toMatchObject({ startsAt: '2027-01-04T10:00:00.000Z', endsAt: '0001-01-01T00:00:00Z' })
    expect(resolved.alerts[0]).toMatchObject({
      startsAt: '2027-01-04T10:00:00.000Z',
      endsAt: '2027-01-04T10:01:00.000Z',
    })
    expect([resolved.status, resolved.state]).toEqual(['resolved', 'ok'])
    expect(resolved.groupKey).toBe(firing.groupKey)
    expect(resolved.alerts[0].fingerprint).toBe(firing.alerts[0].fingerprint)
  })

  test('what is not known is no label', () => {
    const { alerts } = JSON.parse(alertmanagerBody(telling({ order: orderOf({ channel: '', queue: '' }) }), 'on-call'))
    expect(Object.keys(alerts[0].labels)).not.toContain('channel')
  })
})

/** Text of any length out of everything that hurts: control characters, surrogates, entities, separators. */
const anyText = fc.oneof(
  fc.string({ unit: 'binary', maxLength: 40 }),
  fc
    .tuple(
      fc.constantFrom('&', '<', '>', '&amp;', '😀', 'é', 'x', '\n', '"', '\u0000', '*'),
      fc.integer({ min: 0, max: 6000 }),
    )
    .map(([character, n]) => character.repeat(n)),
)
const anyTelling = fc
  .record({
    agent: anyText,
    release: anyText,
    environment: anyText,
    channel: anyText,
    queue: anyText,
    reason: anyText,
    trafficGoesTo: anyText,
    because: fc.option(anyText, { nil: undefined }),
    decision: fc.constantFrom<DecisionReason>('first_breach', 'notify_only', 'observe_only', 'unknown_release'),
    action: fc.constantFrom('pause', 'rollback', 'notify'),
    stage: fc.constantFrom<Stage>('opened', 'acknowledged', 'resolved'),
    trials: fc.nat(),
    hits: fc.nat(),
    pageUrl: fc.option(fc.webUrl(), { nil: undefined }),
    runbook: fc.option(fc.oneof(fc.webUrl(), anyText), { nil: undefined }),
  })
  .map(({ agent, release, environment, because, decision, stage, pageUrl, runbook, ...fields }) => {
    const order = orderOf({ ...fields, release: { agent, release, environment } }, decision, because)
    const links = { pageUrl, runbook }
    return telling({ order, escalation: because === undefined ? 0 : 1, stage, atMs: START_MS + MINUTE, links })
  })

test('whatever telemetry says, every format keeps the rules of its receiver', () => {
  fc.assert(
    fc.property(anyTelling, (any) => {
      expect(pagerdutyFault(pagerdutyBody(any, ROUTING_KEY))).toBeNull()
      expect(slackFault(slackBody(any))).toBeNull()
      expect(alertmanagerFault(alertmanagerBody(any, 'on-call'))).toBeNull()
    }),
    { numRuns: 300 },
  )
})

test('clipped text is at most as long as told, whole, and the same when it fits', () => {
  fc.assert(
    fc.property(anyText, fc.integer({ min: 2, max: 3000 }), (text, max) => {
      const clipped = clip(text, max)
      expect(clipped.length).toBeLessThanOrEqual(max)
      if (text.length <= max) expect(clipped).toBe(text)
      else expect(text.startsWith(clipped.slice(0, -1))).toBe(true)
      if (text.isWellFormed()) expect(clipped.isWellFormed()).toBe(true)
    }),
  )
})

test('the peers refuse what the real ones refuse', () => {
  const event = JSON.parse(pagerdutyBody(telling(), ROUTING_KEY))
  for (const broken of [
    { ...event, routing_key: 'short' },
    { ...event, dedup_key: 'x'.repeat(256) },
    { ...event, payload: undefined },
    { ...event, payload: { ...event.payload, summary: 'x'.repeat(1025) } },
    { ...event, payload: { ...event.payload, severity: 'fatal' } },
    { ...event, event_action: 'resolve', dedup_key: undefined },
  ])
    expect(pagerdutyFault(JSON.stringify(broken))).not.toBeNull()
  const message = JSON.parse(slackBody(telling()))
  const block = message.blocks[1]
  for (const blocks of [
    Array(51).fill(block),
    [{ type: 'section', text: { type: 'plain_text', text: 'x'.repeat(3001) } }],
    [{ type: 'section', text: { type: 'plain_text', text: '<!channel>' } }],
    [{ type: 'header', text: { type: 'mrkdwn', text: 'x' } }],
  ])
    expect(slackFault(JSON.stringify({ ...message, blocks }))).not.toBeNull()
  const group = JSON.parse(alertmanagerBody(telling(), 'on-call'))
  for (const broken of [
    { ...group, version: 4 },
    { ...group, alerts: [] },
    { ...group, commonLabels: { 'not-a-name': 'x' } },
    { ...group, alerts: [{ ...group.alerts[0], endsAt: '2027-01-04T10:01:00.000Z' }] },
  ])
    expect(alertmanagerFault(JSON.stringify(broken))).not.toBeNull()
})
