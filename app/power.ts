import { type Baseline, designsOf, writtenBaselineOf } from '../detectors/baseline.ts'
import { shareBefore } from '../detectors/sequential/age-profile.ts'
import { logThreshold } from '../detectors/sequential/combine.ts'
import type { TestDesign } from '../detectors/sequential/design.ts'
import { logChoose } from '../detectors/sequential/gamma.ts'
import { detectionAtLaunch, twoSampleCost } from '../detectors/sequential/power.ts'
import type { JudgedTrigger } from '../detectors/triggers.ts'

/** Rises that the power is told for, as multiples of the limit. */
export const RATIOS = [1.25, 1.5, 2, 3, 5] as const
/** Part of the traffic that a candidate is supposed to have beside a stable release. */
const CANDIDATE_PART = 0.5
const HOUR_MS = 3_600_000

/** What a trigger sees in an hour, and with what it would compare a release that began now. */
export type Traffic = Readonly<{
  contactsPerHour: number
  /** Contacts that are trials of the trigger's signal. */
  trialsPerHour: number
  baseline: Baseline | null
}>

/** From launch until a release whose rate is `ratio` × the limit is paused (or told); null where it never is, or traffic is unknown. */
export type Power = Readonly<{
  ratio: number
  rate: number
  medianTrials: number | null
  p90Trials: number | null
  medianContacts: number | null
  p90Contacts: number | null
  medianHours: number | null
  p90Hours: number | null
  floorTrials: number
  floorHours: number | null
}>

/**
 * For evidence pooled over all traffic of a release: half of a trigger's share of alpha (the other half is for single channels and
 * queues), when the other triggers see nothing. The floor is what no test with this alpha can undercut on average, even if it knew the
 * healthy share.
 */
export function powerOf(trigger: JudgedTrigger, traffic: Traffic | null): Power[] {
  const baseline = traffic?.baseline ?? writtenBaselineOf(trigger, '')
  const known = designsOf({ ...baseline, mode: baseline.mode === 'concurrent' ? 'written' : baseline.mode }, trigger)
  const design = known.pooled
  const threshold = logThreshold(trigger.alpha) - Math.log(trigger.weight / 2)
  const isTwoSample = baseline.mode === 'concurrent'
  const perHour = traffic && traffic.trialsPerHour * (isTwoSample ? CANDIDATE_PART : 1)
  const perContact = traffic && traffic.contactsPerHour > 0 ? traffic.trialsPerHour / traffic.contactsPerHour : null
  return RATIOS.filter((ratio) => ratio * design.share < 1).map((ratio) => {
    const cost = isTwoSample ? twoSampleCost(CANDIDATE_PART, ratio) : 1
    const found = detectionAtLaunch(design, ratio, threshold)
    const floorTrials = (found.floorTrials * logThreshold(trigger.alpha)) / threshold
    const after = (trials: number) => {
      const needed = trials * cost
      const hours = perHour === null ? null : hoursFor(design, needed, perHour)
      // of a delayed signal more contacts have begun by then than are mature
      const contacts = hours === null || perHour === null || !perContact ? null : (perHour * hours) / perContact
      return {
        trials: finite(Math.ceil(needed)),
        hours: finite(hours),
        contacts: contacts === null ? null : finite(Math.ceil(contacts)),
      }
    }
    const [median, p90, floor] = [after(found.medianTrials), after(found.p90Trials), after(floorTrials / cost)]
    return {
      ratio,
      rate: ratio * design.share,
      medianTrials: median.trials,
      p90Trials: p90.trials,
      medianContacts: median.contacts,
      p90Contacts: p90.contacts,
      medianHours: median.hours,
      p90Hours: p90.hours,
      floorTrials: Math.ceil(floorTrials),
      floorHours: floor.hours,
    }
  })
}

const finite = (value: number | null): number | null => (value !== null && Number.isFinite(value) ? value : null)

/** Hours until contacts of a steady stream are worth this many mature ones: at once for an immediate signal, by age for a delayed one. */
export function hoursFor(design: TestDesign, trials: number, trialsPerHour: number): number {
  if (trialsPerHour <= 0 || !Number.isFinite(trials)) return Number.POSITIVE_INFINITY
  const needed = trials / trialsPerHour
  if (!design.delayed) return needed
  const { profile, windowMs } = design.delayed
  const stepMs = windowMs / 1000
  let mature = 0
  for (let i = 0; i < 1000; i++) {
    const next = mature + (stepMs / HOUR_MS) * shareBefore(profile, (i + 0.5) * stepMs)
    if (next >= needed) return ((i + (needed - mature) / (next - mature)) * stepMs) / HOUR_MS
    mature = next
  }
  return windowMs / HOUR_MS + needed - mature
}

/** Chance that a healthy release crosses a ceiling in `trials` trials: looks of `minTrials` each taken as independent. */
export function ceilingFalsePauses(trigger: JudgedTrigger, share: number, trials: number): number {
  const { ceiling } = trigger
  if (!ceiling) return 0
  const looks = Math.max(1, trials / ceiling.minTrials)
  return -Math.expm1(
    looks * Math.log1p(-Math.min(1 - 1e-12, binomialAbove(ceiling.minTrials, share, ceiling.rate * ceiling.minTrials))),
  )
}

/** P(Binomial(n, p) > limit). */
function binomialAbove(n: number, p: number, limit: number): number {
  let sum = 0
  for (let k = Math.floor(limit) + 1; k <= n; k++) {
    const log = logChoose(n, k) + k * Math.log(p) + (n - k) * Math.log1p(-p)
    sum += Math.exp(log)
    if (k > n * p && Math.exp(log) < 1e-15 * sum) break
  }
  return Math.min(1, sum)
}
