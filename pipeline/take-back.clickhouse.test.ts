import { type ClickHouseClient, ClickHouseError } from '@clickhouse/client'
import { expect, test } from 'vitest'
import { compileSignals } from '../detectors/signals/compile.ts'
import { SIGNAL_LIBRARY } from '../detectors/signals/library.ts'
import { type Clock, wallClock } from '../lib/clock.ts'
import { AndonError } from '../lib/errors.ts'
import { silentLog } from '../lib/log.ts'
import { rowsOf } from '../store/store.clickhouse.ts'
import { agentSpan, outcomeOf, toolSpan, traceIdOf } from './fixtures.ts'
import { drive, newBus } from './over-bus.fixtures.ts'
import { type Arrivals, createSequencer, type Sequencer } from './sequencer.clickhouse.ts'
import { listSetAside, replaySetAside } from './set-aside.clickhouse.ts'
import { withStore } from './store.fixtures.ts'
import type { TakenBack } from './take-back.clickhouse.ts'

let store: ClickHouseClient
withStore((opened) => {
  store = opened
})

const hastyClock: Clock = { nowMs: wallClock.nowMs, sleep: (ms, signal) => wallClock.sleep(Math.min(ms, 5), signal) }
const SIGNALS = compileSignals(SIGNAL_LIBRARY.slice(0, 4))

const open = (client: ClickHouseClient, onTakenBack: (taken: TakenBack) => void = () => {}): Promise<Sequencer> =>
  createSequencer({
    store: client,
    statements: SIGNALS,
    idleMs: null,
    clock: hastyClock,
    clockMode: 'wall',
    holdMs: 60_000,
    onBatch: () => {},
    onTakenBack,
    log: silentLog,
  })

type Statement = Readonly<{
  table?: string
  query?: string
  query_params?: Readonly<Record<string, unknown>>
  clickhouse_settings?: Readonly<Record<string, unknown>>
}>

/** A client with something before every statement; what that throws, the statement throws. */
const watched = (before: (params: Statement) => Promise<void>): ClickHouseClient =>
  new Proxy(store, {
    get: (target, name) => {
      const value = Reflect.get(target, name, target) as unknown
      if (typeof value !== 'function') return value
      if (name !== 'insert' && name !== 'query' && name !== 'command') return value.bind(target)
      return async (params: Statement) => {
        await before(params)
        return value.call(target, params)
      }
    },
  })

/** The row that says what becomes of a batch. */
const isDecision = ({ table, clickhouse_settings: settings }: Statement): boolean =>
  table === 'taken_back' && String(settings?.insert_deduplication_token).startsWith('w')

/** As ClickHouse may word it, with a value that it was given. */
const overflow = () =>
  new ClickHouseError({
    message: `Decimal math overflow at '${'ab'.repeat(16)}'`,
    code: '407',
    type: 'DECIMAL_OVERFLOW',
  })

/** Fails at the deltas of a batch that changes this conversation, or at its caps, when its deltas stand already. */
const failsAt =
  (step: 'deltas' | 'caps', conversation: string) =>
  async ({ query = '', query_params = {} }: Statement): Promise<void> => {
    const isStep = query.includes('INSERT INTO deltas') && ('customers' in query_params ? 'caps' : 'deltas') === step
    if (!isStep || query.includes('-n AS n')) return
    const [found] = await rowsOf<{ n: number }>(
      store,
      'SELECT toUInt32(count()) AS n FROM contact_changes WHERE seq = {seq:UInt64} AND conversation = {conversation:String}',
      { seq: query_params.seq, conversation },
    )
    if (found!.n > 0) throw overflow()
  }

/** A customer's contact with a write that failed. */
const contact = (name: string): Arrivals['spans'] => {
  const common = { trace: name, conversation: name, customer: Buffer.from(name).toString('hex').padStart(32, '0') }
  return [
    agentSpan({ ...common, id: `${name}.a`, intent: 'refund', agentName: 'desk', startedAtMs: wallClock.nowMs() }),
    toolSpan({ ...common, id: `${name}.t`, parent: `${name}.a`, action: 'update', result: 'failed' }),
  ]
}
const arrivals = (names: readonly string[]): Arrivals => ({
  spans: names.flatMap(contact),
  outcomes: names.map((name) =>
    outcomeOf({ outcomeId: `complaint ${name}`, conversation: name, atMs: wallClock.nowMs() }),
  ),
  points: [],
})

/** By measure: what the totals hold of everything but Andon's own probes. */
async function totals(): Promise<Record<string, number>> {
  const rows = await rowsOf<{ name: string; n: number }>(
    store,
    `SELECT concat(signal, '.', measure) AS name, sum(t.n) AS n FROM rollup_minutes AS t
     WHERE agent = 'desk' AND name IN ('.contacts', '.failed_writes', 'complaints.hits', 'failed_updates.capped_hits') GROUP BY name`,
  )
  return Object.fromEntries(rows.map(({ name, n }) => [name, n]))
}
const each = (n: number) => ({
  '.contacts': n,
  '.failed_writes': n,
  'complaints.hits': n,
  'failed_updates.capped_hits': n,
})
const plus = (a: Record<string, number>, n: number) =>
  Object.fromEntries(Object.entries(each(n)).map(([name, more]) => [name, (a[name] ?? 0) + more]))
