import kafkajs, { type Admin, type Consumer, type EachBatchPayload, type Kafka, type PartitionAssigner } from 'kafkajs'
import type { Clock } from '../lib/clock.ts'
import { AndonError } from '../lib/errors.ts'
import type { Log } from '../lib/log.ts'
import { type BusRecord, type Membership, type Positions, partitionKey } from './bus.ts'
import { createInbox, type Inbox } from './inbox.ts'
import type { OpenTerm } from './leadership.ts'
import { type Assigned, createSeats, type Giving } from './seats.ts'

/**
 * A leader counts as such only this share of the session after it sent the last heartbeat that was answered. The broker gives the group
 * to another after the whole session, counted from when that heartbeat reached it; the rest is for clocks that do not run alike.
 */
const FENCE_SHARE = 0.75
/** Heartbeats go out between fetches only, so a fetch may not wait long. */
const HEARTBEAT_MS = 2_000
const FETCH_WAIT_MS = 500
const MAX_FETCH_BYTES = 16 << 20
const REJOIN_MS = 2_000

type Edges = Readonly<{
  kafka: Kafka
  giving: Giving
  /** Says who is given which partition. */
  assigner: (self: () => Self) => PartitionAssigner
  sessionMs: number
  clock: Clock
  log: Log
}>

/** Joins a group. A consumer that crashed for good is replaced by a new one. */
export async function joinGroup(edges: Edges): Promise<Membership> {
  const { giving, sessionMs, clock, log } = edges
  const { group, topics } = giving
  const closing = new AbortController()
  let consumer: Consumer
  let heardMs = 0
  let leadingSinceMs = 0
  /** False while what stands next in a topic is compressed as nobody here can read it: no member can do its work then. */
  let isReadable = true
  let assigned: readonly Assigned[] = []
  /** Of the term that reads a partition; a partition without one is paused. */
  const inboxes = new Map<string, Inbox>()

  const isFresh = () => clock.nowMs() - heardMs < sessionMs * FENCE_SHARE
  const seats = createSeats({ giving, clock, log, openTerm: (mine) => openTerm(mine) })

  const start = async () => {
    consumer = edges.kafka.consumer({
      groupId: group,
      sessionTimeout: sessionMs,
      rebalanceTimeout: sessionMs,
      heartbeatInterval: HEARTBEAT_MS,
      maxWaitTimeInMs: FETCH_WAIT_MS,
      maxBytesPerPartition: MAX_FETCH_BYTES / 4,
      maxBytes: MAX_FETCH_BYTES,
      allowAutoTopicCreation: false,
      partitionAssigners: [
        edges.assigner(() => ({
          sinceMs: assigned.length > 0 && isFresh() ? leadingSinceMs : 0,
          name: giving.name,
        })),
      ],
      retry: { initialRetryTime: 200, maxRetryTime: 2_000, retries: 5, restartOnFailure: async () => false },
    })
    const { GROUP_JOIN, HEARTBEAT, REBALANCING, CRASH, REQUEST } = consumer.events
    // An answer may have waited while this process was stopped: what counts is when its question was sent.
    let askedMs = 0
    consumer.on(REQUEST, ({ payload }) => {
      if (payload.apiName === 'Heartbeat' || payload.apiName === 'SyncGroup') askedMs = payload.sentAt
    })
    consumer.on(HEARTBEAT, () => {
      heardMs = askedMs
    })
    consumer.on(REBALANCING, () => seats.dismiss())
    consumer.on(GROUP_JOIN, ({ payload }) => joined(payload.memberAssignment as Record<string, number[]>, askedMs))
    consumer.on(CRASH, ({ payload: { error } }) => {
      seats.dismiss()
      isReadable = error.name !== 'KafkaJSNotImplemented'
      if (isReadable) log.warn({ group, err: error.message }, 'the group was lost; joining again')
      else
        log.error(
          { group, topics, err: error.message },
          'a topic holds records in a compression that cannot be read: let producers use none, gzip or zstd; joining again',
        )
      void rejoin()
    })
    await consumer.connect()
    await consumer.subscribe({ topics: [...topics], fromBeginning: true })
    await consumer.run({ autoCommit: false, eachBatchAutoResolve: false, eachBatch: async (payload) => take(payload) })
  }

  const joined = (assignment: Record<string, number[]>, askedMs: number) => {
    const wasLeading = assigned.length > 0 && isFresh()
    heardMs = askedMs
    assigned = Object.entries(assignment).flatMap(([topic, partitions]) =>
      partitions.map((partition) => ({ topic, partition })),
    )
    if (assigned.length === 0) {
      leadingSinceMs = 0
      seats.dismiss()
      return
    }
    if (!wasLeading || leadingSinceMs === 0) leadingSinceMs = heardMs
    consumer.pause(byTopic(assigned)) // until the terms say where to read on
    seats.assign(assigned)
    log.info({ group, partitions: assigned.length }, 'this process leads partitions of the group')
  }

  const rejoin = async () => {
    assigned = []
    while (!closing.signal.aborted) {
      await consumer.disconnect().catch(() => {})
      await clock.sleep(REJOIN_MS, closing.signal)
      if (closing.signal.aborted) return
      try {
        await start()
        if (closing.signal.aborted) await consumer.disconnect()
        return
      } catch (error) {
        log.warn({ group, err: (error as Error).message }, 'the group cannot be joined yet')
      }
    }
  }

  /** Puts what was fetched into the inbox; what comes from before a seek, or after the inbox is full, is fetched again. */
  const take = ({ batch, resolveOffset, isStale, isRunning }: EachBatchPayload) => {
    const { topic, partition } = batch
    const inbox = inboxes.get(partitionKey(topic, partition))
    if (!isRunning() || isStale() || !inbox || inbox.nextOf(partitionKey(topic, partition)) === null) return
    isReadable = true
    for (const message of batch.messages) {
      inbox.push(recordOf(topic, partition, message))
      resolveOffset(message.offset)
    }
    inbox.know(partitionKey(topic, partition), Number(batch.highWatermark))
    if (inbox.isFull()) consumer.pause(byTopic(assigned.filter((one) => inboxOf(one) === inbox)))
  }

  const inboxOf = ({ topic, partition }: Assigned) => inboxes.get(partitionKey(topic, partition))

  const openTerm = (mine: readonly Assigned[]): OpenTerm => {
    const inbox = createInbox({ clock })
    for (const { topic, partition } of mine) inboxes.set(partitionKey(topic, partition), inbox)
    const isReading = () => mine.length > 0 && inboxOf(mine[0]!) === inbox
    return {
      inbox,
      isCurrent: isFresh,
      committed: () => committedOf(edges.kafka, giving, mine),
      seek: async (positions) => {
        const from = startsOf(await boundsOf(edges.kafka, mine), positions)
        inbox.start(from)
        for (const { topic, partition } of mine)
          consumer.seek({ topic, partition, offset: String(from[partitionKey(topic, partition)]) })
        consumer.resume(byTopic(mine))
        return from
      },
      oldest: async () => oldestOf(await boundsOf(edges.kafka, mine)),
      onDrained: () => {
        if (consumer.paused().length > 0 && isReading()) consumer.resume(byTopic(mine))
      },
      commit: (positions) =>
        consumer.commitOffsets(
          mine.flatMap(({ topic, partition }) => {
            const offset = positions[partitionKey(topic, partition)]
            return offset === undefined ? [] : [{ topic, partition, offset: String(offset) }]
          }),
        ),
      close: () => {
        if (!isReading()) return
        for (const { topic, partition } of mine) inboxes.delete(partitionKey(topic, partition))
        const still = mine.filter((one) => assigned.includes(one))
        if (still.length > 0) consumer.pause(byTopic(still))
      },
    }
  }

  await start()
  return {
    isLeading: () => isReadable && seats.isLeading(),
    terms: seats.terms,
    isMember: () => isReadable && isFresh(),
    lag: seats.lag,
    close: async () => {
      closing.abort()
      await seats.close()
      await consumer.disconnect()
    },
  }
}

