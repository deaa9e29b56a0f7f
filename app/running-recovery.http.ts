import type { RecoveryApi, RecoveryEntryAnswer, RecoveryStateAnswer } from '../api/recovery.ts'
import type { Config } from '../config.ts'
import type { Incident } from '../facts/incident.ts'
import { AndonError } from '../lib/errors.ts'
import { type AffectedRow, csvOf } from '../recovery/export.ts'
import { type AskMonitor, askMonitor, detailIn, monitorUrlOf } from './running-monitor.http.ts'
import type { Environment } from './secrets.ts'

/**
 * The recovery of the running monitor, over its API; null where none runs.
 * Errors: AndonError `unreadable` for what the API refuses, in its words; `monitor` when it does not answer.
 */
export async function runningRecovery(
  config: Config,
  env: Environment,
): Promise<Readonly<{ api: RecoveryApi; incidents: Incident[] }> | null> {
  const ask = askMonitor(config, env)
  const refused = (status: number, text: string) =>
    new AndonError(
      status < 500 && status !== 429 ? 'unreadable' : 'monitor',
      detailIn(text) ?? `${monitorUrlOf(config, env)} answers ${status}`,
    )
  const first = await ask('GET', '/api/v1/incidents', { query: { limit: '1000' } })
  if (first === null) return null
  if (!first.ok) throw refused(first.status, first.text)
  const get = async <T>(...asked: Parameters<AskMonitor>): Promise<T> => {
    const reply = await ask(...asked)
    if (reply === null) throw new AndonError('monitor', 'the monitor ended meanwhile; ask again', { retryable: true })
    if (!reply.ok) throw refused(reply.status, reply.text)
    return JSON.parse(reply.text) as T
  }
  const of = (incidentId: string, what: string) => `/api/v1/incidents/${encodeURIComponent(incidentId)}/${what}`
  const recoveryOf = (id: string) =>
    get<{ recovery: RecoveryStateAnswer; entries: RecoveryEntryAnswer[] }>('GET', of(id, 'recovery'))
  const api: RecoveryApi = {
    state: async (id) => (await recoveryOf(id)).recovery,
    entries: async (id) => (await recoveryOf(id)).entries,
    rows: async (id) => {
      const { items } = await get<{ items: Record<string, string | number>[] }>('GET', of(id, 'affected'))
      return { rows: items, csv: () => csvOf(items as AffectedRow[]) }
    },
    refresh: async (id) => {
      const asked = { by: 'andon affected', body: {} }
      return (await get<{ recovery: RecoveryStateAnswer }>('POST', of(id, 'affected'), asked)).recovery
    },
    record: async (id, { actor, ...body }) =>
      (await get<{ entry: RecoveryEntryAnswer }>('POST', of(id, 'recovery'), { by: actor, body })).entry,
    drills: async () =>
      (await get<{ drills: Awaited<ReturnType<RecoveryApi['drills']>> }>('GET', '/api/v1/drills')).drills,
    startDrill: async () => void (await get('POST', '/api/v1/drills', { by: 'andon drill', body: {} })),
  }
  return { api, incidents: (JSON.parse(first.text) as { incidents: Incident[] }).incidents }
}
