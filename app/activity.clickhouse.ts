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
       mine AS (
         SELECT started_at, ended_at FROM (
           SELECT contact_id, seq, gone, environment, agent, release, channel, queue, started_at, ended_at FROM contacts WHERE started_at >= fromUnixTimestamp64Milli({from:Int64}, 'UTC') ORDER BY seq DESC LIMIT 1 BY contact_id)
         WHERE gone = 0 AND environment = {environment:String} AND agent = {agent:String} AND release = {release:String}
           AND arrayExists(part -> part[1] IN ('', channel) AND part[2] IN ('', queue), {scope:Array(Array(String))}))
     SELECT
       (SELECT if(count() = 0, NULL, toUnixTimestamp64Milli(max(started_at))) FROM mine) AS lastContactStartedAtMs,
       (SELECT if(count() = 0, NULL, toUnixTimestamp64Milli(max(ended_at))) FROM mine) AS lastSpanEndedAtMs,
       (SELECT count() FROM mine WHERE started_at > since_at) AS contactsAfterPause,
       (SELECT uniqExact(trace_id, span_id) FROM spans WHERE started_at > since_at AND action IN {writes:Array(String)}
          AND release = {release:String} AND environment = {environment:String} AND (agent_name = {agent:String} OR service_name = {agent:String})
          AND arrayExists(part -> part[1] IN ('', channel) AND part[2] IN ('', queue), {scope:Array(Array(String))})) AS writesAfterPause,
       (SELECT if(count() < 3, NULL, quantileExact(0.99)(gap)) FROM (
          SELECT date_diff('millisecond', lagInFrame(started_at, 1, started_at) OVER (ORDER BY started_at ROWS BETWEEN 1 PRECEDING AND CURRENT ROW), started_at) AS gap FROM mine WHERE started_at <= since_at)) AS gapP99Ms,
       (SELECT if(count() = 0, NULL, toUnixTimestamp64Milli(max(started_at))) FROM contacts
          WHERE started_at > since_at AND NOT (environment = {environment:String} AND agent = {agent:String} AND release = {release:String}
            AND arrayExists(part -> part[1] IN ('', channel) AND part[2] IN ('', queue), {scope:Array(Array(String))}))) AS otherInputAtMs`,
    params,
  )
  return row!
}
