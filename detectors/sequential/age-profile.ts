import { assert } from '../../lib/errors.ts'

/**
 * When a delayed hit happens, as a function of the contact's age: `shares[b]` of all hits fall between `edgesMs[b]`
 * and `edgesMs[b + 1]`. The hazard is constant inside a bin; the last edge is the window.
 */
export type AgeProfile = Readonly<{ edgesMs: readonly number[]; shares: readonly number[] }>

const HOUR_MS = 3_600_000
const hours = (...edges: number[]) => edges.map((h) => h * HOUR_MS)

/**
 * Repeat contacts within 72 h, written default: a customer who was not helped mostly returns on the same or the next day.
 * A wrong profile costs validity in mid-life (docs/statistics.md), so replace it by the learned one as soon as history allows:
 * 20,000 contacts are enough, 5,000 marginal.
 */
export const REPEAT_CONTACT_72H: AgeProfile = {
  edgesMs: hours(0, 1, 4, 12, 24, 48, 72),
  shares: [0.1, 0.15, 0.2, 0.2, 0.2, 0.15],
}

/**
 * Complaints within 7 d, written default, an assumption rather than a measurement: a quarter in the first six hours, more
 * than half on the first day, then a slow tail. Replace it by the learned profile.
 */
export const COMPLAINT_7D: AgeProfile = {
  edgesMs: hours(0, 6, 24, 48, 72, 120, 168),
  shares: [0.25, 0.3, 0.17, 0.1, 0.11, 0.07],
}

export const windowOf = (profile: AgeProfile): number => profile.edgesMs.at(-1)!

/** Throws when the profile is no distribution over (0, window]. */
export function checkAgeProfile({ edgesMs, shares }: AgeProfile): void {
  assert(edgesMs.length === shares.length + 1 && shares.length > 0, 'an age profile has one edge more than shares')
  assert(edgesMs[0] === 0 && edgesMs.every((e, b) => b === 0 || e > edgesMs[b - 1]!), 'age edges start at 0 and rise')
  assert(
    shares.every((s) => s >= 0) && Math.abs(shares.reduce((a, b) => a + b) - 1) < 1e-9,
    'age shares are not negative and sum to 1',
  )
}

/** Share of all hits that fall before `ageMs`; 0 below zero, 1 from the window on. */
export function shareBefore({ edgesMs, shares }: AgeProfile, ageMs: number): number {
  let total = 0
  for (let b = 0; b < shares.length; b++) {
    const from = edgesMs[b]!
    const to = edgesMs[b + 1]!
    if (ageMs >= to) total += shares[b]!
    else if (ageMs > from) total += (shares[b]! * (ageMs - from)) / (to - from)
  }
  return total
}

/** Cumulative hazard of a hit within the window when a share q0 of healthy contacts ends in one: Λ = −ln(1 − q0). */
export const cumulativeHazard = (q0: number): number => -Math.log1p(-q0)

/** Expected healthy hits of one contact that stayed at risk up to `ageMs`: Λ(q0) · shareBefore. */
export const ageCompensator = (profile: AgeProfile, q0: number, ageMs: number): number =>
  cumulativeHazard(q0) * shareBefore(profile, ageMs)
