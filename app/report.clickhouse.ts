import type { ClickHouseClient } from '@clickhouse/client'
import { wilsonInterval } from '../detectors/sequential/wilson.ts'
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
  repeatContacts: ['repeat_contacts', 'hits'],
  repeatArrivals: ['repeat_contacts', 'arrivals'],
  complaints: ['complaints', 'events'],
  complaintsUnattributed: ['complaints', 'unattributed'],
} as const satisfies Partial<Record<keyof ReleaseRow, readonly [string, string]>>

/**
 * Totals of everything counted, one row per release (or per slice). The trials of a delayed signal are its mature contacts: begun at
 * least one window before the monitor's clock, to the minute; its hits are those of mature contacts.
 */
export async function releaseRows(
  store: ClickHouseClient,
  signals: readonly Signal[],
  options: { slices: boolean; clockMs: number },
): Promise<ReleaseRow[]> {
  const slice = options.slices ? ', channel, queue' : ''
  const matureUntil = `multiIf(${signals.map((signal) => `signal = '${signal.name}', ${Math.floor((options.clockMs - (windowMsOf(signal) ?? 0)) / 1000)}`).join(', ')}, ${Math.floor(options.clockMs / 1000)})`
  const rows = await rowsOf<{
    environment: string
    agent: string
    release: string
    channel?: string
    queue?: string
    signal: string
    measure: string
    total: number
    mature: number
  }>(
    store,
    `SELECT environment, agent, release${slice}, signal, measure, sum(rollup_minutes.n) AS total, sumIf(rollup_minutes.n, toUnixTimestamp(minute) <= ${matureUntil}) AS mature
     FROM rollup_minutes GROUP BY environment, agent, release${slice}, signal, measure ORDER BY agent, release, environment${slice}`,
  )
  const keyOf = (row: (typeof rows)[number]) =>
    JSON.stringify([row.environment, row.agent, row.release, row.channel, row.queue])
  return [
    ...Map.groupBy(
      rows.filter((row) => row.total !== 0),
      keyOf,
    ).values(),
  ].flatMap((group) => {
    const { environment, agent, release, channel, queue } = group[0]!
    const of = (signal: string, measure: string, which: 'total' | 'mature' = 'total') =>
      group.find((row) => row.signal === signal && row.measure === measure)?.[which] ?? 0
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
