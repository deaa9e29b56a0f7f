import { type AgeProfile, cumulativeHazard, shareBefore, windowOf } from './sequential/age-profile.ts'
import { type Block, dispersionOf } from './sequential/dispersion.ts'

/**
 * What stored history teaches about a signal: when hits come by age of the contact, when by hour of the week, and how much more
 * they vary than chance. Everything is on the clock of acceptance, as live data is judged on it.
 */
export type HourlyTrials = Readonly<{ cohortMs: number; trials: number }>
/** Hits by the hour of their contact's start, the hour in which they were accepted, and the age bin in between. */
export type HourlyHits = Readonly<{ cohortMs: number; acceptedMs: number; bin: number; hits: number }>

const HOUR_MS = 3_600_000
const DAY_MS = 24 * HOUR_MS

/** Edges of the learned age profile as parts of the window: fine where hits are frequent. */
export const AGE_EDGES = [0, 1, 2, 4, 8, 12, 18, 24, 36, 48, 60, 72].map((hour) => hour / 72)

/** Below this a profile is not learned; up to the second figure it is said to be marginal (docs/statistics.md). */
export const FEWEST_TRIALS = 5_000
export const ENOUGH_TRIALS = 20_000
const FEWEST_HITS = 300
/** A weekly rhythm needs two weeks and this many hits. */
const FEWEST_RHYTHM_HITS = 1_000
/** Hits that a multiplier of 1 is worth: a rhythm is believed as far as it was seen. */
const PRIOR_HITS = 20

/** Hazard by age from cohorts that were watched through a bin, as shares of the whole; null where history is too short. */
export function ageProfileOf(
  trials: readonly HourlyTrials[],
  hits: readonly HourlyHits[],
  windowMs: number,
  nowMs: number,
): AgeProfile | null {
  const total = trials.reduce((sum, row) => sum + row.trials, 0)
  if (total < FEWEST_TRIALS || hits.reduce((sum, row) => sum + row.hits, 0) < FEWEST_HITS) return null
  const edgesMs = AGE_EDGES.map((part) => Math.round(part * windowMs))
  const hazards = edgesMs.slice(1).map((edgeMs, bin) => {
    const watched = (row: { cohortMs: number }) => row.cohortMs + HOUR_MS + edgeMs <= nowMs
    const began = trials.reduce((sum, row) => sum + (watched(row) ? row.trials : 0), 0)
    let before = 0
    let inside = 0
    for (const row of hits) {
      if (!watched(row)) continue
      if (row.bin < bin) before += row.hits
      else if (row.bin === bin) inside += row.hits
    }
    const atRisk = began - before
    return atRisk >= FEWEST_TRIALS / 5 ? -Math.log1p(-Math.min(0.99, Math.max(0, inside) / atRisk)) : Number.NaN
  })
  const whole = hazards.reduce((sum, hazard) => sum + hazard, 0)
  if (!(whole > 0)) return null
  return { edgesMs, shares: hazards.map((hazard) => hazard / whole) }
}

/** Hits owed by calendar hour at share q0, and hits seen: what rhythm and noise are read from. */
export function hourlyBlocks(
  trials: readonly HourlyTrials[],
  hits: readonly HourlyHits[],
  profile: AgeProfile | null,
  q0: number,
  nowMs: number,
): Map<number, Block> {
  const blocks = new Map<number, { hits: number; exposure: number }>()
  const at = (hourMs: number) => {
    const block = blocks.get(hourMs) ?? { hits: 0, exposure: 0 }
    blocks.set(hourMs, block)
    return block
  }
  if (!profile) {
    for (const row of trials) at(row.cohortMs).exposure += row.trials * q0
    for (const row of hits) at(row.cohortMs).hits += row.hits
    return blocks
  }
  // a contact begun somewhere in its hour: ages of half an hour around each full hour
  const owed = Array.from({ length: Math.ceil(windowOf(profile) / HOUR_MS) + 1 }, (_, k) => {
    const [from, to] = [shareBefore(profile, (k - 0.5) * HOUR_MS), shareBefore(profile, (k + 0.5) * HOUR_MS)]
    const hazard = cumulativeHazard(q0)
    return Math.exp(-hazard * from) - Math.exp(-hazard * to)
  })
  for (const row of trials)
    for (const [k, share] of owed.entries()) {
      const hourMs = row.cohortMs + k * HOUR_MS
      if (hourMs + HOUR_MS <= nowMs) at(hourMs).exposure += row.trials * share
    }
  for (const row of hits) if (row.acceptedMs + HOUR_MS <= nowMs) at(row.acceptedMs).hits += row.hits
  return blocks
}

/**
 * Multipliers of the healthy rate by hour of the UTC week: hour of the day × day of the week, each drawn towards 1, exposure-weighted
 * mean 1. Null for less than two weeks or too few hits.
 */
