import type { Bus, BusRecord } from '../bus/bus.ts'
import type { KafkaConfig } from '../bus/config.ts'
import { decodeRequest, JSON_TYPE, MAX_ITEMS, PROTOBUF, type Signal } from '../collector/decode.ts'
import type { Namer } from '../collector/name-span.ts'
import { readCloudEvents } from '../collector/outcomes.ts'
import type { RawRequest } from '../collector/receive.http.ts'
import { fillTimes } from '../collector/times.ts'
import type { Arrivals } from '../pipeline/accept.clickhouse.ts'
import type { Poison } from '../pipeline/order.clickhouse.ts'

type Topics = KafkaConfig['topics']

/** One request, one record, without a key: what the Collector's kafkaexporter writes. */
export const recordsOf = (topics: Topics, { signal, body }: RawRequest) => ({
  topic: { traces: topics.spans, metrics: topics.metrics, logs: topics.logs, outcomes: topics.outcomes }[signal],
  records: [{ value: body }],
})

/** `{` begins OTLP/JSON; no protobuf message of OTLP begins with it. */
const isJson = (value: Uint8Array): boolean => value[0] === 0x7b

/** Reads records of the telemetry topics. A fact without a time happened when its record was written, so reading again gives the same. */
export function createReader(
  topics: Topics,
  namer: Namer,
  count: (reason: string, n: number) => void,
): (record: BusRecord) => Arrivals | Poison {
  const signals = new Map<string, Signal>([
    [topics.spans, 'traces'],
    [topics.metrics, 'metrics'],
    [topics.logs, 'logs'],
  ])
  return (record) => {
    try {
      const signal = signals.get(record.topic)
      if (!signal) {
        const { outcomes, errors } = readCloudEvents(record.value, namer, MAX_ITEMS)
        if (errors.length > 0) count('outcome', errors.length)
        return fillTimes({ spans: [], outcomes, points: [] }, record.atMs)
      }
      const type = isJson(record.value) ? JSON_TYPE : PROTOBUF
      const { rejected, ...facts } = decodeRequest(signal, type, record.value, namer)
      for (const [reason, n] of Object.entries(rejected.byReason)) count(reason, n)
      return fillTimes(facts, record.atMs)
    } catch (error) {
      return { poison: record, reason: (error as Error).message }
    }
  }
}

/** Headers of a dead letter: where it came from and why it is here. */
export const DEAD = {
  reason: 'andon.reason',
  topic: 'andon.topic',
  partition: 'andon.partition',
  offset: 'andon.offset',
} as const

/** Kafka's own limit of a header is the record's; a reason need not be longer than a page line. */
const REASON_CHARACTERS = 500

/** Puts records that cannot be read into the dead-letter topic, as they were, with the reason. */
export const setAside = async (bus: Bus, topic: string, poison: readonly Poison[]): Promise<void> => {
  for (const { poison: record, reason } of poison)
    await bus.send(topic, [
      {
        value: record.value,
        headers: {
          ...record.headers,
          [DEAD.reason]: reason.slice(0, REASON_CHARACTERS),
          [DEAD.topic]: record.topic,
          [DEAD.partition]: String(record.partition),
          [DEAD.offset]: String(record.offset),
        },
      },
    ])
}
