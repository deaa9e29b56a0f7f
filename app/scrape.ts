import { type Clock, wallClock } from '../lib/clock.ts'
import { AndonError } from '../lib/errors.ts'

/** Prometheus gives up a scrape after ten seconds by default, and with it every other metric of the page. */
const SCRAPE_MS = 3_000

/** What a metric has to ask for. Rejects with AndonError `unavailable` (retryable) where the answer would be too late; the work itself goes on. */
export async function inTimeForScrape<T>(work: Promise<T>, clock: Clock = wallClock): Promise<T> {
  const answered = new AbortController()
  const late = clock.sleep(SCRAPE_MS, answered.signal).then((): never => {
    throw new AndonError('unavailable', `no answer within ${SCRAPE_MS} ms`, { retryable: true })
  })
  late.catch(() => {}) // it also ends when the work was in time
  return Promise.race([work, late]).finally(() => answered.abort())
}
