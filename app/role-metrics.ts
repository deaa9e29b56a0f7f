import { Counter, collectDefaultMetrics, Gauge, Registry } from 'prom-client'
import type { Membership } from '../bus/bus.ts'
import type { BatchMeasures } from '../pipeline/sequencer.clickhouse.ts'

export type RoleMetrics = ReturnType<typeof createRoleMetrics>

/** Metrics of a process that runs roles over Kafka. */
export function createRoleMetrics({ members }: { members: () => ReadonlyMap<string, Membership> }) {
  const registry = new Registry()
  collectDefaultMetrics({ register: registry })
  const registers = [registry]
  const counter = (name: string, help: string, labelNames: string[] = []) =>
    new Counter({ name, help, labelNames, registers })
  const rejected = counter(
    'andon_rejected_items_total',
    'Spans, log records, points and requests that were not taken, by reason.',
    ['reason'],
  )
  const deadLetters = counter(
    'andon_dead_letters_total',
    'Records put aside because they could not be read, by topic.',
    ['topic'],
  )
  const lost = counter(
    'andon_bus_lost_records_total',
    'Records that the topics stopped keeping before they were counted.',
  )
  const batches = counter('andon_batches_total', 'Batches counted by this process.')
  const rows = counter('andon_accepted_rows_total', 'Rows counted by this process, duplicates included.', ['kind'])
  const findings = counter('andon_findings_total', 'Findings told to the alerter.')
  const tickFailures = counter('andon_tick_failures_total', 'Evaluations that failed and are tried again.')
  new Gauge({
    name: 'andon_bus_lag_records',
    help: 'Records that the active member of the group has not read yet; only that member tells.',
    labelNames: ['group', 'topic'],
    registers,
    collect() {
      this.reset()
      for (const [group, member] of members())
        for (const [topic, lag] of Object.entries(member.lag() ?? {})) this.set({ group, topic }, lag)
    },
  })
  new Gauge({
    name: 'andon_role_active',
    help: '1 while this process is the active member of the group, 0 while it stands by. The sum over all processes is 1.',
    labelNames: ['group'],
    registers,
    collect() {
      this.reset()
      for (const [group, member] of members()) this.set({ group }, member.isLeading() ? 1 : 0)
    },
  })
  return {
    registry,
    rejected: (reason: string, n: number) => rejected.inc({ reason }, n),
    deadLetter: (topic: string) => deadLetters.inc({ topic }),
    lost: (n: number) => lost.inc(n),
    finding: () => findings.inc(),
    tickFailed: () => tickFailures.inc(),
    batch: (batch: BatchMeasures) => {
      batches.inc()
      rows.inc({ kind: 'span' }, batch.spans)
      rows.inc({ kind: 'outcome' }, batch.outcomes)
      rows.inc({ kind: 'point' }, batch.points)
    },
  }
}
