import { Counter, Gauge, Histogram, type Registry } from 'prom-client'
import type { Incident, IncidentEvent } from '../facts/incident.ts'
import { SENDING } from './orders.ts'

/** Seconds from 1 s to 7 d: a pause takes seconds, a delayed signal days. */
export const CLOCK_BUCKETS_S: readonly number[] = [
  1, 2, 5, 10, 30, 60, 120, 300, 600, 1800, 3600, 7200, 21_600, 43_200, 86_400, 259_200, 604_800,
]
const CONTACT_BUCKETS: readonly number[] = [1, 3, 10, 30, 100, 300, 1000, 3000, 10_000, 100_000]

/** Distinct values that a label takes before all others become 'other': agents and channels are named by telemetry. */
const MAX_LABEL_VALUES = { agent: 50, channel: 20, signal: 50 }
const OTHER = 'other'

const CLOCK_LABELS = ['agent', 'channel', 'signal', 'action'] as const
type ClockLabels = Record<(typeof CLOCK_LABELS)[number], string>

export type ClockMetrics = Readonly<{
  /** Give this to the alerter as `onEvent`. */
  observe: (incident: Incident, line: IncidentEvent) => void
}>

/**
 * The clock of every incident as Prometheus metrics, registered on `registry`; seconds, counted in this process only.
 * Replayed and shadow incidents are not counted. Stop and drain are observed when first declared; what late facts correct
 * shows in the incident and in `andon_incidents_reopened_total`, as a histogram cannot take an observation back.
 */
