import type { ClickHouseClient } from '@clickhouse/client'
import { DRILL, type DrillResult } from '../facts/drill.ts'
import { rowsOf } from '../store/store.clickhouse.ts'

export async function storeDrill(store: ClickHouseClient, result: DrillResult): Promise<void> {
  const at = (ms: number | null) => (ms === null ? null : Math.floor(ms))
  await store.insert({
    table: 'drills',
    format: 'JSONEachRow',
    values: [
      {
        drill_id: result.drillId,
        agent: DRILL.agent,
        release: result.release,
        signal: 'failed_updates',
        started_at: at(result.startedAtMs),
        onset_at: at(result.onsetMs),
        first_harm_at: at(result.firstHarmMs),
        detected_at: at(result.detectedMs),
        sent_at: at(result.sentMs),
        accepted_at: at(result.acceptedMs),
        stopped_at: at(result.stoppedMs),
        drained_at: at(result.drainedMs),
        ended_at: at(result.endedAtMs),
        contacts_sent: result.contactsSent,
        contacts_exposed: result.contactsExposed,
        passed: result.passed ? 1 : 0,
        reason: result.reason,
      },
    ],
  })
}

/** When the last drill began; null when there was none. */
export async function lastDrillMs(store: ClickHouseClient): Promise<number | null> {
  const [row] = await rowsOf<{ ms: number | null }>(
    store,
    'SELECT if(count() = 0, NULL, toUnixTimestamp64Milli(max(started_at))) AS ms FROM drills',
  )
  return row?.ms ?? null
}

/** The latest drills, newest first. */
export async function drillsIn(store: ClickHouseClient) {
  const rows = await rowsOf<{
    drillId: string
    startedAtMs: number
    onsetMs: number
    detectedMs: number | null
    acceptedMs: number | null
    stoppedMs: number | null
    drainedMs: number | null
    contactsExposed: number
    passed: 0 | 1
    reason: string
  }>(
    store,
    `SELECT drill_id AS drillId, toUnixTimestamp64Milli(started_at) AS startedAtMs, toUnixTimestamp64Milli(onset_at) AS onsetMs,
       toUnixTimestamp64Milli(detected_at) AS detectedMs, toUnixTimestamp64Milli(accepted_at) AS acceptedMs,
       toUnixTimestamp64Milli(stopped_at) AS stoppedMs, toUnixTimestamp64Milli(drained_at) AS drainedMs,
       contacts_exposed AS contactsExposed, passed, reason
     FROM drills ORDER BY started_at DESC LIMIT 100`,
  )
  return rows.map((row) => ({ ...row, passed: row.passed === 1 }))
}
