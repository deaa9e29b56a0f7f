/**
 * The child process that hosts embedded ClickHouse. It speaks with its parent over the IPC channel only
 * and ends when the parent does, however the parent ended.
 */

import { Session } from 'chdb'
import { createChdbConnection } from 'chdb/connection'

export type EngineRequest = Readonly<{
  id: number
  method: 'query'
  query: string
  query_params?: Record<string, unknown>
}>
export type EngineReply =
  | Readonly<{ id: number; ok: true; bytes: Uint8Array }>
  | Readonly<{ id: number; ok: false; message: string; code?: string; type?: string }>

const [path, memoryBytes, lockWaitMs] = process.argv.slice(2) as [string, string, string]

/**
 * Connections that work side by side: a connection runs one statement at a time, and most of a small statement is planning on
 * one core. Statements that are sent without waiting for each other may overlap; whoever needs an order awaits.
 */
const CONNECTIONS = 2

/** Beyond this, writes are refused: one under which the last byte of the disk goes may leave a part whose files are empty (docs/kafka.md, A full disk). */
const KEEP_FREE_BYTES = 64 * 2 ** 20

/** A predecessor that was killed may need a moment to let go of the directory. */
const OPEN_PAUSE_MS = 200

async function open() {
  for (let waitedMs = 0; ; waitedMs += OPEN_PAUSE_MS) {
    try {
      // The first session of a process fixes the engine's limits; later connections inherit them.
      new Session(path, {
        connectionArgs: [
          `--max_server_memory_usage=${memoryBytes}`,
          '--mark_cache_size=134217728',
          '--uncompressed_cache_size=0',
          `--storage_configuration.disks.default.keep_free_space_bytes=${KEEP_FREE_BYTES}`,
        ],
      })
      return Array.from({ length: CONNECTIONS }, () => createChdbConnection({ path }))
    } catch (error) {
      if (waitedMs >= Number(lockWaitMs)) throw error
      await new Promise((resolve) => setTimeout(resolve, OPEN_PAUSE_MS))
    }
  }
}

const send = (reply: EngineReply) => process.send?.(reply)

const opened = open()

async function answer(request: EngineRequest, slot: number) {
  let connection: Awaited<typeof opened>[number]
  try {
    connection = (await opened)[slot]!
  } catch (error) {
    send({ id: request.id, ok: false, message: (error as Error).message })
    return
  }
  try {
    const { stream } = await connection.query({
      query: request.query,
      ...(request.query_params ? { query_params: request.query_params } : {}),
    })
    const chunks: Buffer[] = []
    for await (const chunk of stream) chunks.push(chunk as Buffer)
    send({ id: request.id, ok: true, bytes: chunks.length === 1 ? chunks[0]! : Buffer.concat(chunks) })
  } catch (error) {
    const { message, code, type } = error as Error & { code?: string; type?: string }
    send({
      id: request.id,
      ok: false,
      message,
      ...(code ? { code } : {}),
      ...(type ? { type } : {}),
    })
  }
}

const waiting: EngineRequest[] = []
const idle = Array.from({ length: CONNECTIONS }, (_, slot) => slot)
let drained: () => void = () => {}

function next(): void {
  const slot = waiting.length > 0 ? idle.shift() : undefined
  if (slot === undefined) {
    if (idle.length === CONNECTIONS) drained()
    return
  }
  void answer(waiting.shift()!, slot).then(() => {
    idle.unshift(slot)
    next()
  })
}

process.on('message', (request: EngineRequest | 'close') => {
  if (request === 'close') drained = close
  else waiting.push(request)
  next()
})

/** Asked to end, after everything that was asked before. */
const close = () =>
  void opened
    .then(
      (connections) => Promise.all(connections.map((connection) => connection.close())),
      () => {}, // it never opened; whoever asked was told why
    )
    .then(() => process.exit(0))

// The parent died: it can take no answer any more, and its successor waits for the directory. The store survives SIGKILL at any
// moment, a statement that goes on would only keep it locked.
process.on('disconnect', () => process.kill(process.pid, 'SIGKILL'))
process.on('SIGINT', () => {}) // Ctrl-C reaches the whole group; the parent decides when to stop
process.on('SIGTERM', () => {})
