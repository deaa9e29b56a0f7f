import { createHash } from 'node:crypto'
import type { ServerResponse } from 'node:http'
import type { Overview } from '../facts/overview.ts'
import type { Clock } from '../lib/clock.ts'
import type { Log } from '../lib/log.ts'
import { shared } from '../lib/shared.ts'

/** One look at the monitor, ready to send; the tag is a weak ETag: equal tags differ in `nowMs` at most. */
export type Look = Readonly<{ tag: string; json: string }>

/** How long one look may take before it counts as failed. */
const LOOK_TIMEOUT_MS = 10_000

/**
 * Reads the overview. Callers that come while a look is under way share it, so any number of them costs one.
 * Rejects with AndonError 'unavailable' when `overview` rejects, and after 10 s.
 */
export function createLook(overview: () => Promise<Overview>, clock: Clock): () => Promise<Look> {
  const look = async (): Promise<Look> => {
    const seen = await overview()
    const tag = createHash('sha256')
      .update(JSON.stringify({ ...seen, nowMs: 0 }))
      .digest('base64url')
      .slice(0, 22)
    return { tag: `W/"${tag}"`, json: JSON.stringify(seen) }
  }
  return shared(look, { clock, withinMs: LOOK_TIMEOUT_MS, what: 'the monitor' })
}

/** Shortest time between two looks for the listeners, and between two events to one of them. */
const INTERVAL_MS = 1_000
/** Rounds without news after which a listener hears `alive`: the page treats 15 s of silence as a lost connection. */
const ALIVE_AFTER_ROUNDS = 5

const TROUBLE = 'event: trouble'

export type Stream = Readonly<{
  /** Sends events on this response until its client leaves. False when there are too many listeners: nothing was written. */
  join: (response: ServerResponse, headers: Readonly<Record<string, string>>) => boolean
  close: () => void
}>

type Listener = { readonly response: ServerResponse; seen: string; quietRounds: number }

/**
 * Server-sent events: `overview` (JSON) when it changed, `trouble` (a sentence) while it cannot be read, `alive` in quiet times.
 * A heartbeat is an event and not a comment, since a browser hides comments from the page, which then could not tell a quiet
 * monitor from a dead connection. A listener that reads slowly misses looks in between; nothing queues up for it.
 */
export function createStream(edges: {
  look: () => Promise<Look>
  maxListeners: number
  clock: Clock
  log: Log
}): Stream {
  const { clock, log } = edges
  const listeners = new Set<Listener>()
  const closing = new AbortController()
  let isRunning = false
  let news: string | null = null
  let isFailing = false

  async function run(): Promise<void> {
    isRunning = true
    while (listeners.size > 0 && !closing.signal.aborted) {
      news = await read()
      for (const listener of listeners) tell(listener, news)
      await clock.sleep(INTERVAL_MS, closing.signal)
    }
    isRunning = false
    news = null // a later listener must not be told what is old by then
  }

  async function read(): Promise<string> {
    try {
      const { tag, json } = await edges.look()
      isFailing = false
      return `event: overview\nid: ${tag}\ndata: ${json}\n\n`
    } catch (error) {
      if (!isFailing) log.error({ err: error }, 'the overview could not be read for the page')
      isFailing = true
      return `${TROUBLE}\ndata: The monitor cannot read its state at the moment; its log says why.\n\n`
    }
  }

  return {
    join(response, headers) {
      if (listeners.size >= edges.maxListeners || closing.signal.aborted) return false
      const listener: Listener = { response, seen: '', quietRounds: 0 }
      listeners.add(listener)
      response.on('close', () => listeners.delete(listener)).on('error', () => listeners.delete(listener))
      response.writeHead(200, { ...headers, 'content-type': 'text/event-stream', 'x-accel-buffering': 'no' })
      response.write('retry: 2000\n\n')
      if (news !== null) tell(listener, news)
      if (!isRunning) void run()
      return true
    },
    close() {
      closing.abort()
      for (const { response } of listeners) response.end()
      listeners.clear()
    },
  }
}

function tell(listener: Listener, news: string): void {
  const { response } = listener
  if (response.writableNeedDrain) return
  const id = news.slice(0, news.indexOf('\ndata: ')) // the event's name and the tag of what it shows
  if (id !== listener.seen) {
    response.write(news)
    listener.seen = id
    listener.quietRounds = 0
  } else if (++listener.quietRounds >= ALIVE_AFTER_ROUNDS) {
    response.write(id === TROUBLE ? news : 'event: alive\ndata: yes\n\n')
    listener.quietRounds = 0
  }
}
