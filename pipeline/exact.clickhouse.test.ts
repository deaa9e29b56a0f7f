import type { ClickHouseClient } from '@clickhouse/client'
import { expect, test } from 'vitest'
import { compileSignals } from '../detectors/signals/compile.ts'
import type { Signal } from '../detectors/signals/definition.ts'
import { SIGNAL_LIBRARY } from '../detectors/signals/library.ts'
import type { OutcomeFact, SpanFact } from '../facts/span.ts'
import { type Clock, wallClock } from '../lib/clock.ts'
import { AndonError } from '../lib/errors.ts'
import { silentLog } from '../lib/log.ts'
import { type Random, seededRandom } from '../lib/random.ts'
import { rowsOf } from '../store/store.clickhouse.ts'
import { type History, randomHistory } from './fixtures.ts'
import { recount } from './oracle.fixtures.ts'
import { JUDGED_ENVIRONMENTS } from './places.ts'
import { createSequencer, type Sequencer } from './sequencer.clickhouse.ts'
import { withStore } from './store.fixtures.ts'

const NAMES = [
  'failed_updates',
  'duplicate_creations',
  'repeat_contacts',
  'complaints',
  'repeat_contacts_7d',
  'corrections',
  'hallucinations',
  'human_reviews',
  'escalations',
  'slow_contacts',
  'handling_time',
]
const SIGNALS: readonly Signal[] = SIGNAL_LIBRARY.filter((signal) => NAMES.includes(signal.name))

let store: ClickHouseClient
withStore((opened) => {
  store = opened
})

/** Retries come at once; everything else is the wall clock. */
const hastyClock: Clock = { nowMs: wallClock.nowMs, sleep: (ms, signal) => wallClock.sleep(Math.min(ms, 5), signal) }

/** `eagerRows` 1: the next batch is stored while one is being counted, as under load. */
const open = (client: ClickHouseClient, eagerRows: number): Promise<Sequencer> =>
  createSequencer({
    store: client,
    statements: compileSignals(SIGNALS),
    idleMs: null,
    clock: hastyClock,
    clockMode: 'event',
    holdMs: 3_600_000,
    onBatch: () => {},
    eagerRows,
    log: silentLog,
  })

/** A client that fails at the n-th statement, before or after the store has done it, and then does (`dies`) or does not recover. */
function failingAfter(
  client: ClickHouseClient,
  random: Random,
): { client: ClickHouseClient; arm: (dies: boolean) => void; died: Promise<void> } {
  const death = Promise.withResolvers<void>()
  let left = Number.POSITIVE_INFINITY
  let dead = false
  let deadly = false
  const failing = (method: 'insert' | 'command' | 'query') => async (params: never) => {
    const statement = () => (client[method] as (given: never) => Promise<unknown>).call(client, params)
    if (dead) throw new AndonError('store_gone', 'gone', { retryable: true })
    if (--left >= 0) return statement()
    left = Number.POSITIVE_INFINITY
    dead = deadly
    if (dead) death.resolve()
    if (random.chance(0.5)) await statement()
    throw new AndonError('store_gone', 'gone', { retryable: true })
  }
  return {
    client: {
      ...client,
      insert: failing('insert'),
      command: failing('command'),
      query: failing('query'),
    } as unknown as ClickHouseClient,
    died: death.promise,
    arm: (dies) => {
      left = random.integer(14)
      deadly = dies
    },
  }
}

