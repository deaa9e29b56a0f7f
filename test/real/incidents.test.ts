import { type ChildProcess, spawn } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, describe, expect, test } from 'vitest'
import { replayFiles } from '../../app/replay.ts'
import { parseConfig, signalsOf } from '../../config.ts'
import { wallClock } from '../../lib/clock.ts'
import { silentLog } from '../../lib/log.ts'
import { seededRandom } from '../../lib/random.ts'
import { recount } from '../../recount/recount.clickhouse.ts'
import { openStore, rowsOf } from '../../store/store.clickhouse.ts'
import { type IncidentField, type IncidentRow, incidentRequest, type OtlpRequest } from './convert.ts'
import { type Counting, factsOf, plainNamer, startCounting, sumsOf, writeLines } from './counting.ts'
import { hasData, PATIENCE_MS, readCsv, readJson } from './data.ts'

const found = hasData('incidents')

type Repeats = Readonly<{
  backward: number
  backward_lt: number
  mature_contacts: number
  forward_mature: number
  backward_by_queue_top10: Readonly<Record<string, readonly [repeats: number, contacts: number]>>
}>
const WITHIN_72H = 'caller+category 72h'

/** `strict` is "less than 72 h" in whole milliseconds. */
const CONFIG = `
receive: { port: 0 }
page: { port: 0 }
log: { level: info }
signals:
  - { name: strict, title: Strictly within 72 h, evaluator: recurrence, over: contacts, windowHours: ${72 - 1 / 3_600_000} }
`

describe.skipIf(!found)('incidents of a service desk as contacts', { timeout: PATIENCE_MS }, () => {
  const folder = mkdtempSync(join(tmpdir(), 'andon-incidents-'))
  const config = parseConfig(CONFIG, 'the configuration of this test')
  const signals = signalsOf(config)
  const incidents: readonly IncidentRow[] = found ? readCsv<IncidentField>('incidents/dev/incidents.csv.gz') : []
  const truth = found
    ? readJson<{ repeat: Record<string, Repeats> }>('incidents/dev/truth.json').repeat[WITHIN_72H]!
    : null!
  /** Queues are compared by normalised name. */
  const perQueue: Readonly<Record<string, number>> = Object.fromEntries(
    Object.entries(truth?.backward_by_queue_top10 ?? {}).map(([queue, [repeats]]) => [
      queue === '(none)' ? '' : queue,
      repeats,
    ]),
  )
  const openedFirst = [...incidents].sort(by((row) => row.opened_at))
  const recordedFirst = [...incidents].sort(by((row) => row.created_at || row.opened_at))
  afterAll(() => rmSync(folder, { recursive: true, force: true }))

  /** What must hold in any order of arrival. */
  async function expectTruth(store: Counting['store']): Promise<void> {
    const { sum, byQueue } = sumsOf(store)
    expect(await sum('', 'contacts')).toBe(incidents.length)
    expect(await sum('repeat_contacts', 'hits')).toBe(truth.backward)
    expect(await sum('repeat_contacts', 'arrivals')).toBe(truth.backward)
    expect(await sum('strict', 'events')).toBe(truth.backward_lt)
    expect(await byQueue('repeat_contacts', 'arrivals')).toMatchObject(perQueue)
    expect((await recount({ store, signals })).differences).toEqual([])
  }

  /** Counts requests in batches of `size` contacts. */
  async function count(
    name: string,
    requests: readonly OtlpRequest[],
    size: number,
    check: (store: Counting['store']) => Promise<void>,
  ) {
    const counting = await startCounting({ folder: join(folder, name), signals })
    try {
      const facts = factsOf(requests, plainNamer())
      for (let i = 0; i < facts.length; i += size)
        await counting.accept({
          spans: facts.slice(i, i + size).flatMap((batch) => batch.spans),
          outcomes: [],
          points: [],
        })
      await counting.settle()
      await check(counting.store)
    } finally {
      await counting.close()
    }
  }

  test('replayed in order of opening, repeats are charged to the earlier contact and arrive in the queues of the truth', async () => {
    const file = writeLines(folder, 'incidents.jsonl', openedFirst.map(incidentRequest))
    const report = await replayFiles({
      files: [file],
      config,
      env: {},
      log: silentLog,
      slices: true,
      skipBad: false,
      storePath: null,
    })
    const total = (field: 'contacts' | 'repeatContacts' | 'repeatArrivals' | 'repeatContactsCapped') =>
      report.releases.reduce((sum, row) => sum + row[field], 0)
    expect(total('contacts')).toBe(incidents.length)
    expect(total('repeatContacts')).toBe(truth.backward)
    expect(total('repeatArrivals')).toBe(truth.backward)
    expect(total('repeatContactsCapped')).toBeLessThan(truth.backward)
    for (const [queue, repeats] of Object.entries(perQueue)) {
      const rows = report.releases.filter((row) => row.queue === queue)
      expect(
        rows.reduce((sum, row) => sum + row.repeatArrivals, 0),
        `queue ${queue}`,
      ).toBe(repeats)
    }
    const mature = report.releases.map((row) => row.signals.repeat_contacts!)
    expect(mature.reduce((sum, figures) => sum + figures.trials, 0)).toBe(truth.mature_contacts)
    expect(mature.reduce((sum, figures) => sum + figures.hits, 0)).toBe(truth.forward_mature)
  })

  test('in order of record creation, so partly late', () =>
    count('recorded', recordedFirst.map(incidentRequest), 2_500, expectTruth))

  test('shuffled, with one in ten sent twice', () => {
    const random = seededRandom('incidents', 1)
    const shuffle = <T>(items: readonly T[]): T[] =>
      items
        .map((item) => ({ item, place: random.uniform() }))
        .sort((a, b) => a.place - b.place)
        .map(({ item }) => item)
    const requests = openedFirst.map(incidentRequest)
    const again = shuffle(requests).slice(0, Math.round(requests.length / 10))
    return count('shuffled', shuffle([...requests, ...again]), 2_500, async (store) => {
      const [rows] = await rowsOf<{ copies: number }>(
        store,
        'SELECT toUInt32(count() - uniqExact(trace_id, span_id)) AS copies FROM spans',
      )
      expect(rows?.copies).toBe(again.length)
      await expectTruth(store)
    })
  })

  test('through a monitor that is killed in the middle of its work and started again', async () => {
    const storePath = join(folder, 'killed')
    const configFile = join(folder, 'andon.yaml')
    writeFileSync(configFile, CONFIG)
    const bodies = chunksOf(openedFirst.map(incidentRequest), 1_000).map((requests) =>
      JSON.stringify({ resourceSpans: requests.flatMap((request) => request.resourceSpans) }),
    )
    const half = Math.ceil(bodies.length / 2)
    const killed = await serve(configFile, storePath)
    for (const body of bodies.slice(0, half)) expect(await post(killed.url, body)).toBe(200)
    // Whatever happens to this request, its sender has seen no answer and sends it again.
    const unanswered = post(killed.url, bodies[half]!).catch(() => 0)
    await wallClock.sleep(40)
    await killed.end('SIGKILL')
    await unanswered

    const restarted = await serve(configFile, storePath)
    for (const body of bodies.slice(half)) expect(await post(restarted.url, body)).toBe(200)
    await restarted.end('SIGTERM')

    const store = await openStore({ kind: 'embedded', path: storePath })
    try {
      await expectTruth(store)
    } finally {
      await store.close()
    }
  })
})

