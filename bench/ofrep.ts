/**
 * `node bench/ofrep.ts [--per-second 1000] [--seconds 20] [--connections 16]`: how long the stop switch takes to answer, on the real monitor
 * (`andon serve` in a process of its own). Questions leave on a fixed plan whether or not earlier ones were answered, and each is timed
 * from the moment it was due: a stall counts for every question that it delays.
 */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { Agent, request } from 'node:http'
import { loadavg, tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { wallClock } from '../lib/clock.ts'
import { startServing } from '../test/live/serving.ts'

const { values } = parseArgs({
  options: {
    'per-second': { type: 'string', default: '1000' },
    seconds: { type: 'string', default: '20' },
    connections: { type: 'string', default: '16' },
  },
})
const perSecond = Number(values['per-second'])
const seconds = Number(values.seconds)
const WARM_UP_SECONDS = 3

const folder = mkdtempSync(join(tmpdir(), 'andon-ofrep-'))
const config = join(folder, 'andon.yaml')
writeFileSync(
  config,
  JSON.stringify({ receive: { port: 0 }, page: { port: 0 }, store: { path: join(folder, 'store') } }),
)
const serving = await startServing(config)
const { hostname, port } = new URL(serving.page)
const agent = new Agent({ keepAlive: true, maxSockets: Number(values.connections) })

/** Milliseconds from `dueMs` to the end of the answer. */
function ask(n: number, dueMs: number): Promise<number> {
  const body = JSON.stringify({
    context: {
      agent: 'order-status',
      release: `r${n % 20}`,
      environment: 'production',
      channel: 'whatsapp',
      queue: 'orders',
    },
  })
  return new Promise((resolve, reject) => {
    const headers = { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) }
    const options = { hostname, port, agent, method: 'POST', path: '/ofrep/v1/evaluate/flags/andon.serving', headers }
    const question = request(options, (response) => {
      let text = ''
      response.on('data', (chunk: Buffer) => {
        text += chunk.toString()
      })
      response.on('end', () => {
        if (response.statusCode !== 200) reject(new Error(`${response.statusCode} ${text}`))
        else resolve(performance.now() - dueMs)
      })
    })
    question.on('error', reject).end(body)
  })
}

async function run(forSeconds: number): Promise<number[]> {
  const startMs = performance.now()
  const answers: Promise<number>[] = []
  const total = perSecond * forSeconds
  while (answers.length < total) {
    const due = Math.min(total, Math.floor(((performance.now() - startMs) * perSecond) / 1000) + 1)
    for (let n = answers.length; n < due; n += 1) answers.push(ask(n, startMs + (n * 1000) / perSecond))
    await wallClock.sleep(1)
  }
  return (await Promise.all(answers)).sort((a, b) => a - b)
}

/** Processor time of the monitor so far, in milliseconds; Linux counts it in hundredths of a second. */
function processorMs(): number {
  const fields = readFileSync(`/proc/${serving.process.pid}/stat`, 'utf8').split(') ')[1]!.split(' ')
  return (Number(fields[11]) + Number(fields[12])) * 10
}

try {
  await run(WARM_UP_SECONDS)
  const beforeMs = processorMs()
  const times = await run(seconds)
  const at = (share: number) => times[Math.min(times.length - 1, Math.floor(times.length * share))]!.toFixed(2)
  console.log(
    `${times.length} answers at ${perSecond}/s: p50 ${at(0.5)} ms, p90 ${at(0.9)} ms, p99 ${at(0.99)} ms, p99.9 ${at(0.999)} ms, max ${at(1)} ms; ${((processorMs() - beforeMs) / times.length).toFixed(3)} ms of processor time each; load ${loadavg()[0]!.toFixed(1)}`,
  )
} finally {
  agent.destroy()
  serving.process.kill('SIGTERM')
  await serving.ended
  rmSync(folder, { recursive: true, force: true })
}
