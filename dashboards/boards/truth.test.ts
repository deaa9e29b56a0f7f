import { afterAll, beforeAll, expect, test } from 'vitest'
import { aFinding, MINUTE } from '../../alerts/fixtures.ts'
import { foldEvents } from '../../alerts/incident.ts'
import { keepPauseCounts } from '../../app/pause-counts.clickhouse.ts'
import type { IncidentEvent, IncidentEventBody, Scope } from '../../facts/incident.ts'
import { allBoards, pluginBoards } from './all.ts'
import { openEmptyStore } from './demo.fixtures.ts'
import { BAD, codeOf, GOOD } from './fields.ts'
import { frameOf } from './frame.fixtures.ts'
import { ALL, expanded } from './macros.fixtures.ts'
import { annotationsOf, clickhouseQueriesOf } from './read.fixtures.ts'

const HOUR = 60 * MINUTE
const TO_MS = Date.UTC(2026, 10, 20, 12)
const RANGE = { fromMs: TO_MS - 24 * HOUR, toMs: TO_MS, intervalMs: MINUTE }

type Board = keyof typeof BOARDS
const BOARDS = { ...allBoards(), ...pluginBoards() } as Record<string, Parameters<typeof clickhouseQueriesOf>[0]>

let empty: Awaited<ReturnType<typeof openEmptyStore>>
beforeAll(async () => {
  empty = await openEmptyStore()
})
afterAll(() => empty.close())

const insert = (table: string, values: readonly object[]) =>
  empty.store.insert({ table, values: [...values], format: 'JSONEachRow' })

/** Rows of a query of a panel or annotation on the empty store with what was put into it. */
async function rowsOf(board: Board, where: string, selected: Readonly<Record<string, string>> = {}, refId = 'A') {
  const query = clickhouseQueriesOf(BOARDS[board]!).find(
    (one) => one.where === where && (one.refId === refId || (refId === 'A' && one.refId === 'Anno')),
  )
  if (!query) throw new Error(`${board} has no query ${refId} of '${where}'`)
  const names = ['environment', 'agent', 'release', 'channel', 'queue', 'region']
  const selection = Object.fromEntries(names.map((name) => [name, { value: [selected[name] ?? ALL], options: [] }]))
  return (await frameOf(empty.store, expanded(query.rawSql, selection, RANGE))).rows
}

const seconds = (ms: number): number => Math.floor(ms / 1000)
const person = { by: 'ada', reason: 'seen' }
const accepted: IncidentEventBody = { type: 'accepted', target: 'platform', enforces: true }
const resumed: IncidentEventBody = { type: 'resumed', recovery: 'complete', ...person }
const closed: IncidentEventBody = { type: 'closed', verdict: 'unclear', ...person }
const stopped = (ms: number): IncidentEventBody => ({
  type: 'stopped',
  stoppedAtMs: ms,
  contactsAfterPause: 2,
  writesAfterPause: 0,
})

const releaseOf = (agent: string, release: string) => ({ environment: 'production', agent, release })

/** An incident whose lines follow each other by a minute. */
async function anIncident(
  agent: string,
  release: string,
  openedMs: number,
  pause: boolean,
  events: readonly IncidentEventBody[],
  change: Parameters<typeof aFinding>[0] = {},
  order: Readonly<{ scope?: readonly Scope[] }> = {},
) {
  const finding = aFinding({
    release: releaseOf(agent, release),
    decidedAtMs: openedMs,
    onsetMs: openedMs - HOUR,
    ...change,
  })
  const opened: IncidentEventBody = {
    type: 'opened',
    finding,
    reason: pause ? 'first_breach' : 'notify_only',
    pause,
    ...order,
  }
  const lines: IncidentEvent[] = [opened, ...events].map((event, index) => ({
    incidentId: `${agent} ${release}`,
    version: index + 1,
    atMs: openedMs + index * MINUTE,
    event,
  }))
  await insert(
    'incident_events',
    lines.map(({ incidentId, version, atMs, event }) => ({
      incident_id: incidentId,
      version,
      at_ms: atMs,
      type: event.type,
      body: JSON.stringify(event),
    })),
  )
  return foldEvents(lines).get(`${agent} ${release}`)!
}

