import type { ComparedMode } from '../facts/trigger.ts'
import {
  type Baseline,
  GIVEN_PROFILE,
  type SliceBaseline,
  UNSEEN_HITS,
  WRITTEN_PROFILE,
  writtenBaselineOf,
} from './baseline.ts'
import { ENOUGH_TRIALS } from './learn.ts'
import type { AgeProfile } from './sequential/age-profile.ts'
import { logThreshold } from './sequential/combine.ts'
import { wilsonInterval } from './sequential/wilson.ts'
import type { JudgedTrigger } from './triggers.ts'
import { beyondWords } from './usual.ts'

/** One earlier release of the same agent as the store knew it when the new release began. Trials of delayed signals are mature ones. */
export type Sibling = Readonly<{
  release: string
  trials: number
  hits: number
  share: number
  lastMs: number
  /** Trials begun in the 24 h before. */
  recentTrials: number
  /** A trigger that can pause has found it bad. */
  breached: boolean
  dispersion: number
  slices: readonly Readonly<{
    channel: string
    queue: string
    trials: number
    hits: number
    share: number
    recentTrials: number
  }>[]
}>

export type Past = Readonly<{
  nowMs: number
  siblings: readonly Sibling[]
  /** Other queues and agents of the environment, pooled. */
  others: Readonly<{ trials: number; hits: number; share: number }>
  /** Profile null for an immediate signal. */
  learned: Readonly<{
    profile: AgeProfile | null
    trials: number
    days: number
    hourOfWeek: readonly number[] | null
  }> | null
  /** Of a quantity that is judged against what was usual: the lowest bin beyond it; null where history does not tell. */
  fromBin: number | null
  /** The wave that every comparison of a signal must span: its window, or null for an immediate one. */
  windowMs: number | null
}>

const HOUR_MS = 3_600_000
const MINUTE_MS = 60_000
/** A release counts as running at the same time when it had a contact this recently … */
const RUNNING_MS = 6 * HOUR_MS
/** … and this many trials in the last day. */
const RUNNING_TRIALS = 20
/** Hits of history from which the previous release serves: a doubling is found (docs/statistics.md). */
const FEWEST_HITS = 100
const ENOUGH_HITS = 500
/**
 * Contacts of both arms that a stratum should hold: one of n loses 1/n of the information, waiting for its end loses time. Of 8 to 50, the
 * measured optimum for 15 slices (docs/detection).
 */
const STRATUM_TRIALS = 16
/** Slices with history that are told apart. */
const MOST_SLICES = 24

/**
 * Picks the baseline of one trigger for one release: a stable release at the same time, the previous release, the written rate, other
 * queues; whichever comes first and is fit, or the one that the trigger insists on. `without` leaves out modes that turned out unfit.
 */
export function chooseBaseline(
  trigger: JudgedTrigger,
  past: Past,
  without: readonly Baseline['mode'][] = [],
): Baseline {
  const why: string[] = []
  if (trigger.usual && past.fromBin === null)
    return notJudged(trigger, 'history holds too few values to tell what is usual: not judged')
  const order = orderOf(trigger).filter((mode) => !without.includes(mode))
  if (without.includes('concurrent')) why.push('the stable release has handed its traffic over')
  for (const mode of order) {
    const insisted = trigger.baselineMode === mode
    const baseline = BUILD[mode](trigger, past, insisted, why)
    if (baseline) return withUsual(withShape(baseline, trigger, past), trigger, past)
  }
  if (trigger.usual) return notJudged(trigger, sentence(why, 'nothing to compare with: not judged'))
  return withShape(writtenBaselineOf(trigger, sentence(why, writtenWords(trigger))), trigger, past)
}

/** A typical share is nobody's promise, so other queues come before it; a rate that somebody wrote comes before them. */
function orderOf(trigger: JudgedTrigger): readonly Exclude<ComparedMode, 'none'>[] {
  if (trigger.baselineMode !== 'auto') return [trigger.baselineMode]
  if (trigger.usual) return ['concurrent', 'previous', 'pooled']
  return trigger.rateGiven ? ['concurrent', 'previous', 'written'] : ['concurrent', 'previous', 'pooled', 'written']
}

type Build = (trigger: JudgedTrigger, past: Past, insisted: boolean, why: string[]) => Baseline | null

