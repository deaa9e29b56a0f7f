import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client'
import type { ReleaseView, TriggerView } from '../facts/overview.ts'
import type { BatchMeasures } from '../pipeline/sequencer.clickhouse.ts'
import { inTimeForScrape } from './scrape.ts'

type Sample = readonly [labels: Record<string, string>, value: number]

const RELEASE_LABELS = ['environment', 'agent', 'release']
const labelsOf = ({ release }: ReleaseView): Record<string, string> => ({ ...release })

/** Releases with their own series; the rest is left out, so that names from outside cannot grow the page without bound. */
const MAX_RELEASES = 200
const newest = (views: readonly ReleaseView[]): ReleaseView[] =>
  [...views].sort((a, b) => (b.lastContactMs ?? 0) - (a.lastContactMs ?? 0)).slice(0, MAX_RELEASES)

/** The monitor's own metrics; those of the incident clock are added by alerts/clock-metrics.ts. Units last, as Prometheus asks. */
export function createMetrics(input: {
  views: () => ReleaseView[]
  /** Absent over Kafka, where records wait instead. */
  waitingRows?: () => number
  lagSeconds: () => number
  /** As /readyz has it. */
  ready: () => Promise<boolean>
}) {
  const registry = new Registry()
  collectDefaultMetrics({ register: registry })
  const registers = [registry]
  const rejected = new Counter({
    name: 'andon_rejected_items_total',
    help: 'Spans, log records, points and requests that were not taken, by reason.',
    labelNames: ['reason'],
    registers,
  })
  const setAside = new Counter({
    name: 'andon_set_aside_facts_total',
    help: 'Spans, outcomes and points that were accepted, cannot be counted and were set aside.',
    registers,
  })
  const batches = new Counter({ name: 'andon_batches_total', help: 'Batches counted.', registers })
  const rows = new Counter({
    name: 'andon_accepted_rows_total',
    help: 'Rows accepted, duplicates included.',
    labelNames: ['kind'],
    registers,
  })
  for (const kind of ['span', 'outcome', 'point']) rows.inc({ kind }, 0)
  const batchRows = new Histogram({
    name: 'andon_batch_rows',
    help: 'Rows of a batch.',
    buckets: [1, 10, 100, 1_000, 5_000, 20_000],
    registers,
  })
  const batchSeconds = new Histogram({
    name: 'andon_batch_duration_seconds',
    help: 'Duration of a batch: accept = until durable, count = until counted.',
    labelNames: ['step'],
    buckets: [0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10],
    registers,
  })
  const tickSeconds = new Histogram({
    name: 'andon_tick_duration_seconds',
    help: 'Duration of one evaluation of new deltas.',
    buckets: [0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 5],
    registers,
  })
  const tickFailures = new Counter({
    name: 'andon_tick_failures_total',
    help: 'Evaluations that failed and are tried again.',
    registers,
  })

  const gauge = (name: string, help: string, labelNames: string[], samples: () => Iterable<Sample>) =>
    new Gauge({
      name,
      help,
      labelNames,
      registers,
      collect() {
        this.reset()
        for (const [labels, value] of samples()) this.set(labels, value)
      },
    })
  const perRelease = (name: string, help: string, value: (view: ReleaseView) => number | null) =>
    gauge(name, help, RELEASE_LABELS, function* () {
      for (const view of newest(input.views())) {
        const sample = value(view)
        if (sample !== null) yield [labelsOf(view), sample]
      }
    })
  const perSignal = (name: string, help: string, value: (trigger: TriggerView) => number | null) =>
    gauge(name, help, [...RELEASE_LABELS, 'trigger', 'signal'], function* () {
      for (const view of newest(input.views())) {
        for (const trigger of view.triggers) {
          const sample = value(trigger)
          if (sample !== null) yield [{ ...labelsOf(view), trigger: trigger.trigger, signal: trigger.signal }, sample]
        }
      }
    })
  const single = (name: string, help: string, value: () => number) => gauge(name, help, [], () => [[{}, value()]])

  if (input.waitingRows) single('andon_waiting_rows', 'Rows that wait for a batch.', input.waitingRows)
  single(
    'andon_ingest_lag_seconds',
    'Time since the pipeline last made progress while there was work.',
    input.lagSeconds,
  )
  new Gauge({
    name: 'andon_up',
    help: '1 while the monitor can receive, count and judge, as /readyz has it.',
    registers,
    async collect() {
      const isReady = await inTimeForScrape(input.ready()).catch(() => false)
      this.set(isReady ? 1 : 0)
    },
  })
  perRelease('andon_release_contacts', 'Contacts of a release.', (view) => view.contacts)
  perRelease('andon_release_identified_ratio', 'Share of contacts with a known customer.', (view) =>
    view.contacts > 0 ? view.identified / view.contacts : null,
  )
  perRelease(
    'andon_release_evidence_ratio',
    'Evidence (log) of a release over the line at which it is paused: 1 is a pause.',
    (view) => view.logE / view.logThreshold,
  )
  perSignal('andon_signal_trials', 'Trials of a signal.', (trigger) => trigger.trials)
  perSignal('andon_signal_hits', 'Hits of a signal.', (trigger) => trigger.hits)
  perSignal('andon_signal_rate_ratio', 'Hits per trial.', (trigger) => trigger.rate)
  perSignal('andon_signal_limit_ratio', 'Share above which a signal is harm.', (trigger) => trigger.limit)
  perSignal(
    'andon_signal_evidence_ratio',
    'Evidence (log) of one signal over its own line.',
    (trigger) => trigger.logE / trigger.logThreshold,
  )

  return {
    registry,
    rejected: (reason: string, n: number) => rejected.inc({ reason }, n),
    setAside: (facts: number) => setAside.inc(facts),
    batch: (batch: BatchMeasures) => {
      batches.inc()
      rows.inc({ kind: 'span' }, batch.spans)
      rows.inc({ kind: 'outcome' }, batch.outcomes)
      rows.inc({ kind: 'point' }, batch.points)
      batchRows.observe(batch.spans + batch.outcomes + batch.points)
      batchSeconds.observe({ step: 'accept' }, batch.acceptMs / 1000)
      batchSeconds.observe({ step: 'count' }, batch.processMs / 1000)
    },
    tick: (elapsedMs: number) => tickSeconds.observe(elapsedMs / 1000),
    tickFailed: () => tickFailures.inc(),
  }
}
