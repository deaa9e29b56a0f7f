import { assert } from '../../lib/errors.ts'

/** Lanczos coefficients for g = 7, n = 9 (P. Godfrey; relative error below 1e-14 for x ≥ ½). */
const LANCZOS = [
  0.99999999999980993, 676.5203681218851, -1259.1392167224028, 771.32342877765313, -176.61502916214059,
  12.507343278686905, -0.13857109526572012, 9.9843695780195716e-6, 1.5056327351493116e-7,
]

/** ln Γ(x) for x > 0. Source: Lanczos 1964; below ½ by reflection. */
export function lgamma(x: number): number {
  assert(x > 0, 'lgamma is defined here for x > 0')
  if (x < 0.5) return Math.log(Math.PI / Math.sin(Math.PI * x)) - lgamma(1 - x)
  const z = x - 1
  const t = z + 7.5
  const series = LANCZOS.slice(1).reduce((sum, c, i) => sum + c / (z + i + 1), LANCZOS[0]!)
  return 0.5 * Math.log(2 * Math.PI) + (z + 0.5) * Math.log(t) - t + Math.log(series)
}

/** ln of the binomial coefficient n over k. */
export const logChoose = (n: number, k: number): number => lgamma(n + 1) - lgamma(k + 1) - lgamma(n - k + 1)

/**
 * Regularised lower incomplete gamma function P(a, x): the probability that a Gamma(a, 1) variable is at most x.
 * Series below a + 1, continued fraction above (Numerical Recipes, 3rd ed., §6.2; modified Lentz).
 */
export function gammaP(a: number, x: number): number {
  assert(a > 0 && !Number.isNaN(x), 'gammaP needs a > 0')
  if (x <= 0) return 0
  if (x === Number.POSITIVE_INFINITY) return 1
  const scale = Math.exp(a * Math.log(x) - x - lgamma(a))
  if (x < a + 1) {
    let term = 1 / a
    let sum = term
    for (let n = 1; term > sum * 1e-17; n++) {
      term *= x / (a + n)
      sum += term
    }
    return Math.min(1, sum * scale)
  }
  const tiny = 1e-300
  let b = x + 1 - a
  let c = 1 / tiny
  let d = 1 / b
  let fraction = d
  for (let i = 1; i < 100_000; i++) {
    const numerator = -i * (i - a)
    b += 2
    d = 1 / nonZero(numerator * d + b, tiny)
    c = nonZero(b + numerator / c, tiny)
    const factor = c * d
    fraction *= factor
    if (Math.abs(factor - 1) < 1e-16) break
  }
  return Math.max(0, 1 - scale * fraction)
}

const nonZero = (x: number, tiny: number) => (Math.abs(x) < tiny ? tiny : x)

/** Quantile of Gamma(a, 1): the x at which {@link gammaP} is p. Bisection, to the last few bits. */
export function gammaQuantile(p: number, a: number): number {
  assert(p > 0 && p < 1, 'a quantile needs p in (0, 1)')
  let low = 0
  let high = a + 10 * Math.sqrt(a) + 50
  while (gammaP(a, high) < p) high *= 2
  for (let i = 0; i < 200 && high - low > 1e-15 * high; i++) {
    const middle = (low + high) / 2
    if (gammaP(a, middle) < p) low = middle
    else high = middle
  }
  return (low + high) / 2
}
