import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { ClickHouseClient } from '@clickhouse/client'
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest'
import { aFinding } from '../alerts/fixtures.ts'
import { foldEvents } from '../alerts/incident.ts'
import { compileSignals } from '../detectors/signals/compile.ts'
import { FOUR_SIGNALS, KPI_SIGNALS } from '../detectors/signals/library.ts'
import type { Incident, IncidentEvent } from '../facts/incident.ts'
import type { OutcomeFact, SpanFact } from '../facts/span.ts'
import { manualClock, wallClock } from '../lib/clock.ts'
import { silentLog } from '../lib/log.ts'
import { agentSpan, outcomeOf, toolSpan } from '../pipeline/fixtures.ts'
import { JUDGED_ENVIRONMENTS, scopesOf } from '../pipeline/places.ts'
import { createSequencer } from '../pipeline/sequencer.clickhouse.ts'
import { openStore, rowsOf } from '../store/store.clickhouse.ts'
import { csvOf } from './export.ts'
import { redeployGate } from './ledger.ts'
import { createRecovery, type Recovery } from './recovery.clickhouse.ts'

const HOUR = 3_600_000
/** The pause: half past eleven; the harm began at eleven. */
const PAUSED = Date.UTC(2027, 0, 4, 11, 30)
const ONSET = PAUSED - HOUR / 2
const pseudonymOf = (name: string) => Buffer.from(name).toString('hex').padStart(32, '0')

let folder: string
let store: ClickHouseClient
let clock: ReturnType<typeof manualClock>
let recovery: Recovery

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'andon-recovery-'))
  store = await openStore({ kind: 'embedded', path: folder })
})
beforeEach(() => {
  clock = manualClock(PAUSED)
  recovery = createRecovery({ store, clock, scopeOf: scopesOf(JUDGED_ENVIRONMENTS) })
})
afterEach(async () => {
  const tables = await rowsOf<{ name: string }>(
    store,
    "SELECT name FROM system.tables WHERE database = currentDatabase() AND engine LIKE '%MergeTree' AND name != 'schema_migrations'",
  )
  for (const { name } of tables) await store.command({ query: `TRUNCATE TABLE ${name}` })
})
afterAll(async () => {
  await store.close()
  rmSync(folder, { recursive: true, force: true })
})

async function count(spans: readonly SpanFact[], outcomes: readonly OutcomeFact[] = []): Promise<void> {
  const sequencer = await createSequencer({
    store,
    statements: compileSignals([...FOUR_SIGNALS, ...KPI_SIGNALS]),
    idleMs: null,
    clock: wallClock,
    clockMode: 'event',
    holdMs: 0,
    onBatch: () => {},
    log: silentLog,
  })
  await sequencer.accept({ spans, outcomes, points: [] })
  await sequencer.settle()
  await sequencer.close()
}

/** One contact of order-status on WhatsApp; each call is a write with its result. */
function contact(
  name: string,
  startedAtMs: number,
  calls: readonly Partial<SpanFact>[],
  change: Partial<SpanFact> = {},
): SpanFact[] {
  const described = {
    agentName: 'order-status',
    serviceName: 'order-status',
    release: 'r43',
    environment: 'production',
    conversation: name,
    channel: 'whatsapp',
    queue: 'orders',
    customer: pseudonymOf(name),
    intent: 'where is it',
    contactEnd: 'resolved',
    ...change,
  }
  const endedAtMs = change.endedAtMs ?? startedAtMs + 60_000
  return [
    agentSpan({ trace: name, id: `${name}.a`, ...described, startedAtMs, endedAtMs }),
    ...calls.map((call, index) =>
      toolSpan({
        trace: name,
        id: `${name}.${index}`,
        parent: `${name}.a`,
        serviceName: 'order-status',
        release: 'r43',
        tool: 'update_order',
        action: 'update',
        system: 'crm',
        recordType: 'order',
        startedAtMs: startedAtMs + (index + 1) * 1000,
        ...call,
      }),
    ),
  ]
}

const failed = { result: 'failed' } as const
const ok = { result: 'ok' } as const
const finding = aFinding({ onsetMs: ONSET, onsetLowMs: ONSET, firstHarmMs: ONSET, decidedAtMs: PAUSED - 5000 })