const asideIds = async () =>
  (await rowsOf<{ id: string }>(store, 'SELECT id FROM set_aside ORDER BY seq, position')).map(({ id }) => id)

test.each(['deltas', 'caps'] as const)(
  'of a batch that fails at its %s every time, all is counted but the trace that it fails of',
  async (step) => {
    const before = await totals()
    const aside = await asideIds()
    const told: TakenBack[] = []
    const bad = `bad ${step}`
    const sequencer = await open(watched(failsAt(step, bad)), (taken) => told.push(taken))
    await sequencer.accept(arrivals([`${step} 1`, `${step} 2`, bad, `${step} 3`]))
    await sequencer.accept(arrivals([`${step} 4`]))
    await sequencer.settle()
    await sequencer.close()
    // The complaint about it is an outcome of its own: it is counted, and finds nobody.
    expect(await totals()).toEqual(plus(before, 4))
    const added = (await asideIds()).slice(aside.length)
    expect(added.map((id) => id.split('/')[0])).toEqual([traceIdOf(bad), traceIdOf(bad)])
    expect(told.at(-1)).toMatchObject({ setAside: 2, id: traceIdOf(bad), error: "Decimal math overflow at '…'" })
    expect(told.slice(0, -1).every(({ setAside }) => setAside === 0)).toBe(true)
  },
)

const KILLED_AT = [1, 4, 8, 13, 18]

/** A monitor that dies at this statement of taking a batch back, of which `bad` cannot be counted. */
async function dieTakingBack(statement: number, good: string, bad: string): Promise<void> {
  const fails = failsAt('caps', bad)
  let left = Number.POSITIVE_INFINITY
  const mortal = watched(async (params) => {
    if (isDecision(params)) left = Math.min(left, statement)
    if (--left < 0) throw new AndonError('store_gone', 'gone', { retryable: true })
    await fails(params)
  })
  const dying = await open(mortal)
  await dying.accept({ ...arrivals([good, bad]), outcomes: [] })
  await expect.poll(() => left < 0, { timeout: 20_000 }).toBe(true)
  await dying.close()
}

test.each(KILLED_AT)('killed at statement %i of it, taking back ends the same way', async (statement) => {
  const before = await totals()
  const aside = await asideIds()
  const bad = `bad killed ${statement}`
  await dieTakingBack(statement, `killed ${statement}`, bad)
  const sequencer = await open(watched(failsAt('caps', bad)))
  await sequencer.settle()
  await sequencer.close()
  expect(await totals()).toEqual({ ...plus(before, 1), 'complaints.hits': before['complaints.hits'] })
  const added = (await asideIds()).slice(aside.length)
  expect(new Set(added.map((id) => id.split('/')[0]))).toEqual(new Set([traceIdOf(bad)]))
})

const unavailable = () => new AndonError('store_unavailable', 'busy', { retryable: true })

const acceptedWith = async (sequencer: Sequencer, arrived: Arrivals) => {
  await expect
    .poll(
      () =>
        sequencer.accept(arrived).then(
          () => 'taken',
          (error: AndonError) => error.code,
        ),
      { timeout: 20_000 },
    )
    .toBe('taken')
}

const EVERY_STATEMENT = [
  ...[
    'contact_changes',
    'contact_parts',
    'contacts',
    'linked_outcomes',
    'metric_points',
    'outcomes',
    'places',
    'spans',
  ].map((table) => `ALTER TABLE ${table} DELETE`),
  'INSERT INTO deltas SELECT * REPLACE (-n AS n) FROM deltas',
  'batches',
  'set_aside',
  'taken_back',
]

