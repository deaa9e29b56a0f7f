import type { RecoveryApi, RecoveryEntryAnswer, RecoveryStateAnswer } from '../api/recovery.ts'
import type { Config } from '../config.ts'
import type { Incident } from '../facts/incident.ts'
import { AndonError } from '../lib/errors.ts'
import { type AffectedRow, csvOf } from '../recovery/export.ts'
import { nobodyAt, pageUrlOf } from './running-overview.http.ts'
import { localKey } from './secrets.ts'

const ANSWERS_WITHIN_MS = 30_000

/** Asks the monitor that runs on this configuration; `null`: none runs. What it answers is JSON, or text where that was asked for. */
export type AskMonitor = (path: string, write?: Readonly<{ by: string; body: object }>) => Promise<string | null>

/**
 * A line to the API of the running monitor, by the key beside the store: whoever may read the store's files may operate it.
 * Errors: AndonError `unreadable` for what the API refuses, in its words; `monitor` when it does not answer.
 */
export function askMonitor(config: Config): AskMonitor {
  return async (path, write) => {
    const url = pageUrlOf(config.page)
    const key = localKey(config.store.path, { make: false })
    let response: Response
    try {
      response = await fetch(`${url}${path}`, {
        method: write ? 'POST' : 'GET',
        redirect: 'error',
        signal: AbortSignal.timeout(ANSWERS_WITHIN_MS),
        headers: {
          ...(key && { authorization: `Bearer ${key}` }),
          ...(write && { 'content-type': 'application/json' }),
        },
        ...(write && { body: JSON.stringify({ ...write.body, by: write.by }) }),
      })
    } catch (error) {
      return nobodyAt(url, error)
    }
    const text = await response.text()
    if (response.ok) return text
    throw new AndonError(
      response.status < 500 ? 'unreadable' : 'monitor',
      detailOf(text) ?? `${url} answers ${response.status}`,
    )
  }
}

function detailOf(text: string): string | null {
  try {
    const { detail } = JSON.parse(text) as { detail?: unknown }
    return typeof detail === 'string' ? detail : null
  } catch {
    return null
  }
}

/** The recovery of the running monitor, over its API; null where none runs. */
export async function runningRecovery(
  config: Config,
): Promise<Readonly<{ api: RecoveryApi; incidents: Incident[] }> | null> {
  const ask = askMonitor(config)
  const first = await ask('/api/v1/incidents?limit=1000')
  if (first === null) return null
  const get = async <T>(path: string, write?: Parameters<AskMonitor>[1]): Promise<T> => {
    const text = await ask(path, write)
    if (text === null) throw new AndonError('monitor', 'the monitor ended meanwhile; ask again', { retryable: true })
    return JSON.parse(text) as T
  }
  const of = (incidentId: string, what: string) => `/api/v1/incidents/${encodeURIComponent(incidentId)}/${what}`
  const api: RecoveryApi = {
    state: async (id) => (await get<{ recovery: RecoveryStateAnswer }>(of(id, 'recovery'))).recovery,
    entries: async (id) => (await get<{ entries: RecoveryEntryAnswer[] }>(of(id, 'recovery'))).entries,
    rows: async (id) => {
      const { items } = await get<{ items: Record<string, string | number>[] }>(of(id, 'affected'))
      return { rows: items, csv: () => csvOf(items as AffectedRow[]) }
    },
    refresh: async (id) =>
      (await get<{ recovery: RecoveryStateAnswer }>(of(id, 'affected'), { by: 'andon affected', body: {} })).recovery,
    record: async (id, { actor, ...body }) =>
      (await get<{ entry: RecoveryEntryAnswer }>(of(id, 'recovery'), { by: actor, body })).entry,
    drills: async () => (await get<{ drills: Awaited<ReturnType<RecoveryApi['drills']>> }>('/api/v1/drills')).drills,
    startDrill: async () => void (await get('/api/v1/drills', { by: 'andon drill', body: {} })),
  }
  return { api, incidents: (JSON.parse(first) as { incidents: Incident[] }).incidents }
}
