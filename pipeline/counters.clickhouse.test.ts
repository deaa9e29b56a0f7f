import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { ClickHouseClient } from '@clickhouse/client'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { compileSignals } from '../detectors/signals/compile.ts'
import { signalSchema } from '../detectors/signals/definition.ts'
import type { MetricPoint } from '../facts/span.ts'
import { wallClock } from '../lib/clock.ts'
import { silentLog } from '../lib/log.ts'
import { seededRandom } from '../lib/random.ts'
import { recount } from '../recount/recount.clickhouse.ts'
import { openStore, rowsOf } from '../store/store.clickhouse.ts'
import { createSequencer, type Sequencer } from './sequencer.clickhouse.ts'

const SIGNALS = [
  signalSchema.parse({
    name: 'declined',
    title: 'Declined',
    evaluator: 'counters',
    trials: 'payments',
    hits: 'payments.declined',
  }),
]
const directory = mkdtempSync(join(tmpdir(), 'andon-counters-'))
let store: ClickHouseClient
let sequencer: Sequencer

beforeAll(async () => {
  store = await openStore({ kind: 'embedded', path: directory })
  sequencer = await createSequencer({
    store,
    statements: compileSignals(SIGNALS),
    idleMs: null,
    clock: wallClock,
    clockMode: 'event',
    holdMs: 1_000,
    onBatch: () => {},
    log: silentLog,
  })
})
afterAll(async () => {
  await sequencer.close()
  await store.close()
  rmSync(directory, { recursive: true, force: true })
})

const START_MS = Date.UTC(2026, 0, 5)
const MINUTE_MS = 60_000

type Given = Partial<MetricPoint> & { minute: number; value: number; since?: number }
const pointOf = ({ minute, since = 0, ...given }: Given): MetricPoint => ({
  name: 'payments',
  series: 's',
  environment: '',
  agent: 'desk',
  release: 'r1',
  channel: '',
  queue: '',
  startMs: START_MS + since * MINUTE_MS,
  atMs: START_MS + minute * MINUTE_MS,
  temporality: 'cumulative',
  monotonic: 1,
  ...given,
})

const totalsOf = async (agent: string): Promise<Record<string, number>> =>
  Object.fromEntries(
    (
      await rowsOf<{ key: string; n: number }>(
        store,
        `SELECT concat(measure, ' ', toString(intDiv(toUnixTimestamp(minute) - ${START_MS / 1000}, 60))) AS key, sum(n) AS n FROM deltas WHERE agent = {agent:String} GROUP BY key HAVING n != 0`,
        { agent },
      )
    ).map((row) => [row.key, row.n]),
  )

const CASES: readonly (readonly [
  title: string,
  batches: readonly (readonly Given[])[],
  increases: Record<string, number>,
])[] = [
  [
    'a delta point is its own increase',
    [[{ minute: 1, value: 3, temporality: 'delta' }], [{ minute: 2, value: 4, temporality: 'delta' }]],
    { 'trials 1': 3, 'trials 2': 4 },
  ],
  [
    'a cumulative counter counts from the point before',
    [[{ minute: 1, value: 3 }], [{ minute: 2, value: 10 }]],
    { 'trials 1': 3, 'trials 2': 7 },
  ],
  [
    'a first point that does not say since when is only where counting begins',
    [[{ minute: 1, value: 100, startMs: 0 }], [{ minute: 2, value: 103, startMs: 0 }]],
    { 'trials 2': 3 },
  ],
  [
    'a later start is a reset, even if the value did not fall',
    [[{ minute: 1, value: 5 }], [{ minute: 3, value: 6, since: 2 }]],
    { 'trials 1': 5, 'trials 3': 6 },
  ],
  [
    'a value that falls is a reset',
    [[{ minute: 1, value: 5 }], [{ minute: 2, value: 2 }]],
    { 'trials 1': 5, 'trials 2': 2 },
  ],
  [
    'a late point splits the increase that it lies in',
    [
      [
        { minute: 1, value: 1 },
        { minute: 9, value: 9 },
      ],
      [{ minute: 5, value: 4 }],
    ],
    { 'trials 1': 1, 'trials 5': 3, 'trials 9': 5 },
  ],
  [
    'a late point before a reset adds what the reset had hidden',
    [
      [
        { minute: 1, value: 1 },
        { minute: 9, value: 2, since: 8 },
      ],
      [{ minute: 7, value: 6 }],
    ],
    { 'trials 1': 1, 'trials 7': 5, 'trials 9': 2 },
  ],
  [
    'a point that comes twice counts once, the first copy',
    [
      [
        { minute: 1, value: 3 },
        { minute: 1, value: 3 },
      ],
      [
        { minute: 1, value: 8 },
        { minute: 2, value: 4 },
      ],
    ],
    { 'trials 1': 3, 'trials 2': 1 },
  ],
  [
    'a series that was silent for a day continues where it stood',
    [[{ minute: 1, value: 3 }], [{ minute: 1500, value: 5 }]],
    { 'trials 1': 3, 'trials 1500': 2 },
  ],
  [
    'gauges and sums that may fall do not count',
    [
      [
        { minute: 1, value: 3, temporality: 'gauge' },
        { minute: 2, value: 4, monotonic: 0 },
      ],
    ],
    {},
  ],
  [
    'hits count in evidence as they are',
    [[{ minute: 1, value: 2, name: 'payments.declined' }]],
    { 'hits 1': 2, 'capped_hits 1': 2, 'release_capped_hits 1': 2 },
  ],
  ['metrics that no signal reads are stored only', [[{ minute: 1, value: 2, name: 'latency' }]], {}],
]

