import type { ClickHouseClient } from '@clickhouse/client'
import { wilsonInterval } from '../detectors/sequential/wilson.ts'
import { hitSql, predicateSql } from '../detectors/signals/compile.ts'
import { isAgainstUsual, type Signal, windowMsOf } from '../detectors/signals/definition.ts'
import type { Incident } from '../facts/incident.ts'
import { rowsOf } from '../store/store.clickhouse.ts'

export type SignalFigures = Readonly<{
  hits: number
  trials: number
  rate: number | null
  low: number | null
  high: number | null
}>

export type ReleaseRow = Readonly<{
  environment: string
  agent: string
  release: string
  channel?: string
  queue?: string
  contacts: number
  identified: number
  calls: number
  failedCalls: number
  writes: number
  failedWrites: number
  contactsWithWrite: number
  contactsWithFailedWrite: number
  creates: number
  duplicateCreations: number
  duplicateWrites: number
  contactsWithDuplicateWrite: number
  transfers: number
  contactsTransferred: number
  repeatContacts: number
  repeatContactsCapped: number
  repeatArrivals: number
  complaints: number
  complaintsUnattributed: number
  signals: Readonly<Record<string, SignalFigures>>
}>

/** What `andon replay --report json` prints; the words are those of docs/replay.md. Times RFC 3339 UTC, shares in [0, 1]. */
export type Report = Readonly<{
  clock: 'event' | 'wall'
  accepted: Readonly<{ spans: number; distinct: number; rejected: number }>
  releases: readonly ReleaseRow[]
  incidents: readonly Readonly<{
    release: string
    signal: string
    action: string
    onset: string | null
    detected: string
    contactsExposed: number
    logE: number
    environment: string
    agent: string
    reason: string
  }>[]
}>

/** Plain counts of a row and the (signal, measure) each is the sum of. */
const COUNTS = {
  contacts: ['', 'contacts'],
  identified: ['', 'identified'],
  calls: ['', 'calls'],
  failedCalls: ['', 'failed_calls'],
  writes: ['', 'writes'],
  failedWrites: ['', 'failed_writes'],
  contactsWithWrite: ['', 'contacts_with_write'],
  contactsWithFailedWrite: ['', 'contacts_with_failed_write'],
  creates: ['', 'creates'],
  duplicateCreations: ['duplicate_creations', 'events'],
  duplicateWrites: ['', 'duplicate_writes'],
  contactsWithDuplicateWrite: ['', 'contacts_with_duplicate_write'],
  transfers: ['', 'transfers'],
  contactsTransferred: ['', 'contacts_transferred'],
  repeatContacts: ['repeat_contacts', 'events'],
  repeatArrivals: ['repeat_contacts', 'arrivals'],
  complaints: ['complaints', 'events'],
  complaintsUnattributed: ['complaints', 'unattributed'],
} as const satisfies Partial<Record<keyof ReleaseRow, readonly [string, string]>>

/** One row of totals: of one count of one release, or of one of its slices. */
type Total = Readonly<{
  environment: string
  agent: string
  release: string
  channel?: string
  queue?: string
  signal: string
  measure: string
  total: number
  /** Of contacts begun at least one window before the monitor's clock. */
  mature: number
}>

/**
 * Totals of everything counted, one row per release (or per slice). The trials of a delayed signal are its mature contacts: begun at
 * least one window before the monitor's clock; its hits are those of mature contacts.
 */
export async function releaseRows(
  store: ClickHouseClient,
  signals: readonly Signal[],
  options: { slices: boolean; clockMs: number },
): Promise<ReleaseRow[]> {
  const place = `environment, agent, release${options.slices ? ', channel, queue' : ''}`
  const totals = [
    ...(await totalsByMinute(store, signals, place, options.clockMs)),
    ...(await youngInTheirMinute(store, signals, place, options.clockMs)),
  ]
  const keyOf = (row: Total) => JSON.stringify([row.environment, row.agent, row.release, row.channel, row.queue])
  return [...Map.groupBy(totals, keyOf).values()].flatMap((group) => {
    const { environment, agent, release, channel, queue } = group[0]!
    const of = (signal: string, measure: string, which: 'total' | 'mature' = 'total') =>
      group.filter((row) => row.signal === signal && row.measure === measure).reduce((sum, row) => sum + row[which], 0)
    const counts = Object.fromEntries(
      Object.entries(COUNTS).map(([name, [signal, measure]]) => [name, of(signal, measure)]),
    ) as Record<keyof typeof COUNTS, number>
    // The cap per release stands on rows without channel and queue: they belong to no slice.
    if (
      options.slices &&
      channel === '' &&
      queue === '' &&
      counts.contacts === 0 &&
      counts.complaintsUnattributed === 0
    )
      return []
    return {
      environment,
      agent,
      release,
      ...(options.slices && { channel: channel!, queue: queue! }),
      ...counts,
      repeatContactsCapped: of('repeat_contacts', options.slices ? 'capped_hits' : 'release_capped_hits'),
      signals: Object.fromEntries(
        // a quantity without a limit has no hits of its own
        signals
          .filter((signal) => !isAgainstUsual(signal))
          .map((signal) => [
            signal.name,
            figuresOf(of(signal.name, 'hits', 'mature'), of(signal.name, 'trials', 'mature')),
          ]),
      ),
    }
  })
}