export function createClockMetrics(edges: { registry: Registry; incidents: () => readonly Incident[] }): ClockMetrics {
  const registers = [edges.registry]
  const clock = (name: string, help: string, buckets: readonly number[] = CLOCK_BUCKETS_S) =>
    new Histogram({ name, help, labelNames: CLOCK_LABELS, buckets: [...buckets], registers })
  const detect = clock('andon_time_to_detect_seconds', 'Estimated onset of the harm to its detection.')
  const pause = clock(
    'andon_time_to_pause_seconds',
    'Detection to the acceptance of the pause by a target that enforces.',
  )
  const stop = clock('andon_time_to_stop_seconds', 'Acceptance of the pause to the start of the last contact.')
  const drain = clock('andon_time_to_drain_seconds', 'Acceptance of the pause to the end of the last span.')
  const acknowledge = clock(
    'andon_time_to_acknowledge_seconds',
    'Opening of an incident, or of its promotion to a pause, to the first acknowledgement by a person.',
  )
  const exposed = clock(
    'andon_contacts_exposed',
    'Contacts begun between onset and detection, per incident.',
    CONTACT_BUCKETS,
  )
  const decided = counter('andon_decisions_total', 'Decisions of people about incidents, by kind and verdict.', [
    'decision',
    'verdict',
  ])
  const afterPause = counter(
    'andon_contacts_after_pause_total',
    'Contacts begun after a pause was accepted, counted when its stop is proven.',
    CLOCK_LABELS,
  )
  const writesAfterPause = counter(
    'andon_writes_after_pause_total',
    'Writes begun after a pause was accepted, counted when its stop is proven.',
    CLOCK_LABELS,
  )
  const opened = counter('andon_incidents_opened_total', 'Incidents by the reason of the decision.', [
    'reason',
    'action',
  ])
  const reopened = counter(
    'andon_incidents_reopened_total',
    'Late facts after a release was declared stopped.',
    CLOCK_LABELS,
  )
  const escalated = counter(
    'andon_incidents_escalated_total',
    'Pauses not accepted or not obeyed in time.',
    CLOCK_LABELS,
  )
  const attempts = counter('andon_webhook_attempts_total', 'Webhook attempts by target and outcome.', [
    'target',
    'outcome',
  ])
  new Gauge({
    name: 'andon_incidents_open',
    help: 'Open incidents by state.',
    labelNames: ['state'],
    registers,
    collect() {
      const count = { observed: 0, pausing: 0, paused: 0, stopped: 0, drained: 0 }
      for (const { state } of edges.incidents()) if (state !== 'resumed' && state !== 'closed') count[state] += 1
      for (const [state, value] of Object.entries(count)) this.set({ state }, value)
    },
  })

  function counter<T extends string>(name: string, help: string, labelNames: readonly T[]): Counter<T> {
    return new Counter({ name, help, labelNames, registers })
  }

  const capped = {
    agent: cap(MAX_LABEL_VALUES.agent),
    channel: cap(MAX_LABEL_VALUES.channel),
    signal: cap(MAX_LABEL_VALUES.signal),
  }
  const labelsOf = ({ finding, release }: Incident): ClockLabels => ({
    agent: capped.agent(release.agent),
    channel: capped.channel(finding.channel),
    signal: capped.signal(finding.signal),
    action: finding.action,
  })
  /** Incidents whose stop and drain are observed, with what was counted after their pause. */
  const counted = new Map<string, { stopped: boolean; drained: boolean; contacts: number; writes: number }>()

  function observe(incident: Incident, { event, atMs }: IncidentEvent): void {
    if (event.type === 'attempted') {
      if (event.outcome !== SENDING) attempts.inc({ target: event.target, outcome: event.outcome })
      return
    }
    if (event.type === 'opened') opened.inc({ reason: event.reason, action: event.finding.action })
    if (incident.reason === 'replay' || incident.reason === 'shadow') return
    const labels = labelsOf(incident)
    const observeSpan = (histogram: Histogram<keyof ClockLabels>, fromMs: number | null, untilMs: number | null) => {
      if (fromMs !== null && untilMs !== null) histogram.observe(labels, Math.max(0, untilMs - fromMs) / 1000)
    }
    const { onsetMs, detectedMs, acceptedMs, stoppedMs, drainedMs } = incident.clock
    if (event.type === 'opened') {
      observeSpan(detect, onsetMs, detectedMs)
      exposed.observe(labels, incident.finding.contactsExposed)
    }
    const isFirstAcceptance =
      event.type === 'accepted' && event.enforces && incident.acceptedBy.length === 1 && acceptedMs === atMs
    if (isFirstAcceptance) observeSpan(pause, detectedMs, acceptedMs)
    if (event.type === 'acknowledged' && incident.acknowledged?.atMs === atMs)
      observeSpan(acknowledge, incident.orderedMs ?? incident.openedAtMs, atMs)
    if ('by' in event || ('person' in event && event.person))
      decided.inc({ decision: event.type, verdict: event.type === 'closed' ? event.verdict : '' })
    if (event.type === 'reopened') reopened.inc(labels)
    if (event.type === 'escalated') escalated.inc(labels)
    if (event.type !== 'stopped' && event.type !== 'drained') return
    const so = counted.get(incident.incidentId) ?? { stopped: false, drained: false, contacts: 0, writes: 0 }
    if (event.type === 'stopped' && !so.stopped) observeSpan(stop, acceptedMs, stoppedMs)
    if (event.type === 'drained' && !so.drained) observeSpan(drain, acceptedMs, drainedMs)
    afterPause.inc(labels, Math.max(0, event.contactsAfterPause - so.contacts))
    writesAfterPause.inc(labels, Math.max(0, event.writesAfterPause - so.writes))
    counted.set(incident.incidentId, {
      stopped: so.stopped || event.type === 'stopped',
      drained: so.drained || event.type === 'drained',
      contacts: Math.max(so.contacts, event.contactsAfterPause),
      writes: Math.max(so.writes, event.writesAfterPause),
    })
  }

  return { observe }
}

/** The first `max` distinct values pass, later ones become 'other'; '' is no name and stays itself. */
function cap(max: number): (value: string) => string {
  const known = new Set<string>([''])
  return (value) => {
    if (known.has(value)) return value
    if (known.size > max) return OTHER
    known.add(value)
    return value
  }
}