const BUILD: Readonly<Record<Exclude<ComparedMode, 'none'>, Build>> = {
  concurrent: (trigger, past, insisted, why) => {
    const running = past.siblings
      .filter((one) => past.nowMs - one.lastMs <= RUNNING_MS && one.recentTrials >= RUNNING_TRIALS)
      .sort((a, b) => b.recentTrials - a.recentTrials || b.lastMs - a.lastMs)
    const stable = running.find((one) => !one.breached)
    if (!stable) {
      why.push(running.length > 0 ? `${running[0]!.release} runs too, but was found bad` : 'no other release runs')
      return null
    }
    const insist = insisted ? ', as the trigger insists' : ''
    return {
      ...ofHistory('concurrent', trigger, stable, past),
      reason: sentence(why, `compared with ${stable.release}, which runs at the same time${insist}`),
    }
  },
  previous: (trigger, past, insisted, why) => {
    const fewest = insisted ? 1 : FEWEST_HITS
    const earlier = [...past.siblings].sort((a, b) => b.lastMs - a.lastMs)
    const before = earlier.find((one) => !one.breached && one.hits >= fewest)
    if (!before) {
      const most = earlier.find((one) => !one.breached)
      why.push(
        most
          ? `${most.release} left ${most.hits} hits, ${fewest} are needed`
          : earlier.length > 0
            ? 'every earlier release was found bad'
            : 'there is no earlier release',
      )
      return null
    }
    return {
      ...ofHistory('previous', trigger, before, past),
      reason: sentence(
        why,
        `compared with the history of ${before.release}, ${percent(before.share)} of ${Math.round(before.trials).toLocaleString('en-US')} trials`,
      ),
    }
  },
  written: (trigger, _history, insisted, why) =>
    writtenBaselineOf(
      trigger,
      insisted ? `the written rate of ${percent(trigger.baseline)} is kept to` : sentence(why, writtenWords(trigger)),
    ),
  pooled: (trigger, { others, windowMs }, insisted, why) => {
    if (others.hits < (insisted ? 1 : FEWEST_HITS)) {
      why.push(`other queues left ${others.hits} hits`)
      return null
    }
    return {
      ...writtenBaselineOf(trigger, ''),
      ...spanOf(windowMs),
      mode: 'pooled',
      reason: sentence(why, `compared with other queues pooled, ${percent(others.share)} of their trials`),
      rate: clamped(others.share),
      historyTrials: Math.round(others.trials),
      // queues differ: however long their past, it says no more of this one than ten hits of its own would
      historyHits: UNSEEN_HITS,
      smallestRatio: smallestRatio(UNSEEN_HITS, trigger),
    }
  },
}

function ofHistory(mode: 'concurrent' | 'previous', trigger: JudgedTrigger, sibling: Sibling, past: Past): Baseline {
  const rate = clamped((sibling.hits + 0.5) / Math.max(1, sibling.trials))
  const slices = sibling.slices
    .slice()
    .sort((a, b) => b.trials - a.trials || `${a.channel}|${a.queue}`.localeCompare(`${b.channel}|${b.queue}`))
    .slice(0, MOST_SLICES)
    .map(
      ({ channel, queue, trials, hits, recentTrials }): SliceBaseline => ({
        channel,
        queue,
        rate: clamped((hits + UNSEEN_HITS) / (trials + UNSEEN_HITS / rate)),
        hits,
        stratumMs: stratumOf(recentTrials, past.windowMs),
      }),
    )
  const ratio = mode === 'previous' ? smallestRatio(sibling.hits / sibling.dispersion, trigger) : null
  return {
    ...writtenBaselineOf(trigger, ''),
    ...spanOf(past.windowMs),
    profileReason: '',
    mode,
    against: sibling.release,
    rate,
    historyTrials: Math.round(sibling.trials),
    historyHits: sibling.hits,
    dispersion: mode === 'previous' ? sibling.dispersion : 1,
    slices,
    smallestRatio: ratio,
    warnings: [
      ...badBaseline(trigger, sibling),
      ...(mode === 'previous' && sibling.hits < ENOUGH_HITS
        ? [
            `${sibling.hits} hits of history: a sustained rise below ${ratio === null ? 'ten times' : `${ratio.toFixed(1)} times`} at launch is not found; later changes are`,
          ]
        : []),
    ],
  }
}

/** A release that is no better than what it is compared with passes: so a bad baseline is said out loud. */
function badBaseline(trigger: JudgedTrigger, { release, hits, trials }: Sibling): string[] {
  const limit = trigger.baseline * (1 + trigger.tolerance)
  const seen = Math.max(1, Math.round(trials))
  const { low } = wilsonInterval(Math.min(hits, seen), seen)
  if (!trigger.rateGiven || trials < 1 || low <= limit) return []
  return [
    `${release} is itself above the written limit (${percent(hits / seen)} against ${percent(limit)}): a release just as bad is not found`,
  ]
}

