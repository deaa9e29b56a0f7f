import { expect, test } from 'vitest'
import { succeeded } from './contact.ts'
import { type CentreEvent, contactCentre } from './contact-centre.ts'
import { createRouting } from './routing.ts'
import { DAY_MS, demoScenario, HEALTHY_RATES, HOUR_MS, type Launch, type Scenario } from './scenario.ts'

const START_MS = Date.UTC(2026, 10, 2)
const DEMO = demoScenario({ startMs: START_MS })
const HEALTHY: Scenario = { ...DEMO, launches: DEMO.launches.filter((launch) => launch.atMs === START_MS) }

/** The whole timeline; `atEach` may pause something in between. */
function run(
  scenario: Scenario,
  seed: number,
  atEach: (event: CentreEvent, routing: ReturnType<typeof createRouting>) => void = () => {},
) {
  const routing = createRouting()
  const events: CentreEvent[] = []
  for (const event of contactCentre({ scenario, seed, serve: routing.serve })) {
    if (event.type === 'launched') routing.launch(event.launch)
    atEach(event, routing)
    events.push(event)
  }
  return events
}

const shortened = (scenario: Scenario, days: number): Scenario => ({
  ...scenario,
  endMs: scenario.startMs + days * DAY_MS,
})
/** Everything about a timeline, each contact written once. */
const digestOf = (events: readonly CentreEvent[]): string =>
  JSON.stringify([
    begunIn(events),
    events.map((event) => [event.type, event.atMs, event.type === 'complained' ? event.complaint.id : '']),
  ])

const begunIn = (events: readonly CentreEvent[]) =>
  events.flatMap((event) => (event.type === 'begun' ? [event.contact] : []))

/** What a monitor should find in the events, counted here from scratch by the definitions of the four signals. */
function countSignals(events: readonly CentreEvent[], isCounted: (release: string, atMs: number) => boolean) {
  const contacts = begunIn(events)
  const counted = contacts.filter((contact) => isCounted(contact.release, contact.startedAtMs))
  const names = new Set(counted.map((contact) => contact.id))
  const writes = counted.map((contact) =>
    contact.calls.filter(({ action }) => action !== 'read' && action !== 'transfer'),
  )
  const failed = writes.filter((calls) => calls.some((call) => !succeeded(call.end)))
  const creators = new Set<string>()
  const duplicators = new Set<string>()
  const known = new Set<string>()
  for (const event of events) {
    if (event.type !== 'called' || event.call.action !== 'create' || !succeeded(event.call.end)) continue
    if (names.has(event.contact.id)) creators.add(event.contact.id)
    if (known.has(event.call.recordKey) && names.has(event.contact.id)) duplicators.add(event.contact.id)
    known.add(event.call.recordKey)
  }
  const lastOf = new Map<string, { id: string; startedAtMs: number }>()
  const repeated = new Set<string>()
  for (const contact of contacts) {
    if (contact.customer === null) continue
    const key = `${contact.customer.phone} ${contact.intent}`
    const earlier = lastOf.get(key)
    const isRepeat =
      earlier !== undefined &&
      contact.startedAtMs - earlier.startedAtMs <= 72 * HOUR_MS &&
      contact.initiator === 'customer'
    if (isRepeat && names.has(earlier.id)) repeated.add(earlier.id)
    lastOf.set(key, contact)
  }
  const identified = counted.filter((contact) => contact.customer !== null).length
  const complaints = events.filter((event) => event.type === 'complained' && names.has(event.complaint.about.id)).length
  return {
    failed_updates: { hits: failed.length, trials: writes.filter((calls) => calls.length > 0).length },
    duplicate_creations: { hits: duplicators.size, trials: creators.size },
    repeat_contacts: { hits: repeated.size, trials: identified },
    complaints: { hits: complaints, trials: counted.length },
  }
}

const SIGNALS = ['failed_updates', 'duplicate_creations', 'repeat_contacts', 'complaints'] as const

/** Within four standard errors of the rate; 3 % more, because an unidentified customer's return is not seen as one. */
function expectRate({ hits, trials }: { hits: number; trials: number }, rate: number, name: string) {
  const error = Math.sqrt((rate * (1 - rate)) / trials)
  expect(Math.abs(hits / trials - rate), `${name}: ${hits} of ${trials} against ${rate}`).toBeLessThan(
    4 * error + 0.03 * rate,
  )
}

test('the same seed gives the same days, another seed others', () => {
  const scenario = shortened(DEMO, 1)
  const digest = (seed: number) => digestOf(run(scenario, seed))
  const first = digest(7)
  expect(digest(7)).toBe(first)
  expect(digest(8)).not.toBe(first)
})

