import { type Dashboard, DashboardBuilder } from '@grafana/grafana-foundation-sdk/dashboard'
import { STALLED_MS } from '../../facts/overview.ts'
import { drillMarks, restartMarks } from './annotations.ts'
import { board } from './board.ts'
import { atLeast, BAD, CAREFUL, colouredText, GOOD, LASTED, named, unit, WHEN, width, words } from './fields.ts'
import { activeRoles, lanes, notCounted, RECORDS_OF_PIPELINE, records, roleFailures } from './monitor-kafka.ts'
import { and, OF, over } from './monitor-series.ts'
import { FEW, type PanelSource, row, series, stat, table } from './panels.ts'
import { clickhouse, prometheus } from './query.ts'
import { sql } from './text.ts'
import { prometheusInstance, prometheusSource } from './variables.ts'

const STALLED_S = STALLED_MS / 1000

/** The monitor watched by somebody else: whether it receives, counts, judges and tells, and how its drills went. */
export function monitor(): Dashboard {
  const builder = board(new DashboardBuilder('Monitor health'), {
    name: 'monitor',
    description:
      'Whether the monitor itself receives, counts, judges and tells: lag, errors, liveness, webhooks and drills. A silent monitor is never good news.',
    shows: ['clickhouse'],
    own: [prometheusSource(), prometheusInstance()],
    annotations: [drillMarks(), restartMarks(OF)],
    from: 'now-6h',
    refresh: '30s',
  })
  for (const panel of [up(), lag(), waiting(), failures(), unaccepted()]) builder.withPanel(panel)
  builder.withRow(row('Receiving and counting'))
  for (const panel of [rows(), rejected(), batchTime(), lagOverTime()]) builder.withPanel(panel)
  builder.withRow(row('Judging and telling'))
  for (const panel of [tickTime(), webhooks(), incidents(), heartbeats(), lastBatches(), untilCounted()])
    builder.withPanel(panel)
  builder.withRow(row('Kafka and roles'))
  for (const panel of [activeRoles(), records(), roleFailures(), notCounted(), lanes()]) builder.withPanel(panel)
  builder.withRow(row('Drills and the process'))
  for (const panel of [drills(), memory(), eventLoop()]) builder.withPanel(panel)
  return builder.build()
}

type Now = Readonly<{ title: string; description: string; expr: string; unit: string; careful: number; bad: number }>

const now = ({ title, description, expr, unit, careful, bad }: Now, width: number): PanelSource =>
  stat({
    title,
    description,
    unit,
    width,
    height: 3,
    source: 'prometheus',
    whenEmpty: FEW.notScraped,
    thresholds:
      careful < bad
        ? [
            { value: null, color: GOOD },
            { value: careful, color: CAREFUL },
            { value: bad, color: BAD },
          ]
        : [
            { value: null, color: BAD },
            { value: careful, color: GOOD },
          ],
    queries: [prometheus(expr, '', 'now')],
  })

const up = (): PanelSource =>
  now(
    {
      title: 'Ready',
      description:
        'Share of the monitors selected that can receive, count and judge. Empty or 0 means that nobody watches the releases.',
      expr: `avg(andon_up${OF})`,
      unit: 'percentunit',
      careful: 1,
      bad: 0,
    },
    5,
  )

const lag = (): PanelSource =>
  now(
    {
      title: 'Lag',
      description: `Time since the pipeline last made progress while there was work. From ${STALLED_S} s on the monitor says that it is not ready, and the alert fires.`,
      expr: `max(andon_ingest_lag_seconds${OF})`,
      unit: 's',
      careful: STALLED_S / 3,
      bad: STALLED_S,
    },
    5,
  )

const waiting = (): PanelSource =>
  now(
    {
      title: 'Waiting',
      description:
        'Rows that were accepted and wait to be counted; over Kafka records that the pipeline has not read. They are durable; what waits long is judged late.',
      expr: `sum(andon_waiting_rows${OF}) or sum(${RECORDS_OF_PIPELINE})`,
      unit: 'short',
      careful: 20_000,
      bad: 100_000,
    },
    5,
  )