const served = (agent: string, release: string, firstMs: number, lastMs: number) =>
  insert('slice_times', [
    {
      ...releaseOf(agent, release),
      channel: 'chat',
      queue: 'q',
      region: '',
      first_at: seconds(firstMs),
      last_at: seconds(lastMs),
      contacts: 10,
    },
  ])

const stands = (agent: string, release: string, share: number) =>
  insert('evidence_latest', [
    { ...releaseOf(agent, release), trigger: '', signal: '', at: TO_MS, seq: 1, log_e: share * 4, log_threshold: 4 },
  ])

test('numbers tell how far they are counted, red once that is minutes ago, and on a store without a batch', async () => {
  const { thresholds } = panelOf('andon-on-call.json', 'Counted until (ago)')
  expect(await rowsOf('andon-on-call.json', 'Counted until (ago)')).toEqual([])
  const batch = (seq: number, atMs: number) => ({ seq, clock_at: atMs, accepted_at: atMs, spans: 1 })
  await insert('batches', [batch(1, TO_MS - 20 * MINUTE), batch(2, TO_MS - 10 * MINUTE)])
  for (const board of ['andon-on-call.json', 'andon-live.json'])
    expect(await rowsOf(board, 'Counted until (ago)')).toEqual([{ counted_ago: 600 }])
  await insert('batches', [batch(3, TO_MS - 30_000)])
  expect(await rowsOf('andon-live.json', 'Counted until (ago)')).toEqual([{ counted_ago: 30 }])
  const colorAt = (value: number | null) =>
    thresholds.findLast((step) => step.value === null || (value !== null && value >= step.value))!.color
  expect([null, 0, 30, 119, 120, 600].map(colorAt)).toEqual([BAD, GOOD, GOOD, GOOD, BAD, BAD])
})

test('contacts after the pause are a number only when every pause that is not proven has been looked at', async () => {
  const contacts = async () => (await rowsOf('andon-on-call.json', 'Contacts after the pause'))[0]!.contacts
  expect(await contacts()).toBe(0)
  await anIncident('proven', 'r1', TO_MS - 8 * HOUR, true, [accepted, stopped(TO_MS - 7 * HOUR)])
  expect(await contacts()).toBe(2)
  const going = await anIncident('going', 'r1', TO_MS - 2 * HOUR, true, [accepted])
  expect(await contacts()).toBeNull()
  const shown = async (panel: string) =>
    (await rowsOf('andon-on-call.json', panel)).find(({ agent }) => agent === 'going')!
  expect(await shown('What was found')).toMatchObject({ contacts_after_pause: null })
  expect(await shown('Incidents and what to do next')).toMatchObject({
    next_step: expect.stringContaining('nobody has counted'),
    signal_runbook: 'failed-updates.md',
  })
  await keepPauseCounts(empty.store)({ ...going, contactsAfterPause: 40, writesAfterPause: 3 })
  expect(await contacts()).toBe(42)
  expect(await shown('What was found')).toMatchObject({ contacts_after_pause: 40, writes_after_pause: 3 })
})

test('a release that was resumed serves and is judged: it counts as close to a pause, and its silence is told', async () => {
  await anIncident('orders', 'held', TO_MS - 6 * HOUR, true, [accepted])
  await anIncident('orders', 'resumed', TO_MS - 9 * HOUR, true, [accepted, resumed])
  await anIncident('orders', 'closed', TO_MS - 9 * HOUR, true, [accepted, closed])
  const voice = { scope: [{ channel: 'voice', queue: '' }] }
  await anIncident('orders', 'in part', TO_MS - 9 * HOUR, true, [accepted], {}, voice)
  for (const [release, share, lastMs] of [
    ['held', 1.4, TO_MS - 5 * HOUR],
    ['resumed', 0.9, TO_MS - 2 * HOUR],
    ['closed', 1.2, TO_MS - 8 * HOUR],
    ['in part', 0.5, TO_MS - HOUR],
  ] as const) {
    await served('orders', release, TO_MS - 20 * HOUR, lastMs)
    await stands('orders', release, share)
  }
  expect(await rowsOf('andon-live.json', 'Closest to a pause')).toEqual([{ evidence_ratio: 0.9 }])
  const silent = await rowsOf('andon-live.json', 'Last contact', { agent: 'orders' })
  expect(silent.map(({ release_name, silent_for }) => [release_name, silent_for])).toEqual([
    ['orders resumed', 7200],
    ['orders in part', 3600],
  ])
})

