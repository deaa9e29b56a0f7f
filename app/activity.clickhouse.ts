import type { ClickHouseClient } from '@clickhouse/client'
import type { ReleaseActivity } from '../alerts/watch.ts'
import type { Scope } from '../facts/incident.ts'
import type { Release } from '../facts/slice.ts'
import { WRITE_ACTIONS } from '../facts/span.ts'
import { rowsOf } from '../store/store.clickhouse.ts'

/** How far back before a pause the usual gap between contacts is measured. */
const LOOK_BACK_MS = 24 * 3_600_000

/**
 * What the store knows of a release around a pause; times are event times. Present versions of contacts begun since a day
 * before `sinceMs` are read, so the cost does not grow with history.
 * `scope` narrows all to the parts of the release that are stopped. Writes are told by the tool spans themselves, also those of contacts that were under way when the pause was accepted.
 */
export async function activityOf(
  store: ClickHouseClient,
  release: Release,
  sinceMs: number,
  scope: readonly Scope[] = [],
): Promise<ReleaseActivity> {
  const params = {
    ...release,
    since: sinceMs,
    from: sinceMs - LOOK_BACK_MS,
    writes: [...WRITE_ACTIONS],
    // a part that is '' stands for every channel or queue
    scope: scope.length === 0 ? [['', '']] : scope.map(({ channel, queue }) => [channel, queue]),
  }
  const [row] = await rowsOf<ReleaseActivity>(
    store,
    `WITH
       fromUnixTimestamp64Milli({since:Int64}, 'UTC') AS since_at,
       arraySort(groupArrayIf(toUnixTimestamp64Milli(started_at), started_at <= since_at)) AS before
     SELECT
       if(count() = 0, NULL, toUnixTimestamp64Milli(max(started_at))) AS lastContactStartedAtMs,
       if(count() = 0, NULL, toUnixTimestamp64Milli(max(ended_at))) AS lastSpanEndedAtMs,
       countIf(started_at > since_at) AS contactsAfterPause,
       if(length(before) < 3, NULL, arrayReduce('quantileExact(0.99)', arrayDifference(before))) AS gapP99Ms,
       (SELECT uniqExact(trace_id, span_id) FROM spans WHERE started_at > since_at AND action IN {writes:Array(String)}
          AND release = {release:String} AND environment = {environment:String} AND (agent_name = {agent:String} OR service_name = {agent:String})
          AND arrayExists(part -> part[1] IN ('', channel) AND part[2] IN ('', queue), {scope:Array(Array(String))})) AS writesAfterPause,
       (SELECT if(count() = 0, NULL, toUnixTimestamp64Milli(max(started_at))) FROM contacts
          WHERE started_at > since_at AND NOT (environment = {environment:String} AND agent = {agent:String} AND release = {release:String}
            AND arrayExists(part -> part[1] IN ('', channel) AND part[2] IN ('', queue), {scope:Array(Array(String))}))) AS otherInputAtMs
     FROM (
       SELECT started_at, ended_at FROM (
         SELECT contact_id, seq, gone, environment, agent, release, channel, queue, started_at, ended_at FROM contacts
         WHERE release = {release:String} AND agent = {agent:String} AND environment = {environment:String}
           AND started_at >= fromUnixTimestamp64Milli({from:Int64}, 'UTC') ORDER BY seq DESC LIMIT 1 BY contact_id)
       WHERE gone = 0 AND arrayExists(part -> part[1] IN ('', channel) AND part[2] IN ('', queue), {scope:Array(Array(String))}))`,
    params,
  )
  return row!
}