test.each(CASES)('%s', async (title, batches, increases) => {
  for (const points of batches)
    await sequencer.accept({
      spans: [],
      outcomes: [],
      points: points.map((point) => pointOf({ agent: title, series: title, ...point })),
    })
  await sequencer.settle()
  expect(await totalsOf(title)).toEqual(increases)
})

test('increases of random series in random order, batches and copies are those of the points in order of time', async () => {
  const random = seededRandom('counters')
  const points: MetricPoint[] = []
  const expected = new Map<string, number>()
  for (let series = 0; series < 6; series++) {
    const temporality = random.pick(['delta', 'cumulative'] as const)
    const name = random.pick(['payments', 'payments.declined'])
    let [value, since] = [0, 0]
    for (let minute = 1; minute < 30; minute++) {
      const increase = random.integer(4)
      const restarts = random.chance(0.1)
      ;[value, since] = restarts ? [increase, minute] : [value + increase, since]
      if (temporality === 'cumulative' && random.chance(0.3)) continue // not exported: the next point carries it, or a restart hides it
      points.push(
        pointOf({
          agent: 'random',
          series: `random ${series}`,
          name,
          temporality,
          minute,
          since,
          value: temporality === 'delta' ? increase : value,
        }),
      )
    }
    const mine = points.filter((point) => point.series === `random ${series}`)
    for (const [index, point] of mine.entries()) {
      const last = mine[index - 1]
      const grown =
        temporality === 'delta' || !last || last.startMs !== point.startMs ? point.value : point.value - last.value
      for (const measure of name === 'payments' ? ['trials'] : ['hits', 'capped_hits', 'release_capped_hits']) {
        const key = `${measure} ${(point.atMs - START_MS) / MINUTE_MS}`
        expected.set(key, (expected.get(key) ?? 0) + grown)
      }
    }
  }
  const sent = [...points, ...points.filter(() => random.chance(0.2))]
    .map((point) => ({ point, order: random.uniform() }))
    .sort((a, b) => a.order - b.order)
  while (sent.length > 0)
    await sequencer.accept({
      spans: [],
      outcomes: [],
      points: sent.splice(0, 1 + random.integer(30)).map(({ point }) => point),
    })
  await sequencer.settle()
  expect(await totalsOf('random')).toEqual(Object.fromEntries([...expected].filter(([, n]) => n !== 0)))
})

test('a recount of all points finds the same increases, and one that was lost', async () => {
  const whole = await recount({ store, signals: SIGNALS })
  expect(whole).toMatchObject({ equal: true, differences: [] })
  expect(whole.checked).toBeGreaterThan(15)
  const lost = `agent = 'random' AND measure = 'trials' AND seq = (SELECT max(seq) FROM deltas WHERE agent = 'random' AND measure = 'trials')`
  await store.command({ query: `ALTER TABLE deltas DELETE WHERE ${lost} SETTINGS mutations_sync = 2` })
  const { differences } = await recount({ store, signals: SIGNALS })
  expect(differences).toMatchObject([{ signal: 'declined', measure: 'trials', agent: 'random' }])
})
