import type { ClickHouseClient } from '@clickhouse/client'
import type { Finding } from '../facts/finding.ts'
import { rowsOf } from '../store/store.clickhouse.ts'
import type { Baseline } from './baseline.ts'
import type { Breach } from './judge.ts'
import { isHitSql } from './usual.ts'

/** Adds what only the store knows: the first hit of a contact begun since the onset, how many contacts began since, and the floor of this at their pace. */
export async function completed(
  store: ClickHouseClient,
  { floor, ...breach }: Breach,
  { fromBin }: Baseline,
  { clockMs, decidedAtMs }: Readonly<{ clockMs: number; decidedAtMs: number }>,
): Promise<Finding> {
  const sinceMs = breach.onsetMs ?? 0
  const { environment, agent, release } = breach.release
  const [known] = await rowsOf<{ firstHarmMs: number; contactsExposed: number }>(
    store,
    `SELECT
       (SELECT toUnixTimestamp64Milli(min(clock_at)) FROM batches WHERE seq = (
         SELECT min(seq) FROM deltas WHERE signal = {signal:String} AND ${isHitSql(fromBin, 'hits')} AND n > 0 AND seq <= {seq:UInt64}
           AND environment = {environment:String} AND agent = {agent:String} AND release = {release:String} AND minute >= toStartOfMinute(toDateTime({since:UInt32})))) AS firstHarmMs,
       (SELECT sum(n) FROM rollup_minutes WHERE signal = '' AND measure = 'contacts'
         AND environment = {environment:String} AND agent = {agent:String} AND release = {release:String} AND minute >= toStartOfMinute(toDateTime({since:UInt32}))) AS contactsExposed`,
    { signal: breach.signal, seq: breach.seq, environment, agent, release, since: Math.floor(sinceMs / 1000) },
  )
  const contactsExposed = known?.contactsExposed ?? 0
  const floorMs = floor ? Math.round(floor.share * Math.max(0, decidedAtMs - floor.sinceMs)) : null
  const exposedMs = decidedAtMs - sinceMs
  return {
    ...breach,
    firstHarmMs: known && known.firstHarmMs > 0 ? known.firstHarmMs : null,
    contactsExposed,
    floorMs,
    floorContacts:
      floorMs === null || breach.onsetMs === null || exposedMs <= 0
        ? null
        : Math.round((contactsExposed * floorMs) / exposedMs),
    decidedAtMs,
    acceptedAtMs: clockMs,
  }
}
