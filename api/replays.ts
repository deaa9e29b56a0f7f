import { AndonError } from '../lib/errors.ts'

/** How long an answer is kept for a client that repeats its request, and how many at most. */
const KEPT_MS = 24 * 3_600_000
const MAX_KEPT = 10_000

type Kept<A> = Readonly<{ fingerprint: string; atMs: number; answer: Promise<A> }>

/**
 * Answers of writes by idempotency key: the same request again gets the same answer and does nothing, also while the first is under way.
 * Kept in memory: after a restart a repeated request is carried out again, and finds its work done or the state moved on (409).
 */
export type Replays<A> = Readonly<{
  /**
   * Runs `act` unless `key` was used before; `keep` tells whether an answer is final: others may be tried again under the same key.
   * @throws AndonError 'replayed_with_other_body' for the same key with another fingerprint
   */
  once: (
    key: string,
    fingerprint: string,
    nowMs: number,
    act: () => Promise<A>,
    keep: (answer: A) => boolean,
  ) => Promise<Readonly<{ answer: A; isReplay: boolean }>>
}>

export function createReplays<A>(): Replays<A> {
  const kept = new Map<string, Kept<A>>()
  const forgetOld = (nowMs: number) => {
    for (const [key, { atMs }] of kept) {
      if (kept.size <= MAX_KEPT && nowMs - atMs < KEPT_MS) return
      kept.delete(key)
    }
  }
  return {
    once: async (key, fingerprint, nowMs, act, keep) => {
      forgetOld(nowMs)
      const known = kept.get(key)
      if (known && known.fingerprint !== fingerprint)
        throw new AndonError(
          'replayed_with_other_body',
          'this Idempotency-Key was sent before with another request; use a new key for a new request',
        )
      if (known) return { answer: await known.answer, isReplay: true }
      const answer = act()
      const entry = { fingerprint, atMs: nowMs, answer }
      kept.set(key, entry)
      const forget = () => kept.get(key) === entry && kept.delete(key)
      try {
        const given = await answer
        if (!keep(given)) forget()
        return { answer: given, isReplay: false }
      } catch (error) {
        forget()
        throw error
      }
    },
  }
}
