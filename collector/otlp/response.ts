import type { Signal } from '../decode.ts'

/**
 * The answers of an OTLP/HTTP server, in the encoding of the request.
 * Source: OpenTelemetry Protocol 1.11, "OTLP/HTTP Response".
 */

/** Codes of google.rpc.Status that are used here. */
export const STATUS = {
  invalidArgument: 3,
  notFound: 5,
  resourceExhausted: 8,
  unimplemented: 12,
  internal: 13,
  unavailable: 14,
  unauthenticated: 16,
} as const

const REJECTED_FIELD: Readonly<Record<Signal, string>> = {
  traces: 'rejectedSpans',
  logs: 'rejectedLogRecords',
  metrics: 'rejectedDataPoints',
}

/** Export…ServiceResponse: empty when all was taken, else partial_success { rejected count = 1, error_message = 2 } as field 1. */
export function encodeResponse(
  signal: Signal,
  json: boolean,
  rejected: Readonly<{ items: number; message: string }>,
): Buffer {
  const isPartial = rejected.items > 0 || rejected.message !== ''
  if (json) {
    const partialSuccess = { [REJECTED_FIELD[signal]]: String(rejected.items), errorMessage: rejected.message }
    return Buffer.from(JSON.stringify(isPartial ? { partialSuccess } : {}))
  }
  if (!isPartial) return Buffer.alloc(0)
  return lengthDelimited(
    1,
    Buffer.concat([varint(1, rejected.items), lengthDelimited(2, Buffer.from(rejected.message))]),
  )
}

/** google.rpc.Status { code = 1, message = 2 }. */
export function encodeStatus(json: boolean, code: number, message: string): Buffer {
  if (json) return Buffer.from(JSON.stringify({ code, message }))
  return Buffer.concat([varint(1, code), lengthDelimited(2, Buffer.from(message))])
}

/** Fields of value 0 are left out, as proto3 does. */
const varint = (field: number, value: number): Buffer =>
  value === 0 ? Buffer.alloc(0) : Buffer.from([field << 3, ...varintBytes(value)])

const lengthDelimited = (field: number, body: Buffer): Buffer =>
  Buffer.concat([Buffer.from([(field << 3) | 2, ...varintBytes(body.length)]), body])

function varintBytes(value: number): number[] {
  const bytes: number[] = []
  let rest = value
  while (rest >= 0x80) {
    bytes.push((rest % 0x80) | 0x80)
    rest = Math.floor(rest / 0x80)
  }
  bytes.push(rest)
  return bytes
}
