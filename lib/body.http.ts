import type { IncomingMessage } from 'node:http'
import { createGunzip } from 'node:zlib'
import { AndonError } from './errors.ts'

/** The bytes of all requests in flight, bounded: whoever does not fit is told to come again. */
export type Budget = Readonly<{
  /** Takes `bytes`, or returns false and takes nothing. */
  take: (bytes: number) => boolean
  give: (bytes: number) => void
  usedBytes: () => number
}>

export function createBudget(limitBytes: number): Budget {
  let used = 0
  return {
    take: (bytes) => {
      if (used + bytes > limitBytes) return false
      used += bytes
      return true
    },
    give: (bytes) => {
      used -= bytes
    },
    usedBytes: () => used,
  }
}

export type BodyLimits = Readonly<{ compressedBytes: number; decompressedBytes: number }>

/**
 * Reads and, if need be, gunzips a request body, holding every byte against the budget as it arrives; inflating stops at the limit.
 * `hold` is told of all bytes taken, also when this throws: the caller gives them back when the request is done.
 * @throws AndonError 'too_large', 'overloaded' (retryable), 'undecodable' (broken gzip), 'aborted' (the client went away)
 */
export function readBody(
  request: IncomingMessage,
  options: { gzip: boolean; limits: BodyLimits; budget: Budget; hold: (bytes: number) => void },
): Promise<Buffer> {
  const { gzip, limits, budget, hold } = options
  const declared = Number(request.headers['content-length'] ?? 0)
  const receivedLimit = gzip ? limits.compressedBytes : limits.decompressedBytes
  if (declared > receivedLimit) return Promise.reject(tooLarge(receivedLimit, ''))
  let prepaid = 0
  if (declared > 0) {
    if (!budget.take(declared)) return Promise.reject(overloaded())
    hold(declared)
    prepaid = declared
  }
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = []
    let received = 0
    let size = 0
    let ended = false
    const gunzip = gzip ? createGunzip() : undefined
    const end = () => {
      ended = true
      request.off('data', onData).off('end', onEnd).off('close', onClose).off('error', onClose)
      gunzip?.destroy()
    }
    const finish = () => {
      if (ended) return
      end()
      resolve(chunks.length === 1 ? chunks[0]! : Buffer.concat(chunks, size))
    }
    const fail = (error: AndonError) => {
      if (ended) return
      end()
      request.pause()
      reject(error)
    }
    /** False when there was no room, and the request has failed. */
    const pay = (bytes: number): boolean => {
      if (!budget.take(bytes)) {
        fail(overloaded())
        return false
      }
      hold(bytes)
      return true
    }
    const keep = (chunk: Buffer) => {
      if (ended) return
      size += chunk.length
      if (size > limits.decompressedBytes)
        return fail(tooLarge(limits.decompressedBytes, gzip ? ' after decompression' : ''))
      if (gzip && !pay(chunk.length)) return
      chunks.push(chunk)
    }
    const onData = (chunk: Buffer) => {
      received += chunk.length
      if (received > receivedLimit) return fail(tooLarge(receivedLimit, ''))
      if (received > prepaid) {
        if (!pay(received - prepaid)) return
        prepaid = received
      }
      if (gunzip === undefined) return keep(chunk)
      if (gunzip.write(chunk)) return
      request.pause()
      gunzip.once('drain', () => {
        if (!ended) request.resume()
      })
    }
    const onEnd = () => (gunzip === undefined ? finish() : gunzip.end())
    const onClose = () => {
      if (!request.complete)
        fail(new AndonError('aborted', 'the client closed the connection before the body was complete'))
    }
    gunzip?.on('data', keep)
    gunzip?.on('end', finish)
    gunzip?.on('error', (cause) =>
      fail(new AndonError('undecodable', `the body is not valid gzip: ${cause.message}`, { cause })),
    )
    request.on('data', onData).on('end', onEnd).on('close', onClose).on('error', onClose)
  })
}

const tooLarge = (limit: number, when: string): AndonError =>
  new AndonError('too_large', `the body is larger than ${limit} bytes${when}; send smaller batches`)

const overloaded = (): AndonError =>
  new AndonError('overloaded', 'too many bytes are in flight; try again shortly', { retryable: true })
