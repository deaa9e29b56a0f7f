import { type Clock, wallClock } from '../lib/clock.ts'
import { AndonError } from '../lib/errors.ts'
import type { Log } from '../lib/log.ts'
import { type Bus, type BusRecord, type LeadOptions, type Membership, type Positions, partitionKey } from './bus.ts'
import { createInbox } from './inbox.ts'
import { type Leadership, leadWhile } from './leadership.ts'

type Topic = BusRecord[][]
type Member = { leadership: Leadership; options: LeadOptions }
type Group = { members: Member[]; committed: Record<string, number> }

/** Brokers refuse what is larger by default. */
const MAX_RECORD_BYTES = 1_048_588

/**
 * A bus inside the process, which ends with it: for roles that share one process, and for tests. Records go round the partitions, as
 * records without a key do.
 */
export function createMemoryBus({ log, clock = wallClock }: { log: Log; clock?: Clock }): Bus {
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
            Array.from({ length: partitions }, () => []),
          )
    },
    bounds: async (topic) =>
      topicOf(topic).map((records, partition) => ({ partition, first: 0, next: records.length })),
    send: async (topic, records) => {
      const partitions = topicOf(topic)
      for (const { value } of records)
        if (value.length > MAX_RECORD_BYTES)
          throw new AndonError('too_large', `a record of ${value.length} bytes is larger than ${topic} takes`)
      const partition = round++ % partitions.length
      for (const { value, headers = {} } of records)
        partitions[partition]!.push({
          topic,
          partition,
          offset: partitions[partition]!.length,
          atMs: clock.nowMs(),
          value: Buffer.from(value),
          headers,
        })
      for (const wake of readers) wake()
    },
    lead: async (options) => {
      const group = groups.get(options.group) ?? { members: [], committed: {} }
      groups.set(options.group, group)
      const leadership = leadWhile({ options, clock, log, openTerm: () => openTerm(group, options) })
      const member: Member = { leadership, options }
      group.members.push(member)
      group.members[0]!.leadership.appoint()
      const close = async () => {
        closers.delete(close)
        await leadership.close()
        group.members.splice(group.members.indexOf(member), 1)
        group.members[0]?.leadership.appoint()
      }
      closers.add(close)
      return {
        isLeading: leadership.isLeading,
        isMember: () => group.members.includes(member),
        lag: leadership.lag,
        close,
      } satisfies Membership
    },
    close: async () => {
      for (const close of [...closers]) await close()
    },
  }

  function openTerm(group: Group, options: LeadOptions) {
    const inbox = createInbox({ clock })
    const fill = () => {
      for (const topic of options.topics)
        for (const [partition, records] of topicOf(topic).entries()) {
          const next = inbox.nextOf(partitionKey(topic, partition))
          if (next === null) continue
          inbox.know(partitionKey(topic, partition), records.length)
          for (const record of records.slice(next)) if (!inbox.isFull()) inbox.push(record)
        }
    }
    readers.add(fill)
    return {
      isCurrent: () => true,
      inbox,
      committed: async () => group.committed,
      seek: async (positions: Positions) => {
        const from: Record<string, number> = {}
        for (const topic of options.topics)
          for (const partition of topicOf(topic).keys())
            from[partitionKey(topic, partition)] = positions[partitionKey(topic, partition)] ?? 0
        inbox.start(from)
        fill()
        return 0
      },
      onDrained: fill,
      commit: async (positions: Positions) => {
        Object.assign(group.committed, positions)
      },
      close: () => readers.delete(fill),
    }
  }
}
