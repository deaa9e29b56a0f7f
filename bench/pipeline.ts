/**
 * How fast batches are counted, from an empty store and over a large one.
 *
 *   node bench/pipeline.ts [--contacts 1000000] [--batch 500] [--batches 40] [--store DIR]
 *
 * 1. Batches of `--batch` spans (four tool spans to an agent span) into an empty store: medians of accepting and counting.
 * 2. Sustained: 10,000 spans a request, several sent at once, and beside it the floor: the rows that these batches left in
 *    every table, inserted again from native-format files into an empty store with the same tables and views.
 * 3. `--contacts` stored contacts with their parts, places and spans (INSERT … SELECT from numbers), then 1. again.
 */
import { mkdirSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import type { ClickHouseClient } from '@clickhouse/client'
import { createDetector } from '../detectors/detector.clickhouse.ts'
import { compileSignals } from '../detectors/signals/compile.ts'
import { FOUR_SIGNALS } from '../detectors/signals/library.ts'
import { DEFAULT_TRIGGERS, judgedTriggers } from '../detectors/triggers.ts'
import type { OutcomeFact, SpanFact } from '../facts/span.ts'
import { wallClock } from '../lib/clock.ts'
import { silentLog } from '../lib/log.ts'
import { agentSpan, outcomeOf, toolSpan } from '../pipeline/fixtures.ts'
import { type BatchMeasures, createSequencer } from '../pipeline/sequencer.clickhouse.ts'
import { openStore, rowsOf } from '../store/store.clickhouse.ts'

const { values: options } = parseArgs({
  options: {
    contacts: { type: 'string', default: '1000000' },
    batch: { type: 'string', default: '500' },
    batches: { type: 'string', default: '40' },
    store: { type: 'string', default: join(tmpdir(), 'andon-bench-pipeline') },
  },
})
const [contacts, batchSpans, batches] = [Number(options.contacts), Number(options.batch), Number(options.batches)]

const SPANS_PER_CONTACT = 5
const LARGE_BATCH_SPANS = 10_000
const LARGE_BATCHES = 12
const SENT_AT_ONCE = 4
const WARM_UP_BATCHES = 5
const DAY_MS = 86_400_000
const HISTORY_MS = 30 * DAY_MS
const START_MS = Date.UTC(2026, 5, 1)

const hex = (n: number, digits: number): string => n.toString(16).padStart(digits, '0')

/** Contact `n` of the benchmark: every seventh customer comes back within the window, one record in fifty is created twice. */
function contactSpans(n: number): SpanFact[] {
  const startedAtMs = START_MS + HISTORY_MS + n * 20
  const trace = { traceId: hex(n, 32), startedAtMs }
  const agent = {
    ...agentSpan({ id: '1' }),
    ...trace,
    spanId: hex(n * 8, 16),
    endedAtMs: startedAtMs + 90_000,
    conversation: `live-${n}`,
    customer: hex(n % 7 === 0 ? n - 7 : n, 32),
    intent: `intent ${n % 6}`,
    channel: n % 3 ? 'chat' : 'voice',
    queue: `q${n % 4}`,
    release: `r${1 + (n % 2)}`,
  }
  const tools = [1, 2, 3, 4].map((k) => ({
    ...toolSpan({ id: '1', tool: k === 1 ? 'open_case' : 'lookup', action: k === 1 ? 'create' : 'read' }),
    ...trace,
    spanId: hex(n * 8 + k, 16),
    parentSpanId: agent.spanId,
    argumentsHash: hex(n * 8 + k, 32),
    recordKey: k === 1 ? hex(n % 50 === 0 ? n - 50 : n, 32) : '',
    result: n % 40 === 0 ? ('failed' as const) : ('ok' as const),
  }))
  return [...tools, agent]
}

const complaintOf = (n: number): OutcomeFact =>
  outcomeOf({ outcomeId: `o${n}`, customer: hex(n, 32), atMs: START_MS + HISTORY_MS + n * 20 + 600_000 })

let sent = 0
function nextBatch(spans: number): { spans: SpanFact[]; outcomes: OutcomeFact[]; points: [] } {
  const first = sent + 1
  sent += Math.max(1, Math.round(spans / SPANS_PER_CONTACT))
  const numbers = Array.from({ length: sent - first + 1 }, (_, index) => first + index)
  return {
    spans: numbers.flatMap(contactSpans),
    outcomes: numbers.filter((n) => n % 100 === 0).map(complaintOf),
    points: [],
  }
}

const median = (values: readonly number[]): number => [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)]!

