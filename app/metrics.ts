import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client'
import type { ReleaseView } from '../facts/overview.ts'
import type { BatchMeasures } from '../pipeline/sequencer.clickhouse.ts'

/** Releases with their own series; the rest is left out, so that names from outside cannot grow the page without bound. */
const MAX_RELEASES = 200

/** The monitor's own metrics; those of the incident clock are added by alerts/clock-metrics.ts. Units last, as Prometheus asks. */
export function createMetrics(input: { views: () => ReleaseView[]; waitingRows: () => number; lagSeconds: () => number; ready: () => boolean }) {
  const registry = new Registry()
  collectDefaultMetrics({ register: registry })
  const registers = [registry]
  const rejected = new Counter({ name: 'andon_rejected_items_total', help: 'Spans, log records, points and requests that were not taken, by reason.', labelNames: ['reason'], registers })
  const batches = new Counter({ name: 'andon_batches_total', help: 'Batches counted.', registers })
  const rows = new Counter({ name: 'andon_accepted_rows_total', help: 'Rows accepted, duplicates included.', labelNames: ['kind'], registers })
  const batchRows = new Histogram({ name: 'andon_batch_rows', help: 'Rows of a batch.', buckets: [1, 10, 100, 1_000, 5_000, 20_000], registers })
  const batchSeconds = new Histogram({ name: 'andon_batch_duration_seconds', help: 'Duration of a batch: accept = until durable, count = until counted.', labelNames: ['step'], buckets: [0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10], registers })
  const tickSeconds = new Histogram({ name: 'andon_tick_duration_seconds', help: 'Duration of one evaluation of new deltas.', buckets: [0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 5], registers })
  const tickFailures = new Counter({ name: 'andon_tick_failures_total', help: 'Evaluations that failed and are tried again.', registers })

  const gauge = (name: string, help: string, labelNames: string[], collect: (set: (labels: Record<string, string>, value: number) => void) => void) =>
    new Gauge({
      name,
      help,
      labelNames,
      registers,
      collect() {
        this.reset()
        collect((labels, value) => this.set(labels, value))
      },
    })
  const eachRelease = (visit: (view: ReleaseView, labels: Record<string, string>) => void) => {
    for (const view of [...input.views()].sort((a, b) => (b.lastContactMs ?? 0) - (a.lastContactMs ?? 0)).slice(0, MAX_RELEASES)) visit(view, { environment: view.release.environment, agent: view.release.agent, release: view.release.release })
  }
  const dimensions = ['environment', 'agent', 'release']
  gauge('andon_waiting_rows', 'Rows that wait for a batch.', [], (set) => set({}, input.waitingRows()))
  gauge('andon_ingest_lag_seconds', 'Time since the pipeline last made progress while there was work.', [], (set) => set({}, input.lagSeconds()))
  gauge('andon_up', '1 while the monitor can receive, count and judge.', [], (set) => set({}, input.ready() ? 1 : 0))
  gauge('andon_release_contacts', 'Contacts of a release.', dimensions, (set) => eachRelease((view, labels) => set(labels, view.contacts)))
  gauge('andon_release_identified_ratio', 'Share of contacts with a known customer.', dimensions, (set) => eachRelease((view, labels) => view.contacts > 0 && set(labels, view.identified / view.contacts)))
  gauge('andon_release_evidence_ratio', 'Evidence (log) of a release over the line at which it is paused: 1 is a pause.', dimensions, (set) => eachRelease((view, labels) => set(labels, view.logE / view.logThreshold)))
  gauge('andon_signal_trials', 'Trials of a signal.', [...dimensions, 'signal'], (set) => eachRelease((view, labels) => view.triggers.forEach((trigger) => set({ ...labels, signal: trigger.signal }, trigger.trials))))
  gauge('andon_signal_hits', 'Hits of a signal.', [...dimensions, 'signal'], (set) => eachRelease((view, labels) => view.triggers.forEach((trigger) => set({ ...labels, signal: trigger.signal }, trigger.hits))))
  gauge('andon_signal_rate_ratio', 'Hits per trial.', [...dimensions, 'signal'], (set) => eachRelease((view, labels) => view.triggers.forEach((trigger) => trigger.rate !== null && set({ ...labels, signal: trigger.signal }, trigger.rate))))
  gauge('andon_signal_limit_ratio', 'Share above which a signal is harm.', [...dimensions, 'signal'], (set) => eachRelease((view, labels) => view.triggers.forEach((trigger) => set({ ...labels, signal: trigger.signal }, trigger.limit))))
  gauge('andon_signal_evidence_ratio', 'Evidence (log) of one signal over its own line.', [...dimensions, 'signal'], (set) => eachRelease((view, labels) => view.triggers.forEach((trigger) => set({ ...labels, signal: trigger.signal }, trigger.logE / trigger.logThreshold))))

  return {
    registry,
    rejected: (reason: string, n: number) => rejected.inc({ reason }, n),
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
