import type { ChildProcess } from 'node:child_process'
import { mkdirSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { wallClock } from '../../lib/clock.ts'
import { type Random, seededRandom } from '../../lib/random.ts'
import { openStore, rowsOf } from '../../store/store.clickhouse.ts'
import { postTraces, type TestContact } from '../fixtures/otlp.ts'
import { startServing } from './serving.ts'

const SECRET = 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw'

export type ChaosResult = Readonly<{
  rounds: number
  /** Contacts acknowledged with 200, and those of them that the store does not hold. */
  acknowledged: number
  lost: number
  /** Contacts in the store, and contacts that were ever sent: what is counted beyond the sent would be counted twice. */
  counted: number
  sent: number
  countedTwice: number
  /** Distinct webhook ids and incidents per bad release. */
  webhookIds: number
  incidents: number
  reopenedAfterMs: readonly number[]
}>

/**
 * Starts the real monitor, sends it contacts, kills it with SIGKILL at a random moment (main process, engine, or both), starts it again, and so on.
 * Each round sends contacts of one healthy and one bad release; half of what was not acknowledged is sent again later, as exporters do.
 */
export async function chaos(options: {
  folder: string
  rounds: number
  seed: number
  onRound?: (round: number) => void
}): Promise<ChaosResult> {
  const random = seededRandom(options.seed)
  const webhookIds = new Set<string>()
  const target = createServer((request, response) => {
    webhookIds.add(String(request.headers['webhook-id']))
    request.resume().on('end', () => response.writeHead(random.chance(0.5) ? 200 : 503).end())
  })
  await new Promise<void>((resolve) => target.listen(0, '127.0.0.1', resolve))
  mkdirSync(options.folder, { recursive: true })
  const config = join(options.folder, 'andon.yaml')
  writeFileSync(
    config,
    JSON.stringify({
      receive: { port: 0 },
      page: { port: 0 },
      store: { path: join(options.folder, 'store') },
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
    }),
  )
  const acknowledged = new Set<string>()
  const sent = new Set<string>()
  const retry: TestContact[] = []
  const reopenedAfterMs: number[] = []
  for (let round = 0; round < options.rounds; round++) {
    const startedMs = wallClock.nowMs()
    const monitor = await startServing(config, { SECRET })
    reopenedAfterMs.push(wallClock.nowMs() - startedMs)
    const killAtMs = wallClock.nowMs() + 100 + random.uniform() * 2_500
    const sending = sendUntilDead(monitor.receive, round, random, { acknowledged, sent, retry })
    await wallClock.sleep(killAtMs - wallClock.nowMs())
    kill(monitor.process, monitor.enginePid(), random)
    await monitor.ended
    await sending
    options.onRound?.(round + 1)
  }
  await new Promise((resolve) => target.close(resolve))
  const last = await startServing(config, { SECRET })
  await untilIdle(last.page)
  last.process.kill('SIGTERM')
  await last.ended
  return {
    ...(await countOf(join(options.folder, 'store'), acknowledged, sent)),
    rounds: options.rounds,
    webhookIds: webhookIds.size,
    reopenedAfterMs,
  }
}

function kill(child: ChildProcess, engine: number | null, random: Random): void {
  const both = random.uniform()
  if (engine !== null && both < 0.6) process.kill(engine, 'SIGKILL')
  if (engine === null || both > 0.3) child.kill('SIGKILL')
  else setTimeout(() => child.kill('SIGKILL'), 300) // the engine died alone for a moment
}

async function sendUntilDead(
  url: string,
  round: number,
  random: Random,
  books: { acknowledged: Set<string>; sent: Set<string>; retry: TestContact[] },
): Promise<void> {
  for (let request = 0; ; request++) {
    const fresh = Array.from({ length: 20 }, (_, i): TestContact => {
      const release = i % 2 === 0 ? 'healthy' : 'bad'
      return {
        conversation: `${round}-${request}-${i}`,
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
    const batch = [...fresh, ...books.retry.splice(0, 20)]
    for (const contact of batch) books.sent.add(contact.conversation)
    try {
      const { status } = await postTraces(url, batch)
      if (status === 200) for (const contact of batch) books.acknowledged.add(contact.conversation)
      else books.retry.push(...batch)
      if (status !== 200) await wallClock.sleep(50)
    } catch {
      if (random.chance(0.5)) books.retry.push(...batch)
      return
    }
  }
}

async function untilIdle(page: string): Promise<void> {
  for (let i = 0; i < 200; i++) {
    const overview = (await (await fetch(`${page}/api/v1/overview`)).json()) as { seq: number; waitingRows: number }
    await wallClock.sleep(100)
    if (overview.waitingRows === 0 && overview.seq > 0 && i > 10) return
  }
}

async function countOf(path: string, acknowledged: ReadonlySet<string>, sent: ReadonlySet<string>) {
  const store = await openStore({ kind: 'embedded', path })
  try {
    const conversations = await rowsOf<{ conversation: string }>(
      store,
      `SELECT DISTINCT conversation FROM spans WHERE role = 'agent'`,
    )
    const held = new Set(conversations.map((row) => row.conversation))
    const [total] = await rowsOf<{ n: number }>(
      store,
      `SELECT sum(deltas.n) AS n FROM deltas WHERE signal = '' AND measure = 'contacts'`,
    )
    const incidents = await rowsOf<{ id: string }>(store, `SELECT DISTINCT incident_id AS id FROM incident_events`)
    const counted = total?.n ?? 0
    return {
      acknowledged: acknowledged.size,
      lost: [...acknowledged].filter((conversation) => !held.has(conversation)).length,
      counted,
      sent: sent.size,
      countedTwice: counted - held.size,
      incidents: incidents.length,
    }
  } finally {
    await store.close()
  }
}
