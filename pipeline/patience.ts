import { ClickHouseError } from '@clickhouse/client'
import { AndonError } from '../lib/errors.ts'
import { retryReason } from '../store/retry.clickhouse.ts'

/** Failures of one batch, one after the other and of one kind, after which the batch itself is at fault. */
const FAILURES = 3
/** Of kinds that other statements, or the machine, may cause as well. */
const DOUBTFUL_FAILURES = 10
const DOUBTFUL = new Set(['MEMORY_LIMIT_EXCEEDED', 'store_gone'])

/** away: it was not about the batch. again: it may yet work. hopeless: driving it again as it is will not help. */
export type Verdict = 'away' | 'again' | 'hopeless'

export type Patience = Readonly<{ verdictOn: (seq: number, error: unknown) => Verdict }>

/**
 * Tells a batch that cannot be counted from a store that is away, as far as failures tell. Once a batch was given up, others that fail in the
 * same way are given up at once, unless the way is doubtful: they are its parts.
 */
export function createPatience(): Patience {
  const givenUpFor = new Set<string>()
  let failing = { seq: 0, kind: '', times: 0 }
  return {
    verdictOn: (seq, error) => {
      const kind = kindOf(error)
      if (kind === null) return 'away'
      const isSame = failing.seq === seq && failing.kind === kind
      failing = { seq, kind, times: isSame ? failing.times + 1 : 1 }
      if (DOUBTFUL.has(kind)) return failing.times >= DOUBTFUL_FAILURES ? 'hopeless' : 'again'
      if (failing.times >= FAILURES) givenUpFor.add(kind)
      return givenUpFor.has(kind) ? 'hopeless' : 'again'
    },
  }
}

/** What went wrong, in a word that does not change from one time to the next; null when it was not about what is counted. */
function kindOf(error: unknown): string | null {
  const { cause } = error as { cause?: unknown }
  if (error instanceof AndonError && cause instanceof ClickHouseError) return kindOf(cause)
  if (error instanceof AndonError) return error.code === 'store_gone' || error.code === 'invariant' ? error.code : null
  const type = error instanceof ClickHouseError ? error.type : undefined
  if (retryReason(error) !== null) return type !== undefined && DOUBTFUL.has(type) ? type : null
  return type ?? (error as Error).name
}
