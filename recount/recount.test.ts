import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { FOUR_SIGNALS } from '../detectors/signals/library.ts'
import { openStore } from '../store/store.clickhouse.ts'
import { type Difference, type Recount, recount, renderRecount } from './recount.clickhouse.ts'

type Store = Awaited<ReturnType<typeof openStore>>

/** 2026-10-01T00:00:00Z */
const T0 = Date.UTC(2026, 9, 1)
const HOUR = 3_600_000
/** Received now: rows older than the retention leave with the first merge. */
const RECEIVED_S = Math.floor(Date.now() / 1000)
const id = (n: number, digits: number): string => n.toString(16).padStart(digits, '0')

type Row = Readonly<Record<string, string | number>>

/** A row of `spans`; times in ms after T0, ids by number. */
const span = (
  trace: number,
  number: number,
  values: Row & { at?: number; seq?: number; parent?: number } = {},
): Row => {
  const { at = 0, seq = 1, parent = 0, ...rest } = values
  return {
    seq,
    accepted_at: '2026-11-01 00:00:00.000',
    received_at: RECEIVED_S,
    trace_id: id(trace, 32),
    span_id: number === 0 ? '' : id(number, 16),
    parent_span_id: parent === 0 ? '' : id(parent, 16),
    parent_is_remote: -1,
    started_at: text(T0 + at),
    ended_at: text(T0 + at + 1_000),
    ...rest,
  }
}
const text = (ms: number): string => new Date(ms).toISOString().replace('T', ' ').replace('Z', '')

const agent = (trace: number, values: Row & { at?: number; seq?: number } = {}): Row =>
  span(trace, 1, {
    role: 'agent',
    agent_name: 'desk',
    service_name: 'desk',
    release: 'r1',
    environment: 'production',
    channel: 'chat',
    queue: 'orders',
    conversation: `c${trace}`,
    ...values,
  })
const tool = (trace: number, number: number, values: Row & { at?: number; seq?: number; parent?: number } = {}): Row =>
  span(trace, number, { role: 'tool', tool: 'book', action: 'create', result: 'ok', parent: 1, ...values })

const complaint = (number: number, values: Row & { at?: number } = {}): Row => {
  const { at = 0, ...rest } = values
  return {
    seq: 1,
    accepted_at: '2026-11-01 00:00:00.000',
    received_at: RECEIVED_S,
    outcome_id: `o${number}`,
    kind: 'complaint',
    at: text(T0 + at),
    environment: 'production',
    ...rest,
  }
}

