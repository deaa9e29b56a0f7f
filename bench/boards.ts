/**
 * How long the queries of every board take together over a large store: node bench/boards.ts [--contacts 10000000] [--releases 1000] [--days 90]
 * [--folder DIR]. The tables that boards read are filled by SQL, with the counts that as many contacts leave behind; --folder keeps
 * (and takes up again) the store.
 */
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import type { ClickHouseClient } from '@clickhouse/client'
import { allBoards } from '../dashboards/boards/all.ts'
import { ALL, expanded, type Selection } from '../dashboards/boards/macros.fixtures.ts'
import { clickhouseQueriesOf, keyOfRelease, type Query } from '../dashboards/boards/read.fixtures.ts'
import type { Range } from '../dashboards/boards/server-macros.fixtures.ts'
import { openStore, rowsOf } from '../store/store.clickhouse.ts'

const { values } = parseArgs({
  options: {
    contacts: { type: 'string', default: '10000000' },
    releases: { type: 'string', default: '1000' },
    days: { type: 'string', default: '90' },
    folder: { type: 'string' },
  },
})
const contacts = Number(values.contacts)
const releases = Number(values.releases)
const days = Number(values.days)
/** Days that a release serves. */
const LIFE = 5
const CHUNKS = 20
const DAY_S = 86_400
/** Points that a panel of half a screen asks for. */
const PANEL_POINTS = 600
/** Of the clock in which Linux counts processor time. */
const TICK_MS = 10
/** Items in the affected set of an incident. */
const TOUCHED = 600
/** Days that evidence per slice is kept. */
const SLICES_KEPT = 30

const folder = values.folder ?? mkdtempSync(join(tmpdir(), 'andon-bench-boards-'))
const isNew = !existsSync(join(folder, 'store'))
const store = await openStore({ kind: 'embedded', path: join(folder, 'store'), memoryBytes: 3 * 2 ** 30 })
const endS = Math.floor(Date.now() / 1000 / DAY_S) * DAY_S
try {
  if (isNew) await timed('filled', () => fill(store))
  const [size] = await rowsOf<Record<string, number>>(
    store,
    `SELECT (SELECT sum(n) FROM rollup_hours WHERE signal = '' AND measure = 'contacts') AS contacts, (SELECT count() FROM rollup_minutes) AS minute_rows,
       (SELECT count() FROM rollup_hours) AS hour_rows, (SELECT count() FROM evidence_history) AS evidence_rows, (SELECT count() FROM slice_times) AS slices`,
  )
  console.log(JSON.stringify(size))
  await measure(store)
} finally {
  await store.close()
  if (values.folder === undefined) rmSync(folder, { recursive: true, force: true })
}

async function timed<T>(what: string, work: () => Promise<T>): Promise<T> {
  const startMs = performance.now()
  const result = await work()
  console.log(`${what}: ${((performance.now() - startMs) / 1000).toFixed(1)} s`)
  return result
}

/** Launch of release r, in seconds: evenly over the days, so that about releases x LIFE / days serve at a time. */
function launchOf(r: string): string {
  return `${endS - days * DAY_S} + intDiv(${r} * ${Math.floor((days - LIFE) * DAY_S)}, ${releases})`
}

function slice(r: string): string {
  return `'production' AS environment, concat('agent-', toString(${r} % 20)) AS agent, concat('release-', toString(${r})) AS release`
}

