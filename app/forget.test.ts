import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { ClickHouseClient } from '@clickhouse/client'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { DEFAULT_CONFIG, signalsOf } from '../config.ts'
import { compileSignals } from '../detectors/signals/compile.ts'
import { EMPTY_OUTCOME, EMPTY_SPAN, type OutcomeFact, type SpanFact } from '../facts/span.ts'
import { wallClock } from '../lib/clock.ts'
import { idOf } from '../lib/hash.ts'
import { silentLog } from '../lib/log.ts'
import { createSequencer } from '../pipeline/sequencer.clickhouse.ts'
import { replaySetAside, setAside } from '../pipeline/set-aside.clickhouse.ts'
import { wholeOf } from '../pipeline/share.ts'
import { recount } from '../recount/recount.clickhouse.ts'
import { openStore, rowsOf } from '../store/store.clickhouse.ts'
import { CUSTOMER_COLUMNS, finishForgetting, forgetCustomers, rowsHolding } from './forget.clickhouse.ts'

const HOUR_MS = 3_600_000
const MONDAY_MS = Date.UTC(2026, 10, 16)
const folder = mkdtempSync(join(tmpdir(), 'andon-forget-'))
let store: ClickHouseClient

const customerOf = (index: number): string => idOf('customer', index)

/** One turn of a contact: an agent span with a write under it. Every second write creates a record. */
function turn(contact: number, number: number, fields: Partial<SpanFact> = {}): SpanFact[] {
  const customer = customerOf(Math.floor(contact / 3))
  const startedAtMs = MONDAY_MS + contact * HOUR_MS + number * 60_000
  const traceId = idOf('trace', contact, number)
  const base: SpanFact = {
    ...EMPTY_SPAN,
    traceId,
    spanId: traceId.slice(0, 16),
    role: 'agent',
    startedAtMs,
    endedAtMs: startedAtMs + 5_000,
    agentName: 'orders',
    serviceName: 'orders',
    release: contact % 2 ? '2' : '1',
    environment: 'production',
    conversation: `c${contact}`,
    customer,
    intent: 'delivery',
    channel: 'chat',
    queue: 'q',
    initiator: 'customer',
    ...fields,
  }
  const tool: SpanFact = {
    ...base,
    spanId: idOf('tool', traceId).slice(0, 16),
    parentSpanId: base.spanId,
    role: 'tool',
    tool: 'create_case',
    action: 'create',
    recordKey: idOf('record', contact % 5),
    result: contact % 4 === 0 ? 'failed' : 'ok',
  }
  return [base, tool]
}

const complaint = (contact: number, byConversation: boolean): OutcomeFact => ({
  ...EMPTY_OUTCOME,
  outcomeId: idOf('complaint', contact),
  kind: 'complaint',
  atMs: MONDAY_MS + contact * HOUR_MS + 600_000,
  conversation: byConversation ? `c${contact}` : '',
  customer: customerOf(Math.floor(contact / 3)),
  environment: 'production',
})

/** Counts these facts, each list as a batch of its own. */
async function count(
  ...batches: readonly { spans?: readonly SpanFact[]; outcomes?: readonly OutcomeFact[] }[]
): Promise<void> {
  const sequencer = await createSequencer({
    store,
    statements: compileSignals(signalsOf(DEFAULT_CONFIG)),
    idleMs: null,
    clock: wallClock,
    clockMode: 'event',
    holdMs: 0,
    onBatch: () => {},
    log: silentLog,
  })
  for (const { spans = [], outcomes = [] } of batches) await sequencer.accept({ spans, outcomes, points: [] })
  await sequencer.settle()
  await sequencer.close()
}

const totals = () =>
  rowsOf(
    store,
    'SELECT signal, measure, environment, agent, release, channel, queue, sum(deltas.n) AS n FROM deltas GROUP BY ALL HAVING n != 0 ORDER BY ALL',
  )