function incidentAt(stage: 'ordered' | 'accepted' | 'stopped' | 'drained'): Incident {
  const came = ['ordered', 'accepted', 'stopped', 'drained'].indexOf(stage)
  const counts = { contactsAfterPause: 0, writesAfterPause: 0 }
  const events = [
    { type: 'opened', finding, reason: 'first_breach', pause: true },
    { type: 'accepted', target: 'platform', enforces: true },
    { type: 'stopped', stoppedAtMs: PAUSED, ...counts },
    { type: 'drained', drainedAtMs: PAUSED, ...counts },
  ] as const
  const lines = events
    .slice(0, came + 1)
    .map((event, index): IncidentEvent => ({ incidentId: 'inc', version: index + 1, atMs: PAUSED, event }))
  return [...foldEvents(lines).values()][0]!
}

/** What the harm did: a failed update, one that was repaired at once, a duplicate, a contact under way, and what it did not touch. */
const harm = (): SpanFact[] => [
  ...contact('before', ONSET - HOUR, [{ ...failed, recordId: 'o0' }]),
  ...contact('other', ONSET + 1000, [{ ...failed, recordId: 'o9' }], { release: 'r42' }),
  ...contact('let-down', ONSET + 2000, [{ ...failed, recordId: 'o1', amount: 40, currency: 'EUR' }]),
  ...contact('repaired', ONSET + 3000, [
    { ...failed, recordId: 'o2' },
    { ...ok, recordId: 'o2' },
  ]),
  ...contact('first', ONSET + 4000, [{ ...ok, action: 'create', recordId: 'o3', recordKey: 'k1' }]),
  ...contact('twice', ONSET + 5000, [{ ...ok, action: 'create', recordId: 'o4', recordKey: 'k1' }]),
  ...contact('under-way', PAUSED - 60_000, [], { contactEnd: '', endedAtMs: PAUSED + 1000 }),
  ...contact('fine', ONSET + 6000, [{ ...ok, recordId: 'o5' }]),
]

const listed = async (kind: string) =>
  (await recovery.rows('inc')).filter((row) => row.kind === kind).map((row) => [row.item, row.need, row.why])

