import { z } from 'zod'
import type { Clock } from '../lib/clock.ts'
import type { Log } from '../lib/log.ts'
import { secretRefConfig } from '../lib/secret-ref.ts'
import type { Post, PostResult } from './post.http.ts'

export const heartbeatConfig = z
  .strictObject({
    url: z
      .url({ protocol: /^https?$/ })
      .optional()
      .describe('Address that is pinged, of a service that alarms when pings stop. Default: none.'),
    urlFrom: secretRefConfig.optional().describe('Where that address is kept, when it is a secret. Give this or url.'),
    everySeconds: z.number().min(5).max(3600).default(60).describe('Seconds between pings. Default 60.'),
    allowPrivate: z
      .boolean()
      .default(false)
      .describe('Allow loopback and private addresses. Link-local addresses stay denied. Default false.'),
  })
  .refine(({ url, urlFrom }) => url === undefined || urlFrom === undefined, {
    path: ['url'],
    message: 'give url or urlFrom, not both',
  })
  .prefault({})
  .describe("A dead man's switch: pinged while the monitor is healthy, and only then (docs/drills.md).")

/** Whoever waits for pings should alarm after two or three that are missing; one lost ping is no outage. */
const BODY = JSON.stringify({ service: 'andon', status: 'healthy' })
const TIMEOUT_MS = 10_000

export type HeartbeatEdges = Readonly<{
  url: string
  everyMs: number
  allowPrivate: boolean
  /** Whether the monitor can do its work: store, pipeline and detector. A check that throws is a no. */
  isHealthy: () => Promise<boolean>
  post: Post
  clock: Clock
  log: Log
  signal: AbortSignal
  /** After each turn: what became of the ping, or `skipped`. */
  onBeat?: (outcome: PostResult['outcome'] | 'skipped') => void
}>

/** Pings until told to stop. A ping that fails is not repeated: the next one is on its way, and silence is what alarms. */
export async function keepBeating(edges: HeartbeatEdges): Promise<void> {
  const { url, everyMs, allowPrivate, isHealthy, post, clock, log, signal } = edges
  while (!signal.aborted) {
    if (await isHealthy().catch(() => false)) {
      const headers = { 'content-type': 'application/json', 'user-agent': 'andon' }
      const timeoutMs = Math.min(TIMEOUT_MS, everyMs)
      const { outcome, status } = await post({ url, headers, body: BODY, allowPrivate, timeoutMs, signal })
      if (outcome !== 'delivered' && outcome !== 'aborted') log.warn({ outcome, status }, 'the heartbeat was not taken')
      edges.onBeat?.(outcome)
    } else {
      log.error({}, 'not healthy, so no heartbeat is sent')
      edges.onBeat?.('skipped')
    }
    await clock.sleep(everyMs, signal)
  }
}
