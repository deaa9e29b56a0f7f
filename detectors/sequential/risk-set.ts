import { shareBefore } from './age-profile.ts'
import { rhythmAt, type TestDesign } from './design.ts'

/**
 * Contacts of a delayed signal that may still see their hit, counted by cohort bin (start time ÷ bin width).
 * Plain data; at most 289 bins, because older contacts have left the window.
 */
export type RiskSet = {
  /** Bin of `open[0]`. */
  firstBin: number
  /** Contacts at risk per consecutive cohort bin. */
  open: number[]
  /** Sum over these contacts of (start − start of their bin), in ms: what makes their ages exact. */
  offsetMs: number[]
}

const HOUR_MS = 3_600_000

export const emptyRiskSet = (): RiskSet => ({ firstBin: 0, open: [], offsetMs: [] })

/** Adds `count` contacts (or takes them out: negative) begun at `cohortMs`; a bin never falls below zero. */
export function changeAtRisk(risk: RiskSet, unitMs: number, cohortMs: number, count: number): void {
  const bin = Math.floor(cohortMs / unitMs)
  if (risk.open.length === 0) risk.firstBin = bin
  if (count < 0 && (bin < risk.firstBin || bin >= risk.firstBin + risk.open.length)) return
  for (; bin < risk.firstBin; risk.firstBin--) {
    risk.open.unshift(0)
    risk.offsetMs.unshift(0)
  }
  while (bin >= risk.firstBin + risk.open.length) {
    risk.open.push(0)
    risk.offsetMs.push(0)
  }
  const at = bin - risk.firstBin
  const open = Math.max(0, risk.open[at]! + count)
  const offsetMs = risk.offsetMs[at]! + count * (cohortMs - bin * unitMs)
  risk.open[at] = open
  risk.offsetMs[at] = Math.min(open * unitMs, Math.max(0, offsetMs))
}

/**
 * Charges the healthy hits that all contacts at risk owe for the time (fromMs, toMs]; `charge(cohortMs, hits)` gets them per
 * cohort bin. Contacts past the window leave. Cost O(bins × steps), a step being one bin width at most.
 *
 * A contact that began a fraction x into its bin is, j bins later, of age (j − x) to (j − x + 1): it owes
 * x·h[j − 1] + (1 − x)·h[j] over that bin. This is linear in x, so the sum of offsets is all that has to be kept.
 */
export function chargeTime(
  design: TestDesign,
  risk: RiskSet,
  fromMs: number,
  toMs: number,
  charge: (cohortMs: number, hits: number) => void,
): void {
  const { unitMs, hourOfWeek } = design
  const hazard = design.delayed!.hazardPerMs
  let atMs = fromMs
  while (atMs < toMs && risk.open.length > 0) {
    const bin = Math.floor(atMs / unitMs)
    while (risk.open.length > 0 && (risk.open[0] === 0 || bin - risk.firstBin > hazard.length)) {
      risk.open.shift()
      risk.offsetMs.shift()
      risk.firstBin++
    }
    const hourEndMs = hourOfWeek ? (Math.floor(atMs / HOUR_MS) + 1) * HOUR_MS : Number.POSITIVE_INFINITY
    const stepMs = Math.min(toMs, (bin + 1) * unitMs, hourEndMs) - atMs
    const factor = stepMs * rhythmAt(hourOfWeek, atMs)
    for (let i = 0; i < risk.open.length; i++) {
      const open = risk.open[i]!
      if (open === 0) continue
      const bins = bin - risk.firstBin - i
      const late = bins > 0 ? risk.offsetMs[i]! / unitMs : 0
      // a contact whose clock runs ahead of ours is charged as newborn
      const owed = (open - late) * (hazard[Math.max(0, bins)] ?? 0) + late * (hazard[bins - 1] ?? 0)
      charge((risk.firstBin + i) * unitMs, owed * factor)
    }
    atMs += stepMs
  }
}

/**
 * Healthy hits that one contact begun at `cohortMs` already owes when it is first counted at `nowMs`: a fact that
 * arrives late brings its whole exposure, so that its hit, which may arrive in the same batch, never comes unpaid.
 */
export function owedOnArrival(design: TestDesign, cohortMs: number, nowMs: number): number {
  const { profile, windowMs } = design.delayed!
  const ageMs = Math.min(nowMs - cohortMs, windowMs)
  if (ageMs <= 0) return 0
  if (!design.hourOfWeek) return design.hitsPerTrial * shareBefore(profile, ageMs)
  let owed = 0
  for (let fromMs = 0; fromMs < ageMs; ) {
    const hourEndMs = (Math.floor((cohortMs + fromMs) / HOUR_MS) + 1) * HOUR_MS - cohortMs
    const untilMs = Math.min(ageMs, hourEndMs)
    const share = shareBefore(profile, untilMs) - shareBefore(profile, fromMs)
    owed += design.hitsPerTrial * share * rhythmAt(design.hourOfWeek, cohortMs + fromMs)
    fromMs = untilMs
  }
  return owed
}
