import { assert } from '../lib/errors.ts'
import { idOf } from '../lib/hash.ts'
import { type Random, seededRandom } from '../lib/random.ts'
import { createAgenda } from './agenda.ts'
import { type Call, type Case, planContact, type SimulatedContact, succeeded } from './contact.ts'
import { type Customer, POOL_SIZE } from './customers.ts'
import type { Line } from './lines.ts'
import { DAY_MS, HOUR_MS, type Launch, ratesAt, type Scenario } from './scenario.ts'

/** A complaint that reaches the complaint desk, and the contact it is really about. */
export type SimulatedComplaint = Readonly<{
  id: string
  atMs: number
  about: SimulatedContact
  /** How it is reported: see Line.complaints. A complaint by somebody unknown always names the conversation. */
  by: Readonly<{ way: 'log_event'; conversation: string }> | Readonly<{ way: 'cloud_event'; customer: Customer }>
}>

/** One thing that happens, in order of `atMs`. `people` means: no agent serves this contact, so no telemetry tells of it. */
export type CentreEvent =
  | Readonly<{ type: 'launched'; atMs: number; launch: Launch }>
  | Readonly<{ type: 'begun'; atMs: number; contact: SimulatedContact }>
  | Readonly<{ type: 'called'; atMs: number; contact: SimulatedContact; call: Call }>
  | Readonly<{ type: 'ended'; atMs: number; contact: SimulatedContact }>
  | Readonly<{ type: 'complained'; atMs: number; complaint: SimulatedComplaint }>
  | Readonly<{ type: 'people'; atMs: number; agent: string }>

/** Who serves the next contact of an agent: a release, or null for people. `roll` in [0, 1) is that contact's own chance. */
export type Serve = (agent: string, roll: number, atMs: number) => string | null

export type ContactCentre = Readonly<{ scenario: Scenario; seed: number; serve: Serve }>

/** What the agenda holds: events as they are, and customers who are about to call. */
type Planned =
  | CentreEvent
  | Readonly<{ type: 'arrival'; atMs: number; lineNumber: number; number: number }>
  | Readonly<{ type: 'return'; atMs: number; id: string; kase: Case }>

/** A customer with an open case begins no second one that would look like a repeat, nor one that would take over its complaint. */
const QUIET_MS = 7 * DAY_MS
/** Record keys that may be created again: the latest only, so all lie well inside the 30 days of a duplicate. */
const REMEMBERED_KEYS = 500

/**
 * The contact centre's days in order of time, by seed alone: every contact owns a random stream named by its id, so a pause,
 * which arrives whenever the monitor gets to it, changes who serves a contact and little else.
 * `serve` is asked at the moment the contact begins. Ends when the last contact begun before `endMs` has ended.
 */