const sequencerFor = (store: ClickHouseClient, onBatch: (batch: BatchMeasures) => void) =>
  createSequencer({
    store,
    statements: compileSignals(FOUR_SIGNALS),
    idleMs: null,
    clock: wallClock,
    clockMode: 'event',
    holdMs: 30_000,
    onBatch,
    log: silentLog,
  })

/** Medians in milliseconds over batches that are sent one after the other. */
async function measureBatches(
  store: ClickHouseClient,
): Promise<{ acceptMs: number; processMs: number; totalMs: number; tickMs: number; cpuMs: number }> {
  const measures: BatchMeasures[] = []
  const sequencer = await sequencerFor(store, (batch) => measures.push(batch))
  const detector = await createDetector({
    store,
    triggers: judgedTriggers(DEFAULT_TRIGGERS, FOUR_SIGNALS, 0.01),
    judgedEnvironments: [''],
    clock: wallClock,
    clockMode: 'event',
    onBreach: async () => {},
    log: silentLog,
  })
  const ticks: number[] = []
  let startedCpuMs = 0
  for (let batch = 0; batch < batches + WARM_UP_BATCHES; batch++) {
    if (batch === WARM_UP_BATCHES) startedCpuMs = cpuMs()
    await sequencer.accept(nextBatch(batchSpans))
    while (measures.length <= batch) await wallClock.sleep(1)
    const tickStartedMs = performance.now()
    await detector.tick()
    ticks.push(performance.now() - tickStartedMs)
  }
  const usedMs = cpuMs() - startedCpuMs
  await sequencer.close()
  const counted = measures.slice(WARM_UP_BATCHES)
  return {
    acceptMs: median(counted.map((batch) => batch.acceptMs)),
    processMs: median(counted.map((batch) => batch.processMs)),
    totalMs: median(counted.map((batch) => batch.acceptMs + batch.processMs)),
    tickMs: median(ticks.slice(WARM_UP_BATCHES)),
    cpuMs: usedMs / batches,
  }
}

/** Spans per second, and per second of processor time, over large batches of which several are under way; encoding is part of it. */
async function measureSustained(store: ClickHouseClient): Promise<Speed> {
  const sequencer = await sequencerFor(store, () => {})
  const prepared = Array.from({ length: LARGE_BATCHES }, () => nextBatch(LARGE_BATCH_SPANS))
  const [startedMs, startedCpuMs] = [performance.now(), cpuMs()]
  const underWay: Promise<void>[] = []
  for (const batch of prepared) {
    underWay.push(sequencer.accept(batch))
    if (underWay.length === SENT_AT_ONCE) await underWay.shift()
  }
  await Promise.all(underWay)
  await sequencer.settle()
  const speed = speedOf(LARGE_BATCHES * LARGE_BATCH_SPANS, startedMs, startedCpuMs)
  await sequencer.close()
  return speed
}

type Speed = Readonly<{ perSecond: number; perCpuSecond: number }>
const speedOf = (spans: number, startedMs: number, startedCpuMs: number): Speed => ({
  perSecond: (spans / (performance.now() - startedMs)) * 1000,
  perCpuSecond: (spans / (cpuMs() - startedCpuMs)) * 1000,
})

/** Tables that a batch inserts into; views fill the others. */
const WRITTEN = [
  'spans',
  'outcomes',
  'contact_parts',
  'places',
  'linked_outcomes',
  'contact_changes',
  'deltas',
  'batches',
]

type Export = Readonly<{ table: string; file: string; seq: number }>

/** Writes what the sustained batches left in every table to files in the engine's own format, one a table and batch. */
async function exportBatches(store: ClickHouseClient, directory: string): Promise<{ spans: number; files: Export[] }> {
  const found = await rowsOf<{ seq: number; spans: number }>(
    store,
    `SELECT seq, spans FROM batches WHERE spans >= ${LARGE_BATCH_SPANS} ORDER BY seq LIMIT ${LARGE_BATCHES}`,
  )
  const files = found.flatMap(({ seq }) =>
    WRITTEN.map((table) => ({ table, seq, file: join(directory, `${table}-${seq}.native`) })),
  )
  for (const { table, seq, file } of files)
    await store.command({ query: `SELECT * FROM ${table} WHERE seq = ${seq} INTO OUTFILE '${file}' FORMAT Native` })
  return { spans: found.reduce((sum, batch) => sum + batch.spans, 0), files }
}

