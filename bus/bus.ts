/**
 * Carries records between roles, in order within a partition, and says who may act. Two implementations pass the same contract
 * (bus/contract.fixtures.ts): Apache Kafka (bus.kafka.ts) and one inside the process (memory.ts).
 */
export type Bus = Readonly<{
  /**
   * Resolves when the records are durable (Kafka: acks=all). A record may stand twice when a send was tried again.
   * Rejects with AndonError `too_large` (the topic takes no such record) or `unavailable` (retryable: nothing is known to be lost).
   */
  send: (topic: string, records: readonly Outgoing[]) => Promise<void>
  /**
   * Takes part in a group of which one member at a time leads and reads all partitions of the topics; the others stand by. `run` is called
   * when this member leads, and again when it ended while the member still leads. Resolves when the member has joined.
   */
  lead: (options: LeadOptions) => Promise<Membership>
  /**
   * Takes part in a group that divides the partitions of a topic evenly: every partition is led by one member at a time. `run` is called for each
   * partition that this member leads, as in `lead`. Partitions are divided anew whenever a member comes or goes: terms may end then, also those of partitions that stay.
   */
  share: (options: ShareOptions) => Promise<Membership>
  /** Makes topics that do not exist; leaves those that do as they are. */
  createTopics: (topics: readonly Readonly<{ topic: string; partitions: number }>[]) => Promise<void>
  /** The member that leads a group (`lead`), by what it calls itself, where it does; null where none leads. */
  leaderOf: (group: string) => Promise<Readonly<{ name: string | null }> | null>
  /** What the partitions of a topic hold. */
  bounds: (topic: string) => Promise<PartitionBounds[]>
  close: () => Promise<void>
}>

/** Without `partition` a record goes to any. */
export type Outgoing = Readonly<{ value: Uint8Array; headers?: Readonly<Record<string, string>>; partition?: number }>

export type BusRecord = Readonly<{
  topic: string
  partition: number
  offset: number
  /** When the sender (or, where the topic says so, the broker) stamped it. */
  atMs: number
  value: Uint8Array
  headers: Readonly<Record<string, string>>
}>

/** Offsets by `topic/partition`: the next one to be read. */
export type Positions = Readonly<Record<string, number>>

export const partitionKey = (topic: string, partition: number): string => `${topic}/${partition}`

/** How many offsets lie between two places, in the partitions that both name. */
export const between = (from: Positions, to: Positions): number =>
  Object.entries(from).reduce((sum, [partition, offset]) => sum + Math.max(0, (to[partition] ?? offset) - offset), 0)

/** Where to read on after these records. */
export function after(positions: Positions, records: readonly BusRecord[]): Positions {
  const next: Record<string, number> = { ...positions }
  for (const { topic, partition, offset } of records) {
    const key = partitionKey(topic, partition)
    next[key] = Math.max(next[key] ?? 0, offset + 1)
  }
  return next
}

/** `first`: oldest offset kept; `next`: the offset that the next record will get. */
export type PartitionBounds = Readonly<{ partition: number; first: number; next: number }>

export type LeadOptions = Readonly<{
  group: string
  topics: readonly string[]
  /** What this member is called where others ask who leads. */
  name?: string
  /** Should end soon after `term.signal`. What it throws is logged, and it is called again a moment later. */
  run: (term: Term) => Promise<void>
}>

export type ShareOptions = Readonly<{
  group: string
  topic: string
  /** Works on one partition. Should end soon after `term.signal`; called again as in `lead`. */
  run: (term: Term, partition: number) => Promise<void>
}>

export type Membership = Readonly<{
  isLeading: () => boolean
  /** Terms of this member at present: of a group that is led as a whole at most one, of a shared one as many as it leads partitions. */
  terms: () => number
  /** Whether the group heard of this member lately and it can read the topics: it leads or would take over. */
  isMember: () => boolean
  /** Records not read yet, by topic; null while another member leads. */
  lag: () => Readonly<Record<string, number>> | null
  /** Ends the term, waits for `run`, leaves the group: another member takes over at once. */
  close: () => Promise<void>
}>

/** The time during which this member leads. */
export type Term = Readonly<{
  /** Aborted when another member is to lead, or this one closes. */
  signal: AbortSignal
  /**
   * False as soon as another member may lead, also where nobody could tell this process (it was stopped, or the broker is out of
   * reach). Ask before every step that must not be done by two.
   */
  isCurrent: () => boolean
  /** Where the group's members before had got to, as far as they said. */
  committed: () => Promise<Positions>
  /**
   * Says where to read on; partitions that are not named are read from their oldest record. To be called before the first poll.
   * @returns where each partition of this term is read on: as asked, or at its oldest record where what was asked for is not kept any more
   */
  seek: (positions: Positions) => Promise<Positions>
  /** The oldest offset that each partition of this term keeps at present. */
  oldest: () => Promise<Positions>
  /** The next records, at most about `maxBytes` of them; waits up to `waitMs` for the first. Empty when the term ended. */
  poll: (options: Readonly<{ maxBytes: number; waitMs: number }>) => Promise<BusRecord[]>
  /** Tells the group how far records are done with. */
  commit: (positions: Positions) => Promise<void>
}>