type Bounds = Readonly<{ topic: string; partition: number; low: number; high: number }>

/** What these partitions hold: offsets from `low` on, up to before `high`. */
async function boundsOf(kafka: Kafka, mine: readonly Assigned[]): Promise<Bounds[]> {
  const admin = kafka.admin()
  try {
    await admin.connect()
    const bounds: Bounds[] = []
    for (const [topic, parts] of Map.groupBy(mine, (part) => part.topic)) {
      const wanted = new Set(parts.map(({ partition }) => partition))
      for (const { partition, low, high } of await admin.fetchTopicOffsets(topic))
        if (wanted.has(partition)) bounds.push({ topic, partition, low: Number(low), high: Number(high) })
    }
    return bounds
  } finally {
    await admin.disconnect().catch(() => {})
  }
}

const oldestOf = (bounds: readonly Bounds[]): Positions =>
  Object.fromEntries(bounds.map(({ topic, partition, low }) => [partitionKey(topic, partition), low]))

/** Where to read each partition: as asked, but not before its oldest record. */
function startsOf(bounds: readonly Bounds[], positions: Positions): Positions {
  const from: Record<string, number> = {}
  for (const { topic, partition, low, high } of bounds) {
    const key = partitionKey(topic, partition)
    const wanted = positions[key] ?? 0
    if (wanted > high)
      throw new AndonError(
        'positions',
        `${topic} ends at ${high} in partition ${partition}, before what was read of it already (${wanted}): it was made anew, or lost records. Give it another name (kafka.topics), so that it is read from its beginning`,
      )
    from[key] = Math.max(wanted, low)
  }
  return from
}