const isRecountEqual = async () => (await recount({ store, signals: signalsOf(DEFAULT_CONFIG) })).differences

/** Every place in the store, whatever its name, whose text contains one of these. */
async function placesOf(texts: readonly string[]): Promise<string[]> {
  const columns = await rowsOf<{ table: string; name: string }>(
    store,
    "SELECT table, name FROM system.columns WHERE database = currentDatabase() AND type LIKE '%String%' AND table IN (SELECT name FROM system.tables WHERE database = currentDatabase() AND engine LIKE '%MergeTree')",
  )
  const selects = columns.map(
    ({ table, name }) =>
      `SELECT '${table}.${name}' AS place FROM \`${table}\` WHERE multiSearchAny(toString(\`${name}\`), {texts:Array(String)}) GROUP BY place`,
  )
  return (
    await rowsOf<{ place: string }>(
      store,
      `SELECT DISTINCT place FROM (${selects.join(' UNION ALL ')}) ORDER BY place`,
      { texts },
    )
  ).map(({ place }) => place)
}

const TABLES = [...Object.keys(CUSTOMER_COLUMNS.keyed), ...Object.keys(CUSTOMER_COLUMNS.updated)]
const CONTACTS = 48
/** The first of two contacts that are set aside: of the first customer, and of the other one. */
const ASIDE = 300
beforeAll(async () => {
  store = await openStore({ kind: 'embedded', path: join(folder, 'store') })
  const contacts = Array.from({ length: CONTACTS }, (_, contact) => contact)
  await count(
    { spans: contacts.flatMap((contact) => turn(contact, 0)) },
    {
      outcomes: contacts.filter((contact) => contact % 2 === 0).map((contact) => complaint(contact, contact % 4 === 0)),
    },
    { spans: contacts.filter((contact) => contact % 3 === 0).flatMap((contact) => turn(contact, 1)) },
    // An earlier turn of another customer: these contacts change hands, and leave a place among the first customer's contacts.
    {
      spans: contacts
        .filter((contact) => contact % 12 === 0)
        .flatMap((contact) => turn(contact, -1, { customer: customerOf(900) })),
    },
  )
  const customers = [0, 900].map(customerOf)
  const affected = { incident_id: 'i', snapshot: 1, kind: 'customer' }
  await store.insert({
    table: 'affected_items',
    values: customers.map((customer) => ({ ...affected, item: customer, customer })),
    format: 'JSONEachRow',
  })
  await store.insert({
    table: 'recovery_entries',
    values: customers.map((customer, index) => ({ incident_id: 'i', entry_id: `e${index}`, item: customer })),
    format: 'JSONEachRow',
  })
  for (const [seq, customer] of customers.entries()) {
    const share = wholeOf({ seq, acceptedAtMs: MONDAY_MS, receivedAtMs: wallClock.nowMs() })
    const contact = ASIDE + seq
    const outcomes = [{ ...complaint(contact, true), customer }]
    const batch = { share, spans: turn(contact, 0, { customer }), known: [], outcomes, points: [] }
    await setAside(store, batch, 'cannot be counted')
  }
})
afterAll(async () => {
  await store.close()
  rmSync(folder, { recursive: true, force: true })
})

test('every column that can hold a customer is known to forget', async () => {
  const known = [...Object.entries(CUSTOMER_COLUMNS.keyed), ...Object.entries(CUSTOMER_COLUMNS.updated)].flatMap(
    ([table, columns]) => Object.keys(columns).map((column) => `${table}.${column}`),
  )
  expect(await placesOf([customerOf(0), customerOf(900)])).toEqual([...new Set(known)].sort())
})

test('a forgotten customer is nowhere in the store, totals stay, and the recount agrees', async () => {
  const before = await totals()
  expect(before.length).toBeGreaterThan(30)
  const forgotten = [customerOf(0), customerOf(1), customerOf(900)]
  expect((await rowsHolding(store, forgotten)).map(({ table }) => table)).toEqual([...new Set(TABLES)].sort())
  await forgetCustomers(store, forgotten)
  expect(await placesOf(forgotten)).toEqual([])
  expect(await rowsHolding(store, forgotten)).toEqual([])
  expect((await placesOf([customerOf(2)])).length).toBeGreaterThan(5)
  expect(await totals()).toEqual(before)
  expect(await isRecountEqual()).toEqual([])
})

