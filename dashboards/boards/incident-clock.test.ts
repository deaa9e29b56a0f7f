import { afterAll, beforeAll, expect, test } from 'vitest'
import { aFinding, MINUTE, START_MS } from '../../alerts/fixtures.ts'
import { foldEvents } from '../../alerts/incident.ts'
import { countedWith, keepPauseCounts } from '../../app/pause-counts.clickhouse.ts'
import type { Incident, IncidentEvent, IncidentEventBody } from '../../facts/incident.ts'
import { rowsOf } from '../../store/store.clickhouse.ts'
import { openEmptyStore } from './demo.fixtures.ts'

let empty: Awaited<ReturnType<typeof openEmptyStore>>
beforeAll(async () => {
  empty = await openEmptyStore()
})
afterAll(() => empty.close())

const person = { by: 'ada', reason: 'seen' }
const counts = { contactsAfterPause: 3, writesAfterPause: 1 }
const opened = (pause: boolean, change: object = {}): IncidentEventBody => ({
  type: 'opened',
  finding: aFinding(),
  reason: pause ? 'first_breach' : 'notify_only',
  pause,
  ...change,
})
const attempted: IncidentEventBody = {
  type: 'attempted',
  target: 'platform',
  attempt: 1,
  outcome: 'delivered',
  status: 200,
  elapsedMs: 4,
}
const accepted = (target = 'platform'): IncidentEventBody => ({ type: 'accepted', target, enforces: true })
const stopped: IncidentEventBody = { type: 'stopped', stoppedAtMs: START_MS + 30 * MINUTE, ...counts }
const drained: IncidentEventBody = {
  type: 'drained',
  drainedAtMs: START_MS + 40 * MINUTE,
  ...counts,
  contactsAfterPause: 4,
}

/** Lives of incidents, each a journal that alerts/incident.ts takes. */
const LIVES: Readonly<Record<string, readonly IncidentEventBody[]>> = {
  'only observed': [opened(false)],
  'observed and closed': [
    opened(false),
    { type: 'acknowledged', ...person },
    { type: 'closed', verdict: 'unclear', ...person },
  ],
  ordered: [opened(true), attempted],
  'refused by one target': [opened(true), attempted, { type: 'undeliverable', target: 'pager', reason: 'gone' }],
  'asked for at the stop switch': [
    opened(true),
    { type: 'accepted', target: 'stop switch (agents)', enforces: true, asked: 'agents' },
    attempted,
    stopped,
  ],
  'only its resume was asked for': [
    opened(true),
    { type: 'overridden', ...person },
    { type: 'accepted', target: 'stop switch (agents)', enforces: true, asked: 'agents' },
    attempted,
  ],
  'told to people only': [opened(true), attempted, { type: 'accepted', target: 'pager', enforces: false }],
  accepted: [opened(true), attempted, accepted(), accepted('second')],
  escalated: [opened(true), attempted, accepted(), { type: 'escalated', because: 'not obeyed' }],
  'stopped and drained': [opened(true), attempted, accepted(), stopped, drained],
  'reopened by late facts': [
    opened(true),
    attempted,
    accepted(),
    stopped,
    drained,
    { type: 'reopened', because: 'late' },
  ],
  'joined by another signal': [
    opened(true),
    attempted,
    { type: 'joined', finding: aFinding({ signal: 'complaints' }) },
    accepted(),
  ],
  'observed, then promoted': [
    opened(false),
    { type: 'acknowledged', ...person },
    opened(true),
    attempted,
    accepted(),
    stopped,
  ],
  resumed: [
    opened(true),
    attempted,
    accepted(),
    stopped,
    drained,
    { type: 'resumed', recovery: 'complete', ...person },
    attempted,
    accepted('late'),
  ],
  'overridden before anybody accepted': [opened(true), attempted, { type: 'overridden', ...person }, accepted()],
  'rolled back and closed': [
    opened(true),
    attempted,
    accepted(),
    { type: 'acknowledged', ...person },
    { type: 'snoozed', untilMs: START_MS + 60 * MINUTE, ...person },
    { type: 'rolled_back', ...person },
    accepted(),
    stopped,
    drained,
    { type: 'closed', verdict: 'confirmed', ...person },
    {
      type: 'attempted',
      target: 'pager',
      attempt: 1,
      outcome: 'delivered',
      status: 200,
      elapsedMs: 1,
      stage: 'resolved',
    },
  ],
  'ordered to roll back by its trigger': [
    { ...opened(true), finding: aFinding({ action: 'rollback' }) } as IncidentEventBody,
    attempted,
    accepted(),
    accepted('second'),
    stopped,
  ],
  'rolled back by a person, and nobody has accepted that': [
    opened(true),
    attempted,
    accepted(),
    { type: 'rolled_back', ...person },
  ],
  'closed before anybody accepted': [opened(true), attempted, { type: 'closed', verdict: 'unclear', ...person }],
  'taken up again before its stop was proven': [
    opened(true),
    attempted,
    accepted(),
    { type: 'resumed', recovery: 'complete', ...person },
  ],
  'paused, and contacts still come': [opened(true), attempted, accepted()],
  'paused, and nobody has looked yet': [opened(true), attempted, accepted()],
  'rolled back, closed, and taken back later': [
    opened(true),
    attempted,
    accepted(),
    { type: 'rolled_back', ...person },
    accepted(),
    { type: 'closed', verdict: 'confirmed', ...person },
    { type: 'resumed', recovery: 'complete', ...person },
  ],
  'one part of two goes on': [
    opened(true, {
      scope: [
        { channel: 'voice', queue: '' },
        { channel: 'chat', queue: 'orders' },
      ],
      person,
    }),
    attempted,
    accepted(),
    stopped,
    drained,
    { type: 'part_resumed', scope: [{ channel: 'chat', queue: 'orders' }], recovery: 'complete', ...person },
  ],
  'a part, then the whole': [
    opened(true, { scope: [{ channel: 'voice', queue: '' }], person }),
    attempted,
    accepted(),
    opened(true),
    attempted,
  ],
}