const failures = (): PanelSource =>
  now(
    {
      title: 'Failed evaluations',
      description: 'Evaluations in the range that failed and were tried again. Nothing is judged until one succeeds.',
      expr: `sum(increase(andon_tick_failures_total${OF}[$__range]))`,
      unit: 'short',
      careful: 1,
      bad: 10,
    },
    5,
  )

const unaccepted = (): PanelSource =>
  now(
    {
      title: 'Pauses under way',
      description: 'Incidents whose pause nobody has accepted yet: no platform, no agent that asks, no person.',
      expr: `sum(andon_incidents_open${and('state="pausing"')})`,
      unit: 'short',
      careful: 1,
      bad: 2,
    },
    4,
  )

const NO_BATCH = 'No batch in this range: nothing was received. Do the agents export to this monitor?'
const rows = (): PanelSource =>
  over({
    title: 'Rows accepted',
    description: 'Spans, outcomes and metric points per second that were made durable, duplicates included.',
    unit: 'cps',
    min: 0,
    queries: [prometheus(`sum by (kind) (rate(andon_accepted_rows_total${OF}[$__rate_interval]))`, '{{kind}}')],
  })

const rejected = (): PanelSource =>
  over({
    title: 'Rejected',
    description:
      'Items per second that were not taken, by reason. Their senders were told; what is rejected is not judged.',
    unit: 'cps',
    min: 0,
    queries: [prometheus(`sum by (reason) (rate(andon_rejected_items_total${OF}[$__rate_interval]))`, '{{reason}}')],
  })

const quantiles = (metric: string, by = ''): ReturnType<typeof prometheus>[] =>
  [0.5, 0.99].map((share) =>
    prometheus(
      `histogram_quantile(${share}, sum by (le${by && `, ${by}`}) (rate(${metric}_bucket${OF}[$__rate_interval])))`,
      `${by && `{{${by}}} `}p${share * 100}`,
    ),
  )

const batchTime = (): PanelSource =>
  over({
    title: 'Time of a batch',
    description:
      'How long it takes until a batch is durable (accept) and until it is counted (count): median and 99th percentile.',
    unit: 's',
    min: 0,
    queries: quantiles('andon_batch_duration_seconds', 'step'),
  })

const lagOverTime = (): PanelSource =>
  over({
    title: 'Lag over time',
    description:
      'Time since the pipeline last made progress while there was work, per monitor. The dashed line is where it counts as stalled.',
    unit: 's',
    min: 0,
    lines: true,
    thresholds: [
      { value: null, color: 'transparent' },
      { value: STALLED_S, color: BAD },
    ],
    queries: [prometheus(`andon_ingest_lag_seconds${OF}`, '{{instance}}')],
  })

const tickTime = (): PanelSource =>
  over({
    title: 'Time of an evaluation',
    description:
      'How long the detector takes for what is new: median and 99th percentile. It should not grow with history.',
    unit: 's',
    min: 0,
    queries: quantiles('andon_tick_duration_seconds'),
  })

const webhooks = (): PanelSource =>
  over({
    title: 'Webhook attempts',
    description:
      'Attempts per range interval to tell a target, by target and outcome. Anything but delivered is tried again; see the runbook.',
    unit: 'short',
    min: 0,
    draw: 'bars',
    stacked: true,
    queries: [
      prometheus(
        `sum by (target, outcome) (increase(andon_webhook_attempts_total${OF}[$__rate_interval]))`,
        '{{target}} {{outcome}}',
      ),
    ],
  })

const incidents = (): PanelSource =>
  over({
    title: 'Incidents by state',
    description: 'Incidents that the monitor holds open, by state.',
    unit: 'short',
    min: 0,
    draw: 'bars',
    stacked: true,
    queries: [prometheus(`sum by (state) (andon_incidents_open${OF})`, '{{state}}')],
  })

const heartbeats = (): PanelSource =>
  over({
    title: 'Heartbeats',
    description:
      "Pings of the dead man's switch per range interval, by outcome. Skipped: the monitor was not healthy, so it kept silent and the switch pages. Empty: no switch is configured.",
    unit: 'short',
    min: 0,
    draw: 'bars',
    stacked: true,
    queries: [prometheus(`sum by (outcome) (increase(andon_heartbeats_total${OF}[$__rate_interval]))`, '{{outcome}}')],
  })