test('an agent that has been silent for longer than the range is told first; releases that others followed are not', async () => {
  await served('quiet', 'r1', TO_MS - 90 * HOUR, TO_MS - 60 * HOUR)
  await served('quiet', 'r2', TO_MS - 60 * HOUR, TO_MS - 30 * HOUR)
  await served('busy', 'r1', TO_MS - 90 * HOUR, TO_MS - 60 * HOUR)
  await served('busy', 'r2', TO_MS - 60 * HOUR, TO_MS - MINUTE)
  const silent = await rowsOf('andon-live.json', 'Last contact')
  const mine = silent.map((row) => String(row.release_name)).filter((name) => /^(?:quiet|busy) /.test(name))
  expect(mine).toEqual(['quiet r2', 'busy r2'])
})

test('a breach that was only observed is never drawn as an order, closed or not; a closed order ends', async () => {
  await anIncident('told', 'r1', TO_MS - 3 * HOUR, false, [closed])
  await anIncident('ordered', 'r1', TO_MS - 3 * HOUR, true, [closed])
  const states = await rowsOf('andon-on-call.json', 'States over time')
  const of = (name: string) =>
    states.filter(({ series }) => series === `${name} r1`).map(({ state_code }) => state_code)
  expect(of('told')).toEqual([codeOf('observed'), codeOf('closed')])
  expect(of('ordered')).toEqual([codeOf('pausing'), codeOf('closed')])
  const lanes = await rowsOf('andon-timeline.json', 'Releases', {}, 'B')
  expect(lanes.find(({ agent }) => agent === 'told')).toMatchObject({ ordered: 0, state: 'closed' })
  expect(lanes.find(({ agent }) => agent === 'ordered')).toMatchObject({
    ordered: 1,
    accepted_at: null,
    closed_at: expect.stringContaining('09:01:00'),
  })
})

test('a rollback that a person ordered hours after the pause begins when it was accepted', async () => {
  const hour = Array.from({ length: 60 }, (): IncidentEventBody => ({ type: 'acknowledged', ...person }))
  await anIncident('back', 'r1', TO_MS - 5 * HOUR, true, [
    accepted,
    ...hour,
    { type: 'rolled_back', ...person },
    accepted,
  ])
  const lanes = await rowsOf('andon-timeline.json', 'Releases', { agent: 'back' }, 'B')
  expect(lanes).toMatchObject([
    { accepted_at: expect.stringContaining('07:01:00'), rolled_back_at: expect.stringContaining('08:03:00') },
  ])
})

test('the timeline reads the releases of the range, and older ones with an incident, and says how many there are', async () => {
  await served('lanes', 'before', TO_MS - 90 * HOUR, TO_MS - 80 * HOUR)
  await served('lanes', 'before and paused', TO_MS - 90 * HOUR, TO_MS - 80 * HOUR)
  await anIncident('lanes', 'before and paused', TO_MS - 80 * HOUR, true, [accepted])
  await served('lanes', 'in', TO_MS - 30 * HOUR, TO_MS - HOUR)
  await served('lanes', 'after', TO_MS + HOUR, TO_MS + 2 * HOUR)
  const lanes = await rowsOf('andon-timeline.json', 'Releases', { agent: 'lanes' })
  expect(lanes.map(({ release, releases_found }) => [release, releases_found])).toEqual([
    ['in', 2],
    ['before and paused', 2],
  ])
})

test('pauses of other channels are not marked on a board that is narrowed to one', async () => {
  await anIncident('voices', 'r1', TO_MS - 4 * HOUR, true, [accepted], { channel: 'voice' })
  const marks = async (channel: string) =>
    (await rowsOf('andon-live.json', 'Pauses', { channel })).filter(({ text }) => String(text).startsWith('voices'))
  expect(annotationsOf(BOARDS['andon-live.json']!).map(({ name }) => name)).toContain('Pauses')
  expect(await marks('voice')).toHaveLength(1)
  expect(await marks('chat')).toEqual([])
})