/** The floor: nothing but the inserts of the sustained batches, into the same tables and views of an empty store. */
async function measureFloor(
  store: ClickHouseClient,
  { spans, files }: { spans: number; files: readonly Export[] },
): Promise<Speed> {
  const [startedMs, startedCpuMs] = [performance.now(), cpuMs()]
  for (const { table, file, seq } of files)
    await store.command({
      query: `INSERT INTO ${table} FROM INFILE '${file}' SETTINGS insert_deduplication_token = 'floor ${seq}', deduplicate_blocks_in_dependent_materialized_views = 1 FORMAT Native`,
    })
  return speedOf(spans, startedMs, startedCpuMs)
}

/** Contacts as months of traffic leave them, spread over 30 days, customers with three contacts each; none meets a live one. */
async function preload(store: ClickHouseClient): Promise<void> {
  const started = `fromUnixTimestamp64Milli(toInt64(${START_MS} + n * ${HISTORY_MS} / ${contacts}), 'UTC')`
  const id = `concat('old-', toString(n), '/00000000')`
  const customer = `lower(hex(sipHash128(intDiv(n, 3))))`
  const record = `lower(hex(sipHash128(n, 'record')))`
  const from = (first: number) =>
    `FROM (SELECT number AS n FROM numbers(${first}, ${Math.min(PRELOAD_STEP, contacts - first)}))`
  for (let first = 0; first < contacts; first += PRELOAD_STEP) {
    await store.command({
      query: `INSERT INTO contact_changes (seq, sign, contact_id, environment, agent, release, channel, queue, intent, conversation, customer, started_at, ended_at, calls, writes, creates, received_at)
        SELECT 0, 1, ${id}, '', 'desk', 'r1', 'chat', concat('q', toString(n % 4)), concat('intent ', toString(n % 6)), concat('old-', toString(n)), ${customer}, ${started}, ${started}, 4, 1, 1, now() ${from(first)}`,
    })
    await store.command({
      query: `INSERT INTO places SELECT place.1, ${started}, ${id}, place.2, 0, 0, if(place.2 = '', concat('old-', toString(n)), ''), if(place.2 = '', concat('intent ', toString(n % 6)), ''), '', now() ${from(first)}
        ARRAY JOIN [(concat('c//old-', toString(n)), ''), (concat('u//', ${customer}), ''), (concat('r//', ${record}), 'span')] AS place`,
    })
    await store.command({
      query: `INSERT INTO contact_parts SELECT ${id}, lower(hex(sipHash128(n, 'trace'))), 0, 0, now(), '{"body":"as long as a part of a contact usually is, which is about six hundred characters of JSON"}' ${from(first)}`,
    })
    await store.command({
      query: `INSERT INTO spans (seq, accepted_at, received_at, trace_id, span_id, role, started_at, ended_at, agent_name, service_name, release, conversation, customer, tool, action, result)
        SELECT 0, now64(3), now(), lower(hex(sipHash128(n, 'trace'))), lower(hex(sipHash64(n, k))), if(k = 0, 'agent', 'tool'), ${started}, ${started}, 'desk', 'desk', 'r1', concat('old-', toString(n)), ${customer}, 'lookup', 'read', 'ok'
        ${from(first)} ARRAY JOIN range(${SPANS_PER_CONTACT}) AS k`,
    })
    await store.command({
      query: `INSERT INTO deltas (seq, signal, measure, environment, agent, release, channel, queue, minute, customer, n, received_at) SELECT 0, counted.1, counted.2, '', 'desk', 'r1', 'chat', concat('q', toString(n % 4)), toStartOfMinute(${started}), '', 1, now() ${from(first)}
        ARRAY JOIN [('', 'contacts'), ('failed_updates', 'trials')] AS counted`,
    })
    await store.command({
      query: `INSERT INTO customer_hits SELECT ${customer}, 'repeat_contacts', toDate(${started}), '', 'desk', 'r1', 'chat', 'q1', toStartOfMinute(${started}), 0, 1, now() ${from(first)} WHERE n % 10 = 0`,
    })
  }
}
const PRELOAD_STEP = 100_000

/** A store that grew for months is merged: the merges of the preload are not what is measured. */
async function mergeAll(store: ClickHouseClient): Promise<void> {
  for (const table of ['spans', 'contact_parts', 'places', 'contacts', 'contact_changes', 'deltas', 'customer_hits'])
    await store.command({ query: `OPTIMIZE TABLE ${table} FINAL` })
}

