/**
 * The child process that hosts embedded ClickHouse. It speaks with its parent over the IPC channel only
 * and ends when the parent does, however the parent ended.
 */
import { createChdbConnection } from 'chdb/connection'
import { Session } from 'chdb'

export type EngineRequest = Readonly<{ id: number; method: 'query'; query: string; query_params?: Record<string, unknown> }>
export type EngineReply =
  | Readonly<{ id: number; ok: true; bytes: Uint8Array }>
  | Readonly<{ id: number; ok: false; message: string; code?: string; type?: string; kind?: string }>

const [path, memoryBytes] = process.argv.slice(2) as [string, string]

/** A predecessor that was killed may need a moment to let go of the directory. */
const OPEN_ATTEMPTS = 50
const OPEN_PAUSE_MS = 200

async function open() {
  for (let attempt = 1; ; attempt++) {
    try {
      // The first session of a process fixes the engine's limits; later connections inherit them.
      new Session(path, { connectionArgs: [`--max_server_memory_usage=${memoryBytes}`, '--mark_cache_size=134217728', '--uncompressed_cache_size=0'] })
      return createChdbConnection({ path })
    } catch (error) {
      if (attempt === OPEN_ATTEMPTS) throw error
      await new Promise((resolve) => setTimeout(resolve, OPEN_PAUSE_MS))
    }
  }
}

const send = (reply: EngineReply) => process.send?.(reply)

const opened = open()

async function answer(request: EngineRequest) {
  let connection: Awaited<typeof opened>
  try {
    connection = await opened
  } catch (error) {
    const message = (error as Error).message
    const locked = /CANNOT_OPEN_FILE|lock/i.test(message)
    send({
      id: request.id,
      ok: false,
      kind: locked ? 'store_locked' : 'store_failed',
      message: locked ? `the store in ${path} is held by another process: stop that one, or choose another --store` : message,
    })
    return
  }
  try {
    const { stream } = await connection.query({ query: request.query, ...(request.query_params ? { query_params: request.query_params } : {}) })
    const chunks: Buffer[] = []
    for await (const chunk of stream) chunks.push(chunk as Buffer)
    send({ id: request.id, ok: true, bytes: chunks.length === 1 ? chunks[0]! : Buffer.concat(chunks) })
  } catch (error) {
    const { message, code, type } = error as Error & { code?: string; type?: string }
    send({ id: request.id, ok: false, message, ...(code ? { code } : { kind: 'store_failed' }), ...(type ? { type } : {}) })
  }
}

// Statements run one after the other: the engine serialises a connection anyway, and order is what the pipeline relies on.
let last: Promise<void> = Promise.resolve()
process.on('message', (request: EngineRequest) => {
  last = last.then(() => answer(request))
})
process.on('disconnect', () => {
  void last.then(async () => {
    await opened.then(
      (connection) => connection.close(),
      () => {}, // it never opened; whoever asked was told why
    )
    process.exit(0)
  })
})
process.on('SIGINT', () => {}) // Ctrl-C reaches the whole group; the parent decides when to stop
process.on('SIGTERM', () => {})
