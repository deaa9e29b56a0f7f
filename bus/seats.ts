import type { Clock } from '../lib/clock.ts'
import type { Log } from '../lib/log.ts'
import type { LeadOptions, Membership, ShareOptions, Term } from './bus.ts'
import { type Leadership, leadWhile, type OpenTerm } from './leadership.ts'

export type Assigned = Readonly<{ topic: string; partition: number }>

/** How a group gives out its partitions: all of them to one member, or each to one. */
export type Giving = Readonly<{
  group: string
  topics: readonly string[]
  /** Of the member, where it has one. */
  name: string | null
  /** Partitions that belong together go to one term. */
  seatOf: (assigned: Assigned) => number
  run: (term: Term, seat: number) => Promise<void>
}>

export const givingAll = ({ group, topics, name, run }: LeadOptions): Giving => ({
  group,
  topics,
  name: name ?? null,
  seatOf: () => 0,
  run,
})

export const givingEach = ({ group, topic, run }: ShareOptions): Giving => ({
  group,
  topics: [topic],
  name: null,
  seatOf: ({ partition }) => partition,
  run,
})

export type Seats = Readonly<{
  /** These partitions and no others are this member's from now on. */
  assign: (assigned: readonly Assigned[]) => void
  dismiss: () => void
}> &
  Pick<Membership, 'isLeading' | 'terms' | 'lag' | 'close'>

const sameParts = (a: readonly Assigned[], b: readonly Assigned[]): boolean =>
  a.length === b.length && a.every(({ topic, partition }, i) => topic === b[i]!.topic && partition === b[i]!.partition)

/** The terms of one member of a group, one at a time for each seat. */
export function createSeats(edges: {
  giving: Giving
  clock: Clock
  log: Log
  openTerm: (assigned: readonly Assigned[]) => OpenTerm
}): Seats {
  const { giving, clock, log, openTerm } = edges
  const { group, seatOf } = giving
  const seats = new Map<number, { leadership: Leadership; assigned: readonly Assigned[] }>()
  let isClosed = false

  const seatAt = (number: number) => {
    const existing = seats.get(number)
    if (existing) return existing
    const run = (term: Term) => giving.run(term, number)
    const leadership = leadWhile({ group, run, clock, log, openTerm: () => openTerm(seat.assigned) })
    const seat = { leadership, assigned: [] as readonly Assigned[] }
    seats.set(number, seat)
    return seat
  }
  const leading = () => [...seats.values()].filter(({ leadership }) => leadership.isLeading())
  return {
    assign: (assigned) => {
      if (isClosed) return // a member that leaves may be dealt partitions once more
      const bySeat = Map.groupBy(assigned, seatOf)
      for (const [number, { leadership }] of seats) if (!bySeat.has(number)) leadership.dismiss()
      for (const [number, partitions] of bySeat) {
        const seat = seatAt(number)
        if (seat.leadership.isAppointed() && sameParts(seat.assigned, partitions)) continue
        seat.assigned = partitions
        seat.leadership.appoint()
      }
    },
    dismiss: () => {
      for (const { leadership } of seats.values()) leadership.dismiss()
    },
    isLeading: () => leading().length > 0,
    terms: () => leading().length,
    lag: () => {
      const lags = leading().map(({ leadership }) => leadership.lag() ?? {})
      if (lags.length === 0) return null
      const sum: Record<string, number> = {}
      for (const lag of lags) for (const [topic, n] of Object.entries(lag)) sum[topic] = (sum[topic] ?? 0) + n
      return sum
    },
    close: async () => {
      isClosed = true
      await Promise.all([...seats.values()].map(({ leadership }) => leadership.close()))
    },
  }
}