const by =
  <Row>(key: (row: Row) => string) =>
  (a: Row, b: Row): number =>
    key(a) < key(b) ? -1 : key(a) > key(b) ? 1 : 0

const chunksOf = <T>(items: readonly T[], size: number): T[][] =>
  Array.from({ length: Math.ceil(items.length / size) }, (_, i) => items.slice(i * size, (i + 1) * size))

const MAIN = fileURLToPath(new URL('../../main.ts', import.meta.url))

/** The product itself, `andon serve`, as its own process. */
async function serve(configFile: string, storePath: string) {
  const child: ChildProcess = spawn(process.execPath, [MAIN, 'serve', '--config', configFile, '--store', storePath], {
    stdio: ['ignore', 'ignore', 'pipe'],
  })
  const ended = new Promise<void>((resolve) => child.once('exit', () => resolve()))
  const url = await new Promise<string>((resolve, reject) => {
    let text = ''
    child.stderr?.on('data', (chunk: Buffer) => {
      text += chunk.toString('utf8')
      const url = /"receive":"(http[^"]+)"/.exec(text)?.[1]
      if (url) resolve(url)
    })
    void ended.then(() => reject(new Error(`andon serve ended: ${text.slice(-2_000)}`)))
  })
  return {
    url,
    end: async (signal: 'SIGKILL' | 'SIGTERM') => {
      child.kill(signal)
      await ended
    },
  }
}

async function post(url: string, body: string): Promise<number> {
  const response = await fetch(`${url}/v1/traces`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body,
  })
  await response.arrayBuffer()
  return response.status
}