test('no statement that the store keeps names a forgotten customer', async () => {
  expect(
    await rowsOf(store, 'SELECT command FROM system.mutations WHERE multiSearchAny(command, {texts:Array(String)})', {
      texts: [customerOf(0), customerOf(900)],
    }),
  ).toEqual([])
})

test('what was set aside of a customer who was forgotten since counts as work for the nobody they became', async () => {
  const forgotten = [customerOf(0), customerOf(900)]
  expect(await replaySetAside(store, wallClock.nowMs())).toBe(6)
  await count()
  expect(await placesOf(forgotten)).toEqual([])
  const customersOf = (conversations: readonly string[]) =>
    rowsOf(
      store,
      'SELECT DISTINCT customer FROM contacts WHERE conversation IN {conversations:Array(String)} AND gone = 0',
      { conversations },
    )
  expect(await customersOf([`c${ASIDE}`])).toEqual(await customersOf([`c${ASIDE}`, 'c1']))
  expect(await customersOf([`c${ASIDE}`, `c${ASIDE + 1}`])).toHaveLength(2)
  expect(await isRecountEqual()).toEqual([])
})

test('facts that arrive after their customer was forgotten are counted exactly, and can be forgotten again', async () => {
  const customer = customerOf(1)
  await count(
    { spans: [...turn(3, 0), ...turn(4, 2), ...turn(3, 7, { release: '1' })] }, // one sent again, one more turn, one turn on another release
    {
      spans: turn(200, 0, { customer, startedAtMs: MONDAY_MS + 6 * HOUR_MS }),
      outcomes: [complaint(5, true), { ...complaint(4, false), outcomeId: idOf('late') }],
    },
    { spans: turn(3, -5) }, // earlier than all that is known: the contact moves
  )
  expect(await isRecountEqual()).toEqual([])
  const before = await totals()
  expect((await placesOf([customer])).length).toBeGreaterThan(0)
  await forgetCustomers(store, [customer])
  expect(await placesOf([customer])).toEqual([])
  expect(await totals()).toEqual(before)
  expect(await isRecountEqual()).toEqual([])
})

test('a run that is interrupted is finished by the next, and no row is lost or doubled', async () => {
  const before = await totals()
  const rows = () =>
    rowsOf(
      store,
      `SELECT * FROM (${[...new Set(TABLES)].map((table) => `SELECT '${table}' AS table, count() AS n FROM ${table}`).join(' UNION ALL ')}) ORDER BY table`,
    )
  const rowsBefore = await rows()
  for (const [index, failing] of [
    'CREATE',
    'ALTER TABLE places',
    'INSERT INTO linked_outcomes',
    'ALTER TABLE spans',
  ].entries()) {
    const customer = customerOf(2 + index)
    await expect(forgetCustomers(failingAt(store, failing), [customer])).rejects.toThrow('interrupted')
    expect(await finishForgetting(store)).toBe(failing !== 'CREATE')
    expect((await placesOf([customer])).length > 0, failing).toBe(failing === 'CREATE')
  }
  expect(await finishForgetting(store)).toBe(false)
  expect(await rows()).toEqual(rowsBefore)
  expect(await totals()).toEqual(before)
  expect(await isRecountEqual()).toEqual([])
})

/** The store, but statements that begin so never reach it. */
const failingAt = (client: ClickHouseClient, beginning: string): ClickHouseClient => {
  const failing = Object.create(client) as ClickHouseClient
  failing.command = (params) =>
    params.query.startsWith(beginning) ? Promise.reject(new Error('interrupted')) : client.command(params)
  return failing
}
