import type { ClickHouseClient } from '@clickhouse/client'
import type { Release } from '../facts/slice.ts'
import { WRITE_ACTIONS } from '../facts/span.ts'
import { rowsOf } from '../store/store.clickhouse.ts'

/** What the store says of a release since `sinceMs`. Counts; a share is made of two of them, so that none is read out of nothing. */
export type ReleaseMeasures = Readonly<{
  contacts: number
  identified: number
  sampled: number
  writes: number
  failedWrites: number
  policyFailures: number
  /** Reviewed contacts, and those of them that were corrected. */
  reviewed: number
  reviewedCorrected: number
  /** Writes that name a record, those that also name a policy or a reviewer, and those that name a reviewer. */
  writesWithRecord: number
  writesAudited: number
  writesReviewed: number
  actions: readonly string[]
  systems: readonly string[]
  autonomy: readonly string[]
}>

const ROLLUP = ['contacts', 'identified', 'writes', 'failed_writes'] as const

/** Writes are those in traces of the release: tool spans name no release of their own. Cost: one look at the range of days. */
export async function measuresOf(store: ClickHouseClient, release: Release, sinceMs: number): Promise<ReleaseMeasures> {
  const params = { ...release, since: Math.floor(sinceMs), writes: [...WRITE_ACTIONS], measures: [...ROLLUP] }
  const [counts, flags, writes] = await Promise.all([
    rowsOf<{ measure: string; total: number }>(store, COUNTS, params),
    rowsOf<{ policyFailures: number; reviewed: number; reviewedCorrected: number }>(store, OUTCOMES, params),
    rowsOf<Omit<ReleaseMeasures, 'contacts'>>(store, WRITES, params),
  ])
  const total = (measure: (typeof ROLLUP)[number]) => counts.find((row) => row.measure === measure)?.total ?? 0
  const { sampled, writesWithRecord, writesAudited, writesReviewed, actions, systems, autonomy } = writes[0]!
  return {
    contacts: total('contacts'),
    identified: total('identified'),
    writes: total('writes'),
    failedWrites: total('failed_writes'),
    ...flags[0]!,
    sampled,
    writesWithRecord,
    writesAudited,
    writesReviewed,
    actions,
    systems,
    autonomy,
  }
}

const COUNTS = `SELECT measure, sum(rollup_minutes.n) AS total FROM rollup_minutes
  WHERE signal = '' AND measure IN {measures:Array(String)} AND environment = {environment:String} AND agent = {agent:String}
    AND release = {release:String} AND minute >= toDateTime(intDiv({since:Int64}, 1000)) GROUP BY measure`

const OUTCOMES = `WITH mine AS (
    SELECT conversation FROM (
      SELECT * FROM contacts WHERE started_at >= fromUnixTimestamp64Milli({since:Int64}, 'UTC') ORDER BY seq DESC LIMIT 1 BY contact_id)
    WHERE gone = 0 AND conversation != '' AND environment = {environment:String} AND agent = {agent:String} AND release = {release:String}),
  said AS (SELECT kind, flag, conversation FROM outcomes WHERE conversation IN (SELECT conversation FROM mine) LIMIT 1 BY outcome_id)
  SELECT
    uniqExactIf(conversation, kind = 'flag' AND flag = 'policy_fail') AS policyFailures,
    uniqExactIf(conversation, kind = 'review') AS reviewed,
    uniqExactIf(conversation, kind = 'review' AND conversation IN (SELECT conversation FROM said WHERE kind = 'correction')) AS reviewedCorrected
  FROM said`

const WRITES = `WITH traces AS (
    SELECT DISTINCT trace_id FROM spans WHERE role = 'agent' AND started_at >= fromUnixTimestamp64Milli({since:Int64}, 'UTC')
      AND release = {release:String} AND environment = {environment:String} AND (agent_name = {agent:String} OR service_name = {agent:String}))
  SELECT
    countIf(sampled = 1) AS sampled,
    countIf(is_write AND named) AS writesWithRecord,
    countIf(is_write AND named AND (policy != '' OR reviewer != '')) AS writesAudited,
    countIf(is_write AND reviewer != '') AS writesReviewed,
    arraySort(groupUniqArrayIf(100)(toString(action), is_write OR action = 'transfer')) AS actions,
    arraySort(groupUniqArrayIf(100)(toString(system), is_write AND system != '')) AS systems,
    arraySort(groupUniqArrayIf(20)(toString(autonomy), autonomy != '')) AS autonomy
  FROM (
    SELECT sampled, action, system, autonomy, policy, reviewer,
      action IN {writes:Array(String)} AS is_write, record_id != '' OR record_key != '' AS named
    FROM spans WHERE started_at >= fromUnixTimestamp64Milli({since:Int64}, 'UTC') AND trace_id IN (SELECT trace_id FROM traces)
    LIMIT 1 BY trace_id, span_id)`
