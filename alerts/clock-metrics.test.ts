import { Registry } from 'prom-client'
import { expect, test } from 'vitest'
import type { Finding } from '../facts/finding.ts'
import { createClockMetrics } from './clock-metrics.ts'
import { aFinding, aPager, aTarget, createWorld, MINUTE, quietActivity, SECOND, START_MS } from './fixtures.ts'

async function metricsAfter(
  findings: readonly Finding[],
  options: Parameters<typeof createWorld>[0] = {},
  ms = 3 * MINUTE,
) {
  const world = createWorld(options)
  world.answers('platform', 503, 503, 200)
  await story(world, findings, ms)
  const registry = new Registry()
  const metrics = createClockMetrics({ registry, incidents: world.alerter.incidents })
  for (const [incident, line] of world.told) metrics.observe(incident, line)
  return { registry, text: await registry.metrics() }
}

async function story(world: ReturnType<typeof createWorld>, findings: readonly Finding[], ms: number) {
  const lastMs = START_MS + 12 * SECOND
  world.telemetry((nowMs) => ({
    ...quietActivity(nowMs),
    lastContactStartedAtMs: Math.min(nowMs, lastMs),
    lastSpanEndedAtMs: Math.min(nowMs, lastMs + 30 * SECOND),
    contactsAfterPause: 5,
    writesAfterPause: 3,
  }))
  for (const finding of findings) await world.alerter.handle(finding)
  await world.run(ms)
}

const labels = 'agent="order-status",channel="whatsapp",signal="failed_updates",action="pause"'

test('the clock of one incident is on the metrics, in seconds', async () => {
  const { text } = await metricsAfter([aFinding()])
  for (const line of [
    `andon_time_to_detect_seconds_sum{${labels}} 600`,
    `andon_time_to_pause_seconds_sum{${labels}} 2`,
    `andon_time_to_stop_seconds_sum{${labels}} 10`,
    `andon_time_to_drain_seconds_sum{${labels}} 40`,
    `andon_contacts_exposed_sum{${labels}} 412`,
    `andon_contacts_after_pause_total{${labels}} 5`,
    `andon_writes_after_pause_total{${labels}} 3`,
    'andon_webhook_attempts_total{target="platform",outcome="server_error"} 2',
    'andon_webhook_attempts_total{target="platform",outcome="delivered"} 1',
    'andon_incidents_open{state="drained"} 1',
    'andon_incidents_open{state="pausing"} 0',
    'andon_incidents_opened_total{reason="first_breach",action="pause"} 1',
  ])
    expect(text.split('\n')).toContain(line)
})

test('the buckets reach from one second to seven days', async () => {
  const { text } = await metricsAfter([aFinding()])
  const bounds = [...text.matchAll(/andon_time_to_stop_seconds_bucket\{le="([^"]+)"/g)].map(([, bound]) => bound)
  expect([bounds[0], bounds.at(-2), bounds.at(-1)]).toEqual(['1', '604800', '+Inf'])
})

test('a second acceptance and a reopening are not a second pause or stop', async () => {
  const world = createWorld({
    targets: [aTarget(), aTarget({ name: 'second', url: 'http://second.example/' }), aPager()],
  })
  world.answers('second', 503, 503, 503, 200)
  await story(world, [aFinding()], 3 * MINUTE)
  world.telemetry((nowMs) => ({
    ...quietActivity(nowMs),
    lastContactStartedAtMs: START_MS + 20 * SECOND,
    contactsAfterPause: 6,
    writesAfterPause: 3,
  }))
  await world.run(3 * MINUTE)
  const registry = new Registry()
  const metrics = createClockMetrics({ registry, incidents: world.alerter.incidents })
  for (const [incident, line] of world.told) metrics.observe(incident, line)
  const text = await registry.metrics()
  for (const name of ['pause', 'stop', 'drain'])
    expect(text).toContain(`andon_time_to_${name}_seconds_count{${labels}} 1\n`)
  expect(text).toContain(`andon_incidents_reopened_total{${labels}} 1\n`)
  expect(text).toContain(`andon_contacts_after_pause_total{${labels}} 6\n`)
})

test('replay and shadow are on no clock', async () => {
  for (const text of [
    (await metricsAfter([aFinding()], { mode: 'replay' })).text,
    (await metricsAfter([aFinding({ shadow: true })])).text,
  ]) {
    expect(text).not.toContain('andon_time_to_detect_seconds_count{')
    expect(text).toContain('andon_incidents_open{state="observed"} 1')
  }
})

test('a thousand agents make a bounded number of series', async () => {
  const findings = Array.from({ length: 1000 }, (_, index) =>
    aFinding({
      release: { environment: 'production', agent: `agent-${index}`, release: 'r1' },
      channel: `channel-${index}`,
      action: 'notify',
    }),
  )
  const { text } = await metricsAfter(findings, {}, SECOND)
  const agents = new Set(
    [...text.matchAll(/andon_time_to_detect_seconds_count\{agent="([^"]*)"/g)].map(([, agent]) => agent),
  )
  expect(agents.size).toBe(51)
  expect(agents).toContain('other')
  expect(text).toContain(
    'andon_time_to_detect_seconds_count{agent="other",channel="other",signal="failed_updates",action="notify"} 950',
  )
})

test('the time to acknowledge runs to the first acknowledgement, and decisions are counted by kind and verdict', async () => {
  const world = createWorld()
  await world.alerter.handle(aFinding())
  await world.run(40 * SECOND)
  const person = { by: 'Ada', reason: 'on it' }
  const { incidentId } = world.incident()!
  await world.alerter.decideOn(incidentId, { does: 'acknowledge', ...person })
  await world.run(MINUTE)
  await world.alerter.decideOn(incidentId, { does: 'acknowledge', ...person, by: 'Bo' })
  await world.alerter.decideOn(incidentId, { does: 'override', ...person })
  await world.alerter.decideOn(incidentId, { does: 'close', verdict: 'false_alarm', isRetired: false, ...person })
  const registry = new Registry()
  const metrics = createClockMetrics({ registry, incidents: world.alerter.incidents })
  for (const [incident, line] of world.told) metrics.observe(incident, line)
  const text = await registry.metrics()
  expect(text).toContain(`andon_time_to_acknowledge_seconds_sum{${labels}} 40`)
  expect(text).toContain(`andon_time_to_acknowledge_seconds_count{${labels}} 1`)
  expect(text).toContain('andon_decisions_total{decision="closed",verdict="false_alarm"} 1')
})