test('events come in order of time: begun, then its calls, then ended; nothing is left open', () => {
  const events = run(shortened(DEMO, 3), 3)
  const open = new Map<string, number>()
  const faults: CentreEvent[] = []
  let nowMs = 0
  for (const event of events) {
    if (event.atMs < nowMs) faults.push(event)
    nowMs = event.atMs
    if (event.type === 'begun') open.set(event.contact.id, 0)
    if (event.type === 'called') {
      const { contact, call } = event
      if (call.startedAtMs < contact.startedAtMs || call.endedAtMs > contact.endedAtMs) faults.push(event)
      open.set(contact.id, (open.get(contact.id) ?? Number.NaN) + 1)
    }
    if (event.type === 'ended') {
      if (open.get(event.contact.id) !== event.contact.calls.length) faults.push(event)
      open.delete(event.contact.id)
    }
  }
  expect(faults).toEqual([])
  expect(open.size).toBe(0)
  const contacts = begunIn(events)
  expect(new Set(contacts.map((contact) => contact.conversation)).size).toBe(contacts.length)
})

test('a healthy centre has the healthy rates, counted by the definitions of the signals, over several seeds', () => {
  for (const seed of [11, 12]) {
    const events = run(HEALTHY, seed)
    // The last week's contacts are left out: their complaints and repeats may still be to come.
    const counts = countSignals(events, (_release, atMs) => atMs < HEALTHY.endMs - 7 * DAY_MS)
    for (const signal of SIGNALS) expectRate(counts[signal], HEALTHY_RATES[signal], `seed ${seed} ${signal}`)
  }
})

test('a bad release is healthy before its onset and bad at its rate from then on, in its own signal only', () => {
  for (const launch of DEMO.launches) {
    const { fault } = launch
    if (fault === null) continue
    // Alone with its fault from day 1 or day 4 on, served by all, so that both sides have enough contacts.
    const onsetMs = START_MS + (fault.onsetMs > launch.atMs ? 4 : 0) * DAY_MS
    const only: Launch = { ...launch, atMs: START_MS, share: 1, fault: { ...fault, onsetMs } }
    const scenario = { ...DEMO, lines: DEMO.lines.filter((line) => line.agent === launch.agent), launches: [only] }
    const events = run(scenario, 21)
    const until = scenario.endMs - 7 * DAY_MS
    const bad = countSignals(events, (_release, atMs) => atMs >= onsetMs && atMs < until)
    const before = countSignals(events, (_release, atMs) => atMs < onsetMs)
    for (const signal of SIGNALS) {
      expectRate(
        bad[signal],
        signal === fault.harm ? fault.rate : HEALTHY_RATES[signal],
        `${launch.release} after ${signal}`,
      )
      if (before[signal].trials > 0)
        expectRate(before[signal], HEALTHY_RATES[signal], `${launch.release} before ${signal}`)
    }
  }
})

test('a pause takes every later contact from the release and changes nothing that came before', () => {
  const pauseAtMs = START_MS + 5 * DAY_MS
  const scenario = shortened(DEMO, 6.5)
  const paused = run(scenario, 5, (event, routing) => {
    if (event.atMs >= pauseAtMs) routing.pause('order-status', '2026.11.2', 'previous_release')
  })
  const free = run(scenario, 5)
  const before = (events: readonly CentreEvent[]) => digestOf(events.filter((event) => event.atMs < pauseAtMs))
  expect(before(paused)).toBe(before(free))
  const servedLater = (events: readonly CentreEvent[]) =>
    begunIn(events).filter((contact) => contact.release === '2026.11.2' && contact.startedAtMs > pauseAtMs).length
  expect(servedLater(free)).toBeGreaterThan(100)
  expect(servedLater(paused)).toBeLessThanOrEqual(1) // the contact that was being begun when the pause came
  expect(
    begunIn(paused).filter((contact) => contact.release === '2026.11.1' && contact.startedAtMs > pauseAtMs).length,
  ).toBeGreaterThan(100)
})

test('without anybody to serve it, a line leaves no telemetry but people have work', () => {
  const events = run(shortened(HEALTHY, 1), 1, (event, routing) => {
    if (event.type === 'launched') routing.pause('collections', 'r15', 'people')
  })
  expect(begunIn(events).some((contact) => contact.agent === 'collections')).toBe(false)
  expect(events.filter((event) => event.type === 'people').length).toBeGreaterThan(200)
})

test('nobody in it exists: phone numbers of an unassigned country, mail of a reserved domain', () => {
  for (const { customer } of begunIn(run(shortened(HEALTHY, 1), 2))) {
    if (customer === null) continue
    expect(customer.phone).toMatch(/^\+999 55\d \d{5}$/)
    expect(customer.email).toMatch(/@example\.com$/)
  }
})
