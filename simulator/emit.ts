import { type Contact, postOutcome } from '../agent/index.ts'
import { type Release, releaseKeyOf } from '../facts/slice.ts'
import type { Clock } from '../lib/clock.ts'
import { assert } from '../lib/errors.ts'
import { seededRandom } from '../lib/random.ts'
import type { Call, CallEnd, SimulatedContact } from './contact.ts'
import { type CentreEvent, contactCentre, type SimulatedComplaint } from './contact-centre.ts'
import type { Routing } from './routing.ts'
import type { Scenario } from './scenario.ts'
import { connectDesk, connectRelease, type Receiver, type Telemetry } from './telemetry.http.ts'

/** What the demo shows while the contact centre works. Counts are since the start. */
export type Progress = Readonly<{
  /** Event time: everything before it has happened and was acknowledged by the receiver. */
  eventMs: number
  contacts: number
  spans: number
  outcomes: number
  /** Contacts that went to people because their release was paused. */
  toPeople: number
  /** Event time by which the centre lags behind the wanted speed, because the receiver takes longer. */
  behindMs: number
}>

/** What the centre itself knows of a release; the monitor must find the same in its telemetry. Event times in ms, null: never. */
export type ReleaseReport = Release &
  Readonly<{
    contacts: number
    running: number
    firstBegunAtMs: number
    lastBegunAtMs: number
    lastEndedAtMs: number | null
  }>

export type CentreReport = Progress & Readonly<{ releases: readonly ReleaseReport[]; completed: boolean }>

type Centre = Readonly<{
  scenario: Scenario
  seed: number
  receiver: Receiver
  routing: Routing
  clock: Clock
  /** Event time per wall time, e.g. 28_000 for fourteen days in 43 s; Infinity: as fast as the receiver acknowledges. */
  speed: number
  /** Greatest stretch of event time in one step: one request per live release and step. Default 30 min. */
  stepMs?: number
  /** Ends the centre after the current step. */
  signal?: AbortSignal
  /** Told after every step, when all telemetry of the step is acknowledged. */
  onStep?: (progress: Progress) => void
}>

/** Wall time between two steps when the receiver keeps up. */
const TICK_MS = 50
const DEFAULT_STEP_MS = 30 * 60_000

/**
 * Runs the contact centre: events in order of event time, faster than wall time, through the agent library and real exporters.
 * Each step waits until everything it sent is acknowledged, so a slow receiver slows the centre and nothing is dropped.
 * Throws AndonError 'telemetry_not_delivered' when the receiver refuses for good.
 */
export async function runContactCentre(centre: Centre): Promise<CentreReport> {
  const { scenario, seed, routing, clock, speed, signal } = centre
  const stepMs = centre.stepMs ?? DEFAULT_STEP_MS
  const emitter = createEmitter(centre)
  const timeline = contactCentre({ scenario, seed, serve: routing.serve })
  const wallStartMs = clock.nowMs()
  let eventMs = scenario.startMs
  let next = timeline.next()
  try {
    while (!next.done && !signal?.aborted) {
      const wantedMs = speed === Infinity ? Infinity : scenario.startMs + (clock.nowMs() - wallStartMs) * speed
      eventMs = Math.min(wantedMs, eventMs + stepMs)
      while (!next.done && next.value.atMs <= eventMs) {
        emitter.happen(next.value)
        next = timeline.next() // asks the routing about the next contact only when its time has come
      }
      await emitter.deliver()
      const behindMs = speed === Infinity ? 0 : Math.max(0, wantedMs - eventMs)
      centre.onStep?.({ eventMs, behindMs, ...emitter.totals() })
      if (behindMs < stepMs && speed !== Infinity) await clock.sleep(TICK_MS, signal)
    }
    return { eventMs, behindMs: 0, ...emitter.totals(), releases: emitter.releases(), completed: next.done === true }
  } finally {
    timeline.return()
    await emitter.close()
  }
}

type MutableReport = { -readonly [K in keyof ReleaseReport]: ReleaseReport[K] }

