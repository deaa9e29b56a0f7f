import { type Clock, wallClock } from '../lib/clock.ts'
import { AndonError } from '../lib/errors.ts'
import type { Log } from '../lib/log.ts'
import { type Bus, type BusRecord, type Membership, type Positions, partitionKey } from './bus.ts'
import { createInbox } from './inbox.ts'
import type { OpenTerm } from './leadership.ts'
import { type Assigned, createSeats, type Giving, givingAll, givingEach, type Seats } from './seats.ts'

/** `first`: offset of the oldest record that is kept. */
type Partition = { first: number; records: BusRecord[] }
type Topic = Partition[]
const endOf = ({ first, records }: Partition): number => first + records.length
type Group = { members: (Seats & { name: string | null })[]; committed: Record<string, number> }

/** Which partitions each of `members` members gets, by their order. */
type Division = (partitions: readonly Assigned[], members: number) => Assigned[][]
const toTheFirst: Division = (partitions, members) =>
  Array.from({ length: members }, (_, i) => (i === 0 ? [...partitions] : []))
const inTurn: Division = (partitions, members) =>
  Array.from({ length: members }, (_, i) => partitions.filter((_, turn) => turn % members === i))

export type MemoryBus = Bus &
  Readonly<{
    /** Keeps no record of a partition before this offset, as retention does. */
    dropBefore: (topic: string, partition: number, offset: number) => void
  }>

/** Brokers refuse what is larger by default. */
const MAX_RECORD_BYTES = 1_048_588

/**
 * A bus inside the process, which ends with it: for roles that share one process, and for tests. Records go round the partitions, as
 * records without a key do.
 */
export function createMemoryBus({ log, clock = wallClock }: { log: Log; clock?: Clock }): MemoryBus {
  const topics = new Map<string, Topic>()
  const groups = new Map<string, Group>()
  const readers = new Set<() => void>()
  const closers = new Set<() => Promise<void>>()
  let round = 0

  const topicOf = (topic: string): Topic => {
    const partitions = topics.get(topic)
    if (!partitions) throw new AndonError('unavailable', `there is no topic ${topic}`, { retryable: true })
    return partitions
  }

  return {
    createTopics: async (wanted) => {
      for (const { topic, partitions } of wanted)
        if (!topics.has(topic))
          topics.set(
            topic,
            Array.from({ length: partitions }, () => ({ first: 0, records: [] })),
          )
    },
    bounds: async (topic) =>
      topicOf(topic).map((held, partition) => ({ partition, first: held.first, next: endOf(held) })),
    dropBefore: (topic, partition, offset) => {
      const held = topicOf(topic)[partition]!
      held.records = held.records.filter((record) => record.offset >= offset)
      held.first = Math.max(held.first, offset)
    },
    send: async (topic, records) => {
      const partitions = topicOf(topic)
      for (const { value } of records)
        if (value.length > MAX_RECORD_BYTES)
          throw new AndonError('too_large', `a record of ${value.length} bytes is larger than ${topic} takes`)
      const any = round++ % partitions.length
      for (const { value, headers = {}, partition = any } of records)
        partitions[partition]!.records.push({
          topic,
          partition,
          offset: endOf(partitions[partition]!),
          atMs: clock.nowMs(),
          value: Buffer.from(value),
          headers,
        })
      for (const wake of readers) wake()
    },
    lead: (options) => join(givingAll(options), toTheFirst),
    leaderOf: async (group) => {
      const leader = groups.get(group)?.members[0]
      return leader ? { name: leader.name } : null
    },
    share: (options) => join(givingEach(options), inTurn),
    close: async () => {
      for (const close of [...closers]) await close()
    },
  }

  async function join(giving: Giving, divide: Division): Promise<Membership> {
    const group = groups.get(giving.group) ?? { members: [], committed: {} }
    groups.set(giving.group, group)
    const seats = {
      ...createSeats({ giving, clock, log, openTerm: (mine) => openTerm(group, mine) }),
      name: giving.name,
    }
    const assign = () => {
      const partitions = giving.topics.flatMap((topic) =>
        [...topicOf(topic).keys()].map((partition) => ({ topic, partition })),
      )
      for (const [index, mine] of divide(partitions, group.members.length).entries()) group.members[index]!.assign(mine)
    }
    group.members.push(seats)
    assign()
    const close = async () => {
      closers.delete(close)
      await seats.close()
      group.members.splice(group.members.indexOf(seats), 1)
      assign()
    }
    closers.add(close)
    return {
      isLeading: seats.isLeading,
      terms: seats.terms,
      isMember: () => group.members.includes(seats),
      lag: seats.lag,
      close,
    }
  }

  function openTerm(group: Group, mine: readonly Assigned[]): OpenTerm {
    const inbox = createInbox({ clock })
    const fill = () => {
      for (const { topic, partition } of mine) {
        const key = partitionKey(topic, partition)
        const held = topicOf(topic)[partition]!
        const next = inbox.nextOf(key)
        if (next === null) continue
        inbox.know(key, endOf(held))
        for (const record of held.records.slice(Math.max(0, next - held.first))) if (!inbox.isFull()) inbox.push(record)
      }
    }
    readers.add(fill)
    const oldest = (): Record<string, number> =>
      Object.fromEntries(
        mine.map(({ topic, partition }) => [partitionKey(topic, partition), topicOf(topic)[partition]!.first]),
      )
    return {
      isCurrent: () => true,
      inbox,
      committed: async () => group.committed,
      seek: async (positions: Positions) => {
        const from = oldest()
        for (const [key, first] of Object.entries(from)) from[key] = Math.max(first, positions[key] ?? 0)
        inbox.start(from)
        fill()
        return from
      },
      oldest: async () => oldest(),
      onDrained: fill,
      commit: async (positions: Positions) => {
        Object.assign(group.committed, positions)
      },
      close: () => readers.delete(fill),
    }
  }
}