test('at the pause everything that the release touched since the onset is listed, and only demonstrable harm needs something', async () => {
  await count(harm())
  const state = await recovery.take(incidentAt('accepted'), 'accepted')

  expect((await listed('contact')).map(([, , why]) => why)).toEqual(['failed', 'repaired', '', 'duplicate', '', ''])
  expect(await listed('record')).toEqual([
    ['crm/order/o1', 'correct', 'failed'],
    ['crm/order/o2', '', 'repaired changed'],
    ['crm/order/o3', '', 'changed'],
    ['crm/order/o4', 'correct', 'changed duplicate'],
    ['crm/order/o5', '', 'changed'],
  ])
  expect((await listed('customer')).filter(([, need]) => need !== '')).toEqual([
    [pseudonymOf('let-down'), 'recontact', 'failed'],
  ])
  expect(await listed('case')).toEqual([[expect.stringMatching(/^under-way\//), 'route', 'under_way']])
  expect(state).toMatchObject({
    needed: 5,
    done: 0,
    completeness: 0,
    open: { record: 2, customer: 1, case: 1, audit: 1 },
  })
  expect(redeployGate(state, null)).toMatchObject({
    allowed: false,
    reason: 'recovery_open',
    detail: 'still open: 1 customer, 2 records, 1 case, 1 audit',
  })
})

test('corrections and recontacts that systems report fill the ledger, once each; people close the rest', async () => {
  await count(harm())
  await recovery.tick([incidentAt('accepted')])
  const reported = [
    outcomeOf({ outcomeId: 'x1', kind: 'correction', atMs: PAUSED + HOUR, recordType: 'order', recordId: 'o1' }),
    outcomeOf({ outcomeId: 'x2', kind: 'correction', atMs: PAUSED + HOUR, recordType: 'order', recordId: 'o9' }),
    outcomeOf({ outcomeId: 'x3', kind: 'correction', atMs: ONSET - 1, recordType: 'order', recordId: 'o4' }),
    outcomeOf({
      outcomeId: 'x5',
      kind: 'correction',
      atMs: PAUSED + HOUR,
      recordType: 'order',
      recordId: 'o4',
      environment: 'staging', // another world, whose records only have the same names
    }),
    outcomeOf({ outcomeId: 'x4', kind: 'recontact', atMs: PAUSED + HOUR, conversation: 'let-down' }),
  ]
  await count([], reported)
  await recovery.tick([incidentAt('accepted')])
  await count([], reported) // the desk sends its report again
  // After a restart the outcomes are read from the start again.
  recovery = createRecovery({ store, clock, scopeOf: scopesOf(JUDGED_ENVIRONMENTS) })
  await recovery.tick([incidentAt('accepted')])

  expect((await recovery.entries('inc')).map((entry) => [entry.step, entry.kind, entry.outcomeId])).toEqual(
    expect.arrayContaining([
      ['record_corrected', 'record', 'x1'],
      ['customer_recontacted', 'customer', 'x4'],
    ]),
  )
  expect(await recovery.entries('inc')).toHaveLength(2)

  const [[openCase]] = (await listed('case')) as [[string]]
  const by = { actor: 'Ada', reason: '' }
  await recovery.record('inc', { step: 'case_routed', item: openCase, ...by })
  await recovery.record('inc', { step: 'case_routed', item: openCase, ...by }) // a second click
  await recovery.record('inc', { step: 'audit_closed', ...by })
  expect(redeployGate(await recovery.state('inc'), null)).toMatchObject({
    allowed: false,
    detail: 'still open: 1 record',
  })
  await recovery.record('inc', {
    step: 'unrecoverable',
    kind: 'record',
    item: 'crm/order/o4',
    actor: 'Ada',
    reason: 'the order was shipped twice',
  })
  const state = await recovery.state('inc')
  expect(state).toMatchObject({ needed: 5, done: 5, unrecoverable: 1, completeness: 1 })
  expect(redeployGate(state, null)).toMatchObject({ allowed: true, reason: 'recovery_complete' })
  expect(await recovery.entries('inc')).toHaveLength(5)
})

test('a waiver opens the gate under a name and with a reason, and leaves the completeness as it is', async () => {
  await count(harm())
  await recovery.take(incidentAt('accepted'), 'accepted')
  await recovery.record('inc', { step: 'waived', actor: 'Grace', reason: 'the rest is test data' })
  const state = await recovery.state('inc')
  expect(state.completeness).toBe(0)
  expect(redeployGate(state, null)).toEqual({
    allowed: true,
    reason: 'recovery_waived',
    detail: 'waived by Grace with 5 of 5 open: the rest is test data',
  })
})

const REFUSED = [
  ['nobody', { step: 'audit_closed', actor: ' ', reason: '' }, /say who did it/],
  ['no reason to waive', { step: 'waived', actor: 'Ada', reason: ' ' }, /say why it is waived/],
  [
    'no reason to give up',
    { step: 'unrecoverable', kind: 'record', item: 'crm/order/o1', actor: 'Ada', reason: '' },
    /say why/,
  ],
  ['a waiver of one item', { step: 'waived', item: 'x', actor: 'Ada', reason: 'r' }, /whole incident/],
  [
    'a foreign item',
    { step: 'record_corrected', item: 'crm/order/o9', actor: 'Ada', reason: '' },
    /is not in the affected set/,
  ],
  ['no item', { step: 'case_routed', actor: 'Ada', reason: '' }, /name the case/],
  [
    'the wrong kind',
    { step: 'case_routed', kind: 'record', item: 'crm/order/o1', actor: 'Ada', reason: '' },
    /is about a case/,
  ],
] as const

test('an entry that says too little, or names what was not touched, is refused and the ledger stays as it is', async () => {
  await count(harm())
  await recovery.take(incidentAt('accepted'), 'accepted')
  for (const [what, entry, message] of REFUSED)
    await expect(recovery.record('inc', entry), what).rejects.toThrow(message)
  expect(await recovery.entries('inc')).toEqual([])
})

test('nothing is listed before the pause, and the gate stays closed while nobody knows what was touched', async () => {
  expect(redeployGate(await recovery.state('inc'), null)).toMatchObject({ allowed: false, reason: 'recovery_unknown' })
  await expect(recovery.record('inc', { step: 'audit_closed', actor: 'Ada', reason: '' })).rejects.toThrow(
    /has no affected set yet/,
  )
})

test('each stage of the pause lists anew, late facts included; a tick without news lists nothing', async () => {
  const because = async () =>
    (
      await rowsOf<{ because: string }>(
        store,
        'SELECT DISTINCT snapshot, because FROM affected_items ORDER BY snapshot',
      )
    ).map((row) => row.because)
  await count(contact('early', ONSET + 1000, [{ ...ok, recordId: 'o1' }]))
  await recovery.tick([incidentAt('ordered')])
  await recovery.tick([incidentAt('ordered')])
  expect(await because()).toEqual(['ordered'])
  await count(contact('late', PAUSED + 1000, [{ ...failed, recordId: 'o2' }]))
  await recovery.tick([incidentAt('accepted')])
  await recovery.tick([incidentAt('drained')])
  expect(await listed('record')).toContainEqual(['crm/order/o2', 'correct', 'failed'])

  await count([], [outcomeOf({ outcomeId: 'c', kind: 'complaint', atMs: PAUSED + 2 * HOUR, conversation: 'early' })])
  await clock.set(PAUSED + 25 * HOUR)
  await recovery.tick([incidentAt('drained')])
  expect(await because()).toEqual(['ordered', 'accepted', 'drained', 'day 1 after drained'])
  expect(await listed('customer')).toContainEqual([pseudonymOf('early'), 'recontact', 'complaint'])
})

test('a listing that a crash cut off is none: the next one is taken, whole and under a number of its own', async () => {
  await count(harm())
  await recovery.tick([incidentAt('accepted')])
  const torn = {
    incident_id: 'inc',
    snapshot: 2,
    because: 'stopped',
    kind: 'record',
    item: 'crm/order/o1',
    need: 'correct',
  }
  await store.insert({ table: 'affected_items', values: [torn], format: 'JSONEachRow' })
  expect((await recovery.state('inc')).snapshot).toMatchObject({ number: 1, because: 'accepted' })
  expect(await rowsOf(store, 'SELECT DISTINCT snapshot FROM affected_now')).toEqual([{ snapshot: 1 }])
  await recovery.tick([incidentAt('stopped')])
  expect(await recovery.state('inc')).toMatchObject({ needed: 5, snapshot: { number: 3, because: 'stopped' } })
})

test('a part of a release that is stopped alone is listed alone, and what it does after it was let go on is not', async () => {
  await count([
    ...contact('in', ONSET + 1000, [failed], { channel: 'voice' }),
    ...contact('out', ONSET + 2000, [failed]),
    ...contact('later', PAUSED + HOUR, [failed], { channel: 'voice' }),
  ])
  const accepted = incidentAt('accepted')
  const resumed = { by: 'Ada', reason: 'repaired', atMs: PAUSED + 60_000, how: 'resumed', acceptedMs: null } as const
  await recovery.take({ ...accepted, scope: [{ channel: 'voice', queue: '' }], resumed }, 'asked for')
  expect((await listed('contact')).map(([item]) => item)).toEqual([expect.stringMatching(/^in\//)])
  await recovery.tick([{ ...accepted, state: 'resumed', resumed }])
  expect((await recovery.state('inc')).snapshot?.because).toBe('asked for')
})

const voice = { channel: 'voice', queue: '' }
const whatsapp = { channel: 'whatsapp', queue: '' }

test('when more is stopped, what was listed or waived before opens no gate, and the next tick lists all of it', async () => {
  await count([
    ...contact('spoken', ONSET + 1000, [ok], { channel: 'voice' }),
    ...contact('typed', ONSET + 2000, [failed]),
  ])
  const first = { ...incidentAt('accepted'), scope: [voice] }
  await recovery.tick([first])
  await recovery.record('inc', { step: 'waived', actor: 'Grace', reason: 'voice is harmless' })
  expect(redeployGate(await recovery.state('inc'), first.orderedMs)).toMatchObject({ reason: 'recovery_waived' })

  await clock.advance(10_000)
  const wider = { ...first, scope: [voice, whatsapp], orderedMs: clock.nowMs() }
  const gate = async () => redeployGate(await recovery.state('inc'), wider.orderedMs)
  expect(await gate()).toMatchObject({ allowed: false, reason: 'recovery_unknown' })
  await recovery.tick([wider])
  expect(await gate()).toMatchObject({ allowed: false, detail: 'still open: 1 customer, 1 record, 1 audit' })
  await recovery.record('inc', { step: 'waived', actor: 'Grace', reason: 'voice is harmless' })
  expect(await gate()).toMatchObject({ allowed: true, reason: 'recovery_waived' })
})

test('a part is recovered by itself: only what belongs to it is asked for, and it stays listed when it goes on', async () => {
  await count([
    ...contact('spoken', ONSET + 1000, [{ ...failed, recordId: 'v1' }], { channel: 'voice' }),
    ...contact('typed', ONSET + 2000, [{ ...failed, recordId: 'w1' }]),
    ...contact('spoken later', PAUSED + 90_000, [{ ...failed, recordId: 'v2' }], { channel: 'voice' }),
  ])
  const incident = { ...incidentAt('accepted'), scope: [voice, whatsapp] }
  await recovery.take(incident, 'accepted')
  expect(await recovery.state('inc', voice)).toMatchObject({ needed: 4, open: { record: 2, customer: 2 } })
  await recovery.record('inc', { step: 'record_corrected', item: 'crm/order/v1', actor: 'Ada', reason: '' })
  expect(await recovery.state('inc', voice)).toMatchObject({ needed: 4, done: 1 })
  expect(await recovery.state('inc', whatsapp)).toMatchObject({ needed: 2, done: 0 })

  const goesOn = { by: 'Ada', reason: 'fixed', atMs: PAUSED + 60_000, scope: [voice] }
  await recovery.take({ ...incident, scope: [whatsapp], resumedParts: [goesOn] }, 'asked for')
  expect((await listed('record')).map(([item]) => item).sort()).toEqual(['crm/order/v1', 'crm/order/w1'])
})

test('the reply window of WhatsApp counts down from the last activity of the customer, with any agent', async () => {
  await count(harm())
  await recovery.take(incidentAt('accepted'), 'accepted')
  const window = async () => {
    const row = (await recovery.rows('inc')).find(
      (one) => one.kind === 'customer' && one.item === pseudonymOf('let-down'),
    )!
    return [row.replyUntil, row.replySecondsLeft]
  }
  const endedMs = ONSET + 2000 + 60_000
  await clock.set(endedMs + 23 * HOUR)
  expect(await window()).toEqual([new Date(endedMs + 24 * HOUR).toISOString(), 3600])
  await clock.set(endedMs + 30 * HOUR)
  expect((await window())[1]).toBe(0)

  const againMs = endedMs + 29 * HOUR
  const again = { agentName: 'sales', serviceName: 'sales', release: 's1', customer: pseudonymOf('let-down') }
  await count(contact('again', againMs, [], { ...again, endedAtMs: againMs }))
  expect(await window()).toEqual([new Date(againMs + 24 * HOUR).toISOString(), 23 * 3600])
})

test('the export as CSV can be opened in a spreadsheet without running anything', async () => {
  await count(
    contact('x', ONSET + 1000, [{ ...failed, recordId: '=HYPERLINK("https://evil.example","a,b")' }], {
      queue: '@cmd',
      intent: 'line\nbreak',
    }),
  )
  await recovery.take(incidentAt('accepted'), 'accepted')
  const csv = csvOf(await recovery.rows('inc'))
  expect(csv.split('\r\n')[0]).toMatch(/^kind,item,need,why,done,/)
  expect(csv).toContain(`"'=HYPERLINK(""https://evil.example"",""a,b"")"`)
  expect(csv).toContain("'@cmd")
  expect(csv).toContain('"line\nbreak"')
})
