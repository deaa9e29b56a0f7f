import type { ClickHouseClient } from '@clickhouse/client'
import { advanced, type Followed, LOOK_BACK_MS, type News } from '../alerts/activity.ts'
import type { ReleaseActivity } from '../alerts/watch.ts'
import type { Scope } from '../facts/incident.ts'
import { type Release, releaseKeyOf } from '../facts/slice.ts'
import { WRITE_ACTIONS } from '../facts/span.ts'
import type { Clock } from '../lib/clock.ts'
import { rowsOf } from '../store/store.clickhouse.ts'

/** What batches brought is read at most this often, for all incidents together. */
const READ_EVERY_MS = 1_000
/** Nobody asked for this long: the incident is over. */
const FORGET_MS = 600_000

/** What telemetry says of a release around a pause; times are event times. Empty scope = all of it. */
export type ActivityOf = (release: Release, sinceMs: number, scope?: readonly Scope[]) => Promise<ReleaseActivity>

type Kept = { followed: Followed; activity: ReleaseActivity; askedMs: number }

/**
 * Follows the releases that somebody asks about. The first answer reads what the store holds of the release; from then on only what
 * batches brought since is read, once for all of them, so that hundreds of open incidents cost what one does, however much is stored.
 */
export function followActivity(store: ClickHouseClient, clock: Pick<Clock, 'nowMs'>): ActivityOf {
  const kept = new Map<string, Kept>()
  let seq = 0
  let readMs = -Infinity
  let turn: Promise<unknown> = Promise.resolve()

  async function catchUp(nowMs: number): Promise<void> {
    if (nowMs - readMs < READ_EVERY_MS) return
    const [newest] = await rowsOf<{ seq: number }>(store, 'SELECT seq FROM batches ORDER BY seq DESC LIMIT 1')
    const upTo = newest?.seq ?? 0
    for (const [key, { askedMs }] of kept) if (nowMs - askedMs > FORGET_MS) kept.delete(key)
    if (upTo > seq && kept.size > 0) {
      const news = await newsOf(
        store,
        [...kept.values()].map(({ followed }) => followed),
        seq,
        upTo,
      )
      for (const [key, one] of kept) {
        const activity = advanced(one.activity, one.followed, news)
        if (activity) one.activity = activity
        else kept.delete(key) // read whole when it is asked for
      }
    }
    seq = upTo
    readMs = nowMs
  }

  async function answer(followed: Followed): Promise<ReleaseActivity> {
    const nowMs = clock.nowMs()
    await catchUp(nowMs)
    const { release, sinceMs, scope } = followed
    const key = JSON.stringify([releaseKeyOf(release), sinceMs, scope.map(({ channel, queue }) => [channel, queue])])
    const known = kept.get(key)
    if (known) known.askedMs = nowMs
    const activity = known?.activity ?? (await wholeActivity(store, followed, seq))
    if (!known) kept.set(key, { followed, activity, askedMs: nowMs })
    return activity
  }

  return (release, sinceMs, scope = []) => {
    const asked = turn.then(() => answer({ release, sinceMs, scope }))
    turn = asked.catch(() => {}) // a read that failed has changed nothing, so the next one reads the same
    return asked
  }
}

const WITHIN = "arrayExists(part -> part[1] IN ('', channel) AND part[2] IN ('', queue), {scope:Array(Array(String))})"

/**
 * All that the store holds of a release around a pause, as of one batch. `scope` narrows all to the parts of the release that are stopped.
 * Writes are told by the tool spans themselves, also those of contacts that were under way when the pause was accepted.
 */
