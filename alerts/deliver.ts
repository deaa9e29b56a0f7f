import type { IncidentEventBody } from '../facts/incident.ts'
import type { Message } from './message.ts'
import { type LaterStage, SENDING } from './orders.ts'
import type { Post, PostResult } from './post.http.ts'
import type { Target } from './targets.ts'

/** Standard Webhooks asks for 15 to 30 s; a pause takes the shorter, its next try matters more. */
export const TIMEOUT_MS = 15_000

export type Attempt = Readonly<{
  target: Target
  /** Number of the attempt in its delivery, from 1. */
  attempt: number
  message: Message
  webhookId: string
  stage?: LaterStage | undefined
}>

/**
 * One attempt: journal, sign, send, journal. A crash at any point leaves an attempt that is repeated under the same
 * webhook-id: before the first line nothing was sent; after it the receiver may see the webhook twice, never under two ids.
 * Rejects when the journal does; a receiver's failure is an outcome. null: a newer order replaced this one, nothing was sent.
 */
export async function deliver(
  { target, attempt, message, webhookId, stage }: Attempt,
  edges: {
    post: Post
    /** Makes one line of this delivery durable; false when the delivery was replaced meanwhile and nothing was written. */
    record: (event: IncidentEventBody) => Promise<boolean>
    /** Wall clock: receivers compare it with theirs. */
    signedAtMs: () => number
    signal: AbortSignal
  },
): Promise<PostResult | null> {
  const line = { type: 'attempted', target: target.name, attempt, webhookId, ...(stage && { stage }) } as const
  const isOurs = await edges.record({ ...line, outcome: SENDING, status: 0, elapsedMs: 0 })
  if (!isOurs) return null
  const result = await edges.post({
    url: target.url,
    headers: message.headersAt(edges.signedAtMs()),
    body: message.body,
    allowPrivate: target.allowPrivate,
    timeoutMs: TIMEOUT_MS,
    signal: edges.signal,
  })
  const { outcome, status, elapsedMs } = result
  if (outcome !== 'aborted') await edges.record({ ...line, outcome, status, elapsedMs })
  return result
}
