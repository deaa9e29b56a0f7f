import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { ClickHouseClient } from '@clickhouse/client'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { aFinding } from '../alerts/fixtures.ts'
import { foldEvents } from '../alerts/incident.ts'
import { clickhouseJournal } from '../alerts/journal.clickhouse.ts'
import { compileSignals } from '../detectors/signals/compile.ts'
import { FOUR_SIGNALS, KPI_SIGNALS } from '../detectors/signals/library.ts'
import type { Incident, IncidentEvent, IncidentEventBody } from '../facts/incident.ts'
import type { OutcomeFact, SpanFact } from '../facts/span.ts'
import { wallClock } from '../lib/clock.ts'
import { silentLog } from '../lib/log.ts'
import { seededRandom } from '../lib/random.ts'
import { outcomeOf, randomHistory } from '../pipeline/fixtures.ts'
import { recount } from '../pipeline/oracle.fixtures.ts'
import { JUDGED_ENVIRONMENTS } from '../pipeline/places.ts'
import { createSequencer } from '../pipeline/sequencer.clickhouse.ts'
import { openStore, rowsOf } from '../store/store.clickhouse.ts'
import { KPIS } from './kpis.ts'

const SIGNALS = [...FOUR_SIGNALS, ...KPI_SIGNALS]
const HOUR = 3_600_000
const DAY = 24 * HOUR

type Row = {
  period: string
  period_start: string
  environment: string
  agent: string
  release: string
  channel: string
  queue: string
  kpi: string
  currency: string
  numerator: number
  denominator: number | null
  value: number
}
/** Parts of KPIs by `period|start|slice|kpi`, as a person would add them up. */
type Parts = Map<string, { numerator: number; denominator: number }>

const folder = mkdtempSync(join(tmpdir(), 'andon-kpis-'))
let store: ClickHouseClient
beforeAll(async () => {
  store = await openStore({ kind: 'embedded', path: folder })
})
afterAll(async () => {
  await store.close()
  rmSync(folder, { recursive: true, force: true })
})

const kpiRows = (names: readonly string[]) =>
  rowsOf<Row>(store, 'SELECT * FROM kpis WHERE kpi IN {names:Array(String)} ORDER BY ALL', { names: [...names] })

const dayOf = (ms: number) => new Date(ms).toISOString().slice(0, 10)
/** First days of the day, the week from Monday and the month that hold this time. */
function periodsOf(ms: number): [string, string][] {
  const weekday = (new Date(ms).getUTCDay() + 6) % 7
  return [
    ['day', dayOf(ms)],
    ['week', dayOf(ms - weekday * DAY)],
    ['month', `${dayOf(ms).slice(0, 8)}01`],
  ]
}
function add(parts: Parts, atMs: number, slice: readonly string[], kpi: string, numerator: number, denominator = 0) {
  for (const [period, start] of periodsOf(atMs)) {
    const key = [period, start, ...slice, kpi].join('|')
    const part = parts.get(key) ?? { numerator: 0, denominator: 0 }
    parts.set(key, { numerator: part.numerator + numerator, denominator: part.denominator + denominator })
  }
}
const isRatio = (kpi: string) => KPIS.find(({ name }) => name === kpi)!.denominator !== ''

function expectEqual(rows: readonly Row[], parts: Parts): void {
  const keyOf = (row: Row) =>
    [row.period, row.period_start, row.environment, row.agent, row.release, row.channel, row.queue, row.kpi].join('|')
  const wanted = [...parts]
    .filter(([key, part]) => (isRatio(key.split('|').at(-1)!) ? part.denominator > 0 : part.numerator !== 0))
    .map(([key, { numerator, denominator }]) => {
      const ratio = isRatio(key.split('|').at(-1)!)
      return [key, round(numerator), ratio ? denominator : null, round(ratio ? numerator / denominator : numerator)]
    })
  const found = rows.map((row) => [keyOf(row), round(row.numerator), row.denominator, round(row.value)])
  expect(found.sort()).toEqual(wanted.sort())
}
const round = (n: number) => Math.round(n * 1e6) / 1e6