/** Sends a history in random order and batches, with copies, crashes and early ends of waiting; returns the facts as they were accepted. */
async function live(history: History, random: Random): Promise<{ spans: SpanFact[]; outcomes: OutcomeFact[] }> {
  const accepted: { spans: SpanFact[]; outcomes: OutcomeFact[] } = { spans: [], outcomes: [] }
  const copies = history.spans
    .filter(() => random.chance(0.1))
    .map((span) =>
      random.chance(0.5) ? span : { ...span, customer: `${span.traceId.slice(0, -4)}ffff`, result: 'failed' as const },
    )
  const spans = shuffled([...history.spans, ...copies], random)
  const outcomes = shuffled(
    [
      ...history.outcomes,
      ...history.outcomes
        .filter(() => random.chance(0.2))
        .map((outcome) => ({ ...outcome, customer: '', conversation: 'elsewhere' })),
    ],
    random,
  )
  let faulty = failingAfter(store, random)
  let sequencer = await open(faulty.client, random.pick([1, 1_000_000]))
  while (spans.length + outcomes.length > 0) {
    const size = 1 + random.integer(40)
    const arrivals = { spans: spans.splice(0, size), outcomes: outcomes.splice(0, random.integer(8)), points: [] }
    const dies = random.chance(0.1)
    if (dies || random.chance(0.15)) faulty.arm(dies)
    for (;;) {
      try {
        const alive = sequencer
        await Promise.race([
          sequencer.accept(arrivals),
          faulty.died
            .then(() => alive.close())
            .then(() => Promise.reject(new AndonError('store_gone', 'gone', { retryable: true }))),
        ])
        break
      } catch (error) {
        if (!(error instanceof AndonError && error.retryable)) throw error
        if (!dies) continue
        await sequencer.close()
        faulty = failingAfter(store, random)
        sequencer = await open(faulty.client, random.pick([1, 1_000_000]))
      }
    }
    accepted.spans.push(...arrivals.spans)
    accepted.outcomes.push(...arrivals.outcomes)
    if (dies) {
      await sequencer.close()
      faulty = failingAfter(store, random)
      sequencer = await open(faulty.client, random.pick([1, 1_000_000]))
    } else if (random.chance(0.1)) await sequencer.settle()
  }
  await sequencer.settle()
  await sequencer.close()
  return accepted
}

function shuffled<T>(items: readonly T[], random: Random): T[] {
  return items
    .map((item) => ({ item, order: random.uniform() }))
    .sort((a, b) => a.order - b.order)
    .map(({ item }) => item)
}

/** Totals as the oracle writes them; agents of one history start with its name, unattributed outcomes have no slice. */
async function totals(table: 'deltas' | 'rollup_minutes', name: string): Promise<Map<string, number>> {
  const rows = await rowsOf<{ key: string; n: number }>(
    store,
    `SELECT concatWithSeparator('|', signal, measure, environment, agent, release, if(measure = 'release_capped_hits', '', channel) AS c, if(measure = 'release_capped_hits', '', queue) AS q,
       toString(if(endsWith(measure, 'capped_hits'), 0, toUnixTimestamp(minute)))) AS key, round(sum(n), 3) AS n
     FROM ${table} WHERE startsWith(agent, {name:String}) GROUP BY key HAVING n != 0`,
    { name },
  )
  return new Map(rows.map((row) => [row.key, row.n]))
}

test.each([1, 2, 3])(
  'totals of a random history are those of a recount of all its facts, whatever the order, batches, copies and crashes (seed %i)',
  async (seed) => {
    const random = seededRandom('exact', seed)
    const name = `h${seed}x`
    const before = await totals('deltas', '')
    const accepted = await live(randomHistory(random, name, 14), random)
    const expected = recount(accepted, SIGNALS, JUDGED_ENVIRONMENTS)
    for (const [key, n] of before)
      if (!/\|h\d+x/.test(key)) expected.set(key, Math.round(((expected.get(key) ?? 0) + n) * 1000) / 1000) // what earlier seeds left without an agent
    const counted = new Map(
      [...(await totals('deltas', ''))].filter(([key]) => !/\|h\d+x/.test(key) || key.includes(`|${name}`)),
    )
    expect(sorted(counted)).toEqual(sorted(expected))
    expect(await totals('rollup_minutes', '')).toEqual(await totals('deltas', ''))
  },
)

const sorted = (map: ReadonlyMap<string, number>): Record<string, number> =>
  Object.fromEntries([...map].sort(([a], [b]) => (a < b ? -1 : 1)))