// No fact of the batch stands any more when its end fails, or the last of its deletes.
test.each([
  ['each', EVERY_STATEMENT],
  ['delete', ['ALTER TABLE metric_points DELETE']],
  ['end', ['batches']],
])(
  'where the last setting aside fails once (%s), what is accepted next stands and counts',
  async (name, failing) => {
    const before = await totals()
    const aside = await asideIds()
    const bad = `bad ${name}`
    const failed = new Set<string>()
    let decisions = 0
    let isOver = false
    const failsOnceEach = watched(async (params) => {
      await failsAt('caps', bad)(params)
      const { table, query = '' } = params
      // The first is halved, the second is the half that cannot be halved: nothing has a greater number.
      const isLast = decisions >= 2
      if (isDecision(params)) decisions++
      if (!isLast || isOver) return
      const statement = table ?? query.split(' WHERE ')[0]!
      if (failing.includes(statement) && !failed.has(statement)) {
        failed.add(statement)
        throw unavailable()
      }
      isOver = table === 'batches'
    })
    const sequencer = await open(failsOnceEach)
    await sequencer.accept({ ...arrivals([`good ${name}`, bad]), outcomes: [] })
    await expect.poll(() => failed.size, { timeout: 30_000 }).toBeGreaterThan(0)
    await acceptedWith(sequencer, { ...arrivals([`next ${name}`]), outcomes: [] })
    await sequencer.settle()
    await sequencer.close()
    const [stored] = await rowsOf<{ n: number }>(
      store,
      'SELECT toUInt32(count()) AS n FROM spans WHERE conversation = {conversation:String}',
      { conversation: `next ${name}` },
    )
    expect(stored!.n).toBe(2)
    expect(await totals()).toEqual({ ...plus(before, 2), 'complaints.hits': before['complaints.hits'] })
    expect((await asideIds()).slice(aside.length).map((id) => id.split('/')[0])).toEqual([
      traceIdOf(bad),
      traceIdOf(bad),
    ])
    expect([...failed].toSorted()).toEqual(failing.toSorted())
  },
  60_000,
)

test('however often deleting its facts fails, a batch is halved once, and nothing that went on is set aside', async () => {
  const before = await totals()
  const aside = await asideIds()
  const bad = 'bad repeated'
  const newest: number[] = []
  let left = 4
  const failsAgain = watched(async (params) => {
    await failsAt('caps', bad)(params)
    if (left === 0 || !params.query?.startsWith('ALTER TABLE outcomes DELETE')) return
    left--
    const [found] = await rowsOf<{ seq: number }>(store, 'SELECT max(seq) AS seq FROM spans')
    newest.push(found!.seq)
    throw unavailable()
  })
  const sequencer = await open(failsAgain)
  await sequencer.accept(arrivals(['repeated', bad]))
  await expect.poll(() => left, { timeout: 30_000 }).toBe(0)
  await acceptedWith(sequencer, { spans: contact('after'), outcomes: [], points: [] })
  await sequencer.settle()
  await sequencer.close()
  expect(newest).toEqual(newest.map(() => newest[0]))
  expect(await totals()).toEqual({ ...plus(before, 2), 'complaints.hits': (before['complaints.hits'] ?? 0) + 1 })
  expect((await asideIds()).slice(aside.length).map((id) => id.split('/')[0])).toEqual([traceIdOf(bad), traceIdOf(bad)])
}, 60_000)

test('what is set aside is listed with its error, and counts when it is replayed and can be counted', async () => {
  const before = await totals()
  const replayed = new Set((await asideIds()).map((id) => id.split('/')[0])).size
  expect(replayed).toBeGreaterThan(0)
  await replaySetAside(store, wallClock.nowMs())
  const sequencer = await open(store)
  await sequencer.settle()
  await sequencer.close()
  expect(await totals()).toMatchObject({
    '.contacts': before['.contacts']! + replayed,
    '.failed_writes': before['.failed_writes']! + replayed,
  })
  expect(await listSetAside(store)).toEqual([])
  expect(await replaySetAside(store, wallClock.nowMs())).toBe(0)
})

test('where nothing can be counted nothing is set aside: all stands still until it can', async () => {
  const before = await totals()
  const aside = await asideIds()
  let isBroken = true
  const broken = watched(async ({ query = '' }) => {
    if (isBroken && query.includes('INSERT INTO deltas')) throw overflow()
  })
  const sequencer = await open(broken)
  await sequencer.accept(arrivals(['patient 1', 'patient 2']))
  const refused = () =>
    sequencer.accept(arrivals(['patient 3'])).then(
      () => 'taken',
      (error: AndonError) => error.code,
    )
  await expect.poll(refused, { timeout: 20_000 }).toBe('unavailable')
  isBroken = false
  await expect.poll(refused, { timeout: 20_000 }).toBe('taken')
  await sequencer.settle()
  await sequencer.close()
  expect(await totals()).toEqual(plus(before, 3))
  expect(await asideIds()).toEqual(aside)
}, 60_000)

test('a pipeline over a bus ends the taking back that a monitor without one left in the middle', async () => {
  const before = await totals()
  const aside = await asideIds()
  await dieTakingBack(13, 'switched', 'bad switched')
  const member = await drive({
    bus: await newBus(),
    client: watched(failsAt('caps', 'bad switched')),
    group: 'g',
    holdMs: 60_000,
  })
  await expect.poll(async () => (await asideIds()).length, { timeout: 20_000 }).toBe(aside.length + 2)
  const open = 'SELECT DISTINCT seq FROM spans WHERE seq > (SELECT max(seq) FROM batches)'
  await expect.poll(() => rowsOf(store, open), { timeout: 20_000 }).toEqual([])
  await member.close()
  expect(await totals()).toEqual({ ...plus(before, 1), 'complaints.hits': before['complaints.hits'] })
}, 60_000)