test('of customers to recontact on WhatsApp the board says how long the first may still be answered', async () => {
  await anIncident('replies', 'r1', TO_MS - 20 * HOUR, true, [accepted])
  const item = { incident_id: 'replies r1', snapshot: 1, taken_at: TO_MS, ...releaseOf('replies', 'r1') }
  const customer = (name: string, channel: string, hoursAgo: number, need = 'recontact') => ({
    ...item,
    ...{ kind: 'customer', item: name, need, channel, ended_at: TO_MS - hoursAgo * HOUR },
  })
  await insert('affected_items', [
    customer('first', 'whatsapp', 23),
    customer('second', 'WhatsApp Business', 5),
    customer('by voice', 'voice', 30),
    customer('listed only', 'whatsapp', 30, ''),
    { ...item, kind: 'audit', item: 'audit' },
  ])
  const rows = await rowsOf('andon-on-call.json', 'What is to be put right', { agent: 'replies' })
  const left = rows.map(({ kind, need_name, reply_left }) => [kind, need_name, reply_left])
  expect(left).toContainEqual(['customer', 'recontact', 3600])
  expect(left).toContainEqual(['customer', 'listed only', null])
})

test('the table is in the order of what pauses: joint evidence, not that of a signal on a line of its own', async () => {
  const signal = { signal: 'failed_updates', channel: 'chat', queue: 'q', region: '', minute: seconds(TO_MS - HOUR) }
  const counted = (agent: string) =>
    ['trials', 'hits'].map((measure) => ({
      ...releaseOf(agent, 'r1'),
      ...signal,
      measure,
      n: measure === 'hits' ? 5 : 50,
    }))
  const alone = (agent: string, share: number) => ({
    ...{ ...releaseOf(agent, 'r1'), trigger: 'failed_updates', signal: 'failed_updates', at: TO_MS, seq: 1 },
    ...{ limit: 0.02, ceiling: agent === 'joint' ? 0.2 : 0, log_e: share * 4, log_threshold: 4, finding: 'watching' },
  })
  await insert('rollup_minutes', [...counted('joint'), ...counted('single')])
  await insert('evidence_latest', [alone('joint', 0.3), alone('single', 0.8)])
  await stands('joint', 'r1', 0.7)
  await stands('single', 'r1', 0.5)
  await served('joint', 'r1', TO_MS - 9 * HOUR, TO_MS - MINUTE)
  await served('single', 'r1', TO_MS - 9 * HOUR, TO_MS - MINUTE)
  const rows = await rowsOf('andon-live.json', 'Releases against their limits')
  expect(
    rows.map(({ agent, joint_ratio, evidence_ratio, ceiling_rate }) => [
      agent,
      joint_ratio,
      evidence_ratio,
      ceiling_rate,
    ]),
  ).toEqual([
    ['joint', 0.7, 0.3, 0.2],
    ['single', 0.5, 0.8, null],
  ])
  const drawn = await rowsOf('andon-live.json', 'Failed updates', {}, 'A')
  expect(new Set(drawn.map(({ series }) => series))).toEqual(new Set(['① joint r1', '② single r1']))
})

test('a line breaks where nothing was counted', async () => {
  const at = (minute: number, n: number, measure: string) => ({
    ...releaseOf('gap', 'r1'),
    ...{
      signal: 'complaints',
      channel: 'chat',
      queue: 'q',
      region: '',
      minute: seconds(TO_MS) - minute * 60,
      measure,
      n,
    },
  })
  await insert(
    'rollup_minutes',
    [60, 59, 56].flatMap((minute) => [at(minute, 10, 'trials'), at(minute, 1, 'hits')]),
  )
  await served('gap', 'r1', TO_MS - 9 * HOUR, TO_MS - 56 * MINUTE)
  const drawn = await rowsOf('andon-live.json', 'Complaints', { agent: 'gap' })
  expect(drawn.map(({ series, rate }) => [series, rate])).toEqual([
    ['① gap r1', 0.1],
    ['① gap r1', 0.1],
    ['① gap r1', null],
    ['① gap r1', null],
    ['① gap r1', 0.1],
  ])
})

type Steps = readonly Readonly<{ value: number | null; color: string }>[]
function panelOf(board: Board, title: string): Readonly<{ thresholds: Steps }> {
  const panels = BOARDS[board]!.panels as {
    title: string
    fieldConfig: { defaults: { thresholds: { steps: Steps } } }
  }[]
  return { thresholds: panels.find((panel) => panel.title === title)!.fieldConfig.defaults.thresholds.steps }
}