/** Turns events into telemetry of the release, or the desk, that would write it. */
function createEmitter({ scenario, seed, receiver, routing, clock }: Centre) {
  const { environment, startMs } = scenario
  const edge = { ...receiver, clock }
  const telemetry = new Map<string, Telemetry>()
  const reports = new Map<string, MutableReport>()
  const open = new Map<string, Contact>()
  const desk = connectDesk(edge, environment, 'complaint-desk')
  let posts: (() => Promise<unknown>)[] = []
  const totals = { contacts: 0, spans: 0, outcomes: 0, toPeople: 0 }
  const keyOf = ({ agent, release }: Pick<Release, 'agent' | 'release'>) =>
    releaseKeyOf({ environment, agent, release })

  const begin = (contact: SimulatedContact) => {
    const writer = telemetry.get(keyOf(contact))
    assert(writer !== undefined, `${keyOf(contact)} begins a contact before its launch`)
    open.set(contact.id, writer.andon.startContact({ ...contactFieldsOf(contact), startTime: contact.startedAtMs }))
    totals.contacts++
    const report = reports.get(keyOf(contact))
    if (report)
      Object.assign(report, {
        contacts: report.contacts + 1,
        running: report.running + 1,
        lastBegunAtMs: contact.startedAtMs,
      })
    else reports.set(keyOf(contact), firstReportOf(contact, environment))
  }
  const end = (contact: SimulatedContact) => {
    open.get(contact.id)?.end(contact.end, { endTime: contact.endedAtMs })
    open.delete(contact.id)
    const report = reports.get(keyOf(contact))!
    Object.assign(report, { running: report.running - 1, lastEndedAtMs: contact.endedAtMs })
  }
  const complain = ({ id, atMs, by }: SimulatedComplaint) => {
    totals.outcomes++
    const complaint = { kind: 'complaint', id, at: atMs, environment } as const
    if (by.way === 'log_event') desk.andon.outcome({ ...complaint, conversation: by.conversation })
    else
      posts.push(() =>
        postOutcome(
          { ...(receiver.outcomes ?? receiver), source: 'regulator-portal' },
          { ...complaint, customer: by.customer.phone },
        ),
      )
  }

  return {
    happen: (event: CentreEvent) => {
      if (event.type === 'launched') {
        const release = { environment, agent: event.launch.agent, release: event.launch.release }
        // The start is part of the seed: another run of the same days has other ids, a repetition of this one the same.
        telemetry.set(keyOf(release), connectRelease(edge, release, seededRandom(seed, startMs, keyOf(release))))
        routing.launch(event.launch)
      } else if (event.type === 'begun') begin(event.contact)
      else if (event.type === 'called') call(open.get(event.contact.id)!, event.call)
      else if (event.type === 'ended') end(event.contact)
      else if (event.type === 'complained') complain(event.complaint)
      else totals.toPeople++
    },
    deliver: async () => {
      const sending = posts
      posts = []
      const writers = [...telemetry.values()].map((writer) => writer.deliver())
      const [spans] = await Promise.all([Promise.all(writers), desk.deliver(), postAll(sending)])
      totals.spans += spans.reduce((sum, count) => sum + count, 0)
    },
    totals: () => ({ ...totals }),
    releases: (): ReleaseReport[] => [...reports.values()].map((report) => ({ ...report })),
    close: async () => {
      await Promise.all([...telemetry.values(), desk].map((writer) => writer.close()))
    },
  }
}

/** One after another: complaints are few, and a portal has one connection. */
async function postAll(posts: readonly (() => Promise<unknown>)[]): Promise<void> {
  for (const post of posts) await post()
}

const firstReportOf = ({ agent, release, startedAtMs }: SimulatedContact, environment: string): MutableReport => {
  const times = { firstBegunAtMs: startedAtMs, lastBegunAtMs: startedAtMs, lastEndedAtMs: null }
  return { environment, agent, release, contacts: 1, running: 1, ...times }
}

const contactFieldsOf = ({ conversation, customer, intent, channel, queue, region, initiator }: SimulatedContact) => ({
  conversation,
  intent,
  channel,
  queue,
  region,
  initiator,
  ...(customer !== null && { customer: customer.phone }),
})

function call(
  contact: Contact,
  { tool, action, system, recordType, recordKey, startedAtMs, endedAtMs, end }: Call,
): void {
  const isMoney = system === 'finance' && action !== undefined && action !== 'read'
  const money = isMoney ? { amount: amountOf(recordKey), currency: 'EUR' } : {}
  const fields = { tool, system, recordType, recordKey, startTime: startedAtMs, ...money }
  contact
    .startAction(action === undefined ? fields : { ...fields, action })
    .end({ ...reportOf(end), endTime: endedAtMs })
}

/** What a record is about, 20 to 499: the same for the same record, and no matter of chance. */
const amountOf = (recordKey: string): number =>
  20 + [...recordKey].reduce((sum, letter) => (sum * 31 + letter.charCodeAt(0)) % 480, 0)

function reportOf(end: CallEnd) {
  if (end.how === 'stated') return { result: end.result }
  if (end.how === 'items') return { items: end.items, failedItems: end.failedItems }
  return end.how === 'thrown' ? { error: end.errorType } : {}
}
