import type { ClickHouseClient } from '@clickhouse/client'
import { type Release, releaseKeyOf } from '../facts/slice.ts'
import { AndonError } from '../lib/errors.ts'
import { rowsOf } from '../store/store.clickhouse.ts'
import { type ReleaseEvent, recordSchema, type SeenRelease } from './record.ts'

/** Appends one line; the same line again is the same event. */
export async function appendReleaseEvent(store: ClickHouseClient, event: ReleaseEvent): Promise<void> {
  const { eventId, atMs, type, release, actor, reason, record } = event
  const values = [
    { event_id: eventId, at_ms: atMs, type, ...release, actor, reason, body: record ? JSON.stringify(record) : '' },
  ]
  await store.insert({ table: 'release_events', values, format: 'JSONEachRow' })
}

type Row = Release &
  Readonly<{ eventId: string; atMs: number; type: string; actor: string; reason: string; body: string }>

/** Everything that was said, oldest first, each event once. Throws AndonError `journal_corrupt`. */
export async function loadReleaseEvents(store: ClickHouseClient): Promise<ReleaseEvent[]> {
  const rows = await rowsOf<Row>(
    store,
    `SELECT event_id AS eventId, at_ms AS atMs, type, environment, agent, release, actor, reason, body
     FROM release_events ORDER BY at_ms, event_id, inserted_at LIMIT 1 BY event_id`,
  )
  return rows.map(({ eventId, atMs, type, environment, agent, release, actor, reason, body }) => {
    const record = body === '' ? null : recordSchema.safeParse(JSON.parse(body))
    if ((type !== 'registered' && type !== 'retired') || record?.success === false)
      throw new AndonError('journal_corrupt', `release_events: event ${eventId} cannot be read`)
    const of = { environment, agent, release }
    return { eventId, atMs: Number(atMs), type, release: of, actor, reason, record: record?.data ?? null }
  })
}

/** Every release that telemetry has named, by releaseKeyOf, with where and when its contacts came. */
export async function seenReleases(
  store: ClickHouseClient,
): Promise<ReadonlyMap<string, SeenRelease & { release: Release }>> {
  const rows = await rowsOf<Release & { channel: string; queue: string; n: number; firstMs: number; lastMs: number }>(
    store,
    `SELECT environment, agent, release, channel, queue, sum(slice_times.contacts) AS n,
       toUnixTimestamp(min(first_at)) * 1000 AS firstMs, toUnixTimestamp(max(last_at)) * 1000 AS lastMs
     FROM slice_times WHERE agent != '' AND release != '' AND environment != 'andon-drill'
     GROUP BY environment, agent, release, channel, queue ORDER BY environment, agent, release, n DESC, channel, queue`,
  )
  return new Map(
    [...Map.groupBy(rows, (row) => releaseKeyOf(row))].map(([key, slices]) => {
      const { environment, agent, release } = slices[0]!
      return [
        key,
        {
          release: { environment, agent, release },
          firstContactMs: Math.min(...slices.map(({ firstMs }) => firstMs)),
          lastContactMs: Math.max(...slices.map(({ lastMs }) => lastMs)),
          contacts: slices.reduce((sum, { n }) => sum + n, 0),
          slices: slices.map(({ channel, queue, n }) => ({ channel, queue, contacts: n })),
        },
      ]
    }),
  )
}