async function committedOf(kafka: Kafka, { group, topics }: Giving, mine: readonly Assigned[]): Promise<Positions> {
  const admin = kafka.admin()
  try {
    await admin.connect()
    const isMine = (topic: string, partition: number) =>
      mine.some((one) => one.topic === topic && one.partition === partition)
    const answer = await admin.fetchOffsets({ groupId: group, topics: [...topics] })
    return Object.fromEntries(
      answer.flatMap(({ topic, partitions }) =>
        partitions
          .filter(({ partition, offset }) => Number(offset) >= 0 && isMine(topic, partition))
          .map(({ partition, offset }) => [partitionKey(topic, partition), Number(offset)]),
      ),
    )
  } finally {
    await admin.disconnect().catch(() => {})
  }
}

const NO_VALUE = Buffer.alloc(0)

const recordOf = (
  topic: string,
  partition: number,
  message: EachBatchPayload['batch']['messages'][number],
): BusRecord => ({
  topic,
  partition,
  offset: Number(message.offset),
  atMs: Number(message.timestamp),
  value: message.value ?? NO_VALUE,
  headers: Object.fromEntries(Object.entries(message.headers ?? {}).map(([name, value]) => [name, String(value)])),
})

const byTopic = (assigned: readonly Assigned[]) =>
  [...Map.groupBy(assigned, ({ topic }) => topic)].map(([topic, parts]) => ({
    topic,
    partitions: parts.map(({ partition }) => partition),
  }))

type Member = Readonly<{ memberId: string; memberMetadata: Buffer }>

/** Who gets which partitions of a topic, by member id. */
type Division = (partitions: readonly number[], members: readonly Member[]) => ReadonlyMap<string, number[]>

const VERSION = 0

/** What every member says of itself with each join: since when it leads (0: it does not), and what it is called. */
type Self = Readonly<{ sinceMs: number; name: string | null }>

const NOTHING_SAID: Self = { sinceMs: 0, name: null }

/** Members of another version or kind may say less. */
function selfIn(memberMetadata: Buffer): Self {
  try {
    const { userData } = kafkajs.AssignerProtocol.MemberMetadata.decode(memberMetadata)!
    return { ...NOTHING_SAID, ...(JSON.parse(String(userData)) as Partial<Self> | null) }
  } catch {
    return NOTHING_SAID
  }
}

/** The member that is given the partitions of a group, by what it calls itself. */
export async function leaderOf(
  admin: Pick<Admin, 'describeGroups'>,
  group: string,
): Promise<Readonly<{ name: string | null }> | null> {
  const { groups } = await admin.describeGroups([group])
  for (const { memberMetadata, memberAssignment } of groups[0]?.members ?? []) {
    const given = memberAssignment.length > 0 && kafkajs.AssignerProtocol.MemberAssignment.decode(memberAssignment)
    if (given && Object.values(given.assignment).some((partitions) => partitions.length > 0))
      return { name: selfIn(memberMetadata).name }
  }
  return null
}

const assignerOf =
  (name: string, divide: Division) =>
  (self: () => Self): PartitionAssigner =>
  ({ cluster }) => ({
    name,
    version: VERSION,
    protocol: ({ topics }) => ({
      name,
      metadata: kafkajs.AssignerProtocol.MemberMetadata.encode({
        version: VERSION,
        topics,
        userData: Buffer.from(JSON.stringify(self())),
      }),
    }),
    assign: async ({ members, topics }) => {
      const given = topics.map((topic) => {
        const partitions = cluster.findTopicPartitionMetadata(topic).map(({ partitionId }) => partitionId)
        return [topic, divide(partitions, members)] as const
      })
      return members.map(({ memberId }) => ({
        memberId,
        memberAssignment: kafkajs.AssignerProtocol.MemberAssignment.encode({
          version: VERSION,
          assignment: Object.fromEntries(
            given.flatMap(([topic, division]) => {
              const partitions = division.get(memberId) ?? []
              return partitions.length > 0 ? [[topic, partitions]] : []
            }),
          ),
          userData: Buffer.alloc(0),
        }),
      }))
    },
  })

const byId = (a: Member, b: Member) => (a.memberId < b.memberId ? -1 : 1)

/** All partitions to the member that has led longest, so that a newcomer does not disturb it. */
export const oneLeader = assignerOf('andon-one-leader', (partitions, members) => {
  const since = ({ memberMetadata }: Member) => selfIn(memberMetadata).sinceMs || Number.POSITIVE_INFINITY
  const [leader] = [...members].sort((a, b) => Math.sign(since(a) - since(b)) || byId(a, b))
  return new Map([[leader!.memberId, [...partitions]]])
})

/** Partitions in turn to all members. */
export const evenly = assignerOf('andon-evenly', (partitions, members) => {
  const inOrder = [...members].sort(byId)
  const numbers = [...partitions].sort((a, b) => a - b)
  return new Map(
    inOrder.map(({ memberId }, index) => [memberId, numbers.filter((_, turn) => turn % inOrder.length === index)]),
  )
})
