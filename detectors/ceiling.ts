import type { Ceiling as CeilingLimit } from '../facts/trigger.ts'

/** The latest trials in two blocks of at least `minTrials` each, so that an old good time hides nothing and the state stays small. */
export type Ceiling = { trials: number; hits: number; beforeTrials: number; beforeHits: number }

export const emptyCeiling = (): Ceiling => ({ trials: 0, hits: 0, beforeTrials: 0, beforeHits: 0 })

/** Counts a batch; hits of delayed signals count when they are known, beside the trials of that time. */
export function seeCeiling(
  state: Ceiling,
  { minTrials }: CeilingLimit,
  seen: Readonly<{ trials: number; hits: number }>,
): void {
  if (state.trials >= minTrials) {
    state.beforeTrials = state.trials
    state.beforeHits = state.hits
    state.trials = 0
    state.hits = 0
  }
  state.trials += seen.trials
  state.hits += seen.hits
}

/**
 * A plain limit, as policies ask for: more than `rate` of the latest trials are hits, and there are at least `minTrials`. It has no stated
 * false-pause probability over a release's life: every look is another chance to be wrong.
 */
export function overCeiling(state: Ceiling, { rate, minTrials }: CeilingLimit): boolean {
  const trials = state.trials + state.beforeTrials
  return trials >= minTrials && (state.hits + state.beforeHits) / trials > rate
}