/** What the store says of its own batches, by the time they were accepted. */
const OF_BATCHES = { width: 12, height: 7, min: 0, legend: '${__field.name}', whenEmpty: NO_BATCH } as const

/** From the store itself, so that it is told even where nobody scrapes. */
const lastBatches = (): PanelSource =>
  series({
    title: 'Rows per batch',
    description:
      'What the store says of its own batches: new spans and outcomes, by the time they were accepted. A gap while agents work is a fault.',
    unit: 'short',
    ...OF_BATCHES,
    queries: [
      clickhouse(
        sql`
        SELECT $__timeInterval(accepted_at) AS time, sum(new_spans) AS new_spans, sum(batches.outcomes) AS new_outcomes, count() AS whole_batches
        FROM batches
        WHERE $__timeFilter(accepted_at)
        GROUP BY time
        ORDER BY time`,
        'series',
      ),
    ],
    overrides: {
      new_spans: named('New spans'),
      new_outcomes: named('New outcomes'),
      whole_batches: named('Batches'),
    },
  })

const untilCounted = (): PanelSource =>
  series({
    title: 'From acceptance to counted',
    description:
      'How long it took until what was accepted was counted, by the time it was accepted: median and 99th percentile of the batches. No finding can be sooner.',
    unit: 's',
    ...OF_BATCHES,
    queries: [
      clickhouse(
        sql`
        SELECT $__timeInterval(accepted_at) AS time, quantile(0.5)(date_diff('millisecond', accepted_at, done_at)) / 1000 AS middle,
          quantile(0.99)(date_diff('millisecond', accepted_at, done_at)) / 1000 AS slow
        FROM batches
        WHERE $__timeFilter(accepted_at)
        GROUP BY time
        ORDER BY time`,
        'series',
      ),
    ],
    overrides: { middle: named('p50'), slow: named('p99') },
  })

const drills = (): PanelSource =>
  table({
    title: 'Drills',
    description:
      'Injected faults with a known onset: how long the whole path took. A drill that failed means that a real fault would not have been stopped.',
    unit: 's',
    width: 24,
    height: 7,
    whenEmpty: 'No drill in this range. `andon drill` runs one.',
    queries: [
      clickhouse(
        sql`
        SELECT started_at, agent, if(passed = 1, 'passed', 'failed') AS verdict, signal,
          date_diff('millisecond', onset_at, detected_at) / 1000 AS to_detect,
          date_diff('millisecond', detected_at, accepted_at) / 1000 AS to_pause,
          contacts_sent, contacts_exposed, reason
        FROM drills
        WHERE $__timeFilter(started_at)
        ORDER BY started_at DESC
        LIMIT 100`,
        'table',
      ),
    ],
    overrides: {
      started_at: named('Started', WHEN),
      agent: named('Agent', [atLeast(90)]),
      signal: named('Signal', [atLeast(90)]),
      verdict: named('Verdict', [
        width(76),
        ...colouredText(words({ passed: ['passed', GOOD], failed: ['failed', BAD] })),
      ]),
      to_detect: named('To detect', [LASTED]),
      to_pause: named('To pause', [LASTED]),
      contacts_sent: named('Contacts sent', [width(84), ...unit('short')]),
      contacts_exposed: named('Exposed', [width(80), ...unit('short')]),
      reason: named('Reason', [atLeast(150)]),
    },
  })

const memory = (): PanelSource =>
  over({
    title: 'Memory',
    description:
      'Resident memory of the monitor process; the embedded engine is a child process of its own and not in this figure.',
    unit: 'bytes',
    min: 0,
    queries: [prometheus(`process_resident_memory_bytes${OF}`, '{{instance}}')],
  })

const eventLoop = (): PanelSource =>
  over({
    title: 'Event loop delay',
    description: 'Delay of the event loop, 99th percentile: long delays slow receiving and telling alike.',
    unit: 's',
    min: 0,
    queries: [prometheus(`nodejs_eventloop_lag_p99_seconds${OF}`, '{{instance}}')],
  })