const matureUntilMs = (signal: Signal, clockMs: number): number => clockMs - (windowMsOf(signal) ?? 0)

/** Totals, mature up to the minute in which the youngest mature contact began: some of that minute may be younger. */
async function totalsByMinute(
  store: ClickHouseClient,
  signals: readonly Signal[],
  place: string,
  clockMs: number,
): Promise<Total[]> {
  const until = signals.map(
    (signal) => `signal = '${signal.name}', ${Math.floor(matureUntilMs(signal, clockMs) / 1000)}`,
  )
  const rows = await rowsOf<Total>(
    store,
    `SELECT ${place}, signal, measure, sum(rollup_minutes.n) AS total,
       sumIf(rollup_minutes.n, toUnixTimestamp(minute) <= multiIf(${until.join(', ')}, ${Math.floor(clockMs / 1000)})) AS mature
     FROM rollup_minutes GROUP BY ${place}, signal, measure ORDER BY agent, release, ${place}`,
  )
  return rows.filter((row) => row.total !== 0)
}

const MINUTE_MS = 60_000

/** What {@link totalsByMinute} took for mature and is not: contacts that began later in that minute, as negative totals. */
async function youngInTheirMinute(
  store: ClickHouseClient,
  signals: readonly Signal[],
  place: string,
  clockMs: number,
): Promise<Total[]> {
  const found = signals.map(async (signal): Promise<Total[]> => {
    if (windowMsOf(signal) === null || signal.evaluator === 'counters') return []
    const untilMs = matureUntilMs(signal, clockMs)
    const began =
      "started_at > fromUnixTimestamp64Milli({until:Int64}, 'UTC') AND started_at < fromUnixTimestamp64Milli({end:Int64}, 'UTC')"
    const rows = await rowsOf<Total & { trials: number; hits: number }>(
      store,
      `SELECT ${place}, toFloat64(count()) AS trials, toFloat64(countIf(${hitSql(signal)})) AS hits
       FROM (
         SELECT * FROM contacts WHERE contact_id IN (SELECT contact_id FROM contacts WHERE ${began}) ORDER BY seq DESC LIMIT 1 BY contact_id
       )
       WHERE gone = 0 AND sampled = 0 AND ${began} AND ${predicateSql(signal.trial)}
       GROUP BY ${place}`,
      { until: untilMs, end: Math.floor(untilMs / MINUTE_MS) * MINUTE_MS + MINUTE_MS },
    )
    return rows.flatMap(({ trials, hits, ...row }) => [
      { ...row, signal: signal.name, measure: 'trials', total: 0, mature: -trials },
      { ...row, signal: signal.name, measure: 'hits', total: 0, mature: -hits },
    ])
  })
  return (await Promise.all(found)).flat()
}

function figuresOf(hits: number, trials: number): SignalFigures {
  if (trials <= 0) return { hits, trials, rate: null, low: null, high: null }
  const { low, high } = wilsonInterval(Math.min(hits, trials), trials)
  return { hits, trials, rate: hits / trials, low, high }
}

const rfc3339 = (ms: number | null): string | null => (ms === null ? null : new Date(ms).toISOString())

/** Every breach of every incident, in order of detection. */
export const incidentRows = (incidents: readonly Incident[]): Report['incidents'] =>
  incidents.flatMap((incident) =>
    [incident.finding, ...incident.joined].map((finding) => ({
      environment: finding.release.environment,
      agent: finding.release.agent,
      release: finding.release.release,
      signal: finding.signal,
      action: finding.action,
      reason: incident.reason,
      onset: rfc3339(finding.onsetMs),
      detected: rfc3339(finding.decidedAtMs)!,
      contactsExposed: finding.contactsExposed,
      logE: finding.logE,
    })),
  )
