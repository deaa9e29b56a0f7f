import { afterEach, expect, test } from 'vitest'
import { manualClock, wallClock } from '../lib/clock.ts'
import { type CentreEvent, contactCentre } from './contact-centre.ts'
import { runContactCentre } from './emit.ts'
import { eventsIn, spansIn, startReceiver } from './fixtures.ts'
import { createRouting } from './routing.ts'
import { DAY_MS, demoScenario, type Scenario } from './scenario.ts'

const START_MS = Date.UTC(2026, 10, 2)
const DEMO = demoScenario({ startMs: START_MS })
const days = (count: number): Scenario => ({ ...DEMO, endMs: START_MS + count * DAY_MS })

const closing: (() => void)[] = []
afterEach(() => {
  for (const close of closing.splice(0)) close()
})
async function receive(...args: Parameters<typeof startReceiver>) {
  const receiver = await startReceiver(...args)
  closing.push(receiver.close)
  return receiver
}

function timeline(scenario: Scenario, seed: number) {
  const routing = createRouting()
  const events: CentreEvent[] = []
  for (const event of contactCentre({ scenario, seed, serve: routing.serve })) {
    if (event.type === 'launched') routing.launch(event.launch)
    events.push(event)
  }
  return events
}

const running = (scenario: Scenario, endpoint: string) => ({
  scenario,
  seed: 4,
  receiver: { endpoint, token: 'ingest' },
  routing: createRouting(),
  clock: wallClock,
  speed: Number.POSITIVE_INFINITY,
})

test('everything that happens arrives over OTLP: every contact, call and complaint, at its event time, under its own release', async () => {
  const receiver = await receive()
  const report = await runContactCentre(running(days(1.5), receiver.endpoint))
  const events = timeline(days(1.5), 4)
  const spans = receiver.bodies('/v1/traces').flatMap(spansIn)
  const contacts = events.flatMap((event) => (event.type === 'begun' ? [event.contact] : []))
  const calls = events.filter((event) => event.type === 'called').length
  expect(report).toMatchObject({
    completed: true,
    contacts: contacts.length,
    spans: contacts.length + calls,
    toPeople: 0,
  })
  expect(spans).toHaveLength(contacts.length + calls)
  expect(new Set(spans.map((span) => `${span.traceId} ${span.spanId}`)).size).toBe(spans.length)

  const agents = new Map(
    spans
      .filter((span) => span.name.startsWith('invoke_agent'))
      .map((span) => [span.attributes['gen_ai.conversation.id'], span]),
  )
  const wrong = contacts.filter((contact) => {
    const span = agents.get(contact.conversation)
    const { resource, attributes, startMs, endMs } = span!
    return !(
      startMs === contact.startedAtMs &&
      endMs === contact.endedAtMs &&
      resource['service.name'] === contact.agent &&
      resource['service.version'] === contact.release &&
      resource['deployment.environment.name'] === 'production' &&
      attributes['user.id'] === contact.customer?.phone &&
      attributes['andon.contact.end'] === contact.end
    )
  })
  expect(wrong).toEqual([])
  const orphans = spans.filter(
    ({ name, parentSpanId, attributes }) =>
      name.startsWith('execute_tool') && agents.get(attributes['gen_ai.conversation.id'])?.spanId !== parentSpanId,
  )
  expect(orphans, 'every tool span is a child of its own contact').toEqual([])
  const failed = events.filter((event) => event.type === 'called' && event.call.end.how === 'thrown').length
  expect(spans.filter((span) => span.isError && span.attributes['error.type']).length).toBe(failed)

  const logged = receiver.bodies('/v1/logs').flatMap(eventsIn)
  const posted = receiver.bodies('/v1/outcomes').map((body) => JSON.parse(body.toString()))
  const complaints = events.flatMap((event) => (event.type === 'complained' ? [event.complaint] : []))
  const ids = [...logged.map((event) => event.attributes['andon.outcome.id']), ...posted.map((event) => event.id)]
  expect(ids.sort()).toEqual(complaints.map((complaint) => complaint.id).sort())
  expect(logged.length > 0 && posted.length > 0, 'complaints come both ways').toBe(true)
  expect(posted.every((event) => event.type === 'andon.complaint' && event.data.customer.startsWith('+999'))).toBe(true)
  expect(receiver.requests.every((request) => request.headers.authorization === 'Bearer ingest')).toBe(true)
})

test('the same seed sends the same spans with the same ids', async () => {
  const [one, two] = [await receive(), await receive()]
  await runContactCentre(running(days(0.3), one.endpoint))
  await runContactCentre({ ...running(days(0.3), two.endpoint), stepMs: 5 * 60_000 })
  const sorted = (receiver: typeof one) => receiver.bodies('/v1/traces').flatMap(spansIn).map((span) => JSON.stringify(span)).sort() // biome-ignore format: one line
  expect(sorted(two)).toEqual(sorted(one))
})

test('a refused batch is sent again with the same ids until it is taken, and nothing is lost', async () => {
  let refusals = 0
  const receiver = await receive(({ path }, number) => {
    if (path !== '/v1/traces' || number % 5 !== 0) return 200
    refusals++
    return 500 // not retryable by the rules of OTLP: the exporter gives up at once, the centre does not
  })
  const clock = { nowMs: wallClock.nowMs, sleep: () => Promise.resolve() }
  const report = await runContactCentre({ ...running(days(0.3), receiver.endpoint), clock })
  const spans = receiver.bodies('/v1/traces').flatMap(spansIn)
  expect(refusals).toBeGreaterThan(2)
  expect(spans.length).toBeGreaterThan(report.spans)
  expect(new Set(spans.map((span) => `${span.traceId} ${span.spanId}`)).size).toBe(report.spans)
})

test('a receiver that refuses for good ends the centre with an error that names it', async () => {
  const receiver = await receive(() => 400)
  const clock = { nowMs: wallClock.nowMs, sleep: () => Promise.resolve() }
  await expect(runContactCentre({ ...running(days(0.3), receiver.endpoint), clock })).rejects.toMatchObject({
    code: 'telemetry_not_delivered',
    message: expect.stringContaining(receiver.endpoint),
  })
})

test('event time runs at the wanted speed, and no step is begun before the last one is acknowledged', async () => {
  let underWay = 0
  let overlaps = 0
  const clock = manualClock(0)
  const receiver = await receive(async () => {
    underWay++
    await new Promise((resolve) => setImmediate(resolve))
    underWay--
    return 200
  })
  const seen: { eventMs: number; wallMs: number }[] = []
  const stop = new AbortController()
  const running_ = runContactCentre({
    ...running(days(1), receiver.endpoint),
    clock,
    speed: 3600,
    signal: stop.signal,
    onStep: ({ eventMs }) => {
      if (underWay > 0) overlaps++
      seen.push({ eventMs, wallMs: clock.nowMs() })
      if (clock.nowMs() >= 5000) stop.abort()
      else setImmediate(() => clock.advance(50))
    },
  })
  const report = await running_
  expect(report.completed).toBe(false)
  expect(seen.length).toBeGreaterThan(90)
  expect(seen.every(({ eventMs, wallMs }) => eventMs - START_MS === wallMs * 3600)).toBe(true)
  expect(overlaps).toBe(0)
})
