import { ClickHouseError } from '@clickhouse/client'
import { AndonError } from '../lib/errors.ts'
import { retryReason } from '../store/retry.clickhouse.ts'

/** Failures of one batch and of one kind, whatever came between them, after which the batch itself is at fault. */
const FAILURES = 3
/** Of what other statements, or the machine, may cause as well. */
const DOUBTFUL_FAILURES = 10
/** One kind: a batch that wants too much is refused at one time and ends the engine at another. */
const DOUBTFUL = 'memory'
const DOUBTFUL_CAUSES = new Set(['MEMORY_LIMIT_EXCEEDED', 'store_gone'])

/** away: it was not about the batch. again: it may yet work. hopeless: driving it again as it is will not help. */
export type Verdict = 'away' | 'again' | 'hopeless'

export type Patience = Readonly<{ verdictOn: (seq: number, error: unknown) => Verdict }>

/**
 * Tells a batch that cannot be counted from a store that is away, as far as failures tell. Once a batch was given up, others that fail in the
 * same way are given up at once, unless the way is doubtful: they are its parts.
 */
export function createPatience(): Patience {
  const givenUpFor = new Set<string>()
  let failing = { seq: 0, times: new Map<string, number>() }
  return {
    verdictOn: (seq, error) => {
      const cause = causeOf(error)
      if (cause === null) return 'away'
      const kind = DOUBTFUL_CAUSES.has(cause) ? DOUBTFUL : cause
      if (failing.seq !== seq) failing = { seq, times: new Map() }
      const times = (failing.times.get(kind) ?? 0) + 1
      failing.times.set(kind, times)
      if (kind === DOUBTFUL) return times >= DOUBTFUL_FAILURES ? 'hopeless' : 'again'
      if (times >= FAILURES) givenUpFor.add(kind)
      return givenUpFor.has(kind) ? 'hopeless' : 'again'
    },
  }
}

/** What went wrong, in a word that does not change from one time to the next; null when it was not about what is counted. */
function causeOf(error: unknown): string | null {
  const { cause } = error as { cause?: unknown }
  if (error instanceof AndonError && cause instanceof ClickHouseError) return causeOf(cause)
  if (error instanceof AndonError) return error.code === 'store_gone' || error.code === 'invariant' ? error.code : null
  const type = error instanceof ClickHouseError ? error.type : undefined
  if (retryReason(error) !== null) return type !== undefined && DOUBTFUL_CAUSES.has(type) ? type : null
  return type ?? (error as Error).name
}
