import kafkajs, { type Consumer, type EachBatchPayload, type Kafka, type PartitionAssigner } from 'kafkajs'
import type { Clock } from '../lib/clock.ts'
import type { Log } from '../lib/log.ts'
import { type BusRecord, type LeadOptions, type Membership, type Positions, partitionKey } from './bus.ts'
import { createInbox, type Inbox } from './inbox.ts'
import { leadWhile, type OpenTerm } from './leadership.ts'

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

type Assigned = Readonly<{ topic: string; partition: number }>

type Edges = Readonly<{ kafka: Kafka; options: LeadOptions; sessionMs: number; clock: Clock; log: Log }>

/** Joins a group in which one member is given all partitions. A consumer that crashed for good is replaced by a new one. */
export async function joinGroup(edges: Edges): Promise<Membership> {
  const { options, sessionMs, clock, log } = edges
  const closing = new AbortController()
  let consumer: Consumer
  let heardMs = 0
  let leadingSinceMs = 0
  let assigned: readonly Assigned[] = []
  let inbox: Inbox = createInbox({ clock })

  const isFresh = () => clock.nowMs() - heardMs < sessionMs * FENCE_SHARE
  const leadership = leadWhile({ options, clock, log, openTerm: () => openTerm() })

  const start = async () => {
    consumer = edges.kafka.consumer({
      groupId: options.group,
      sessionTimeout: sessionMs,
      rebalanceTimeout: sessionMs,
      heartbeatInterval: HEARTBEAT_MS,
      maxWaitTimeInMs: FETCH_WAIT_MS,
      maxBytesPerPartition: MAX_FETCH_BYTES / 4,
      maxBytes: MAX_FETCH_BYTES,
      allowAutoTopicCreation: false,
      partitionAssigners: [oneLeader(() => (assigned.length > 0 && isFresh() ? leadingSinceMs : 0))],
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
    consumer.on(REBALANCING, () => leadership.dismiss())
    consumer.on(GROUP_JOIN, ({ payload }) => joined(payload.memberAssignment as Record<string, number[]>, askedMs))
    consumer.on(CRASH, ({ payload }) => {
      leadership.dismiss()
      log.warn({ group: options.group, err: payload.error.message }, 'the group was lost; joining again')
      void rejoin()
    })
    await consumer.connect()
    await consumer.subscribe({ topics: [...options.topics], fromBeginning: true })
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
      leadership.dismiss()
      return
    }
    if (!wasLeading || leadingSinceMs === 0) leadingSinceMs = heardMs
    consumer.pause(byTopic(assigned)) // until the term says where to read on
    leadership.appoint()
    log.info({ group: options.group, partitions: assigned.length }, 'this process leads the group')
  }

  const rejoin = async () => {
    assigned = []
    while (!closing.signal.aborted) {
      await consumer.disconnect().catch(() => {})
      await clock.sleep(REJOIN_MS, closing.signal)
      if (closing.signal.aborted) return
      try {
        return await start()
      } catch (error) {
        log.warn({ group: options.group, err: (error as Error).message }, 'the group cannot be joined yet')
      }
    }
  }

  /** Puts what was fetched into the inbox; what comes from before a seek, or after the inbox is full, is fetched again. */
  const take = ({ batch, resolveOffset, isStale, isRunning }: EachBatchPayload) => {
    const { topic, partition } = batch
    if (!isRunning() || isStale() || inbox.nextOf(partitionKey(topic, partition)) === null) return
    for (const message of batch.messages) {
      inbox.push(recordOf(topic, partition, message))
      resolveOffset(message.offset)
    }
    inbox.know(partitionKey(topic, partition), Number(batch.highWatermark))
    if (inbox.isFull()) consumer.pause(byTopic(assigned))
  }

  const openTerm = (): OpenTerm => {
    const mine = assigned
    const own = createInbox({ clock })
    inbox = own
    return {
      inbox: own,
      isCurrent: isFresh,
      committed: () => committedOf(edges.kafka, options),
      seek: async (positions) => {
        const { from, lost } = await startsOf(edges.kafka, mine, positions)
        own.start(from)
        for (const { topic, partition } of mine)
          consumer.seek({ topic, partition, offset: String(from[partitionKey(topic, partition)]) })
        consumer.resume(byTopic(mine))
        return lost
      },
      onDrained: () => {
        if (consumer.paused().length > 0 && own === inbox) consumer.resume(byTopic(mine))
      },
      commit: (positions) =>
        consumer.commitOffsets(
          mine.flatMap(({ topic, partition }) => {
            const offset = positions[partitionKey(topic, partition)]
            return offset === undefined ? [] : [{ topic, partition, offset: String(offset) }]
          }),
        ),
      close: () => {
        inbox = createInbox({ clock })
        if (assigned === mine && mine.length > 0) consumer.pause(byTopic(mine))
      },
    }
  }

  await start()
  return {
    isLeading: leadership.isLeading,
    isMember: isFresh,
    lag: leadership.lag,
    close: async () => {
      closing.abort()
      await leadership.close()
      await consumer.disconnect()
    },
  }
}

/** Where to read each partition: as asked, but not before its oldest record. `lost`: records asked for that are not kept. */
async function startsOf(kafka: Kafka, mine: readonly Assigned[], positions: Positions) {
  const admin = kafka.admin()
  try {
    await admin.connect()
    const from: Record<string, number> = {}
    let lost = 0
    for (const topic of new Set(mine.map((part) => part.topic)))
      for (const { partition, low } of await admin.fetchTopicOffsets(topic)) {
        const key = partitionKey(topic, partition)
        const wanted = positions[key]
        if (wanted !== undefined) lost += Math.max(0, Number(low) - wanted)
        from[key] = Math.max(wanted ?? 0, Number(low))
      }
    return { from, lost }
  } finally {
    await admin.disconnect().catch(() => {})
  }
}

async function committedOf(kafka: Kafka, { group, topics }: LeadOptions): Promise<Positions> {
  const admin = kafka.admin()
  try {
    await admin.connect()
    const answer = await admin.fetchOffsets({ groupId: group, topics: [...topics] })
    return Object.fromEntries(
      answer.flatMap(({ topic, partitions }) =>
        partitions
          .filter(({ offset }) => Number(offset) >= 0)
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

/**
 * All partitions to one member: the one that has led longest, so that a newcomer does not disturb it. Every member says with each join
 * since when it leads (0: it does not).
 */
function oneLeader(leadingSinceMs: () => number): PartitionAssigner {
  const { MemberMetadata, MemberAssignment } = kafkajs.AssignerProtocol
  const version = 0
  return ({ cluster }) => ({
    name: 'andon-one-leader',
    version,
    protocol: ({ topics }) => ({
      name: 'andon-one-leader',
      metadata: MemberMetadata.encode({ version, topics, userData: Buffer.from(String(leadingSinceMs())) }),
    }),
    assign: async ({ members, topics }) => {
      const since = ({ memberMetadata }: { memberMetadata: Buffer }) =>
        Number(MemberMetadata.decode(memberMetadata)?.userData.toString()) || Number.POSITIVE_INFINITY
      const [leader] = [...members].sort((a, b) => Math.sign(since(a) - since(b)) || (a.memberId < b.memberId ? -1 : 1))
      const assignment = Object.fromEntries(
        topics.map((topic) => [topic, cluster.findTopicPartitionMetadata(topic).map(({ partitionId }) => partitionId)]),
      )
      return members.map(({ memberId }) => ({
        memberId,
        memberAssignment: MemberAssignment.encode({
          version,
          assignment: memberId === leader!.memberId ? assignment : {},
          userData: Buffer.alloc(0),
        }),
      }))
    },
  })
}
