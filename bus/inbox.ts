import type { Clock } from '../lib/clock.ts'
import { type BusRecord, type Positions, partitionKey } from './bus.ts'

/** What was fetched ahead is bounded: beyond `full` fetching pauses, below `drained` it goes on. */
const FULL_BYTES = 32 << 20
const DRAINED_BYTES = 8 << 20

/** Counted for every record, so that many empty ones fill the inbox too. */
const RECORD_BYTES = 200

export type Inbox = Readonly<{
  /** Empties the inbox; from here on it takes each partition from these offsets, without repetition. */
  start: (positions: Positions) => void
  /** The offset that the inbox wants next; null for a partition that it does not read. */
  nextOf: (partition: string) => number | null
  push: (record: BusRecord) => void
  /** Tells where a partition ends at present, for the lag. */
  know: (partition: string, end: number) => void
  isFull: () => boolean
  isDrained: () => boolean
  take: (options: Readonly<{ maxBytes: number; waitMs: number; signal: AbortSignal }>) => Promise<BusRecord[]>
  /** Records that no `take` has returned, by topic. */
  lag: () => Record<string, number>
}>

/** Records between a fetch that pushes and a reader that pulls. */
export function createInbox({ clock }: { clock: Clock }): Inbox {
  let records: BusRecord[] = []
  let bytes = 0
  let next: Record<string, number> = {}
  let taken: Record<string, number> = {}
  const ends = new Map<string, number>()
  let wake: () => void = () => {}
  return {
    start: (positions) => {
      records = []
      bytes = 0
      next = { ...positions }
      taken = { ...positions }
      ends.clear()
    },
    nextOf: (partition) => next[partition] ?? null,
    push: (record) => {
      const partition = partitionKey(record.topic, record.partition)
      const wanted = next[partition]
      if (wanted === undefined || record.offset < wanted) return
      next[partition] = record.offset + 1
      records.push(record)
      bytes += record.value.length + RECORD_BYTES
      wake()
    },
    know: (partition, end) => void ends.set(partition, end),
    isFull: () => bytes >= FULL_BYTES,
    isDrained: () => bytes <= DRAINED_BYTES,
    take: async ({ maxBytes, waitMs, signal }) => {
      if (records.length === 0 && waitMs > 0) {
        const nap = new AbortController()
        wake = () => nap.abort()
        await clock.sleep(waitMs, AbortSignal.any([signal, nap.signal]))
        wake = () => {}
      }
      if (signal.aborted) return []
      let size = 0
      let count = 0
      while (count < records.length && (count === 0 || size + records[count]!.value.length <= maxBytes))
        size += records[count++]!.value.length
      const part = records.slice(0, count)
      records = records.slice(count)
      bytes -= size + count * RECORD_BYTES
      for (const record of part) taken[partitionKey(record.topic, record.partition)] = record.offset + 1
      return part
    },
    lag: () => {
      const lag: Record<string, number> = {}
      for (const [partition, from] of Object.entries(taken)) {
        const topic = partition.slice(0, partition.lastIndexOf('/'))
        lag[topic] = (lag[topic] ?? 0) + Math.max(0, (ends.get(partition) ?? from) - from)
      }
      return lag
    },
  }
}
