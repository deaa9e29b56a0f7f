import { Counter, Gauge } from 'prom-client'
import type { Membership } from '../bus/bus.ts'
import type { ReleaseView } from '../facts/overview.ts'
import { wallClock } from '../lib/clock.ts'
import { AndonError } from '../lib/errors.ts'
import { createMetrics } from './metrics.ts'

export type RoleMetrics = ReturnType<typeof createRoleMetrics>

/**
 * `pipeline`, `lanes`: groups of those who order batches and of those who share counting them; `ready`: as /readyz has it. Metrics of a process that runs roles over Kafka: those of the monitor, as far as its
 * roles have them, and those of the bus.
 */
export function createRoleMetrics({
  members,
  pipeline,
  lanes,
  ready,
}: {
  members: () => ReadonlyMap<string, Membership>
  pipeline: string
  lanes: string
  ready: () => Promise<boolean>
}) {
  let views: () => ReleaseView[] = () => []
  let progressMs = wallClock.nowMs()
  const lagMs = () => {
    const lag = members().get(pipeline)?.lag() ?? {}
    if (!Object.values(lag).some((records) => records > 0)) progressMs = wallClock.nowMs()
    return Math.max(0, wallClock.nowMs() - progressMs)
  }
  const monitor = createMetrics({
    views: () => views(),
    lagSeconds: () => lagMs() / 1000,
    ready,
  })
  const registers = [monitor.registry]
  const counter = (name: string, help: string, labelNames: string[] = []) =>
    new Counter({ name, help, labelNames, registers })
  const deadLetters = counter(
    'andon_dead_letters_total',
    'Records put aside because they could not be read, by topic.',
    ['topic'],
  )
  const lost = counter(
    'andon_bus_lost_records_total',
    'Records that the topics stopped keeping before they were counted, or before a role acted on them.',
  )
  const failures = counter(
    'andon_role_failures_total',
    'Terms of the active member of a group that ended with a failure; each is begun again a moment later.',
    ['group'],
  )
  const findings = counter('andon_findings_total', 'Findings told to the alerter.')
  const perMember = (
    name: string,
    help: string,
    labelNames: string[],
    samples: (group: string, member: Membership) => Iterable<readonly [Record<string, string>, number]>,
  ) =>
    new Gauge({
      name,
      help,
      labelNames,
      registers,
      collect() {
        this.reset()
        for (const [group, member] of members())
          for (const [labels, value] of samples(group, member)) this.set({ group, ...labels }, value)
      },
    })
  perMember(
    'andon_bus_lag_records',
    'Records that the active member of the group has not read yet; only that member tells.',
    ['group', 'topic'],
    (_, member) => Object.entries(member.lag() ?? {}).map(([topic, lag]) => [{ topic }, lag] as const),
  )
  perMember(
    'andon_role_active',
    '1 while this process is the active member of the group, 0 while it stands by: the sum over all processes is 1.',
    ['group'],
    (group, member) => (group === lanes ? [] : [[{}, member.isLeading() ? 1 : 0] as const]),
  )
  perMember(
    'andon_lanes_led',
    'Lanes that this process counts: the sum over all processes is kafka.lanes.',
    ['group'],
    (group, member) => (group === lanes ? [[{}, member.terms()] as const] : []),
  )
  return {
    registry: monitor.registry,
    rejected: monitor.rejected,
    tick: monitor.tick,
    tickFailed: monitor.tickFailed,
    /** What the active detector of this process sees; `() => []` when it stands by. */
    show: (shown: () => ReleaseView[]) => {
      views = shown
    },
    deadLetter: (topic: string) => deadLetters.inc({ topic }),
    lost: (n: number) => lost.inc(n),
    finding: () => findings.inc(),
    /** Counts terms that end with a failure; one that was replaced has not failed. */
    countFailures:
      <Given extends readonly unknown[]>(group: string, run: (...given: Given) => Promise<void>) =>
      async (...given: Given): Promise<void> => {
        try {
          await run(...given)
        } catch (error) {
          if (!(error instanceof AndonError && error.code === 'superseded')) failures.inc({ group })
          throw error
        }
      },
    batch: monitor.batch,
    /** Batches became whole, whoever counted them. */
    progress: () => {
      progressMs = wallClock.nowMs()
    },
  }
}