/** What a row of the oracle adds to which KPI: part, sign, hours until a contact is mature. */
const OF_CONTACTS: Record<string, [measure: string, part: 'n' | 'd', sign: number, matureHours: number][]> = {
  contacts: [[' contacts', 'n', 1, 0]],
  identity_coverage: [
    [' identified', 'n', 1, 0],
    [' contacts', 'd', 1, 0],
  ],
  repeat_contact_rate: [
    ['repeat_contacts hits', 'n', 1, 72],
    ['repeat_contacts trials', 'd', 1, 72],
  ],
  reopened_rate: [
    ['reopened_cases hits', 'n', 1, 168],
    ['reopened_cases trials', 'd', 1, 168],
  ],
  complaint_rate: [
    ['complaints hits', 'n', 1, 168],
    ['complaints trials', 'd', 1, 168],
  ],
  update_success_rate: [
    [' writes', 'n', 1, 0],
    [' failed_writes', 'n', -1, 0],
    [' writes', 'd', 1, 0],
  ],
  duplicate_rate: [
    ['duplicate_creations hits', 'n', 1, 0],
    ['duplicate_creations trials', 'd', 1, 0],
  ],
  corrections: [['corrections events', 'n', 1, 0]],
  review_minutes: [['human_reviews minutes', 'n', 1, 0]],
  review_minutes_per_action: [
    ['human_reviews minutes', 'n', 1, 0],
    [' writes', 'd', 1, 0],
    [' failed_writes', 'd', -1, 0],
  ],
  transfer_rate: [
    [' contacts_transferred', 'n', 1, 0],
    [' contacts', 'd', 1, 0],
  ],
  escalation_rate: [
    ['escalations hits', 'n', 1, 0],
    ['escalations trials', 'd', 1, 0],
  ],
}