export function* contactCentre({ scenario, seed, serve }: ContactCentre): Generator<CentreEvent, void, void> {
  const agenda = createAgenda<Planned>()
  const plan = (planned: Planned) => agenda.put(planned.atMs, planned)
  const faults = new Map(scenario.launches.map((launch) => [`${launch.agent} ${launch.release}`, launch.fault]))
  const lines = scenario.lines.map((line) => ({
    line,
    arrivals: seededRandom(seed, line.agent, 'arrivals'),
    quietUntilMs: new Map<number, number>(),
    createdKeys: [] as string[],
  }))
  const lineOf = new Map(lines.map((state) => [state.line.agent, state]))

  const planArrival = (lineNumber: number, number: number, afterMs: number) => {
    const { line, arrivals } = lines[lineNumber]!
    const atMs = nextArrivalMs(line, arrivals, afterMs)
    if (atMs < scenario.endMs) plan({ type: 'arrival', atMs, lineNumber, number })
  }

  const begin = (id: string, kase: Case, isReturn: boolean, atMs: number) => {
    const { line, quietUntilMs, createdKeys } = lines[kase.lineNumber]!
    const random = seededRandom(seed, id)
    quietUntilMs.set(kase.customerIndex, atMs + QUIET_MS)
    const release = serve(line.agent, random.uniform(), atMs)
    if (release === null) return plan({ type: 'people', atMs, agent: line.agent })
    const fault = faults.get(`${line.agent} ${release}`)
    assert(fault !== undefined, `${line.agent} ${release} serves contacts but the scenario does not launch it`)
    const rates = ratesAt(scenario.healthy, fault, atMs)
    const { repeatDelay, complaintDelay } = scenario
    const chance = { rates, random, createdKeys, repeatDelay, complaintDelay }
    const contact = planContact({ id, line, kase, isReturn, release, startedAtMs: atMs, ...chance })
    plan({ type: 'begun', atMs, contact })
    for (const call of contact.calls) plan({ type: 'called', atMs: call.endedAtMs, contact, call })
    plan({ type: 'ended', atMs: contact.endedAtMs, contact })
    if (contact.returnsAtMs !== null)
      plan({ type: 'return', atMs: contact.returnsAtMs, id: shortIdOf(id, 'return'), kase })
    if (contact.complainsAtMs !== null) {
      plan({
        type: 'complained',
        atMs: contact.complainsAtMs,
        complaint: complaintOf(contact, line, contact.complainsAtMs),
      })
    }
  }

  for (const launch of scenario.launches) plan({ type: 'launched', atMs: launch.atMs, launch })
  for (const lineNumber of lines.keys()) planArrival(lineNumber, 0, scenario.startMs)
  for (let next = agenda.take(); next !== undefined; next = agenda.take()) {
    if (next.type === 'arrival') {
      const { line, quietUntilMs } = lines[next.lineNumber]!
      const id = shortIdOf(seed, line.agent, next.number)
      const isFree = (customerIndex: number) => (quietUntilMs.get(customerIndex) ?? 0) <= next.atMs
      begin(id, newCase(line, next.lineNumber, seededRandom(seed, id, 'case'), isFree), false, next.atMs)
      planArrival(next.lineNumber, next.number + 1, next.atMs)
    } else if (next.type === 'return') {
      if (next.atMs < scenario.endMs) begin(next.id, next.kase, true, next.atMs)
    } else {
      if (next.type === 'called' && next.call.action === 'create' && succeeded(next.call.end))
        remember(lineOf.get(next.contact.agent)!.createdKeys, next.call.recordKey)
      if (next.type !== 'complained' || next.atMs < scenario.endMs) yield next
    }
  }
}

const shortIdOf = (...parts: (string | number)[]): string => idOf(...parts).slice(0, 16)

function remember(keys: string[], key: string): void {
  keys.push(key)
  if (keys.length > REMEMBERED_KEYS) keys.shift()
}

/** A customer without an open case, and what they want. */
function newCase(line: Line, lineNumber: number, random: Random, isFree: (customerIndex: number) => boolean): Case {
  let customerIndex = random.integer(POOL_SIZE)
  while (!isFree(customerIndex)) customerIndex = (customerIndex + 1) % POOL_SIZE
  return { lineNumber, customerIndex, intent: random.pickWeighted(line.intents), region: random.pick(line.regions) }
}

/** Poisson arrivals whose rate follows the hour of day (UTC), by thinning at the busiest hour's rate. */
function nextArrivalMs({ perHour, hours }: Line, random: Random, afterMs: number): number {
  const mean = hours.reduce((sum, hour) => sum + hour, 0) / hours.length
  const busiest = Math.max(...hours)
  for (let atMs = afterMs; ; ) {
    atMs += random.exponential((HOUR_MS * mean) / (perHour * busiest))
    if (random.uniform() * busiest < hours[new Date(atMs).getUTCHours()]!) return Math.ceil(atMs)
  }
}

function complaintOf(about: SimulatedContact, { complaints }: Line, atMs: number): SimulatedComplaint {
  const { id, conversation, customer } = about
  const by =
    complaints === 'cloud_event' && customer !== null
      ? { way: complaints, customer }
      : { way: 'log_event' as const, conversation }
  return { id: `complaint-${id}`, atMs, about, by }
}
