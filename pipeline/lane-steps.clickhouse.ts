import { type Arrivals, type BatchFacts, storeBatch } from './accept.clickhouse.ts'
import type { ContactChange, PartChange } from './changes.ts'
import { STEPS, type Step } from './letters.ts'
import type { PlaceChange } from './places.ts'
import { packSpan, type Stamp, unpackSpan } from './rows.ts'
import { divide, type Share } from './share.ts'
import {
  type BatchContext,
  type Counts,
  capHits,
  chargeContacts,
  closeBatch,
  findMarks,
  foldContacts,
  type Mark,
  resolveTraces,
} from './steps.clickhouse.ts'
import type { LinkedOutcome } from './stored.clickhouse.ts'
import { together } from './together.ts'

/** What a lane, or all of them together, counted of one batch. */
export type LaneCounts = Counts & Readonly<{ contactsChanged: number }>

/** What the letters of each step hold. */
export type BodyOf = {
  traces: Readonly<{
    spans: readonly unknown[][]
    outcomes: Arrivals['outcomes']
    points: Arrivals['points']
    isAgain?: boolean
  }>
  contacts: Readonly<{ parts: readonly PartChange[] }>
  keys: Readonly<{ places: readonly PlaceChange[]; outcomes: readonly LinkedOutcome[] }>
  charges: Readonly<{ marks: readonly Mark[] }>
  caps: Readonly<{ customers: readonly string[] }>
  whole: LaneCounts
}

/** What steps leave for later ones of the same lane and batch. */
export type Memory = { outcomes: readonly LinkedOutcome[]; contacts: readonly ContactChange[]; counts: LaneCounts }

/** What goes to each lane for the next step, by number of the lane. */
type Bodies<S extends Step> = readonly BodyOf[S][]

type Given<S extends Step> = Readonly<{
  context: BatchContext
  share: Share
  memory: Memory
  bodies: readonly BodyOf[S][]
}>

/** The first letters of a batch: a trace, an outcome and a series fall to one lane each. */
export function firstBodies({ spans, outcomes, points, isAgain = false }: BatchFacts, lanes: number): Bodies<'traces'> {
  const bySpan = divide(spans, (span) => span.traceId, lanes)
  const byOutcome = divide(outcomes, (outcome) => outcome.outcomeId, lanes)
  const byPoint = divide(points, (point) => point.series, lanes)
  return bySpan.map((part, lane) => ({
    spans: part.map(packSpan),
    outcomes: byOutcome[lane]!,
    points: byPoint[lane]!,
    isAgain,
  }))
}

async function doTraces({ context, share, memory, bodies }: Given<'traces'>): Promise<Bodies<'contacts'>> {
  const [{ spans, ...rest }] = bodies as [BodyOf['traces']]
  const batch = await storeBatch(context, share, { ...rest, spans: spans.map(unpackSpan) })
  const traces = await resolveTraces(context, batch)
  await together(traces.writes.map((write) => write()))
  memory.outcomes = traces.outcomes // lanes find what an outcome is about by the same key: its id
  memory.counts = {
    spans: batch.spans.length,
    newSpans: traces.newSpans,
    outcomes: batch.outcomes.length,
    points: batch.points.length,
    contactsChanged: 0,
  }
  return divide(traces.parts, (part) => part.contactId, share.lanes).map((parts) => ({ parts }))
}

async function doContacts({ context, share, memory, bodies }: Given<'contacts'>): Promise<Bodies<'keys'>> {
  const parts = bodies.flatMap((body) => body.parts)
  const { contacts, places, touchedOutcomes, writes } = await foldContacts(context, share, parts)
  const [touched] = await together([touchedOutcomes(), ...writes.map((write) => write())])
  memory.contacts = contacts
  memory.counts = { ...memory.counts, contactsChanged: contacts.length }
  const byKey = divide(places, (change) => change.place.key, share.lanes)
  const byOutcome = divide(touched, (outcome) => outcome.id, share.lanes)
  return byKey.map((part, lane) => ({ places: part, outcomes: byOutcome[lane]! }))
}

async function doKeys({ context, share, memory, bodies }: Given<'keys'>): Promise<Bodies<'charges'>> {
  const places = bodies.flatMap((body) => body.places)
  const outcomes = [...memory.outcomes, ...bodies.flatMap((body) => body.outcomes)]
  const marks = await findMarks(context, share, places, outcomes)
  return divide(marks, ([contactId]) => conversationPartOf(contactId), share.lanes).map((part) => ({ marks: part }))
}

/** A conversation that was split by idle time is one key: its parts are folded together (pipeline/contact.ts). */
const conversationPartOf = (contactId: string): string => contactId.replace(/~\d+$/, '')

async function doCharges({ context, share, memory, bodies }: Given<'charges'>): Promise<Bodies<'caps'>> {
  const marks = bodies.flatMap((body) => body.marks)
  const customers = await chargeContacts(context, share, memory.contacts, marks)
  return divide(customers, (customer) => customer, share.lanes).map((part) => ({ customers: part }))
}

/** The last step of every lane; lane 0 is told that it is done. */
async function doCaps({ context, share, memory, bodies }: Given<'caps'>): Promise<Bodies<'whole'>> {
  await capHits(context, share, [...new Set(bodies.flatMap((body) => body.customers))])
  return [memory.counts]
}

export async function doWhole({ context, share, bodies }: Given<'whole'>): Promise<LaneCounts> {
  const sum = (field: keyof LaneCounts) => bodies.reduce((total, counts) => total + counts[field], 0)
  const counts: LaneCounts = {
    spans: sum('spans'),
    newSpans: sum('newSpans'),
    outcomes: sum('outcomes'),
    points: sum('points'),
    contactsChanged: sum('contactsChanged'),
  }
  await closeBatch(context, share.stamp, counts)
  return counts
}

/** What a lane does in each step but the last, and hands on to the next one (letters.ts says their order). */
export const DO = { traces: doTraces, contacts: doContacts, keys: doKeys, charges: doCharges, caps: doCaps } as const

/**
 * All lanes of a batch in this process, one after the other: for a batch that was begun with lanes where none are any more. Its tokens are those of the
 * lanes that began it, so what they wrote of it already stands once.
 */
export async function doAllLanes(
  context: BatchContext,
  stamp: Stamp,
  facts: BatchFacts,
  lanes: number,
): Promise<LaneCounts> {
  const places = Array.from({ length: lanes }, (_, lane) => ({
    context,
    share: { stamp, lane, lanes },
    memory: {} as Memory,
  }))
  let dealt: readonly unknown[][] = firstBodies(facts, lanes).map((body) => [body])
  for (const step of STEPS) {
    if (step === 'whole') break
    const next: unknown[][] = places.map(() => [])
    for (const [lane, place] of places.entries())
      for (const [to, body] of (await DO[step]({ ...place, bodies: dealt[lane] as never[] })).entries())
        next[to]!.push(body)
    dealt = next
  }
  return doWhole({ ...places[0]!, bodies: dealt[0] as LaneCounts[] })
}
