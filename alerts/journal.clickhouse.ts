import type { ClickHouseClient } from '@clickhouse/client'
import { z } from 'zod'
import type { IncidentEvent, IncidentEventBody } from '../facts/incident.ts'
import { AndonError } from '../lib/errors.ts'
import { firstOfEachVersion, type Journal } from './journal.ts'

/** Incidents, and drills apart from them: what reads one never sees the other. */
export type JournalTable = 'incident_events' | 'drill_events'

/** Enough of a body to know its type; the rest was written by this file. */
const bodySchema = z.looseObject({
  type: z.enum([
    'opened',
    'joined',
    'attempted',
    'accepted',
    'undeliverable',
    'stopped',
    'drained',
    'reopened',
    'escalated',
    'acknowledged',
    'snoozed',
    'overridden',
    'resumed',
    'part_resumed',
    'rolled_back',
    'closed',
    'evidence_restarted',
  ]),
})

type Row = { incident_id: string; version: number; at_ms: string | number; body: string }

/**
 * The journal in ClickHouse: one row per line, nothing is ever updated or deleted.
 * Errors: AndonError 'journal_unavailable' (retryable) when the store does not answer, 'journal_corrupt' for a row that cannot be read.
 */
export function clickhouseJournal(client: ClickHouseClient, table: JournalTable = 'incident_events'): Journal {
  return {
    append: async ({ incidentId, version, atMs, event }) => {
      const values = [{ incident_id: incidentId, version, at_ms: atMs, type: event.type, body: JSON.stringify(event) }]
      await reach(client.insert({ table, values, format: 'JSONEachRow' }))
    },
    load: async () => {
      const rows = await reach(readRows(client, table))
      return firstOfEachVersion(rows.map(lineOf))
    },
  }
}

async function readRows(client: ClickHouseClient, table: JournalTable): Promise<Row[]> {
  const result = await client.query({
    query: `SELECT incident_id, version, at_ms, body FROM ${table} ORDER BY incident_id, version, inserted_at, at_ms`,
    format: 'JSONEachRow',
  })
  return result.json<Row>()
}

function lineOf({ incident_id, version, at_ms, body }: Row): IncidentEvent {
  try {
    const event = bodySchema.parse(JSON.parse(body)) as unknown as IncidentEventBody
    return { incidentId: incident_id, version: Number(version), atMs: Number(at_ms), event }
  } catch (cause) {
    throw new AndonError(
      'journal_corrupt',
      `incident journal: incident ${incident_id}, version ${version} cannot be read`,
      {
        cause,
      },
    )
  }
}

async function reach<T>(answer: Promise<T>): Promise<T> {
  try {
    return await answer
  } catch (cause) {
    throw new AndonError('journal_unavailable', `the incident journal cannot be reached`, {
      retryable: true,
      cause,
    })
  }
}
