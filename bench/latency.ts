/**
 * `node bench/latency.ts [--releases 40] [--spans-per-second 2000]`: from the request that tips the evidence to the webhook leaving, on the real
 * monitor (`andon serve` in a process of its own) under a steady load. Each sample is a release with one healthy contact, whose next request holds enough
 * failed updates to be paused: time runs from the start of that request to the arrival of the signed webhook on loopback.
 */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { wallClock } from '../lib/clock.ts'
import { sendLoad } from '../simulator/load.http.ts'
import { createLoadTemplate, LOAD_SHAPE } from '../simulator/load.ts'
import { postTraces } from '../test/fixtures/otlp.ts'
import { startServing } from '../test/live/serving.ts'

const { values } = parseArgs({
  options: { releases: { type: 'string', default: '40' }, 'spans-per-second': { type: 'string', default: '2000' } },
})
const releases = Number(values.releases)
const spansPerSecond = Number(values['spans-per-second'])

const arrivals = new Map<string, number>()
const target = createServer((request, response) => {
  const atMs = performance.now()
  const chunks: Buffer[] = []
  request.on('data', (chunk: Buffer) => chunks.push(chunk))
  request.on('end', () => {
    const { data } = JSON.parse(Buffer.concat(chunks).toString()) as { data: { release: { release: string } } }
    if (!arrivals.has(data.release.release)) arrivals.set(data.release.release, atMs)
    response.writeHead(200).end()
  })
})
await new Promise<void>((resolve) => target.listen(0, '127.0.0.1', resolve))

const folder = mkdtempSync(join(tmpdir(), 'andon-latency-'))
const config = join(folder, 'andon.yaml')
writeFileSync(
  config,
  JSON.stringify({
    receive: { port: 0 },
    page: { port: 0 },
    store: { path: join(folder, 'store') },
    triggers: [
      { name: 'failed_updates', signal: 'failed_updates', baseline: 0.02, action: 'pause', trafficGoesTo: 'people' },
      {
        name: 'duplicate_creations',
        signal: 'duplicate_creations',
        baseline: 0.01,
        action: 'pause',
        trafficGoesTo: 'people',
      },
      { name: 'repeat_contacts', signal: 'repeat_contacts', baseline: 0.12, action: 'pause', trafficGoesTo: 'people' },
      { name: 'complaints', signal: 'complaints', baseline: 0.015, action: 'pause', trafficGoesTo: 'people' },
    ],
    safety: { pauses: { max: 10_000 } },
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
const monitor = await startServing(config, { SECRET: 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw' })
const url = monitor.receive

const stop = new AbortController()
const load = sendLoad({
  receiver: { endpoint: url },
  template: createLoadTemplate(LOAD_SHAPE),
  clock: wallClock,
  spansPerSecond,
  requests: 1_000_000,
  connections: 8,
  signal: stop.signal,
})
await wallClock.sleep(5_000)
/** Contacts of a release, each with one write of this result. */
const contactsOf = (release: string, count: number, result: 'ok' | 'failed') =>
  Array.from({ length: count }, (_, n) => ({
    conversation: `${release}-${result}-${n}`,
    agent: 'tipping',
    release,
    startedAtMs: wallClock.nowMs(),
    writes: [result],
    customer: `${release}-${result}-${n}`,
    intent: 'order',
    channel: 'chat',
    queue: 'q',
  }))
const names = Array.from({ length: releases }, (_, i) => `tip-${i}`)
await postTraces(
  url,
  names.flatMap((release) => contactsOf(release, 1, 'ok')),
)
await wallClock.sleep(5_000) // their baselines are chosen: a release that tips has mostly run for a while
const delays: number[] = []
for (const [i, release] of names.entries()) {
  const sentMs = performance.now()
  const { status } = await postTraces(url, contactsOf(release, 12, 'failed'))
  if (status !== 200) throw new Error(`the receiver answered ${status}`)
  while (!arrivals.has(release) && performance.now() - sentMs < 30_000) await wallClock.sleep(2)
  delays.push((arrivals.get(release) ?? Number.POSITIVE_INFINITY) - sentMs)
  await wallClock.sleep(100 + (i % 7) * 37) // not in step with the batches
}
stop.abort()
const { latencyMs, spansPerSecond: achieved } = await load
const rssOf = (pid: number) =>
  Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1] ?? 0) / 1024
const rssMiB = Math.round(rssOf(monitor.process.pid!) + rssOf(monitor.enginePid()!))
monitor.process.kill('SIGTERM')
await monitor.ended
target.close()
rmSync(folder, { recursive: true, force: true })

const sorted = [...delays].sort((a, b) => a - b)
const at = (share: number) => Math.round(sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))]!)
console.log({
  releases,
  tippingToWebhookMs: { p50: at(0.5), p90: at(0.9), p99: at(0.99), max: at(1) },
  load: { wanted: spansPerSecond, achieved: Math.round(achieved), acknowledgeMs: latencyMs },
  rssMiB,
})