/** Processes that this one started: the engine. */
const children = (): string[] =>
  readdirSync('/proc').filter(
    (pid) => /^\d+$/.test(pid) && new RegExp(`^PPid:\\s+${process.pid}$`, 'm').test(read(`/proc/${pid}/status`)),
  )

/** '' where a process ended meanwhile. */
function read(file: string): string {
  try {
    return readFileSync(file, 'utf8')
  } catch {
    return ''
  }
}

/** Resident memory of this process and of the engine's, MiB. */
function residentMiB(): { own: number; engine: number } {
  const of = (pid: string): number => Number(/VmRSS:\s+(\d+)/.exec(read(`/proc/${pid}/status`))?.[1] ?? 0) / 1024
  return { own: of(String(process.pid)), engine: children().reduce((sum, pid) => sum + of(pid), 0) }
}

/** Processor time of this process and of the engine's so far, milliseconds: it depends less than wall time on what else runs. */
function cpuMs(): number {
  const of = (pid: string): number => {
    const fields = read(`/proc/${pid}/stat`).split(') ')[1]?.split(' ') ?? []
    return (Number(fields[11] ?? 0) + Number(fields[12] ?? 0)) * CLOCK_TICK_MS
  }
  return [String(process.pid), ...children()].reduce((sum, pid) => sum + of(pid), 0)
}
/** Linux counts processor time in hundredths of a second. */
const CLOCK_TICK_MS = 10

const say = (name: string, value: string): void => console.log(`${name.padEnd(52)} ${value}`)
const sayBatches = (name: string, measured: Awaited<ReturnType<typeof measureBatches>>): void => {
  const { acceptMs, processMs, totalMs, tickMs, cpuMs: spentMs } = measured
  const [accept, count, total, tick, cpu] = [acceptMs, processMs, totalMs, tickMs, spentMs].map((ms) => ms.toFixed(0))
  say(
    name,
    `accept ${accept} ms, count ${count} ms, together ${total} ms; tick ${tick} ms; ${cpu} ms of processor time`,
  )
}

const saySpeed = (name: string, { perSecond, perCpuSecond }: Speed): void =>
  say(name, `${perSecond.toFixed(0)} spans/s, ${perCpuSecond.toFixed(0)} per second of processor time`)

/** A fresh store for one measurement. */
async function inStore<T>(name: string, use: (store: ClickHouseClient) => Promise<T>): Promise<T> {
  const store = await openStore({ kind: 'embedded', path: join(options.store, name) })
  try {
    return await use(store)
  } finally {
    await store.close()
  }
}

rmSync(options.store, { recursive: true, force: true })
mkdirSync(options.store, { recursive: true })
try {
  const empty = await inStore('batches', measureBatches)
  sayBatches(`batch of ${batchSpans} spans, empty store, p50`, empty)
  const [sustained, files] = await inStore('sustained', async (store) => [
    await measureSustained(store),
    await exportBatches(store, options.store),
  ])
  saySpeed(`sustained, ${LARGE_BATCH_SPANS} spans a request`, sustained)
  const floor = await inStore('floor', (store) => measureFloor(store, files))
  saySpeed('floor: the same rows, native format, no computing', floor)
  say(
    'sustained / floor',
    `${(sustained.perSecond / floor.perSecond).toFixed(2)}, by processor time ${(sustained.perCpuSecond / floor.perCpuSecond).toFixed(2)}`,
  )
  await inStore('large', async (store) => {
    const startedMs = performance.now()
    await preload(store)
    await mergeAll(store)
    say(`${contacts} contacts stored before`, `in ${((performance.now() - startedMs) / 1000).toFixed(0)} s`)
    const full = await measureBatches(store)
    sayBatches(`batch of ${batchSpans} spans over them, p50`, full)
    say(
      'ratio to the empty store',
      `batch ${(full.totalMs / empty.totalMs).toFixed(2)}, tick ${(full.tickMs / empty.tickMs).toFixed(2)}, both by processor time ${(full.cpuMs / empty.cpuMs).toFixed(2)}`,
    )
    const resident = residentMiB()
    say('resident memory', `${resident.own.toFixed(0)} MiB here, ${resident.engine.toFixed(0)} MiB engine`)
  })
} finally {
  rmSync(options.store, { recursive: true, force: true })
}
