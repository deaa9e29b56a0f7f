import type { Clock } from './clock.ts'
import { AndonError } from './errors.ts'

/**
 * One read for all who ask while it is under way. Rejects with AndonError 'unavailable' (retryable) when it fails or takes longer than
 * `withinMs`; `what` is the subject of the message, the cause is kept for the log.
 */
export function shared<T>(
  read: () => Promise<T>,
  edges: Readonly<{ clock: Clock; withinMs: number; what: string }>,
): () => Promise<T> {
  const { clock, withinMs, what } = edges
  let underWay: Promise<T> | null = null
  const once = async (): Promise<T> => {
    const answered = new AbortController()
    const tooLate = clock.sleep(withinMs, answered.signal).then(() => {
      throw new AndonError('unavailable', `${what} did not answer within ${withinMs / 1000} s`, { retryable: true })
    })
    tooLate.catch(() => {}) // lost the race
    try {
      return await Promise.race([read(), tooLate])
    } catch (cause) {
      if (cause instanceof AndonError && cause.retryable) throw cause
      throw new AndonError('unavailable', `${what} cannot answer at the moment; its log says why`, {
        retryable: true,
        cause,
      })
    } finally {
      answered.abort()
    }
  }
  return () => {
    underWay ??= once().finally(() => {
      underWay = null
    })
    return underWay
  }
}
