/**
 * `node bench/throughput.ts [--spans 100000] [--contacts-per-request 50] [--connections 8]`: from the OTLP/HTTP request to durable and counted, on
 * the real monitor (`andon serve` in a process of its own) as fast as it acknowledges. The load generator shares the machine: its own
 * processor time is told, so that what a sender elsewhere would leave to the monitor can be read off.
 */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { wallClock } from '../lib/clock.ts'
import { sendLoad } from '../simulator/load.http.ts'
import { createLoadTemplate, LOAD_SHAPE } from '../simulator/load.ts'
import { startServing } from '../test/live/serving.ts'

const { values } = parseArgs({
  options: {
    spans: { type: 'string', default: '100000' },
    'contacts-per-request': { type: 'string', default: '50' },
    connections: { type: 'string', default: '8' },
  },
})
const template = createLoadTemplate({ ...LOAD_SHAPE, contactsPerRequest: Number(values['contacts-per-request']) })
const requests = Math.ceil(Number(values.spans) / template.spans)
const connections = Number(values.connections)

const folder = mkdtempSync(join(tmpdir(), 'andon-throughput-'))
const config = join(folder, 'andon.yaml')
writeFileSync(
  config,
  JSON.stringify({ receive: { port: 0 }, page: { port: 0 }, store: { path: join(folder, 'store') } }),
)
const monitor = await startServing(config)

/** Rows that are durable and not yet counted. */
async function waitingRows(): Promise<number> {
  const text = await (await fetch(new URL('/metrics', monitor.page))).text()
  return Number(/^andon_waiting_rows\S* (\S+)$/m.exec(text)?.[1] ?? Number.NaN)
}

const load = (count: number, firstRequest: number) =>
  sendLoad({
    receiver: { endpoint: monitor.receive },
    template,
    clock: wallClock,
    spansPerSecond: Infinity,
    requests: count,
    connections,
    firstRequest,
  })

await load(Math.ceil(5_000 / template.spans), 0) // compiled code and warm caches, as a monitor has that runs for days
while ((await waitingRows()) > 0) await wallClock.sleep(50)

const cpuOf = (pid: number): number => {
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]!.split(' ')
  return (Number(fields[11]) + Number(fields[12])) / 100
}
const [own, engine] = [monitor.process.pid!, monitor.enginePid()!]
const before = { monitor: cpuOf(own), engine: cpuOf(engine), generator: cpuOf(process.pid) }
const startedMs = performance.now()
const report = await load(requests, 1_000_000)
const acknowledgedMs = performance.now() - startedMs
while ((await waitingRows()) > 0) await wallClock.sleep(10)
const countedMs = performance.now() - startedMs
const cpu = {
  monitor: cpuOf(own) - before.monitor,
  engine: cpuOf(engine) - before.engine,
  generator: cpuOf(process.pid) - before.generator,
}
monitor.process.kill('SIGTERM')
await monitor.ended
rmSync(folder, { recursive: true, force: true })

const perSecond = (ms: number) => Math.round((1000 * report.acknowledgedSpans) / ms)
console.log({
  spans: report.acknowledgedSpans,
  spansPerRequest: template.spans,
  refused: report.refused,
  acknowledgedPerSecond: perSecond(acknowledgedMs),
  countedPerSecond: perSecond(countedMs),
  acknowledgeMs: report.latencyMs,
  cpuSeconds: cpu,
  countedPerCpuSecond: Math.round(report.acknowledgedSpans / (cpu.monitor + cpu.engine)),
})
