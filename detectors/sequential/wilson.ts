import { assert } from '../../lib/errors.ts'

/** 0.975 quantile of the standard normal distribution. */
const Z_95 = 1.959963984540054

/**
 * Wilson score interval (95 %) of a share of hits among trials; { low: 0, high: 1 } without trials. For reports, not for
 * decisions: it is valid at one look only. Source: Wilson, JASA 1927.
 */
export function wilsonInterval(hits: number, trials: number): { low: number; high: number } {
  assert(hits >= 0 && hits <= trials, 'hits lie between 0 and trials')
  if (trials === 0) return { low: 0, high: 1 }
  const z2 = Z_95 * Z_95
  const share = hits / trials
  const centre = (share + z2 / (2 * trials)) / (1 + z2 / trials)
  const half = (Z_95 / (1 + z2 / trials)) * Math.sqrt((share * (1 - share)) / trials + z2 / (4 * trials * trials))
  return { low: hits === 0 ? 0 : Math.max(0, centre - half), high: hits === trials ? 1 : Math.min(1, centre + half) }
}
