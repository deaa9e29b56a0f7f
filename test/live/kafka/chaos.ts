import { closeSync, openSync, rmSync, writeSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import type { Role } from '../../../app/roles.ts'
import { wallClock } from '../../../lib/clock.ts'
import { type Random, seededRandom } from '../../../lib/random.ts'
import { rowsOf } from '../../../store/store.clickhouse.ts'
import { postTraces, type TestContact } from '../../fixtures/otlp.ts'
import type { Cluster, Instance, Space } from './cluster.ts'

const WORK: readonly Role[] = ['pipeline', 'detector', 'alerter']
const STOPPED_FOR_MS = 12_000
const TAKEOVER_LIMIT_MS = 30_000
const DRAIN_LIMIT_MS = 60_000

/** kill, stop: SIGKILL, SIGSTOP and later SIGCONT. broker, store: away. disk: the store's file system is full; it should be a small one. */
export type Fault = 'kill' | 'stop' | 'rebalance' | 'broker' | 'store' | 'disk'

export type ChaosResult = Readonly<{
  faults: readonly Fault[]
  /** Contacts acknowledged with 200, and those of them that the store does not hold. */
  acknowledged: number
  lost: number
  counted: number
  countedTwice: number
  webhookIds: number
  incidents: number
  /** From a kill until another process was active in all roles of the killed one. */
  takeoverMs: readonly number[]
  /** From the end of the last fault until everything acknowledged was counted. */
  drainedMs: number
}>

/**
 * Two processes with pipeline, detector and alerter, and a collector, under load; faults fall on the active process (or on what it stands on),
 * one after another. Half of what was not acknowledged is sent again, as exporters do.
 */
export async function chaos(
  cluster: Cluster,
  options: Readonly<{
    faults: readonly Fault[]
    seed: number
    /** Parts in which batches are counted; above 1 both processes count. Default 1. */
    lanes?: number
    outageMs?: number
    onFault?: (fault: Fault) => void
    /** Told what the processes logged, when not everything is counted in time. */
    onStuck?: (log: string) => void
  }>,
): Promise<ChaosResult> {
  const random = seededRandom('kafka chaos', options.seed)
  const webhookIds = new Set<string>()
  const target = createServer((request, response) => {
    webhookIds.add(String(request.headers['webhook-id']))
    request.resume().on('end', () => response.writeHead(random.chance(0.5) ? 200 : 503).end())
  })
  await new Promise<void>((resolve) => target.listen(0, '127.0.0.1', resolve))
  const config = {
    triggers: [
      { name: 'failed_updates', signal: 'failed_updates', baseline: 0.02, action: 'pause', trafficGoesTo: 'people' },
    ],
    targets: [
      {
        name: 'platform',
        url: `http://127.0.0.1:${(target.address() as AddressInfo).port}/`,
        secret: { env: 'SECRET' },
        enforces: true,
        allowPrivate: true,
      },
    ],
  }
  const space = await cluster.space(config, { lanes: options.lanes ?? 1 })
  const load = { acknowledged: new Set<string>(), sent: 0, retry: [] as TestContact[] }
  const stopping = new AbortController()
  const takeoverMs: number[] = []
  try {
    const collector = await space.start('collector')
    let workers: Instance[] = [await space.start(...WORK), await space.start(...WORK)]
    await activeOf(workers)
    const sending = send(collector.receive, random, load, stopping.signal)
    for (const fault of options.faults) {
      options.onFault?.(fault)
      await wallClock.sleep(1_000 + random.integer(2_000))
      const active = await activeOf(workers)
      const others = workers.filter((worker) => worker !== active)
      const startedMs = wallClock.nowMs()
      if (fault === 'kill') {
        await active.end('SIGKILL')
        await activeOf(others)
        takeoverMs.push(wallClock.nowMs() - startedMs)
        workers = [...others, await space.start(...WORK)]
      } else if (fault === 'stop') {
        active.process.kill('SIGSTOP')
        await wallClock.sleep(STOPPED_FOR_MS)
        await activeOf(others)
        active.process.kill('SIGCONT')
      } else if (fault === 'rebalance') {
        const third = await space.start(...WORK)
        await wallClock.sleep(2_000)
        await active.end('SIGTERM')
        workers = [...others, third]
      } else if (fault === 'broker') {
        await cluster.broker.kill()
        await wallClock.sleep(options.outageMs ?? 10_000)
        await cluster.broker.start()
      } else if (fault === 'disk') {
        rmSync(await fill(cluster.folder, options.outageMs ?? 10_000))
      } else {
        await space.server!.stop()
        await wallClock.sleep(options.outageMs ?? 10_000)
        await space.server!.start()
      }
    }
    stopping.abort()
    await sending
    const drainedMs = await drained(space, load.acknowledged)
    if (drainedMs >= DRAIN_LIMIT_MS) options.onStuck?.(workers.map(({ log }) => log()).join('\n---\n'))
    await untilPaused(webhookIds)
    return {
      faults: options.faults,
      takeoverMs,
      drainedMs,
      webhookIds: webhookIds.size,
      ...(await countOf(space, load.acknowledged)),
    }
  } finally {
    stopping.abort()
    await space.close()
    await new Promise((resolve) => target.close(resolve))
  }
}

/** Writes some 50 MB/s until nothing more fits, and takes what others free, for so long. Returns the file. */
async function fill(folder: string, forMs: number): Promise<string> {
  const filler = join(folder, 'filler')
  const file = openSync(filler, 'w')
  const untilMs = wallClock.nowMs() + forMs
  while (wallClock.nowMs() < untilMs) {
    for (const bytes of [1 << 18, 512])
      try {
        writeSync(file, Buffer.alloc(bytes))
      } catch {} // full
    await wallClock.sleep(5)
  }
  closeSync(file)
  return filler
}

/** The process that is active in all roles; roles may move apart, then any that is active in the pipeline. */
async function activeOf(workers: readonly Instance[]): Promise<Instance> {
  const untilMs = wallClock.nowMs() + TAKEOVER_LIMIT_MS
  while (wallClock.nowMs() < untilMs) {
    const roles = await Promise.all(workers.map((worker) => worker.activeRoles()))
    const active = WORK.map((role) => workers[roles.findIndex((of) => of.has(role))])
    if (active.every((worker) => worker)) return active[0]!
    await wallClock.sleep(100)
  }
  throw new Error(
    `no process is active after ${TAKEOVER_LIMIT_MS} ms:\n${workers.map((worker) => worker.log().slice(-1_500)).join('\n---\n')}`,
  )
}

type Load = { acknowledged: Set<string>; sent: number; retry: TestContact[] }

async function send(url: string, random: Random, load: Load, signal: AbortSignal): Promise<void> {
  while (!signal.aborted) {
    const fresh = Array.from({ length: 20 }, (_, i): TestContact => {
      const release = i % 2 === 0 ? 'healthy' : 'bad'
      return {
        conversation: `c-${load.sent++}`,
        agent: 'agent',
        release,
        startedAtMs: wallClock.nowMs() - 1000,
        customer: `customer-${random.integer(500)}`,
        intent: 'order',
        channel: 'chat',
        queue: 'q',
        writes: [random.chance(release === 'bad' ? 0.2 : 0.02) ? 'failed' : 'ok'],
        creates: `record-${random.integer(5000)}`,
      }
    })
    const batch = [...fresh, ...load.retry.splice(0, 40)]
    const status = await postTraces(url, batch).then(
      (answer) => answer.status,
      () => 0,
    )
    if (status === 200) for (const contact of batch) load.acknowledged.add(contact.conversation)
    else if (random.chance(0.5)) load.retry.push(...batch)
    await wallClock.sleep(status === 200 ? 100 : 500, signal)
  }
}

const heldIn = async ({ store }: Space): Promise<Set<string>> => {
  const rows = await rowsOf<{ conversation: string }>(
    store,
    `SELECT DISTINCT conversation FROM spans WHERE role = 'agent' AND seq <= (SELECT max(seq) FROM batches)`,
  )
  return new Set(rows.map((row) => row.conversation))
}

async function drained(space: Space, acknowledged: ReadonlySet<string>): Promise<number> {
  const startedMs = wallClock.nowMs()
  while (wallClock.nowMs() - startedMs < DRAIN_LIMIT_MS) {
    const held = await heldIn(space).catch(() => new Set<string>())
    if ([...acknowledged].every((conversation) => held.has(conversation))) break
    await wallClock.sleep(300)
  }
  return wallClock.nowMs() - startedMs
}

/** The pause must come, and no second one after it. */
async function untilPaused(webhookIds: ReadonlySet<string>): Promise<void> {
  for (let i = 0; i < 150 && webhookIds.size === 0; i++) await wallClock.sleep(200)
  await wallClock.sleep(3_000)
}

async function countOf(space: Space, acknowledged: ReadonlySet<string>) {
  const held = await heldIn(space)
  const [total] = await rowsOf<{ n: number }>(
    space.store,
    `SELECT sum(deltas.n) AS n FROM deltas WHERE signal = '' AND measure = 'contacts'`,
  )
  const [incidents] = await rowsOf<{ n: number }>(
    space.store,
    'SELECT uniqExact(incident_id) AS n FROM incident_events',
  )
  const counted = total?.n ?? 0
  return {
    acknowledged: acknowledged.size,
    lost: [...acknowledged].filter((conversation) => !held.has(conversation)).length,
    counted,
    countedTwice: counted - held.size,
    incidents: incidents?.n ?? 0,
  }
}
