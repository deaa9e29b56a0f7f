import type { BusRecord } from '../bus/bus.ts'
import type { Log } from '../lib/log.ts'

/** What a record of Andon's own topics says; null for one that is no JSON: somebody else wrote it, and the role goes on behind it. */
export function saidIn<T>({ topic, partition, offset, value }: BusRecord, log: Log): T | null {
  try {
    return JSON.parse(Buffer.from(value).toString()) as T
  } catch {
    log.error({ topic, partition, offset }, 'a record of a topic that only Andon writes is no JSON; it is passed over')
    return null
  }
}