describe('totals of a small store, counted by hand', () => {
  const folder = mkdtempSync(join(tmpdir(), 'andon-recount-'))
  let store: Store
  beforeAll(async () => {
    store = await openStore({ kind: 'embedded', path: join(folder, 'store') })
  })
  afterEach(async () => {
    for (const table of ['spans', 'outcomes', 'deltas']) await store.command({ query: `TRUNCATE TABLE ${table}` })
  })
  afterAll(async () => {
    await store.close()
    rmSync(folder, { recursive: true, force: true })
  })

  const insert = (table: string, values: readonly Row[]) => store.insert({ table, values, format: 'JSONEachRow' })
  /** What a recount finds where the pipeline has counted nothing, by `signal measure`, summed over slices. */
  const recounted = async (spans: readonly Row[], outcomes: readonly Row[] = []): Promise<Record<string, number>> => {
    await insert('spans', spans)
    if (outcomes.length > 0) await insert('outcomes', outcomes)
    return totalsOf(await recount({ store, signals: FOUR_SIGNALS }))
  }

  test('an empty store has nothing to compare and is equal', async () => {
    expect(await recount({ store, signals: FOUR_SIGNALS })).toEqual({
      equal: true,
      checked: 0,
      different: 0,
      differences: [],
    })
  })

  test('a conversation begins a new contact after more than the idle time, measured from the latest end', async () => {
    const turn = (trace: number, at: number) => [agent(trace, { conversation: 'c', at }), tool(trace, 2, { at })]
    await insert('spans', [...turn(1, 0), ...turn(2, 11_000), ...turn(3, 22_001), ...turn(4, 900_000)])
    const contactsWith = async (idleMs: number | null) =>
      totalsOf(await recount({ store, signals: FOUR_SIGNALS, idleMs }))
    expect(await contactsWith(null)).toMatchObject({ ' contacts': 1, ' writes': 4, ' contacts_with_write': 1 })
    expect(await contactsWith(10_000)).toMatchObject({ ' contacts': 3, ' writes': 4, ' contacts_with_write': 3 })
    expect(await contactsWith(600_000)).toMatchObject({ ' contacts': 2, ' writes': 4, ' contacts_with_write': 2 })
  })

  test('calls, writes, failures and duplicate writes are counted per contact, a copy of a span never', async () => {
    const totals = await recounted([
      agent(1, { customer: 'k', intent: 'return' }),
      tool(1, 2, { arguments_hash: 'a' }),
      tool(1, 3, { arguments_hash: 'a', at: 1 }),
      tool(1, 4, { action: 'update', result: 'failed' }),
      tool(1, 5, { action: 'update', result: 'partial' }),
      tool(1, 6, { action: 'update', result: 'unverified' }),
      tool(1, 7, { action: 'transfer' }),
      tool(1, 8, { action: 'read', result: 'failed' }),
      tool(1, 4, { action: 'update', result: 'ok', seq: 2 }),
    ])
    expect(totals).toMatchObject({
      ' contacts': 1,
      ' identified': 1,
      ' calls': 7,
      ' failed_calls': 3,
      ' writes': 5,
      ' failed_writes': 2,
      ' contacts_with_write': 1,
      ' contacts_with_failed_write': 1,
      ' creates': 2,
      ' duplicate_writes': 1,
      ' contacts_with_duplicate_write': 1,
      ' transfers': 1,
      ' contacts_transferred': 1,
      'failed_updates trials': 1,
      'failed_updates hits': 1,
      'duplicate_creations trials': 1,
      'duplicate_creations hits': 1,
      'duplicate_creations events': 1,
      'repeat_contacts trials': 1,
    })
  })

  test('a repeat lies within 72 hours to the millisecond, is never of the same conversation, and only a customer begins it', async () => {
    const who = { customer: 'k', intent: 'return' }
    const within = await recounted([agent(1, who), agent(2, { ...who, at: 72 * HOUR })])
    expect(within).toMatchObject({
      'repeat_contacts hits': 1,
      'repeat_contacts events': 1,
      'repeat_contacts arrivals': 1,
    })
    await insert('spans', [agent(3, { ...who, customer: 'l' }), agent(4, { ...who, customer: 'l', at: 72 * HOUR + 1 })])
    await insert('spans', [
      agent(5, { ...who, customer: 'm' }),
      agent(6, { ...who, customer: 'm', conversation: 'c5', agent_name: 'other', at: HOUR }),
      agent(7, { ...who, customer: 'm', initiator: 'agent', at: 2 * HOUR }),
    ])
    const still = totalsOf(await recount({ store, signals: FOUR_SIGNALS }))
    expect(still).toMatchObject({
      ' contacts': 7,
      'repeat_contacts trials': 7,
      'repeat_contacts hits': 1,
      'repeat_contacts arrivals': 1,
    })
    await insert('spans', [agent(8, { ...who, customer: 'm', at: 3 * HOUR })])
    const later = totalsOf(await recount({ store, signals: FOUR_SIGNALS }))
    expect(later).toMatchObject({ 'repeat_contacts hits': 4, 'repeat_contacts arrivals': 4 })
  })

  test('a customer counts three times a day and release in evidence, an empty customer or intent never', async () => {
    const spans = [1, 2, 3, 4, 5, 6].map((trace) =>
      agent(trace, { customer: 'k', intent: 'return', at: trace * 60_000, queue: trace % 2 ? 'orders' : 'returns' }),
    )
    const totals = await recounted([
      ...spans,
      agent(7, { customer: 'k' }),
      agent(8, { intent: 'return' }),
      agent(9, { intent: 'return' }),
    ])
    expect(totals).toMatchObject({
      'repeat_contacts hits': 5,
      'repeat_contacts capped_hits': 5,
      'repeat_contacts release_capped_hits': 3,
    })
  })

  test('a record created again within 30 days is charged to the later contact, by key over all contacts, by arguments within one', async () => {
    const day = 24 * HOUR
    const totals = await recounted([
      agent(1),
      tool(1, 2, { record_key: 'x' }),
      agent(2, { release: 'r2', at: 30 * day }),
      tool(2, 2, { record_key: 'x', at: 30 * day }),
      agent(3, { release: 'r3', at: 60 * day + 1 }),
      tool(3, 2, { record_key: 'x', at: 60 * day + 1 }),
      agent(4),
      tool(4, 2, { arguments_hash: 'a' }),
      agent(5),
      tool(5, 2, { arguments_hash: 'a' }),
      tool(5, 3),
      tool(5, 4),
    ])
    expect(totals).toMatchObject({ 'duplicate_creations events': 1, 'duplicate_creations hits': 1 })
    const { differences } = await recount({ store, signals: FOUR_SIGNALS })
    expect(differences.find((d) => d.signal === 'duplicate_creations' && d.measure === 'hits')?.release).toBe('r2')
  })

  test('a complaint goes to its conversation without limit, else to the latest contact of the customer within 7 days', async () => {
    const totals = await recounted(
      [agent(1, { customer: 'k', release: 'r1' }), agent(2, { customer: 'k', release: 'r2', at: HOUR })],
      [
        complaint(1, { conversation: 'c1', at: 1_000 * HOUR }),
        complaint(2, { customer: 'k', at: 169 * HOUR }),
        complaint(3, { customer: 'k', at: 169 * HOUR + 1 }),
        complaint(4, { customer: 'nobody' }),
        complaint(4, { customer: 'k', at: 2 * HOUR, seq: 2 }),
      ],
    )
    expect(totals).toMatchObject({
      'complaints trials': 2,
      'complaints hits': 2,
      'complaints events': 2,
      'complaints unattributed': 2,
    })
  })

  test('nested agents and handoffs join the first outermost agent; both sides of one call are one; texts come from the outermost first', async () => {
    await insert('spans', [
      agent(1, { queue: '' }),
      span(1, 2, { role: 'agent', agent_name: 'inner', release: '9', parent: 1, queue: 'inner', channel: 'voice' }),
      tool(1, 3, { parent: 2, at: 2 }),
      tool(1, 4, { parent: 3, at: 3, result: 'failed' }),
      span(1, 5, { role: 'agent', agent_name: 'handed over', release: '9', conversation: 'c1', at: 500 }),
      tool(1, 6, { parent: 5, at: 501, tool: 'other' }),
    ])
    const { differences } = await recount({ store, signals: FOUR_SIGNALS })
    expect(
      new Set(
        differences
          .filter((d) => d.measure !== 'release_capped_hits')
          .map((d) => `${d.agent} ${d.release} ${d.channel} ${d.queue}`),
      ),
    ).toEqual(new Set(['desk r1 chat inner']))
    expect(totalsOf({ differences })).toMatchObject({
      ' contacts': 1,
      ' calls': 2,
      ' failed_calls': 1,
      ' failed_writes': 1,
      ' creates': 1,
    })
  })

  test('a tool span without agent waits, and counts with an unknown slice once waiting ended; parents in a ring end nothing', async () => {
    const waiting = [tool(1, 2, { conversation: 'c1' })]
    expect(await recounted(waiting)).toEqual({})
    await insert('spans', [
      span(1, 0, { seq: 2 }),
      span(2, 1, { role: 'link', parent: 2 }),
      tool(2, 2, { parent: 1 }),
      span(2, 0, { seq: 2 }),
    ])
    const { differences } = await recount({ store, signals: FOUR_SIGNALS })
    expect(totalsOf({ differences })).toMatchObject({ ' contacts': 2, ' calls': 2 })
    expect(differences.every((d) => d.agent === '' && d.release === '')).toBe(true)
  })

  test('a sampled contact is counted but no trial', async () => {
    expect(
      await recounted([agent(1, { sampled: 1, customer: 'k', intent: 'x' }), tool(1, 2, { result: 'failed' })]),
    ).not.toHaveProperty('failed_updates trials')
  })

  test('a total that the pipeline holds and the facts do not is a difference, and the text names both figures', async () => {
    const row = {
      seq: 1,
      environment: 'production',
      agent: 'desk',
      release: 'r1',
      channel: 'chat',
      queue: 'orders',
      minute: '2026-10-01 00:00:00',
      customer: '',
    }
    await insert('spans', [agent(1)])
    await insert('deltas', [
      { ...row, signal: '', measure: 'contacts', n: 1 },
      { ...row, signal: '', measure: 'calls', n: 3 },
      { ...row, signal: 'complaints', measure: 'trials', n: 2 },
      { ...row, signal: 'complaints', measure: 'trials', n: -1, seq: 2 },
    ])
    const result = await recount({ store, signals: FOUR_SIGNALS })
    expect(result).toMatchObject({ equal: false, checked: 3, different: 1 })
    expect(result.differences).toEqual([
      {
        signal: '',
        measure: 'calls',
        environment: 'production',
        agent: 'desk',
        release: 'r1',
        channel: 'chat',
        queue: 'orders',
        counted: 3,
        recounted: 0,
      },
    ])
    expect(renderRecount(result)).toBe(
      'Recounted 3 totals from raw facts: 1 differ (environment / agent / release / channel / queue).\n  calls: counted 3, recounted 0  (production / desk / r1 / chat / orders)\n',
    )
  })
})

function totalsOf({ differences }: Pick<Recount, 'differences'>): Record<string, number> {
  const totals: Record<string, number> = {}
  for (const { signal, measure, recounted } of differences as readonly Difference[]) {
    const name = `${signal} ${measure}`
    totals[name] = (totals[name] ?? 0) + recounted
  }
  return totals
}