async function count(spans: readonly SpanFact[], outcomes: readonly OutcomeFact[]): Promise<void> {
  const sequencer = await createSequencer({
    store,
    statements: compileSignals(SIGNALS),
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

test('every KPI of contacts equals a recomputation from the facts, by day, week and month', async () => {
  const { spans, outcomes } = randomHistory(seededRandom(5), 'k', 160)
  await count(spans, outcomes)
  const [clock] = await rowsOf<{ ms: number }>(store, 'SELECT toUnixTimestamp64Milli(max(clock_at)) AS ms FROM batches')
  const parts: Parts = new Map()
  for (const [key, n] of recount({ spans, outcomes }, SIGNALS, JUDGED_ENVIRONMENTS)) {
    const [signal, measure, environment, agent, release, channel, queue, minute] = key.split('|') as string[]
    const atMs = Number(minute) * 1000
    for (const [kpi, uses] of Object.entries(OF_CONTACTS))
      for (const [name, part, sign, matureHours] of uses) {
        // Nobody reported a case as reopened, so this rate is absent although there are contacts.
        if (name !== `${signal} ${measure}` || kpi === 'reopened_rate') continue
        if (matureHours > 0 && atMs > clock!.ms - matureHours * HOUR) continue
        const slice = [environment!, agent!, release!, channel!, queue!]
        add(parts, atMs, slice, kpi, part === 'n' ? sign * n : 0, part === 'd' ? sign * n : 0)
      }
  }
  const rows = await kpiRows(Object.keys(OF_CONTACTS))
  expectEqual(rows, parts)
  const seen = new Set(rows.map((row) => row.kpi))
  for (const kpi of Object.keys(OF_CONTACTS)) expect(seen.has(kpi), kpi).toBe(kpi !== 'reopened_rate')
})

test('a rate over outcomes appears with the first outcome of its kind, zeros included', async () => {
  await count([], [outcomeOf({ outcomeId: 'first reopen', kind: 'reopen', atMs: 1 })])
  const rows = await kpiRows(['reopened_rate'])
  expect(rows.length).toBeGreaterThan(0)
  expect(new Set(rows.map((row) => row.value))).toEqual(new Set([0]))
})

const OPENED_MS = Date.UTC(2026, 9, 30, 23, 50)
const lineOf = (incidentId: string, version: number, atMs: number, event: object): IncidentEvent => ({
  incidentId,
  version,
  atMs,
  event: event as IncidentEventBody,
})
/** An incident that was ordered to stop at `atMs`, and how far it came; delays in seconds. */
function lines(id: string, atMs: number, came: { paused?: number; stopped?: number; drained?: number }, change = {}) {
  const finding = aFinding({ onsetMs: atMs - 600_000, firstHarmMs: atMs - 540_000, decidedAtMs: atMs, ...change })
  const list: object[] = [{ type: 'opened', finding, reason: 'first_breach', pause: true }]
  const acceptedMs = atMs + (came.paused ?? 0) * 1000
  const counts = { contactsAfterPause: 3, writesAfterPause: 2 }
  if (came.paused !== undefined) list.push({ type: 'accepted', target: 'platform', enforces: true })
  if (came.stopped !== undefined)
    list.push({ type: 'stopped', stoppedAtMs: acceptedMs + came.stopped * 1000, ...counts })
  if (came.drained !== undefined)
    list.push({ type: 'drained', drainedAtMs: acceptedMs + came.drained * 1000, ...counts })
  return list.map((event, index) => lineOf(id, index + 1, index === 0 ? atMs : acceptedMs, event))
}

test('every KPI of incidents equals a recomputation from the journal; what has not happened is absent', async () => {
  const journal = clickhouseJournal(store)
  const all = [
    ...lines('a', OPENED_MS, { paused: 4, stopped: 30, drained: 90 }),
    ...lines('b', OPENED_MS + 30 * 60_000, { paused: 6 }, { onsetMs: null, firstHarmMs: null, channel: '', queue: '' }),
    ...lines('c', OPENED_MS + 40 * DAY, {}),
    ...lines('drill', OPENED_MS, { paused: 1 }, { release: { environment: 'andon-drill', agent: 'x', release: '1' } }),
    lineOf('told', 1, OPENED_MS, { type: 'opened', finding: aFinding(), reason: 'notify_only', pause: false }),
  ]
  for (const line of all) await journal.append(line)
  await journal.append(all[0]!) // a line that was written twice counts once

  const parts: Parts = new Map()
  for (const incident of foldEvents(all).values()) {
    if (incident.state === 'observed' || incident.release.environment === 'andon-drill') continue
    const { finding, clock, release } = incident
    const slice = [release.environment, release.agent, release.release, finding.channel, finding.queue]
    const one = (kpi: string, n: number | null) => n !== null && add(parts, incident.openedAtMs, slice, kpi, n, 1)
    const seconds = (from: number | null, until: number | null) =>
      from === null || until === null ? null : (until - from) / 1000
    one('rollback_events', 1)
    one('time_to_detect', seconds(clock.onsetMs, clock.detectedMs))
    one('time_from_first_harm', seconds(clock.firstHarmMs, clock.detectedMs))
    one('time_to_pause', seconds(clock.detectedMs, clock.acceptedMs))
    one('time_to_stop', seconds(clock.acceptedMs, clock.stoppedMs))
    one('time_to_drain', seconds(clock.acceptedMs, clock.drainedMs))
    one('contacts_exposed', finding.contactsExposed)
    one('contacts_after_pause', afterPause(incident))
  }
  const names = KPIS.map(({ name }) => name).filter((name) => /^time_|^rollback|^contacts_/.test(name))
  expectEqual(await kpiRows(names), parts)
  expect(await kpiRows(['pause_precision', 'time_to_acknowledge'])).toEqual([])
})
const afterPause = ({ clock, contactsAfterPause }: Incident) => (clock.stoppedMs === null ? null : contactsAfterPause)

test('precision counts confirmed among confirmed and false alarms', async () => {
  const verdicts = ['confirmed', 'confirmed', 'false_alarm', 'unclear']
  const release = { environment: 'production', agent: 'precise', release: '1' }
  for (const [index, verdict] of verdicts.entries()) {
    const id = `v${index}`
    const rows = [
      ...lines(id, OPENED_MS, {}, { release }),
      lineOf(id, 2, OPENED_MS + 5_000, { type: 'acknowledged', by: 'Ada', reason: 'mine' }),
      lineOf(id, 3, OPENED_MS + 9_000, { type: 'closed', verdict, by: 'Ada', reason: 'looked' }),
    ]
    foldEvents(rows) // the alerter would write them
    for (const row of rows) await clickhouseJournal(store).append(row)
  }
  const rows = await kpiRows(['pause_precision', 'time_to_acknowledge'])
  expect(rows.filter((row) => row.period === 'day').map((row) => [row.kpi, row.numerator, row.denominator])).toEqual([
    ['pause_precision', 2, 3],
    ['time_to_acknowledge', 20, 4],
  ])
})

test('an event stands under the slice that carried most of its evidence, beside what no test and no webhook could have beaten', async () => {
  const release = { environment: 'production', agent: 'floors', release: '1' }
  const pooled = {
    channel: '',
    queue: '',
    strongest: { channel: 'voice', queue: 'claims' },
    floorMs: 90_500,
    floorContacts: 40,
  }
  const finding = aFinding({ release, ...pooled, onsetMs: OPENED_MS - 120_000, decidedAtMs: OPENED_MS })
  const attempt = { type: 'attempted', attempt: 1, status: 200, elapsedMs: 250, outcome: 'delivered' }
  const bodies: Readonly<Record<string, readonly object[]>> = {
    told: [
      { ...attempt, target: 'pager', elapsedMs: 9 },
      { ...attempt, target: 'platform', outcome: 'server_error', status: 503, elapsedMs: 7 },
      { ...attempt, target: 'platform', attempt: 2 },
      { type: 'accepted', target: 'platform', enforces: true },
      { ...attempt, target: 'platform', stage: 'resolved', elapsedMs: 1 },
    ],
    asked: [{ type: 'accepted', target: 'stop switch (agents)', enforces: true, asked: 'agents' }],
  }
  const lines = Object.entries(bodies).flatMap(([id, rest]) =>
    [{ type: 'opened', finding, reason: 'first_breach', pause: true }, ...rest].map((body, index) =>
      lineOf(`floors ${id}`, index + 1, OPENED_MS + index * 1000, body),
    ),
  )
  foldEvents(lines)
  for (const line of lines) await clickhouseJournal(store).append(line)
  const rows = await rowsOf(
    store,
    `SELECT channel, queue, seconds_to_detect, floor_seconds_to_detect, floor_contacts_exposed, floor_seconds_to_pause
     FROM kpi_incidents WHERE agent = 'floors' ORDER BY incident_id DESC`,
  )
  const both = {
    channel: 'voice',
    queue: 'claims',
    seconds_to_detect: 120,
    floor_seconds_to_detect: 90.5,
    floor_contacts_exposed: 40,
  }
  expect(rows).toEqual([
    { ...both, floor_seconds_to_pause: 0.25 },
    { ...both, floor_seconds_to_pause: null },
  ])
})

test('what a person ordered first is what the cord missed, and no word on its precision', async () => {
  const finding = aFinding({
    release: { environment: 'production', agent: 'missed', release: '1' },
    onsetMs: null,
    firstHarmMs: null,
  })
  const person = { by: 'Ada', reason: 'customers call' }
  const rows = [
    { type: 'opened', finding: { ...finding, action: 'notify' }, reason: 'notify_only', pause: false },
    { type: 'opened', finding, reason: 'by_person', pause: true, person },
    { type: 'closed', verdict: 'confirmed', ...person },
  ].map((event, index) => lineOf('missed', index + 1, OPENED_MS + index, event))
  foldEvents(rows)
  for (const row of rows) await clickhouseJournal(store).append(row)
  const kpis = (await kpiRows(KPIS.map(({ name }) => name))).filter(
    (row) => row.agent === 'missed' && row.period === 'day',
  )
  expect(kpis.map((row) => [row.kpi, row.value])).toEqual([
    ['contacts_exposed', 412],
    ['detected_by_people', 1],
    ['rollback_events', 1],
  ])
})

test('completeness counts what needs something; money is kept by currency', async () => {
  const item = (kind: string, name: string, fields: object) => ({
    incident_id: 'a',
    snapshot: 2,
    kind,
    item: name,
    environment: 'production',
    agent: 'order-status',
    release: 'r43',
    channel: 'whatsapp',
    queue: 'orders',
    ...fields,
  })
  await store.insert({
    table: 'affected_items',
    format: 'JSONEachRow',
    values: [
      item('record', 'old', { snapshot: 1, need: 'correct', amount: 1000, currency: 'EUR' }),
      item('record', 'o1', { need: 'correct', amount: 10, currency: 'EUR' }),
      item('record', 'o2', { need: 'correct', amount: 20, currency: 'EUR' }),
      item('record', 'o3', { amount: 5, currency: 'CHF' }),
      item('contact', 'c1', { contact_end: 'transferred' }),
      item('contact', 'c2', { contact_end: 'escalated' }),
      item('customer', 'u1', { need: 'recontact' }),
      item('audit', 'a', { need: 'close' }),
    ],
  })
  const entry = { incident_id: 'a', step: 'record_corrected', kind: 'record', item: 'o1' }
  await store.insert({
    table: 'recovery_entries',
    format: 'JSONEachRow',
    values: [
      { ...entry, entry_id: '1' },
      { ...entry, entry_id: '2' },
      { ...entry, entry_id: '3', step: 'waived', kind: '', item: '' },
    ],
  })
  const names = KPIS.map(({ name }) => name).filter((name) => /^affected|^amount|^recovery/.test(name))
  const rows = (await kpiRows(names)).filter((row) => row.period === 'month' && row.period_start === '2026-10-01')
  expect(rows.map((row) => [row.kpi, row.currency, row.value]).sort()).toEqual([
    ['affected_contacts', '', 2],
    ['affected_customers', '', 1],
    ['affected_escalations', '', 1],
    ['affected_transfers', '', 1],
    ['amount_at_risk', 'CHF', 5],
    ['amount_at_risk', 'EUR', 30],
    ['recovery_completeness', '', 1 / 4],
  ])
})

test('the views have the KPIs of the definition list, each where it says, and no other', () => {
  const sql = readFileSync(new URL('../store/migrations/0008_recovery.sql', import.meta.url), 'utf8')
  const views = [...sql.matchAll(/^CREATE VIEW IF NOT EXISTS (kpi_\w+_parts) AS\n([\s\S]*?);\n/gm)].map(
    ([, view, body]) => ({
      view: view!,
      names: new Set([...body!.matchAll(/^ +\('([a-z_]+)', /gm)].map(([, name]) => name!)),
    }),
  )
  const found = views.flatMap(({ view, names }) => [...names].map((name) => `${view} ${name}`))
  expect(found.sort()).toEqual(KPIS.map(({ name, view }) => `${view} ${name}`).sort())
})