export async function wholeActivity(
  store: ClickHouseClient,
  { release, sinceMs, scope }: Followed,
  upTo: number,
): Promise<ReleaseActivity> {
  const params = {
    ...release,
    since: sinceMs,
    from: sinceMs - LOOK_BACK_MS,
    upTo,
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
       (SELECT uniqExact(trace_id, span_id) FROM spans WHERE started_at > since_at AND seq <= {upTo:UInt64} AND action IN {writes:Array(String)}
          AND release = {release:String} AND environment = {environment:String} AND (agent_name = {agent:String} OR service_name = {agent:String})
          AND ${WITHIN}) AS writesAfterPause,
       (SELECT if(count() = 0, NULL, toUnixTimestamp64Milli(max(started_at))) FROM contacts
          WHERE started_at > since_at AND seq <= {upTo:UInt64} AND NOT (environment = {environment:String} AND agent = {agent:String}
            AND release = {release:String} AND ${WITHIN})) AS otherInputAtMs
     FROM (
       SELECT started_at, ended_at FROM (
         SELECT contact_id, seq, gone, environment, agent, release, channel, queue, started_at, ended_at FROM contacts
         WHERE release = {release:String} AND agent = {agent:String} AND environment = {environment:String} AND seq <= {upTo:UInt64}
           AND started_at >= fromUnixTimestamp64Milli({from:Int64}, 'UTC') ORDER BY seq DESC LIMIT 1 BY contact_id)
       WHERE gone = 0 AND ${WITHIN})`,
    params,
  )
  return row!
}

/** What the batches after `seen`, up to `upTo`, brought; all tables are read in the order of batches, so the cost is that of the batches. */
async function newsOf(
  store: ClickHouseClient,
  followed: readonly Followed[],
  seen: number,
  upTo: number,
): Promise<News> {
  const params = {
    seen,
    upTo,
    releases: [...new Set(followed.map(({ release }) => release.release))],
    since: Math.min(...followed.map(({ sinceMs }) => sinceMs)),
    writes: [...WRITE_ACTIONS],
  }
  const slice = 'environment, agent, release, channel, queue'
  const after = 'seq > {seen:UInt64} AND seq <= {upTo:UInt64}'
  const latest = await rowsOf<News['latest'][number]>(
    store,
    `SELECT ${slice}, toUnixTimestamp64Milli(max(started_at)) AS startedAtMs FROM contact_changes WHERE ${after} AND sign = 1 GROUP BY ${slice}`,
    params,
  )
  const contacts = await rowsOf<News['contacts'][number]>(
    store,
    `SELECT ${slice}, sign, toUnixTimestamp64Milli(started_at) AS startedAtMs, toUnixTimestamp64Milli(ended_at) AS endedAtMs
     FROM contact_changes WHERE ${after} AND release IN {releases:Array(String)}`,
    params,
  )
  const written = await rowsOf<Written>(
    store,
    `SELECT trace_id AS traceId, span_id AS spanId, environment, arrayDistinct([agent_name, service_name]) AS agents, release, channel, queue,
       toUnixTimestamp64Milli(started_at) AS startedAtMs
     FROM spans WHERE ${after} AND action IN {writes:Array(String)} AND release IN {releases:Array(String)}
       AND started_at > fromUnixTimestamp64Milli({since:Int64}, 'UTC') LIMIT 1 BY trace_id, span_id`,
    params,
  )
  const known = await seenBefore(store, written, seen)
  const fresh = written.filter((span) => !known.has(keyOf(span)))
  const writes = fresh.flatMap(({ agents, ...span }) => agents.map((agent) => ({ ...span, agent })))
  return { contacts, writes, latest }
}

type Written = Omit<News['writes'][number], 'agent'> &
  Readonly<{ traceId: string; spanId: string; agents: readonly string[] }>
const keyOf = ({ traceId, spanId }: Pick<Written, 'traceId' | 'spanId'>): string => `${traceId} ${spanId}`

/** Spans that came before are the same spans, sent again. */
async function seenBefore(
  store: ClickHouseClient,
  spans: readonly Written[],
  seen: number,
): Promise<ReadonlySet<string>> {
  if (spans.length === 0) return new Set()
  const rows = await rowsOf<Pick<Written, 'traceId' | 'spanId'>>(
    store,
    'SELECT DISTINCT trace_id AS traceId, span_id AS spanId FROM spans WHERE trace_id IN {traces:Array(String)} AND seq <= {seen:UInt64}',
    { traces: [...new Set(spans.map(({ traceId }) => traceId))], seen },
  )
  return new Set(rows.map(keyOf))
}

/** When a release last took a contact, to the minute: enough to tell one that is served from one that is not. null: never. */
export async function lastContactIn(store: ClickHouseClient, release: Release): Promise<number | null> {
  const [row] = await rowsOf<{ lastMs: number | null }>(
    store,
    `SELECT if(count() = 0, NULL, toUnixTimestamp(max(minute)) * 1000) AS lastMs FROM (
       SELECT minute FROM rollup_minutes
       WHERE agent = {agent:String} AND release = {release:String} AND environment = {environment:String} AND signal = '' AND measure = 'contacts'
       GROUP BY minute HAVING sum(n) > 0)`,
    { ...release },
  )
  return row!.lastMs
}
