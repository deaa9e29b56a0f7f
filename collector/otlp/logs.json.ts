import type { Keys, LogSink } from './raw.ts'
import { clearLog, clearPicked, createRawLog } from './raw.ts'
import { hexIdOf, isFields, nanosAsMs, parseBody, pickAttributes, textOf } from './value.json.ts'
import { LOG_LEVELS, walk } from './walk.json.ts'

/**
 * Reads an OTLP/JSON logs request.
 * @throws AndonError 'undecodable' when the body is no JSON object.
 */
export function readLogsJson(bytes: Uint8Array, keys: Keys, sink: LogSink): void {
  const record = createRawLog(keys)
  walk(parseBody(bytes), LOG_LEVELS, {
    reject: sink.reject,
    onResource: (resource) => {
      clearPicked(record.resource)
      if (isFields(resource)) pickAttributes(resource.attributes, keys, record.resource)
    },
    onItem: (item, path) => {
      clearLog(record)
      record.traceId = hexIdOf(item.traceId, 32)
      record.spanId = hexIdOf(item.spanId, 16)
      record.eventName = textOf(item.eventName)
      record.timeMs = nanosAsMs(item.timeUnixNano)
      record.observedMs = nanosAsMs(item.observedTimeUnixNano)
      pickAttributes(item.attributes, keys, record.attributes)
      sink.onLog(record, path)
    },
  })
}