async function fill(store: ClickHouseClient): Promise<void> {
  const perChunk = Math.ceil(contacts / CHUNKS)
  for (let chunk = 0; chunk < CHUNKS; chunk++) {
    const from = Math.floor((chunk * releases) / CHUNKS)
    const width = Math.max(1, Math.floor(((chunk + 1) * releases) / CHUNKS) - from)
    await store.command({
      query: `INSERT INTO rollup_minutes (signal, measure, environment, agent, release, channel, queue, region, minute, n)
        SELECT part.1, part.2, environment, agent, release, channel, queue, region, minute, count()
        FROM (
          SELECT ${slice('r')}, concat('channel-', toString(h % 4)) AS channel, concat('queue-', toString(intDiv(h, 4) % 5)) AS queue,
            concat('region-', toString(intDiv(h, 20) % 4)) AS region, toStartOfMinute(toDateTime(${launchOf('r')} + intDiv(h, 100) % ${LIFE * DAY_S}, 'UTC')) AS minute,
            arrayJoin(arrayConcat([('', 'contacts'), ('', 'calls'), ('', 'writes'), ('complaints', 'trials')],
              if(h % 10 < 9, [('', 'identified'), ('repeat_contacts', 'trials')], []), if(h % 10 < 6, [('failed_updates', 'trials'), ('', 'contacts_with_write')], []),
              if(h % 10 < 3, [('duplicate_creations', 'trials')], []), if(h % 100 < 12, [('repeat_contacts', 'hits'), ('repeat_contacts', 'capped_hits')], []),
              if(h % 100 < 2, [('failed_updates', 'hits'), ('complaints', 'hits'), ('', 'failed_writes')], []))) AS part
          FROM (SELECT ${from} + number % ${width} AS r, cityHash64(number, ${chunk}) AS h FROM numbers(${perChunk}))
        ) GROUP BY ALL`,
    })
  }
  await store.command({
    query: `INSERT INTO rollup_hours SELECT signal, measure, environment, agent, release, channel, queue, region, toStartOfHour(minute), sum(rollup_minutes.n)
      FROM rollup_minutes GROUP BY ALL SETTINGS max_bytes_before_external_group_by = 500000000`,
  })
  await store.command({
    query: `INSERT INTO rollup_days SELECT signal, measure, environment, agent, release, channel, queue, toDate(minute), sum(rollup_minutes.n)
      FROM rollup_minutes GROUP BY ALL SETTINGS max_bytes_before_external_group_by = 500000000`,
  })
  await store.command({
    query: `INSERT INTO slice_times SELECT environment, agent, release, channel, queue, region, min(minute), max(minute), sum(rollup_minutes.n)
      FROM rollup_minutes WHERE signal = '' AND measure = 'contacts' GROUP BY ALL`,
  })
  await store.command({
    query: `INSERT INTO evidence_history (environment, agent, release, trigger, signal, minute, at, seq, action, finding, trials, hits, rate, low, high, baseline, limit, log_e, log_threshold)
      SELECT ${slice('r')}, part AS trigger, part AS signal, toDateTime(${launchOf('r')} + m * 60, 'UTC') AS minute, minute AS at, m AS seq, 'pause', 'watching',
        m, m / 50, 0.02, 0.01, 0.03, 0.02, 0.02, sin(m / 500 + r), 4.6
      FROM (SELECT intDiv(number, ${LIFE * 1440}) AS r, number % ${LIFE * 1440} AS m FROM numbers(${releases * LIFE * 1440}))
      ARRAY JOIN ['', 'failed_updates', 'duplicate_creations', 'repeat_contacts', 'complaints'] AS part`,
  })
  await fillSlices(store)
  await store.command({
    query: `INSERT INTO batches (seq, clock_at, accepted_at, spans, new_spans, outcomes, points)
      SELECT number, toDateTime(${endS} - ${days * DAY_S} + number * 8, 'UTC') AS clock_at, clock_at, 100, 100, 1, 0 FROM numbers(${Math.floor((days * DAY_S) / 8)})`,
  })
  await store.command({
    query: `INSERT INTO incident_events (incident_id, version, at_ms, type, body)
      SELECT concat('incident-', toString(r)), line.1, (at_s + line.1 * 60) * 1000, line.2, line.3
      FROM (
        SELECT r, ${launchOf('r')} + 100000 AS at_s,
          concat('{"kind":"breach","reason":"too many","release":{"environment":"production","agent":"agent-', toString(r % 20), '","release":"release-', toString(r),
            '"},"channel":"channel-1","queue":"queue-1","signal":"failed_updates","trigger":"failed_updates","action":"pause","trafficGoesTo":"people","trials":100,"hits":9,"baseline":0.02,"contactsExposed":40,"floorMs":900000,"floorContacts":10,"onsetMs":',
            toString((at_s - 3600) * 1000), ',"decidedAtMs":', toString(at_s * 1000), ',"logE":5,"logThreshold":4.6}') AS finding,
          arrayJoin([(1, 'opened', concat('{"type":"opened","reason":"first_breach","pause":true,"finding":', finding, '}')),
            (2, 'attempted', '{"type":"attempted","target":"platform","attempt":1,"outcome":"delivered","status":200,"elapsedMs":12}'),
            (3, 'accepted', '{"type":"accepted","target":"platform","enforces":true}'),
            (4, 'stopped', concat('{"type":"stopped","contactsAfterPause":1,"writesAfterPause":0,"stoppedAtMs":', toString((at_s + 300) * 1000), '}')),
            (6, 'closed', '{"type":"closed","verdict":"confirmed","by":"ada","reason":"seen"}'),
            (5, 'drained', concat('{"type":"drained","contactsAfterPause":1,"writesAfterPause":0,"drainedAtMs":', toString((at_s + 600) * 1000), '}'))]) AS line
        FROM (SELECT number * 5 AS r FROM numbers(${Math.floor(releases / 5)}))
      )`,
  })
  await fillAffected(store)
  for (const table of ['rollup_minutes', 'rollup_hours', 'rollup_days', 'evidence_history', 'evidence_slices'])
    await timed(`merged ${table}`, () => store.command({ query: `OPTIMIZE TABLE ${table} FINAL` }))
}

