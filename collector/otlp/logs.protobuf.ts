import type { Keys, LogSink, RawLog } from './raw.ts'
import { clearLog, clearPicked, createRawLog } from './raw.ts'
import { readId, readText } from './text.protobuf.ts'
import { pickAttribute, pickResource } from './value.protobuf.ts'
import type { Cursor } from './wire.ts'
import { cursorOf, leave, readEnd, readNanosAsMs, readTag, skip } from './wire.ts'

/**
 * Reads an ExportLogsServiceRequest (opentelemetry/proto/collector/logs/v1). Bodies and severities are stepped over.
 * @throws AndonError 'undecodable' when the bytes are no such message; what the sink has seen by then is to be discarded.
 */
export function readLogsProtobuf(bytes: Uint8Array, keys: Keys, sink: LogSink): void {
  const c = cursorOf(bytes)
  const record = createRawLog(keys)
  let resourceAt = 0
  const end = c.bytes.length
  while (c.at < end) {
    const tag = readTag(c)
    if (tag === 0x0a) readResourceLogs(c, readEnd(c, end), keys, sink, record, resourceAt++)
    else skip(c, tag, end)
  }
  leave(c, end)
}

/** The resource may stand behind its records on the wire, so it is looked for first. */
function readResourceLogs(c: Cursor, end: number, keys: Keys, sink: LogSink, record: RawLog, resourceAt: number): void {
  const start = c.at
  clearPicked(record.resource)
  while (c.at < end) {
    const tag = readTag(c)
    if (tag === 0x0a) pickResource(c, readEnd(c, end), keys, record.resource)
    else skip(c, tag, end)
  }
  leave(c, end)
  c.at = start
  let scopeAt = 0
  while (c.at < end) {
    const tag = readTag(c)
    if (tag !== 0x12) {
      skip(c, tag, end)
      continue
    }
    const stop = readEnd(c, end)
    let recordAt = 0
    while (c.at < stop) {
      const inner = readTag(c)
      if (inner !== 0x12) {
        skip(c, inner, stop)
        continue
      }
      readRecord(c, readEnd(c, stop), keys, record)
      const [scope, index] = [scopeAt, recordAt++]
      sink.onLog(record, () => `resourceLogs[${resourceAt}].scopeLogs[${scope}].logRecords[${index}]`)
    }
    leave(c, stop)
    scopeAt++
  }
}

/** A record may carry no ids; one that is not valid counts as none. */
function readRecord(c: Cursor, end: number, keys: Keys, record: RawLog): void {
  clearLog(record)
  while (c.at < end) {
    const tag = readTag(c)
    switch (tag) {
      case 0x09:
        record.timeMs = readNanosAsMs(c)
        break
      case 0x59:
        record.observedMs = readNanosAsMs(c)
        break
      case 0x32:
        pickAttribute(c, readEnd(c, end), keys, record.attributes)
        break
      case 0x4a:
        record.traceId = readId(c, readEnd(c, end), 16)
        break
      case 0x52:
        record.spanId = readId(c, readEnd(c, end), 8)
        break
      case 0x62:
        record.eventName = readText(c, readEnd(c, end))
        break
      default:
        skip(c, tag, end)
    }
  }
  leave(c, end)
}