const iso = (ms: number | null | undefined): number | null => ms ?? null

/** What the view should say of an incident, from the fold in memory. */
const expectedOf = (incident: Incident) => ({
  incident_id: incident.incidentId,
  state: incident.state,
  reason: incident.reason,
  release: incident.release.release,
  action: incident.ordered === 'rollback' ? 'rollback' : incident.finding.action,
  ordered: incident.ordered === 'nothing' ? 0 : 1,
  ordered_by: incident.orderedBy && incident.ordered === 'pause' ? incident.orderedBy.by : '',
  rolled_back: iso(incident.rolledBackMs),
  opened: incident.openedAtMs,
  onset: iso(incident.clock.onsetMs),
  harm: iso(incident.clock.firstHarmMs),
  detected: incident.clock.detectedMs,
  sent: iso(incident.clock.sentMs),
  accepted: iso(incident.clock.acceptedMs),
  stopped: iso(incident.clock.stoppedMs),
  drained: iso(incident.clock.drainedMs),
  acknowledged: iso(incident.acknowledged?.atMs),
  resumed: iso(incident.resumed?.atMs),
  closed: iso(incident.closed?.atMs),
  verdict: incident.closed?.verdict ?? '',
  contacts_after_pause: incident.contactsAfterPause,
  writes_after_pause: incident.writesAfterPause,
  accepted_by: incident.acceptedBy,
  undeliverable: incident.undeliverable,
  scope: incident.scope.map(({ channel, queue }) => `${channel} ${queue}`),
  signals: [...new Set([incident.finding, ...incident.joined].map(({ signal }) => signal))],
})

test('the view of incidents says of every life what the fold in memory says', async () => {
  const lines: IncidentEvent[] = Object.entries(LIVES).flatMap(([incidentId, events]) =>
    events.map((event, index) => ({ incidentId, version: index + 1, atMs: START_MS + (index + 1) * MINUTE, event })),
  )
  await empty.store.insert({
    table: 'incident_events',
    values: [...lines, ...lines.slice(0, 10)].map(({ incidentId, version, atMs, event }) => ({
      incident_id: incidentId,
      version,
      at_ms: atMs,
      type: event.type,
      body: JSON.stringify(event),
    })),
    format: 'JSONEachRow',
  })
  const folded = [...foldEvents(lines).values()]
  const keep = keepPauseCounts(empty.store)
  const keepOf = (incidentId: string, contactsAfterPause: number, change: Partial<Incident> = {}) =>
    keep({
      ...folded.find((one) => one.incidentId === incidentId)!,
      contactsAfterPause,
      writesAfterPause: 2,
      ...change,
    })
  await keepOf('paused, and contacts still come', 5)
  await keepOf('paused, and contacts still come', 7)
  await keepOf('reopened by late facts', 9)
  await keepOf('one part of two goes on', 8, {
    scope: [
      { channel: 'voice', queue: '' },
      { channel: 'chat', queue: 'orders' },
    ],
  })
  await keepOf('stopped and drained', 1) // what was counted before the stop was proven
  const ms = (column: string, name: string) => `toUnixTimestamp64Milli(${column}) AS ${name}`
  const rows = await rowsOf<Record<string, unknown>>(
    empty.store,
    `SELECT incident_id, state, reason, release, action, ordered, ordered_by, ${[
      ms('opened_at', 'opened'),
      ms('onset_at', 'onset'),
      ms('first_harm_at', 'harm'),
      ms('detected_at', 'detected'),
      ms('sent_at', 'sent'),
      ms('accepted_at', 'accepted'),
      ms('stopped_at', 'stopped'),
      ms('drained_at', 'drained'),
      ms('acknowledged_at', 'acknowledged'),
      ms('rolled_back_at', 'rolled_back'),
      ms('resumed_at', 'resumed'),
      ms('closed_at', 'closed'),
    ].join(
      ', ',
    )}, verdict, contacts_after_pause, writes_after_pause, accepted_by, undeliverable, scope, signals FROM incident_clock`,
  )
  const incidents = await countedWith(empty.store, folded)
  expect(rows).toHaveLength(incidents.length)
  for (const incident of incidents)
    expect(rows.find((row) => row.incident_id === incident.incidentId)).toEqual(expectedOf(incident))
  const after = Object.fromEntries(rows.map((row) => [row.incident_id, row.contacts_after_pause]))
  expect(after).toMatchObject({
    'paused, and contacts still come': 7,
    'paused, and nobody has looked yet': null,
    'reopened by late facts': 9,
    'one part of two goes on': null, // counted of more than is stopped now
    'stopped and drained': 4,
    'taken up again before its stop was proven': null,
    ordered: null,
    'only observed': null,
  })
})