/** What each incident touched: its audit, and some hundreds of contacts, customers (every third of another incident as well) and records. */
async function fillAffected(store: ClickHouseClient): Promise<void> {
  await store.command({
    query: `INSERT INTO affected_items (incident_id, snapshot, kind, item, need, environment, agent, release, channel, queue, amount, currency)
      SELECT concat('incident-', toString(r)), 1, ['contact', 'customer', 'record'][1 + i % 3] AS kind, if(kind = 'customer' AND i % 9 = 1, toString(i), concat(toString(r), '/', toString(i))),
        ['', 'recontact', 'correct'][1 + i % 3], ${slice('r')}, concat('channel-', toString(i % 4)), concat('queue-', toString(i % 5)), if(kind = 'record', i, 0), if(kind = 'record', 'EUR', '')
      FROM (SELECT intDiv(number, ${TOUCHED}) * 5 AS r, number % ${TOUCHED} AS i FROM numbers(${Math.floor(releases / 5) * TOUCHED}))
      UNION ALL SELECT concat('incident-', toString(number * 5)), 1, 'audit', 'audit', '', 'production', '', '', '', '', 0, '' FROM numbers(${Math.floor(releases / 5)})`,
  })
  await store.command({
    query: `INSERT INTO recovery_entries (incident_id, entry_id, step, kind, item)
      SELECT incident_id, item, 'record_corrected', kind, item FROM affected_items WHERE kind = 'record' AND cityHash64(item) % 3 > 0`,
  })
}

/** A row for each minute in which a slice had a contact. */
async function fillSlices(store: ClickHouseClient): Promise<void> {
  await store.command({
    query: `INSERT INTO evidence_slices (environment, agent, release, channel, queue, minute, at, seq, signal, log_e, log_threshold)
      SELECT environment, agent, release, channel, queue, minute, minute AS at, toUnixTimestamp(minute) AS seq, 'failed_updates',
        sin(toUnixTimestamp(minute) / 30000 + sipHash64(release, channel, queue) % 100) * 4, 4.6
      FROM rollup_minutes WHERE signal = '' AND measure = 'contacts' AND minute >= toDateTime(${endS - SLICES_KEPT * DAY_S}, 'UTC')
      GROUP BY environment, agent, release, channel, queue, minute`,
  })
}

/** Processor time of the engine, which is the only child of this process: on a busy machine it says more than the wall clock. Linux only. */
function engineCpuMs(): number {
  const [child] = readdirSync('/proc/self/task').flatMap((task) =>
    readFileSync(`/proc/self/task/${task}/children`, 'utf8').split(' ').filter(Boolean),
  )
  const [user, system] = readFileSync(`/proc/${child}/stat`, 'utf8')
    .split(') ')[1]!
    .split(' ')
    .slice(11, 13)
    .map(Number)
  return (user! + system!) * TICK_MS
}

/** All the queries of a board at once, as a browser asks them: over its own default range, and over everything. */
async function measure(store: ClickHouseClient): Promise<void> {
  const keyOf = (n: number) =>
    keyOfRelease({ environment: 'production', agent: `agent-${n % 20}`, release: `release-${n}` })
  const options: Readonly<Record<string, string>> = {
    environment: 'production',
    agent: 'agent-1',
    release: `release-${releases - 1}`,
    left: keyOf(releases - 1),
    right: keyOf(releases - 21),
    channel: 'channel-1',
    queue: 'queue-1',
    region: 'region-1',
    period: 'week',
  }
  for (const [file, board] of Object.entries(allBoards())) {
    const selection: Selection = Object.fromEntries(
      Object.entries(options).map(([name, value]) => {
        const isSingle = name === 'left' || name === 'right' || name === 'period'
        return [name, { value: isSingle ? value : [ALL], options: [value] }]
      }),
    )
    const queries = clickhouseQueriesOf(board)
    const shownDays =
      Number(/now-(\d+)([dh])/.exec((board.time as { from: string }).from)![1]) /
      (JSON.stringify(board.time).includes('h"') ? 24 : 1)
    for (const range of [shownDays, days]) {
      const spanMs = range * DAY_S * 1000
      const over = ({ mostPoints = PANEL_POINTS, shortest }: Query): Range => ({
        fromMs: endS * 1000 - spanMs,
        toMs: endS * 1000,
        intervalMs: Math.max(shortest === '1d' ? DAY_S * 1000 : 60_000, spanMs / mostPoints),
      })
      const cpuMs = engineCpuMs()
      const startMs = performance.now()
      const times = await Promise.all(
        queries.map(async (query) => {
          const { where, rawSql } = query
          const fromMs = performance.now()
          const answer = await store.query({ query: expanded(rawSql, selection, over(query)), format: 'JSONCompact' })
          const { statistics } = (await answer.json()) as { statistics?: { rows_read: number } }
          return { where, ms: performance.now() - fromMs, rowsRead: statistics?.rows_read ?? 0 }
        }),
      )
      const wholeMs = performance.now() - startMs
      const workedMs = engineCpuMs() - cpuMs
      let slowest = ''
      for (const query of queries) {
        const { where, rawSql } = query
        const fromMs = performance.now()
        await (await store.query({ query: expanded(rawSql, selection, over(query)), format: 'JSONCompact' })).text()
        const ms = performance.now() - fromMs
        if (ms > 150) slowest += `  ${where} ${Math.round(ms)} ms`
      }
      console.log(
        `${file.padEnd(24)} ${String(range).padStart(5)} d  ${String(times.length).padStart(3)} queries together ${Math.round(wholeMs)} ms, ${Math.round(workedMs)} ms of processor time, ${(times.reduce((sum, { rowsRead }) => sum + rowsRead, 0) / 1e6).toFixed(1)} M rows read;${slowest || '  none above 150 ms alone'}`,
      )
    }
  }
}
