/**
 * What watching accepted pauses costs beside a large store: node bench/watch.ts [--contacts 10000000] [--incidents 200].
 * The first look at each incident reads all that is stored of its release; after that a second of new batches (100 contacts) is read once for all.
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { followActivity } from '../app/activity.clickhouse.ts'
import { openStore } from '../store/store.clickhouse.ts'

const { values } = parseArgs({
  options: { contacts: { type: 'string', default: '10000000' }, incidents: { type: 'string', default: '200' } },
})
const contacts = Number(values.contacts)
const incidents = Number(values.incidents)
const DAYS = 30
const CHUNKS = 20
const ROUNDS = 30
const endMs = Date.now()
const folder = mkdtempSync(join(tmpdir(), 'andon-bench-watch-'))
const store = await openStore({ kind: 'embedded', path: join(folder, 'store'), memoryBytes: 3 * 2 ** 30 })
const releaseOf = (n: number) => ({ environment: 'production', agent: 'order-status', release: `r${n}` })

/** `n` contacts of `incidents` releases as the pipeline leaves them, each with a tool span, spread over `days` before the end. */
async function fill(seq: number, n: number, days: number): Promise<void> {
  const started = `fromUnixTimestamp64Milli(toInt64(${endMs} - (rand64() % ${Math.floor(days * 86_400_000) + 1})), 'UTC')`
  await store.command({
    query: `INSERT INTO contact_changes (seq, sign, contact_id, environment, agent, release, channel, queue, started_at, ended_at, received_at)
      SELECT ${seq}, 1, hex(sipHash128(${seq}, number)), 'production', 'order-status', concat('r', toString(number % ${incidents})), 'whatsapp', 'orders', ${started} AS at, at, now()
      FROM numbers(${n})`,
  })
  await store.command({
    query: `INSERT INTO spans (seq, trace_id, span_id, role, started_at, agent_name, service_name, release, environment, channel, queue, action, received_at)
      SELECT ${seq}, hex(sipHash128(${seq}, number)), '1', 'tool', ${started}, 'order-status', 'order-status', concat('r', toString(number % ${incidents})), 'production', 'whatsapp', 'orders', 'update', now()
      FROM numbers(${n})`,
  })
  await store.insert({
    table: 'batches',
    values: [{ seq, clock_at: endMs, accepted_at: endMs }],
    format: 'JSONEachRow',
  })
}

const quantile = (sorted: readonly number[], q: number) =>
  sorted[Math.min(sorted.length - 1, Math.floor(q * sorted.length))]!
const figures = (times: readonly number[]) => {
  const sorted = [...times].sort((a, b) => a - b)
  return `p50 ${quantile(sorted, 0.5).toFixed(1)} ms, p99 ${quantile(sorted, 0.99).toFixed(1)} ms`
}

try {
  for (let chunk = 0; chunk < CHUNKS; chunk += 1) await fill(chunk + 1, Math.ceil(contacts / CHUNKS), DAYS)
  let nowMs = 0
  const activityOf = followActivity(store, { nowMs: () => nowMs })
  const look = async (n: number) => {
    const startMs = performance.now()
    await activityOf(releaseOf(n), endMs - 600_000)
    return performance.now() - startMs
  }
  const first: number[] = []
  for (let n = 0; n < incidents; n += 1) first.push(await look(n))
  console.log(`${contacts} contacts, ${incidents} incidents`)
  console.log(`first look at one incident: ${figures(first)}`)
  const rounds: number[] = []
  for (let round = 0; round < ROUNDS; round += 1) {
    await fill(CHUNKS + round + 1, 100, 0)
    nowMs += 1_000
    let ms = 0
    for (let n = 0; n < incidents; n += 1) ms += await look(n)
    rounds.push(ms)
  }
  console.log(`a look at all ${incidents}, with what came in a second: ${figures(rounds)}`)
} finally {
  await store.close()
  rmSync(folder, { recursive: true, force: true })
}