/** Strata of slices that are new, and how long contacts stay comparable: the window of a delayed signal. */
const spanOf = (windowMs: number | null) =>
  windowMs === null
    ? { stratumMs: HOUR_MS, windowMs: RUNNING_MS }
    : { stratumMs: Math.min(6 * HOUR_MS, windowMs), windowMs }

/**
 * Shortest stratum, in whole minutes, that holds enough contacts at the pace of the last day; never below 1/72 of a delayed signal's window.
 * It ends by the clock, whatever it held (docs/decisions/0016).
 */
export function stratumOf(trialsPerDay: number, windowMs: number | null, trials: number = STRATUM_TRIALS): number {
  const minutes = Math.ceil((trials * 24 * 60) / Math.max(1, trialsPerDay))
  const least = windowMs === null ? MINUTE_MS : windowMs / 72
  return Math.min(windowMs ?? RUNNING_MS, Math.max(least, minutes * MINUTE_MS))
}

/**
 * Smallest ratio that a history of K hits can reveal at launch, however long one watches: evidence against it never exceeds
 * a(r − 1 − ln r), a = K + ½ (the limit of baseline-nodes.ts for ever more data). Null when even ten times stays hidden.
 */
export function smallestRatio(historyHits: number, trigger: Pick<JudgedTrigger, 'alpha' | 'weight'>): number | null {
  // half of a trigger's share is for the pooled stream, half of that for the launch, an eighth to a quarter for one ratio
  const needed = logThreshold(trigger.alpha) - Math.log(trigger.weight / 2) + Math.log(8)
  const reach = (ratio: number) => (historyHits + 0.5) * (ratio - 1 - Math.log(ratio))
  if (reach(10) < needed) return null
  let low = 1
  let high = 10
  for (let i = 0; i < 50; i++) {
    const middle = (low + high) / 2
    if (reach(middle) < needed) low = middle
    else high = middle
  }
  return high
}

/**
 * Adds the shape in time. Of a delayed signal: the age profile that was given, else the learned one, else the written default, and the rhythm of
 * the week. Of an immediate one the rhythm only, and only where the rate comes from the same history: a written rate is a limit at any hour.
 */
function withShape(baseline: Baseline, trigger: JudgedTrigger, { learned }: Past): Baseline {
  const hourOfWeek = learned?.hourOfWeek ?? null
  const from = learned ? `learned from ${Math.round(learned.trials).toLocaleString('en-US')} contacts` : ''
  if (baseline.mode === 'concurrent') return baseline
  if (!trigger.ageProfile)
    return baseline.mode === 'previous' && hourOfWeek
      ? { ...baseline, hourOfWeek, profileReason: `the rhythm of the week is ${from}` }
      : baseline
  if (trigger.ageProfileGiven) return { ...baseline, hourOfWeek, profileReason: GIVEN_PROFILE }
  if (!learned?.profile) return { ...baseline, profileReason: WRITTEN_PROFILE }
  const marginal =
    learned.trials < ENOUGH_TRIALS ? `; fewer than ${ENOUGH_TRIALS.toLocaleString('en-US')} are marginal` : ''
  const what = hourOfWeek ? 'the age profile and the rhythm of the week are' : 'the age profile is'
  return { ...baseline, ageProfile: learned.profile, hourOfWeek, profileReason: `${what} ${from}${marginal}` }
}

const notJudged = (trigger: JudgedTrigger, reason: string): Baseline => ({
  ...writtenBaselineOf(trigger, reason),
  mode: 'none',
})

/** Says beyond which value a contact is a hit, where the quantity has no limit of its own. */
function withUsual(baseline: Baseline, { usual }: JudgedTrigger, { fromBin }: Past): Baseline {
  if (!usual || fromBin === null) return baseline
  const point = usual.point === 0.5 ? 'half' : `${Math.round(100 * (1 - usual.point))} %`
  const reason = `${baseline.reason}; a hit is a contact with ${beyondWords(usual.value, fromBin)}, which at most ${point} of the contacts had in the past`
  return { ...baseline, fromBin, reason }
}

const writtenWords = (trigger: JudgedTrigger): string =>
  trigger.rateGiven
    ? `compared with the written rate of ${percent(trigger.baseline)}`
    : `compared with the typical share of ${percent(trigger.baseline)}: write down your own`
const sentence = (why: readonly string[], choice: string): string => [...why, choice].join('; ')
const percent = (share: number): string => `${Number((share * 100).toPrecision(3))} %`
const clamped = (share: number): number => Math.min(0.95, Math.max(1e-6, share))
