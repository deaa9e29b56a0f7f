import type { Bus, BusRecord, Positions, Term } from '../bus/bus.ts'
import { partitionKey } from '../bus/bus.ts'
import type { KafkaConfig } from '../bus/config.ts'
import type { SetAside } from '../pipeline/set-aside.clickhouse.ts'
import { table } from './table.ts'
import { DEAD } from './telemetry-records.ts'

const WAIT_MS = 500
const MAX_BYTES = 8 << 20

export type DeadLetter = Readonly<{
  topic: string
  partition: number
  offset: number
  reason: string
  /** RFC 3339, when it was put aside. */
  at: string
  bytes: number
}>

/** Dead letters that no replay has taken, each once, oldest first. */
export const listDeadLetters = (bus: Bus, kafka: KafkaConfig): Promise<DeadLetter[]> =>
  whileOpen(bus, kafka, async (records) => once(records).map(letterOf))

/** Sends every dead letter to the topic that it came from; returns how many. One process at a time does. */
export const replayDeadLetters = (bus: Bus, kafka: KafkaConfig): Promise<number> =>
  whileOpen(bus, kafka, async (records, done) => {
    const letters = once(records)
    for (const letter of letters) {
      const topic = letter.headers[DEAD.topic]
      const headers = Object.fromEntries(Object.entries(letter.headers).filter(([name]) => !OWN_HEADERS.has(name)))
      if (topic) await bus.send(topic, [{ value: letter.value, headers }])
    }
    await done()
    return letters.length
  })

const OWN_HEADERS: ReadonlySet<string> = new Set(Object.values(DEAD))

/** A record may have been put aside twice: where it came from says which one it is. */
const once = (records: readonly BusRecord[]): BusRecord[] => [
  ...new Map(
    records.map((record) => [
      [DEAD.topic, DEAD.partition, DEAD.offset].map((name) => record.headers[name]).join(' '),
      record,
    ]),
  ).values(),
]

const letterOf = ({ headers, atMs, value }: BusRecord): DeadLetter => ({
  topic: headers[DEAD.topic] ?? '',
  partition: Number(headers[DEAD.partition] ?? 0),
  offset: Number(headers[DEAD.offset] ?? 0),
  reason: headers[DEAD.reason] ?? '',
  at: new Date(atMs).toISOString(),
  bytes: value.length,
})

/** Reads the topic from where the last replay ended to its present end, as the only member of its group. */
async function whileOpen<T>(
  bus: Bus,
  { groupPrefix, topics }: KafkaConfig,
  work: (records: readonly BusRecord[], done: () => Promise<void>) => Promise<T>,
): Promise<T> {
  const topic = topics.deadLetters
  const ends = await bus.bounds(topic)
  const end: Positions = Object.fromEntries(ends.map(({ partition, next }) => [partitionKey(topic, partition), next]))
  const result = Promise.withResolvers<T>()
  const run = async (term: Term) => {
    try {
      const from = await term.committed()
      await term.seek(from)
      const left = new Set(
        ends
          .filter(({ partition, first, next }) => next > Math.max(first, from[partitionKey(topic, partition)] ?? 0))
          .map(({ partition }) => partitionKey(topic, partition)),
      )
      const records: BusRecord[] = []
      while (left.size > 0 && !term.signal.aborted)
        for (const record of await term.poll({ maxBytes: MAX_BYTES, waitMs: WAIT_MS })) {
          const partition = partitionKey(topic, record.partition)
          if (record.offset < end[partition]!) records.push(record)
          if (record.offset + 1 >= end[partition]!) left.delete(partition)
        }
      if (!term.signal.aborted) result.resolve(await work(records, () => term.commit(end)))
    } catch (error) {
      result.reject(error)
    }
  }
  const membership = await bus.lead({ group: `${groupPrefix}-dead-letters`, topics: [topic], run })
  try {
    return await result.promise
  } finally {
    await membership.close()
  }
}

export const deadLetterTable = (letters: readonly DeadLetter[]): string =>
  table(
    ['put aside', 'topic', 'partition', 'offset', 'bytes', 'reason'],
    letters.map(({ at, topic, partition, offset, bytes, reason }) => [
      at,
      topic,
      String(partition),
      String(offset),
      String(bytes),
      reason,
    ]),
  )

export const setAsideTable = (facts: readonly SetAside[]): string =>
  table(
    ['received', 'fact', 'id', 'batch', 'error'],
    facts.map(({ at, kind, id, seq, error }) => [
      at,
      kind,
      id,
      String(seq),
      error.replaceAll(/\s+/g, ' ').slice(0, 200),
    ]),
  )
