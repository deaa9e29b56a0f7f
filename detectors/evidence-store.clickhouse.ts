import type { ClickHouseClient } from '@clickhouse/client'
import { rowsOf } from '../store/store.clickhouse.ts'
import { EVIDENCE_VERSION, type ReleaseEvidence } from './evidence.ts'

/** Fills `releases`; returns the batch up to which all of it is complete. A release stored later than that skips what it has seen. */
export async function loadEvidence(store: ClickHouseClient, releases: Map<string, ReleaseEvidence>): Promise<number> {
  const rows = await rowsOf<{ release_key: string; seq: number; body: string }>(
    store,
    'SELECT release_key, max(evidence.seq) AS seq, argMax(body, evidence.seq) AS body FROM evidence GROUP BY release_key',
  )
  for (const row of rows) {
    if (row.release_key === '') continue
    const evidence = JSON.parse(row.body) as ReleaseEvidence
    if (evidence.version !== EVIDENCE_VERSION) {
      // written by another version: everything is computed again
      releases.clear()
      return 0
    }
    releases.set(row.release_key, evidence)
  }
  return rows.find((row) => row.release_key === '')?.seq ?? 0
}

/** Stores what changed, and after it the batch that it rests on. */
export async function storeEvidence(
  store: ClickHouseClient,
  changed: ReadonlyMap<string, ReleaseEvidence>,
  seq: number,
): Promise<void> {
  if (changed.size === 0) return
  const rows = [...changed].map(([key, evidence]) => ({ release_key: key, seq, body: JSON.stringify(evidence) }))
  await store.insert({ table: 'evidence', values: rows, format: 'JSONEachRow' })
  await store.insert({ table: 'evidence', values: [{ release_key: '', seq, body: '' }], format: 'JSONEachRow' })
}
