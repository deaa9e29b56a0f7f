import type { Release } from '../facts/slice.ts'
import { LINES, type Line } from './lines.ts'

export const HOUR_MS = 3_600_000
export const DAY_MS = 24 * HOUR_MS

/** What a release can be bad at: the four signals. */
export type Harm = 'failed_updates' | 'duplicate_creations' | 'repeat_contacts' | 'complaints'

/** Share of a signal's trials that are hits, per signal. */
export type Rates = Readonly<Record<Harm, number>>

/** From `onsetMs` on, contacts of the release come to this harm at this rate; before, it is healthy. */
export type Fault = Readonly<{ harm: Harm; onsetMs: number; rate: number }>

/** A release of one agent, and the share of the agent's traffic that it takes until the next one is launched. */
export type Launch = Readonly<{ agent: string; release: string; atMs: number; share: number; fault: Fault | null }>

/** When, after the start of a contact, a delayed harm happens: `shares[b]` of it between `edgesMs[b]` and `edgesMs[b + 1]`, evenly. */
export type DelayProfile = Readonly<{ edgesMs: readonly number[]; shares: readonly number[] }>

/** Everything about a simulated contact centre that is not chance. Times in ms since 1970. */
export type Scenario = Readonly<{
  startMs: number
  endMs: number
  environment: string
  lines: readonly Line[]
  launches: readonly Launch[]
  healthy: Rates
  repeatDelay: DelayProfile
  complaintDelay: DelayProfile
}>

/** What a monitor should find: the verdict of a demo compares its pauses with this. */
export type GroundTruth = Readonly<{
  bad: readonly (Release &
    Readonly<{ signal: Harm; launchedAtMs: number; onsetMs: number; healthyRate: number; badRate: number }>)[]
  healthy: readonly Release[]
}>

/** The healthy contact centre: per contact with a write, with a create, with customer and intent, and per contact. */
export const HEALTHY_RATES: Rates = {
  failed_updates: 0.02,
  duplicate_creations: 0.01,
  repeat_contacts: 0.12,
  complaints: 0.015,
}

const hours = (...edges: number[]): number[] => edges.map((edge) => edge * HOUR_MS)

/** Customers who were not helped mostly come back on the same or the next day, all within 72 h. */
export const REPEAT_DELAY: DelayProfile = {
  edgesMs: hours(0, 1, 4, 12, 24, 48, 72),
  shares: [0.1, 0.15, 0.2, 0.2, 0.2, 0.15],
}

/** Complaints within 7 d: more than half on the first day, 72 % within two, then a slow tail. */
export const COMPLAINT_DELAY: DelayProfile = {
  edgesMs: hours(0, 6, 24, 48, 72, 120, 168),
  shares: [0.25, 0.3, 0.17, 0.1, 0.11, 0.07],
}

/** Days after the start, share of traffic, and what goes wrong: harm, day of onset, rate. */
type Row = readonly [
  agent: string,
  release: string,
  day: number,
  share: number,
  fault?: readonly [Harm, number, number],
]

/**
 * Fourteen days, three agents, fourteen releases: four go bad, one per signal, two from launch and two in mid-life.
 * Each bad release serves long enough that a test at 1 % sees more than three times the evidence it needs (scenario.test.ts).
 */
const FORTNIGHT: readonly Row[] = [
  ['order-status', '2026.11.0', 0, 1],
  ['collections', 'r15', 0, 1],
  ['crm-hygiene', '4.1.0', 0, 1],
  ['crm-hygiene', '4.2.0', 1, 0.7],
  ['collections', 'r16', 1.5, 0.7],
  ['order-status', '2026.11.1', 2, 0.7],
  ['crm-hygiene', '4.2.1', 2.5, 0.8, ['failed_updates', 4, 0.08]],
  ['collections', 'r17', 3, 0.8, ['complaints', 5, 0.06]],
  ['order-status', '2026.11.2', 4, 0.8, ['repeat_contacts', 4, 0.25]],
  ['crm-hygiene', '4.2.2', 7.5, 0.7],
  ['crm-hygiene', '4.3.0', 8.5, 0.8, ['duplicate_creations', 8.5, 0.06]],
  ['order-status', '2026.11.3', 9, 0.7],
  ['collections', 'r18', 11, 0.7],
  ['crm-hygiene', '4.3.1', 13, 0.7],
]

const FORTNIGHT_DAYS = 14

/**
 * The demo's fortnight, `cycle` times over: the second round launches the same releases as `2026.11.0+2` and so on, so that
 * a demo without end has new releases. `startMs` should lie far enough in the past that no event time is in the future.
 */
export function demoScenario({ startMs, cycles = 1 }: Readonly<{ startMs: number; cycles?: number }>): Scenario {
  const launches: Launch[] = []
  for (let cycle = 0; cycle < cycles; cycle++) {
    const at = (day: number) => startMs + (cycle * FORTNIGHT_DAYS + day) * DAY_MS
    for (const [agent, release, day, share, fault] of FORTNIGHT) {
      launches.push({
        agent,
        release: cycle === 0 ? release : `${release}+${cycle + 1}`,
        atMs: at(day),
        share,
        fault: fault ? { harm: fault[0], onsetMs: at(fault[1]), rate: fault[2] } : null,
      })
    }
  }
  return {
    startMs,
    endMs: startMs + cycles * FORTNIGHT_DAYS * DAY_MS,
    environment: 'production',
    lines: LINES,
    launches,
    healthy: HEALTHY_RATES,
    repeatDelay: REPEAT_DELAY,
    complaintDelay: COMPLAINT_DELAY,
  }
}

export function groundTruthOf({ environment, launches, healthy }: Scenario): GroundTruth {
  const bad: GroundTruth['bad'][number][] = []
  const good: Release[] = []
  for (const { agent, release, atMs, fault } of launches) {
    if (fault === null) good.push({ environment, agent, release })
    else {
      const { harm, onsetMs, rate } = fault
      const rates = { signal: harm, healthyRate: healthy[harm], badRate: rate }
      bad.push({ environment, agent, release, launchedAtMs: atMs, onsetMs, ...rates })
    }
  }
  return { bad, healthy: good }
}

/** Rates at which contacts come to harm that this release begins at this time. */
export function ratesAt(healthy: Rates, fault: Fault | null, atMs: number): Rates {
  return fault !== null && atMs >= fault.onsetMs ? { ...healthy, [fault.harm]: fault.rate } : healthy
}
