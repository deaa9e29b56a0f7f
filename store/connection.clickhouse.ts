import { type ChildProcess, fork } from 'node:child_process'
import { Readable } from 'node:stream'
import type { ClickHouseSettings } from '@clickhouse/client'
import { ClickHouseError } from '@clickhouse/client'
import { AndonError } from '../lib/errors.ts'
import type { EngineReply, EngineRequest } from './engine.clickhouse.ts'

type Waiting = { resolve: (reply: Extract<EngineReply, { ok: true }>) => void; reject: (error: Error) => void }
type QueryParams = {
  query: string
  query_params?: Record<string, unknown>
  clickhouse_settings?: ClickHouseSettings
  values?: string | Readable
}

/** Set by the HTTP client for its own transport; the embedded engine has no such transport. */
const TRANSPORT_SETTINGS = new Set(['wait_end_of_query', 'default_format', 'output_format_json_quote_64bit_integers'])

/**
 * A `Connection` for `@clickhouse/client` whose engine is ClickHouse in a child process (chdb): the same client API
 * as for a server, without one. A child keeps the main event loop free and turns an engine crash into a retryable
 * error; the next request starts a new child.
 *
 * Settings go into the statement's SETTINGS clause: the embedded engine would otherwise keep them for ever.
 *
 * @param path directory of the store; one process at a time may hold it.
 */
export function createEmbeddedConnection(path: string, options: { memoryBytes: number; lockWaitMs: number }) {
  let child: ChildProcess | null = null
  let nextId = 0
  let closed = false
  const waiting = new Map<number, Waiting>()

  const start = (): ChildProcess => {
    const limits = [options.memoryBytes, options.lockWaitMs].map(String)
    const started = fork(new URL('./engine.clickhouse.ts', import.meta.url), [path, ...limits], {
      serialization: 'advanced',
      stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
      execArgv: ['--disable-warning=ExperimentalWarning'],
    })
    let isOpen = false
    /** The engine tells why it cannot open the store only on stderr, once per attempt: heard, and told once. */
    let complaint = ''
    started.stderr?.setEncoding('utf8').on('data', (text: string) => {
      if (isOpen) return process.stderr.write(text)
      if (complaint.length < LONGEST_COMPLAINT) complaint += text
      if (isBroken(complaint)) started.kill('SIGKILL') // waiting helps against a lock only
    })
    started.on('message', (reply: EngineReply) => {
      const request = waiting.get(reply.id)
      waiting.delete(reply.id)
      isOpen ||= reply.ok || reply.code !== undefined
      if (reply.ok) request?.resolve(reply)
      else request?.reject(isOpen ? errorOf(reply) : openingError(path, complaint || reply.message))
    })
    started.on('exit', (code, signal) => {
      if (child === started) child = null
      const broken = !isOpen && isBroken(complaint)
      if (!isOpen && !broken && signal !== null) process.stderr.write(complaint)
      const gone = broken
        ? openingError(path, complaint)
        : new AndonError(
            'store_gone',
            `the embedded ClickHouse ended (${signal ?? `exit code ${code}`}); it is started again on the next request`,
            { retryable: true },
          )
      for (const [id, request] of waiting) {
        waiting.delete(id)
        request.reject(gone)
      }
    })
    return started
  }

  const request = (
    method: EngineRequest['method'],
    query: string,
    query_params?: Record<string, unknown>,
  ): Promise<Extract<EngineReply, { ok: true }>> =>
    new Promise((resolve, reject) => {
      if (closed) return reject(new AndonError('store_closed', 'the store is closed'))
      child ??= start()
      const id = nextId++
      waiting.set(id, { resolve, reject })
      const message: EngineRequest = query_params ? { id, method, query, query_params } : { id, method, query }
      child.send(message, (error) => {
        if (!error) return
        waiting.delete(id)
        reject(
          new AndonError('store_gone', `the embedded ClickHouse cannot be reached: ${error.message}`, {
            retryable: true,
            cause: error,
          }),
        )
      })
    })

  const result = (summary: object = {}) => ({
    query_id: '',
    response_headers: {},
    http_status_code: 200,
    summary: summary as never,
  })
  const run = async (params: QueryParams) => {
    const reply = await request('query', withSettings(params.query, params.clickhouse_settings), params.query_params)
    return { ...result(), stream: Readable.from([Buffer.from(reply.bytes)], { objectMode: false }) }
  }

  return {
    query: run,
    exec: run,
    command: async (params: QueryParams) => {
      await request('query', withSettings(params.query, params.clickhouse_settings), params.query_params)
      return result()
    },
    insert: async (params: QueryParams) => {
      const values = typeof params.values === 'string' ? params.values : await textOf(params.values)
      if (values.trim() !== '')
        await request('query', `${withSettings(params.query, params.clickhouse_settings)}\n${values}`)
      return result()
    },
    ping: async () => {
      try {
        await request('query', 'SELECT 1')
        return { success: true as const }
      } catch (error) {
        return { success: false as const, error: error as Error }
      }
    },
    close: async () => {
      if (closed) return
      closed = true
      const ending = child
      if (!ending) return
      await new Promise<void>((resolve) => {
        ending.once('exit', () => resolve())
        ending.send('close') // the engine finishes what it is doing, closes the store and exits
      })
    },
  }
}

/** Moves settings into the statement: `INSERT … SETTINGS a = 1 FORMAT JSONEachRow`, `SELECT … SETTINGS a = 1 FORMAT JSON`. */
function withSettings(query: string, settings: ClickHouseSettings | undefined): string {
  const named = Object.entries(settings ?? {}).filter(
    ([name, value]) => value !== undefined && !TRANSPORT_SETTINGS.has(name),
  )
  if (named.length === 0) return query
  const clause = `SETTINGS ${named.map(([name, value]) => `${name} = ${typeof value === 'number' ? value : `'${String(value).replaceAll("'", "''")}'`}`).join(', ')}`
  const format = /\sFORMAT\s+\w+\s*$/.exec(query)
  return format ? `${query.slice(0, format.index)} ${clause}${format[0]}` : `${query} ${clause}`
}

async function textOf(stream: Readable | undefined): Promise<string> {
  if (!stream) return ''
  const chunks: string[] = []
  for await (const chunk of stream) chunks.push(String(chunk))
  return chunks.join('')
}

/** UTF-16 units of what the engine says while it opens the store. */
const LONGEST_COMPLAINT = 4096

const isLocked = (complaint: string): boolean => complaint.includes('Cannot lock file')
const isBroken = (complaint: string): boolean => /DB::Exception: .*\n/.test(complaint) && !isLocked(complaint)

function openingError(path: string, complaint: string): AndonError {
  if (isLocked(complaint))
    return new AndonError(
      'store_locked',
      `the store in ${path} is held by another process: stop that one, or choose another --store`,
      { retryable: true },
    )
  const [, reason] = /^(?:Code: \d+\. )?(?:DB::Exception: )?([\s\S]{1,400})/.exec(complaint.trim()) ?? []
  return new AndonError(
    'store_failed',
    `the store in ${path} cannot be opened: ${(reason ?? complaint).replace(/\s+/g, ' ')}`,
  )
}

function errorOf(reply: Extract<EngineReply, { ok: false }>): Error {
  if (reply.code === undefined) return new AndonError('store_failed', reply.message)
  return new ClickHouseError({ message: reply.message, code: reply.code, type: reply.type ?? '' })
}