export function hourOfWeekOf(blocks: ReadonlyMap<number, Block>): number[] | null {
  const hours = [...blocks.keys()]
  const hits = [...blocks.values()].reduce((sum, block) => sum + block.hits, 0)
  const exposure = [...blocks.values()].reduce((sum, block) => sum + block.exposure, 0)
  if (hits < FEWEST_RHYTHM_HITS || Math.max(...hours) - Math.min(...hours) < 14 * DAY_MS - HOUR_MS) return null
  const level = hits / exposure
  const hourOf = (ms: number) => Math.floor(ms / HOUR_MS) % 24
  const dayOf = (ms: number) => (Math.floor(ms / DAY_MS) + 3) % 7 // 1970-01-01 was a Thursday; Monday first
  const learned = (count: number, of: (ms: number) => number, given: (ms: number) => number) => {
    const sums = Array.from({ length: count }, () => ({ hits: 0, owed: 0 }))
    for (const [ms, block] of blocks) {
      const sum = sums[of(ms)]!
      sum.hits += block.hits
      sum.owed += block.exposure * level * given(ms)
    }
    return sums.map((sum) => (sum.hits + PRIOR_HITS) / (sum.owed + PRIOR_HITS))
  }
  const byDay = learned(7, dayOf, () => 1)
  const byHour = learned(24, hourOf, (ms) => byDay[dayOf(ms)]!)
  const rhythm = Array.from({ length: 168 }, (_, hour) => byDay[Math.floor(hour / 24)]! * byHour[hour % 24]!)
  const of = (ms: number) => rhythm[dayOf(ms) * 24 + hourOf(ms)]!
  const mean = [...blocks].reduce((sum, [ms, block]) => sum + block.exposure * of(ms), 0) / exposure
  return rhythm.map((g) => g / mean)
}

/** Days that blocks of hours lie on. */
export const daysOf = (blocks: ReadonlyMap<number, Block>): number =>
  new Set([...blocks.keys()].map((ms) => Math.floor(ms / DAY_MS))).size

/** Fewest blocks from which noise between days is told. */
const FEWEST_DAYS = 7
const FEWEST_HOURS = 48

/**
 * Overdispersion φ of a history: the greater of hours within their day and of days. Days count fully, as one good or bad day moves
 * everything in it together. 1 where history is too short to tell. `rhythmDays`: days of history that the rhythm was learned from.
 */
export function dispersionOfBlocks(
  blocks: ReadonlyMap<number, Block>,
  rhythm: readonly number[] | null,
  rhythmDays: number,
): number {
  const days = new Map<number, { hits: number; exposure: number; hours: Block[] }>()
  for (const [ms, block] of blocks) {
    const hour = (Math.floor(ms / HOUR_MS) + 72) % 168
    const exposure = block.exposure * (rhythm?.[hour] ?? 1)
    const day = days.get(Math.floor(ms / DAY_MS)) ?? { hits: 0, exposure: 0, hours: [] }
    day.hits += block.hits
    day.exposure += exposure
    day.hours.push({ hits: block.hits, exposure })
    days.set(Math.floor(ms / DAY_MS), day)
  }
  const all = [...days.values()]
  const level = all.reduce((sum, day) => sum + day.hits, 0) / all.reduce((sum, day) => sum + day.exposure, 0)
  const hours = all.flatMap((day) =>
    day.exposure > 0 && day.hits > 0
      ? day.hours.map((hour) => ({ hits: hour.hits, exposure: (hour.exposure * day.hits) / day.exposure }))
      : [],
  )
  // hours owed next to nothing would weigh as much as full ones in a mean of ratios
  const full = hours.filter((hour) => hour.exposure >= 0.5)
  const between = all.map((day) => ({ hits: day.hits, exposure: day.exposure * level }))
  return Math.max(
    full.length >= FEWEST_HOURS ? dispersionOf(full, 1 / 24 + (rhythm ? 1 / rhythmDays : 0)) : 1,
    between.length >= FEWEST_DAYS ? dispersionOf(between, rhythm ? 7 / rhythmDays : 1 / between.length) : 1,
  )
}

/** Share of contacts that end in a hit, from cohorts of different ages: solves Σ trials·(1 − e^{−Λ F(age)}) = hits. */
export function matureShare(
  steps: readonly Readonly<{ share: number; trials: number }>[],
  hits: number,
): { share: number; trials: number } {
  const mature = steps.reduce((sum, step) => sum + step.trials * step.share, 0)
  if (mature <= 0) return { share: 0, trials: 0 }
  let low = 0
  let high = 10
  for (let i = 0; i < 60; i++) {
    const hazard = (low + high) / 2
    const owed = steps.reduce((sum, step) => sum - step.trials * Math.expm1(-hazard * step.share), 0)
    if (owed < hits) low = hazard
    else high = hazard
  }
  return { share: -Math.expm1(-low), trials: mature }
}
